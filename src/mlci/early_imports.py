"""Imports what the end of a run needs while its jobs run: mlci waits for them anyway.

numpy, scipy and matplotlib take a second to import, and reports ten milliseconds, which would otherwise stand between
the last step and the verdict.
"""

from __future__ import annotations

import contextlib
import importlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from mlci.errors import InputError
from mlci.gate.case_judgement import needs_cases
from mlci.plan import Plan

#: The time after which the first job runs. Imports would delay its start, for only one thread of Python runs at once.
_DELAY_S = 0.03
#: What `gate/statistics` imports. What is not installed is reported where it is needed.
STATISTICS = ("numpy", "scipy.special", "scipy.optimize")
REPORTS = ("mlci.report.html", "mlci.report.junit", "mlci.report.markdown", "mlci.report.next_commands")
#: What `report/plots` imports, too.
PLOTS = ("mlci.outcome.plots", "matplotlib.figure", "matplotlib.backends.backend_svg")


def import_early(planned: Plan, cache: Path | None, log: Callable[[str], None]) -> None:
    """Begins to import what the verdict and the report of a run will need, in a thread that nothing waits for.

    What draws plots is installed there as well, into the user's cache, where a slim install lacks it: jobs on SageMaker
    take longer.
    """

    def work() -> None:
        if _has_plots(planned):
            from mlci.stage.package_install import provide_plots

            with contextlib.suppress(InputError):
                provide_plots(cache, log)
        _import(tuple(early_modules(planned)))

    timer = threading.Timer(_DELAY_S, work)
    timer.name, timer.daemon = "early imports", True
    timer.start()


def early_modules(planned: Plan) -> Iterator[str]:
    """Yields the modules that the end of a run imports."""
    yield from REPORTS
    if _has_plots(planned):
        yield from PLOTS
    if planned.baseline.run_id and any(map(needs_cases, planned.gate)):
        yield from STATISTICS


def _has_plots(planned: Plan) -> bool:
    return any(step.plots or step.cases for step in planned.flow.steps.values())


def _import(modules: tuple[str, ...]) -> None:
    for module in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
