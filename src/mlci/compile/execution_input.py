"""All values of a run, to which the definition's paths lead.

The steps of a matrix lie under `cells`, by the first step of those that run together in its cells: one item for each
cell, which has the shape that `steps` has for other steps. What the requests of all cells have in common stands once,
under `shared`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from mlci.compile import judgement_input
from mlci.compile.cleaner_input import cleaner_values
from mlci.compile.concurrency import max_parallel
from mlci.compile.guards import guard_values
from mlci.compile.series_parallel import cell_groups
from mlci.compile.step_values import step_values, when_values
from mlci.compile.structure import composition_of
from mlci.flow.cell_references import meant_cells
from mlci.flow.models import Cell, Json
from mlci.plan.models import Plan, PlannedStep


def execution_input(plan: Plan, time_limit_s: int = 0) -> dict[str, Json]:
    """Return the execution input of a run. `time_limit_s` is that of an execution.

    `reused` has the steps of each run that results are of, for a build that follows the execution later.
    """
    gate, gate_cells = guard_values(plan, plan.machine_gate, None)
    steps: dict[str, Json] = {
        name: _step_input(plan, step) for name, step in plan.steps.items() if not plan.flow.steps[name].cell
    }
    values: dict[str, Json] = {
        "run": plan.target.run_id,
        "build": plan.target.build,
        "steps": {**steps, **_matrix_conditions(plan)},
        "gate": gate,
        "metrics": {},
        "trained": {},
    }
    cells = cell_groups(composition_of(plan)) if plan.flow.matrices else ()
    groups: dict[str, Json] = {group[0]: _group_input(plan, group) for group in cells}
    optional: dict[str, Json] = {
        "gate_cells": gate_cells,
        judgement_input.KEY: judgement_input.judgement_input(plan),
        "reused": _reused(plan),
        "cells": groups,
        "cleaner": cleaner_values(plan, time_limit_s),
    }
    return {**values, **{name: value for name, value in optional.items() if value}}


def _reused(plan: Plan) -> dict[str, Json]:
    found: dict[str, Json] = {run: [] for run in sorted(set(plan.reused.values()))}
    for step, run in plan.reused.items():
        steps = found[run]
        assert isinstance(steps, list)
        steps.append(step)
    return found


def _step_input(plan: Plan, step: PlannedStep) -> dict[str, Json]:
    values = step_values(plan, step)
    return {**values, "request": dict(step.request)} if step.request else values


def _matrix_conditions(plan: Plan) -> dict[str, Json]:
    """Return the limits of the `if` of each step with a matrix, for the checks that stand outside of its cells."""
    conditions: dict[str, Json] = {}
    for name in plan.flow.matrices:
        bounds = dict.fromkeys(bound for cell in plan.cells(name) for bound in cell.when)
        if bounds:
            conditions[name] = when_values(plan, bounds, None)
    return conditions


def _group_input(plan: Plan, group: Sequence[str]) -> dict[str, Json]:
    """Return the input of the Map state of steps that share their cells."""
    shared = {step: _common([cell.request for cell in plan.cells(step)]) for step in group}
    items: list[Json] = []
    for first in plan.cells(group[0]):
        own = plan.flow.steps[first.name].cell
        assert own is not None
        item: dict[str, Json] = {}
        for step in plan.flow.matrices:
            cell = _own_cell(plan, own, step)
            if cell is None:
                continue
            if step in group:
                values = _step_input(plan, cell)
                request = {key: value for key, value in cell.request.items() if key not in shared[step]}
                item[step] = {**values, "request": request} if cell.request else values
            elif kept := _conditions(plan, cell):
                item[step] = kept
        items.append(item)
    return {
        "max_parallel": max_parallel(plan, group),
        "names": {step: [cell.name for cell in plan.cells(step)] for step in group},
        "shared": {step: {"request": request} for step, request in shared.items()},
        "items": items,
    }


def _own_cell(plan: Plan, own: Cell, step: str) -> PlannedStep | None:
    """Return the cell of a step with the same keys that has the same values."""
    cells = tuple(cell for planned in plan.cells(step) if (cell := plan.flow.steps[planned.name].cell))
    found = meant_cells(own, cells)
    is_same = len(found) == 1 and set(found[0].keys) == set(own.keys)
    return plan.steps[found[0].name] if is_same else None


def _conditions(plan: Plan, cell: PlannedStep) -> dict[str, Json]:
    """Return what steps in other cells need of a step: the limits of its `if`, and its metrics' place."""
    values = step_values(plan, cell)
    return {key: values[key] for key in ("when", "when_cells", "metrics") if key in values}


def step_inputs(document: Mapping[str, Json]) -> dict[str, Mapping[str, Json]]:
    """Return the values of each step and of each cell in an execution input, by its name."""
    steps, groups = document.get("steps"), document.get("cells")
    found: dict[str, Mapping[str, Json]] = {name: values for name, values in _items(steps) if isinstance(values, dict)}
    for _, group in _items(groups):
        if isinstance(group, dict) and isinstance(items := group.get("items"), list):
            found.update(_cell_inputs(group, items))
    return found


def _cell_inputs(group: Mapping[str, Json], items: Sequence[Json]) -> Iterator[tuple[str, Mapping[str, Json]]]:
    shared = dict(_items(group.get("shared")))
    for step, names in _items(group.get("names")):
        for name, item in zip(names if isinstance(names, list) else (), items, strict=False):
            values = dict(_items(dict(_items(item)).get(step)))
            common = dict(_items(dict(_items(shared.get(step))).get("request")))
            yield str(name), {**values, "request": {**common, **dict(_items(values.get("request")))}}


def _items(value: Json) -> Iterable[tuple[str, Json]]:
    return value.items() if isinstance(value, dict) else ()


def _common(requests: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """Return the fields that all requests have, with one value."""
    first, *others = requests
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}
