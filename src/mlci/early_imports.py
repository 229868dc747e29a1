"""Imports what the end of a run needs while its jobs run: mlci waits for them anyway.

numpy, scipy and matplotlib take a second to import, which would otherwise stand between the last step and the verdict.
"""

from __future__ import annotations

import contextlib
import importlib
import threading
from collections.abc import Iterator

from mlci.gate.case_judgement import needs_cases
from mlci.plan import Plan

#: What `gate/statistics` and `report/plots` import. What is not installed is reported where it is needed.
_STATISTICS = ("numpy", "scipy.special", "scipy.optimize")
_PLOTS = ("matplotlib.figure", "matplotlib.backends.backend_svg")


def import_early(planned: Plan) -> None:
    """Begins to import what the verdict and the report of a run will need, in a thread that nothing waits for."""
    modules = tuple(_modules(planned))
    if modules:
        threading.Thread(target=_import, args=(modules,), name="early imports", daemon=True).start()


def _modules(planned: Plan) -> Iterator[str]:
    if planned.baseline.run_id and any(map(needs_cases, planned.gate)):
        yield from _STATISTICS
    if any(step.plots or step.cases for step in planned.flow.steps.values()):
        yield from _PLOTS


def _import(modules: tuple[str, ...]) -> None:
    for module in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
