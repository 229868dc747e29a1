"""Plan → the structure of its state machine, and nothing else: two plans of one structure compile alike.

The cells of a matrix have one structure: that of their step. Steps are called as the flow writes them here.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, replace

from mlci.compile.cleaner_input import CLEANER_MIN_S, cleanup_nouns
from mlci.compile.guards import GATE, Guard, gate_guard, step_guards
from mlci.compile.request_files import RequestFiles
from mlci.compile.series_parallel import Composition, ancestors, decompose, with_cells
from mlci.compile.step_values import step_values
from mlci.compile.time_limit import longest_path_s, time_limit_s
from mlci.errors import InputError, Problem
from mlci.flow import dependencies
from mlci.flow.dependencies import metrics_read
from mlci.flow.metric_paths import MetricPath
from mlci.flow.models import Json
from mlci.flow.names import written_name
from mlci.plan.models import Plan, PlannedStep
from mlci_dataclasses import dataclass

__all__ = ["GATE", "StepStructure", "Structure", "structure_of"]


@dataclass(frozen=True)
class StepStructure:
    """A step's type, the fields of its request and of its input, and the guards that it stands behind, in order.

    `value_fields` are those of the step's part of the execution input, apart from the request. A failure of a step that
    does not `fail_fast` leaves what is beside it running. `selections` are its inputs of the best cell of a
    matrix: their names, the path of the metric, and "max" or "min". `message_metrics` are the metrics that its message
    names, in order.
    """

    uses: str
    request_fields: tuple[str, ...]
    input_fields: tuple[str, ...]
    value_fields: tuple[str, ...]
    guards: tuple[Guard, ...]
    has_cells: bool = False
    fail_fast: bool = True
    selections: tuple[tuple[str, MetricPath, str], ...] = ()
    message_metrics: tuple[tuple[str, MetricPath], ...] = ()


@dataclass(frozen=True)
class Structure:
    """The structure of a flow's state machine, and the time limit of its executions. `partition` is part of the ARNs of
    service integrations. `cleanup` are the kinds of resources that its cleaner deletes. `request_files` are the steps
    whose requests each file in S3 holds, none where the execution input has them."""

    flow: str
    partition: str
    steps: Mapping[str, StepStructure]
    composition: Composition
    gate: Guard | None
    time_limit_s: int
    cleanup: tuple[str, ...] = ()
    request_files: RequestFiles = ()

    def key(self) -> Json:
        """Return the structure as plain JSON, by which a compiled definition is stored."""
        plain = asdict(replace(self, steps={}, composition=""))
        plain_step = functools.cache(asdict)  # most steps of a large flow are alike
        plain["steps"] = {name: plain_step(step) for name, step in self.steps.items()}
        plain["composition"] = repr(self.composition)
        return plain


def structure_of(plan: Plan, timeout_s: float | None) -> Structure:
    """Return the structure of the state machine that the plan compiles to. `timeout_s` limits the whole run.

    Raises: InputError, for cells of a step that need different states.
    """
    structures, composition = _steps_and_composition(plan)
    limit_s = time_limit_s(longest_path_s(plan, composition), timeout_s)
    gate = gate_guard(plan)
    cleanup = cleanup_nouns(plan)
    limit_s = max(limit_s, CLEANER_MIN_S) if cleanup else limit_s
    return Structure(plan.flow.name, plan.target.partition, structures, composition, gate, limit_s, cleanup)


def composition_of(plan: Plan) -> Composition:
    """Return the order of the plan's steps, with those of a matrix in its cells."""
    return _steps_and_composition(plan)[1]


def _steps_and_composition(plan: Plan) -> tuple[dict[str, StepStructure], Composition]:
    steps = {name: plan.cells(name) for name in plan.written_steps}
    direct: dict[str, set[str]] = {name: set() for name in steps}
    for name, needed in dependencies(plan.flow).items():
        if name in plan.steps:
            own = written_name(name)
            direct[own] |= {written_name(other) for other in needed if other in plan.steps} - {own}
    graph = {name: frozenset(needed) for name, needed in direct.items()}
    before = ancestors(graph)
    order = sorted(
        (name for name, cells in steps.items() if cells[0].when or plan.flow.steps[cells[0].name].is_after_gate),
        key=lambda name: (len(before[name]), name),
    )

    def guards(name: str) -> tuple[Guard, ...]:
        """Return the guards of a step: only those that it depends on and that have some themselves add to them."""
        line = [step for step in order if step in before[name]] + [name]
        return step_guards(plan, {step: steps[step][0] for step in line})

    structures = {name: _step(plan, cells, guards(name)) for name, cells in steps.items()}

    def matrix_of(name: str) -> Hashable:
        """Steps share cells if these are the same, and if the guards before all of the cells are."""
        if name not in plan.flow.matrices:
            return None
        own = [plan.flow.steps[planned.name].cell for planned in steps[name]]
        identities = tuple(tuple(sorted(cell.identity)) for cell in own if cell)
        return identities, tuple(guard for guard in structures[name].guards if not guard.is_per_cell)

    return structures, with_cells(decompose(graph), matrix_of)


def _step(plan: Plan, cells: Sequence[PlannedStep], guards: tuple[Guard, ...]) -> StepStructure:
    first = cells[0]
    step = plan.flow.steps[first.name]

    def fields(cell: PlannedStep) -> tuple[tuple[str, ...], ...]:
        values = step_values(plan, cell)
        return tuple(sorted(cell.request)), tuple(sorted(cell.execution_input)), tuple(sorted(values))

    request_fields, input_fields, value_fields = fields(first)
    for cell in cells:
        if fields(cell) != (request_fields, input_fields, value_fields):
            at = plan.flow.position("steps", written_name(first.name), "matrix")
            what = f'the cells "{first.name}" and "{cell.name}" make requests with different fields'
            raise InputError([Problem(at.file, at.line, at.column, what, "Write them as two steps")])
    has_cells = step.cell is not None
    selections = tuple((name, each.path, each.best) for name, each in sorted(step.selections.items()))
    named = tuple((metric.step, metric.path) for metric in metrics_read(step))
    return StepStructure(
        step.uses, request_fields, input_fields, value_fields, guards, has_cells, step.fail_fast, selections, named
    )
