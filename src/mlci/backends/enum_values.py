"""Values of a request that the API does not list: the problem, at its position, with the nearest listed value."""

from __future__ import annotations

from collections.abc import Sequence

from mlci.errors import Problem
from mlci.flow.models import Flow, Position
from mlci.flow.problems import nearest
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class UnlistedValue:
    """A value that is not one of the `listed` values of its field, at a path in a step's request."""

    path: tuple[str | int, ...]
    value: str
    listed: Sequence[str]


def problem_of(flow: Flow, step: str, unlisted: UnlistedValue) -> Problem:
    """Return the problem, at `instance` if that is where the value comes from, else at the step's `request`."""
    at = _position(flow, step, unlisted)
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in unlisted.path).removeprefix(".")
    what = f'step "{step}": "{unlisted.value[:80]}" is no {unlisted.path[-1]} of SageMaker ({field})'
    near = nearest(unlisted.value, unlisted.listed)
    if near:
        return Problem(at.file, at.line, at.column, what, f'Did you mean "{near}"?')
    few = len(unlisted.listed) <= 10
    hint = f"Use one of {', '.join(unlisted.listed)}" if few else "If it is newer than this version, upgrade"
    return Problem(at.file, at.line, at.column, what, hint)


def _position(flow: Flow, step: str, unlisted: UnlistedValue) -> Position:
    if unlisted.path[-1] == "InstanceType" and unlisted.value == flow.steps[step].instance:
        inherits = ("steps", step, "instance") not in flow.positions
        return flow.position("defaults", "instance") if inherits else flow.position("steps", step, "instance")
    return flow.position("steps", step, "request")
