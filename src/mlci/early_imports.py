"""Imports what the end of a run needs while its jobs run: mlci waits for them anyway.

numpy and scipy take half a second to import, which would otherwise stand between the last step and the verdict.
"""

from __future__ import annotations

import contextlib
import importlib
import threading

from mlci.gate.case_judgement import needs_cases
from mlci.plan import Plan

#: What `gate/statistics` imports. What is not installed is reported where it is needed.
STATISTICS = ("numpy", "scipy.special", "scipy.optimize")


def import_early(planned: Plan) -> None:
    """Begins to import what the verdict on a run will need, in a thread that nothing waits for."""
    if needs_statistics(planned):
        threading.Thread(target=_import, name="early imports", daemon=True).start()


def needs_statistics(planned: Plan) -> bool:
    return bool(planned.baseline.run_id) and any(map(needs_cases, planned.gate))


def _import() -> None:
    for module in STATISTICS:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
