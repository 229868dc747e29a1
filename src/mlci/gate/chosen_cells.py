"""The cells that steps read as the best by a metric, told by the metrics that decided."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from mlci.flow.models import Flow, StepOutput
from mlci.gate.metrics_file import Metrics
from mlci.plan.thresholds import best_cell


def chosen_cells(flow: Flow, metrics: Mapping[str, Metrics], begun: Collection[str]) -> dict[str, str]:
    """Return the cell that each selected input of the steps that have `begun` is of, by `<step>.<input>`."""
    chosen = {}
    for name in begun:
        step = flow.steps[name]
        for key, selection in step.selections.items():
            source = step.inputs[key]
            read = [metrics.get(cell) for cell in selection.cells]
            best = best_cell(selection, [found.document if found else None for found in read])
            if best is not None and isinstance(source, StepOutput):
                chosen[f"{name}.{key}"] = source.cells[best]
    return chosen
