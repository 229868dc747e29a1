"""A step's part of the execution input, apart from its request."""

from __future__ import annotations

from collections.abc import Iterable

from mlci.compile.guards import guard_values, metrics_place
from mlci.flow.models import Cell, Json
from mlci.plan.models import Bound, Plan, PlannedStep
from mlci.step_types import STEP_TYPES

#: The field of a step's part of the execution input by which the state machine leaves it out.
REUSED = "reused"


def step_values(plan: Plan, step: PlannedStep) -> dict[str, Json]:
    """Return the values of a step, or of a cell: what its type needs, the limits of its `if`, its metrics' place, and
    whether it is reused."""
    values = {**step.execution_input, **when_values(plan, step.when, plan.flow.steps[step.name].cell)}
    if STEP_TYPES[plan.flow.steps[step.name].uses].is_reusable:
        values[REUSED] = step.reused_from is not None
    if step.metrics:
        values["metrics"] = metrics_place(step)
    if step.selections:
        values["select"] = {name: _candidates(plan, step, name) for name in step.selections}
    return values


def _candidates(plan: Plan, step: PlannedStep, name: str) -> dict[str, Json]:
    """Return the cells that an input is chosen from: the URI of each, and the place of the metrics that decide."""
    selection, scored = step.selections[name], plan.flow.steps[step.name].selections[name].cells
    candidates: list[Json] = [
        {"uri": uri, "metrics": metrics_place(plan.steps[cell])}
        for uri, cell in zip(selection.outputs, scored, strict=True)
    ]
    return {"uri": selection.uri, "candidates": candidates}


def when_values(plan: Plan, bounds: Iterable[Bound], owner: Cell | None) -> dict[str, Json]:
    """Return the limits of an `if`; {} for a step that has none."""
    limits, cells = guard_values(plan, bounds, owner)
    values: dict[str, Json] = {"when": limits} if limits else {}
    return {**values, "when_cells": cells} if cells else values
