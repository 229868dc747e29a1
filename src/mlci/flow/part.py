"""A part of a flow: the steps that `--only`, `--from` and `--until` choose. A step with a matrix is chosen as a whole.

A step behind the gate is in no part: whether the gate holds is found by a whole run alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mlci.errors import InputError, Problem
from mlci.flow.dependencies import dependencies
from mlci.flow.models import Flow
from mlci.flow.names import written_name
from mlci.flow.problems import listed, nearest
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """The options that choose a part: single steps, or a first and a last one."""

    only: tuple[str, ...] = ()
    first: str | None = None
    last: str | None = None

    @property
    def options(self) -> tuple[tuple[str, str], ...]:
        """Each option with the step that it names."""
        ends = (("--from", self.first), ("--until", self.last))
        return (*(("--only", name) for name in self.only), *((option, name) for option, name in ends if name))


@dataclass(frozen=True)
class ChosenSteps:
    """The steps of a part, and those that would be in it if they were not behind the gate, both in the flow's order.

    They are names of the flow's `steps`, in which each cell of a matrix is a step.
    """

    steps: tuple[str, ...]
    behind_gate: tuple[str, ...]


def choose_steps(flow: Flow, part: Part) -> ChosenSteps:
    """Returns the steps of a part.

    Raises: InputError, for a name that is no step's, a step behind the gate, and a part without steps.
    """
    direct = dependencies(flow)
    gated = _with_later({name for name, step in flow.steps.items() if step.is_after_gate}, direct)
    problems = list(_problems(flow, part, gated))
    if problems:
        raise InputError(problems)
    if part.only:
        chosen = _cells(flow, *part.only)
    else:
        chosen = set(flow.steps) if part.first is None else _with_later(_cells(flow, part.first), direct)
        chosen &= set(flow.steps) if part.last is None else _with_earlier(_cells(flow, part.last), direct)
    if not chosen:
        what = f'no step is between "{part.first}" and "{part.last}", which does not depend on it'
        raise InputError([Problem("--from, --until", 0, 0, what, _order(flow))])
    return ChosenSteps(
        tuple(name for name in flow.steps if name in chosen - gated),
        tuple(name for name in flow.steps if name in chosen & gated),
    )


def _problems(flow: Flow, part: Part, gated: set[str]) -> Iterator[Problem]:
    if part.only and (part.first or part.last):
        yield Problem("--only", 0, 0, "it excludes --from and --until", "Pass either.")
    written = tuple(dict.fromkeys(map(written_name, flow.steps)))
    for option, name in part.options:
        if name in flow.steps and name not in written:
            hint = f'Name the step: "{written_name(name)}".'
            yield Problem(option, 0, 0, f'"{name}" is a cell of a matrix, which is run as a whole', hint)
        elif name not in written:
            near = nearest(name, written)
            hint = f'Did you mean "{near}"?' if near else f"The flow has {listed(written)}."
            yield Problem(option, 0, 0, f'the flow has no step "{name}"', hint)
        elif _cells(flow, name) & gated:
            what = f'step "{name}" is behind the gate, and a part of a flow has no verdict'
            yield Problem(option, 0, 0, what, "Run the whole flow: mlci run")


def _cells(flow: Flow, *names: str) -> set[str]:
    """Returns the steps themselves, or all cells of those with a matrix."""
    return {step for step in flow.steps if written_name(step) in names}


def _order(flow: Flow) -> str:
    return "The order of the steps is drawn by `mlci graph`." if len(flow.steps) > 1 else ""


def with_later(names: Iterable[str], flow: Flow) -> set[str]:
    """Returns these steps, and all that depend on one of them."""
    return _with_later(set(names), dependencies(flow))


def with_earlier(names: Iterable[str], flow: Flow) -> set[str]:
    """Returns these steps, and all that they depend on."""
    return _with_earlier(set(names), dependencies(flow))


def _with_later(names: set[str], direct: Mapping[str, frozenset[str]]) -> set[str]:
    found, size = set(names), -1
    while len(found) != size:
        size = len(found)
        found |= {name for name, before in direct.items() if before & found}
    return found


def _with_earlier(names: set[str], direct: Mapping[str, frozenset[str]]) -> set[str]:
    found, pending = set(names), list(names)
    while pending:
        new = direct[pending.pop()] - found
        found |= new
        pending += new
    return found
