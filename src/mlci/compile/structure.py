"""Plan → the structure of its state machine, and nothing else: two plans of one structure compile alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from mlci.compile.series_parallel import Composition, ancestors, decompose
from mlci.compile.time_limit import longest_path_s, time_limit_s
from mlci.flow import dependencies
from mlci.flow.metric_paths import MetricPath
from mlci.flow.models import Json
from mlci.plan.models import Bound, Plan

GATE = "gate"


@dataclass(frozen=True)
class Check:
    """One comparison in the state machine: the number at `path` in the metrics of `step`, against one in the input."""

    step: str
    path: MetricPath
    is_lower: bool


@dataclass(frozen=True)
class Guard:
    """The condition of some steps: a step's `if`, or the gate; `owner` is that step, or "gate"."""

    owner: str
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class StepStructure:
    """A step's type, the fields of its request and of its input, and the guards that it stands behind, in order."""

    uses: str
    request_fields: tuple[str, ...]
    input_fields: tuple[str, ...]
    guards: tuple[Guard, ...]


@dataclass(frozen=True)
class Structure:
    """The structure of a flow's state machine, and the time limit of its executions. `partition` is part of the ARNs of
    service integrations."""

    flow: str
    partition: str
    steps: Mapping[str, StepStructure]
    composition: Composition
    gate: Guard | None
    time_limit_s: int

    def key(self) -> Json:
        """Return the structure as plain JSON, by which a compiled definition is stored."""
        plain = asdict(self)
        plain["composition"] = repr(self.composition)
        return plain


def structure_of(plan: Plan, timeout_s: float | None) -> Structure:
    """Return the structure of the state machine that the plan compiles to. `timeout_s` limits the whole run."""
    direct = dependencies(plan.flow)
    before = ancestors(direct)
    gate = Guard(GATE, _checks(plan.gate)) if plan.gate else None
    order = sorted(plan.steps, key=lambda name: (len(before[name]), name))

    def guards(name: str) -> tuple[Guard, ...]:
        """A step runs only if its own `if` holds, and those of all that it depends on: in the order of the graph."""
        guards: list[Guard] = []
        line = [step for step in order if step in before[name]] + [name]
        if gate and any(plan.flow.steps[step].is_after_gate for step in line):
            guards.append(gate)
        guards.extend(Guard(step, _checks(plan.steps[step].when)) for step in line if plan.steps[step].when)
        return tuple(guards)

    steps = {
        name: StepStructure(
            plan.flow.steps[name].uses, tuple(sorted(step.request)), tuple(sorted(step.execution_input)), guards(name)
        )
        for name, step in plan.steps.items()
    }
    composition = decompose({name: direct[name] for name in plan.steps})
    limit_s = time_limit_s(longest_path_s(plan, composition), timeout_s)
    return Structure(plan.flow.name, plan.target.partition, steps, composition, gate, limit_s)


def _checks(bounds: Iterable[Bound]) -> tuple[Check, ...]:
    return tuple(Check(bound.rule.step, bound.rule.path, bound.is_lower) for bound in bounds)
