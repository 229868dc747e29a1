"""The conditions of steps in the state machine: the gate, and each step's `if`, with the numbers that they compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from mlci.flow.metric_paths import MetricPath
from mlci.flow.models import Aggregate, Cell, Condition, Json
from mlci.flow.names import written_name
from mlci.plan.models import Bound, Plan, PlannedStep
from mlci.s3_uris import split_s3_uri
from mlci.step_types.states import S3_RETRIES, attempt_counters
from mlci_dataclasses import dataclass

GATE = "gate"
#: Whose metrics a check reads: those of a step without a matrix, of the reader's own cell, or of all cells it means.
CheckScope = Literal["step", "own cell", "cells"]
#: The limit where there is no baseline to compare with: every JSON number holds.
_NO_LIMIT = 1e300


@dataclass(frozen=True)
class Check:
    """One comparison in the state machine: the number at `path` in the metrics of `step`, against one in the input.

    An `aggregate` makes one number of those of all cells. `place` and `is_negated` are those of the rule.
    """

    step: str
    path: MetricPath
    is_lower: bool
    scope: CheckScope = "step"
    aggregate: Aggregate | None = None
    place: int = 0
    is_negated: bool = False


@dataclass(frozen=True)
class Guard:
    """The condition of some steps: a step's `if`, or the gate; `owner` is that step, or "gate".

    All checks must hold, but for those with a place, which count as `conditions` say. One that `is_per_cell` is checked
    in each cell of a matrix, and decides about that cell alone. One that `asks_mlci` has rules beside its checks that
    mlci alone can judge: where the checks hold, mlci is asked.
    """

    owner: str
    checks: tuple[Check, ...]
    is_per_cell: bool = False
    conditions: tuple[Condition, ...] = ()
    asks_mlci: bool = False


def gate_guard(plan: Plan) -> Guard | None:
    """Return the guard of what stands behind the gate; None if nothing of the gate is judged before the run's end."""
    if not plan.machine_gate and not plan.asks_mlci:
        return None
    checks = tuple(_check(plan, group, None) for group in _groups(plan.machine_gate))
    return Guard(GATE, checks, asks_mlci=plan.asks_mlci)


def step_guards(plan: Plan, line: Mapping[str, PlannedStep]) -> tuple[Guard, ...]:
    """Return the guards of the last step of a line, whose other steps come before it in the order of the graph.

    A step runs only if its own `if` holds, and those of all that it depends on. `line` has one cell of each step.
    """
    *_, last = line.values()
    reader = plan.flow.steps[last.name].cell
    gate, guards = gate_guard(plan), []
    if gate and any(plan.flow.steps[step.name].is_after_gate for step in line.values()):
        guards.append(gate)
    for name, step in line.items():
        owner = plan.flow.steps[step.name].cell
        if not step.when:
            continue
        checks = tuple(_check(plan, group, owner) for group in _groups(step.when))
        is_per_cell = any(check.scope == "own cell" for check in checks)
        if is_per_cell and not _are_cells_shared(owner, reader):
            checks = tuple(_for_all_cells(check) for check in checks)
            is_per_cell = False
        guards.append(Guard(name, checks, is_per_cell, plan.flow.steps[step.name].conditions))
    return tuple(guards)


def _are_cells_shared(owner: Cell | None, reader: Cell | None) -> bool:
    return owner is not None and reader is not None and set(owner.keys) == set(reader.keys)


def _for_all_cells(check: Check) -> Check:
    if check.scope != "own cell":
        return check
    return Check(check.step, check.path, check.is_lower, "cells")


def _groups(bounds: Iterable[Bound]) -> list[list[Bound]]:
    """Return the bounds by the rules of the flow: a rule on a step with a matrix has one for each cell.
    The base branch's gate may have another limit for the same metric."""
    groups: dict[tuple[object, ...], list[Bound]] = {}
    for bound in bounds:
        rule = bound.rule
        groups.setdefault(
            (written_name(rule.step), rule.path, rule.op, rule.aggregate, rule.place, bound.origin), []
        ).append(bound)
    return list(groups.values())


def _check(plan: Plan, group: list[Bound], owner: Cell | None) -> Check:
    first = group[0]
    rule = first.rule
    step = written_name(rule.step)
    scope: CheckScope = "step"
    if step in plan.flow.matrices:
        cell = plan.flow.steps[plan.cells(step)[0].name].cell
        is_own = rule.aggregate is None and owner is not None and cell is not None and set(cell.keys) <= set(owner.keys)
        scope = "own cell" if is_own else "cells"
    return Check(step, rule.path, first.is_lower, scope, rule.aggregate, rule.place, rule.is_negated)


def guard_values(plan: Plan, bounds: Iterable[Bound], owner: Cell | None) -> tuple[list[Json], dict[str, Json]]:
    """Return the numbers that a guard compares with: one for each check, and those of each cell by step.

    Those of a cell are in the order of the checks on all cells of its step, beside the place of its metrics. `owner` is
    the cell that the guard decides about; None for one that decides about all.
    """
    groups = _groups(bounds)
    cells: dict[str, dict[str, dict[str, Json]]] = {}
    for group in groups:
        rule = group[0].rule
        if _check(plan, group, owner).scope != "cells":
            continue
        of_step = cells.setdefault(written_name(rule.step), {})
        for name in rule.cells or [bound.rule.step for bound in group]:
            of_step.setdefault(name, {"metrics": metrics_place(plan.steps[name]), "limits": []})
        for bound in group if rule.aggregate is None else ():
            limits = of_step[bound.rule.step]["limits"]
            assert isinstance(limits, list)
            limits.append(limit(bound))
    return [limit(group[0]) for group in groups], {step: list(each.values()) for step, each in cells.items()}


def metrics_place(step: PlannedStep) -> dict[str, Json]:
    """Return the place of a step's metrics in S3, with the counters of the attempts to read them."""
    assert step.metrics is not None  # a rule is about a step that writes metrics
    bucket, key = split_s3_uri(step.metrics)
    return {"bucket": bucket, "key": key, "attempt": attempt_counters(S3_RETRIES)}


def limit(bound: Bound) -> float:
    if bound.threshold is None:
        return -_NO_LIMIT if bound.is_lower else _NO_LIMIT
    return bound.threshold
