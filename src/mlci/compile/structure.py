"""Plan → what of it decides the definition's structure, and nothing else: two plans of one outline compile alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from mlci.compile.series_parallel import Shape, ancestors, shape_of
from mlci.flow import dependencies
from mlci.flow.models import Json, StepType
from mlci.plan.models import Bound, Plan

GATE = "gate"


@dataclass(frozen=True)
class Check:
    """One comparison in the state machine: the number at `path` in the metrics of `step`, against one in the input."""

    step: str
    path: tuple[str, ...]
    is_lower: bool


@dataclass(frozen=True)
class Guard:
    """What must hold before some steps may run: a step's `if`, or the gate; `owner` is that step, or "gate"."""

    owner: str
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class StepOutline:
    """A step's task: the fields that its request has, and the guards, in order, that it stands behind."""

    uses: StepType
    fields: tuple[str, ...]
    guards: tuple[Guard, ...]


@dataclass(frozen=True)
class Outline:
    flow: str
    steps: Mapping[str, StepOutline]
    shape: Shape
    gate: Guard | None

    def key(self) -> Json:
        """The outline as plain JSON, by which a compiled definition is remembered."""
        plain = asdict(self)
        plain["shape"] = repr(self.shape)
        return plain


def outline(plan: Plan) -> Outline:
    """What the definition of this plan looks like."""
    direct = dependencies(plan.flow)
    before = ancestors(direct)
    gate = Guard(GATE, _checks(plan.gate)) if plan.gate else None
    order = sorted(plan.steps, key=lambda name: (len(before[name]), name))

    def guards(name: str) -> tuple[Guard, ...]:
        """A step runs only where its own `if` holds, and those of all that it depends on: in the order of the graph."""
        found: list[Guard] = []
        line = [step for step in order if step in before[name]] + [name]
        if gate and any(plan.flow.steps[step].is_after_gate for step in line):
            found.append(gate)
        found.extend(Guard(step, _checks(plan.steps[step].when)) for step in line if plan.steps[step].when)
        return tuple(found)

    steps = {
        name: StepOutline(plan.flow.steps[name].uses, tuple(sorted(step.request)), guards(name))
        for name, step in plan.steps.items()
    }
    return Outline(plan.flow.name, steps, shape_of({name: direct[name] for name in plan.steps}), gate)


def _checks(bounds: Iterable[Bound]) -> tuple[Check, ...]:
    return tuple(Check(bound.rule.step, bound.rule.path, bound.is_lower) for bound in bounds)
