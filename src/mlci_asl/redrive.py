"""Redrive: where an execution that did not succeed goes on, read from the events that it left.

A state is unsuccessful where its Entered event has no Exited event; it gets the same input, and the variables of then.
Inside a Parallel or Map, branches and iterations that ended well give the outputs that they had, and the others go on
in their own unsuccessful state. A state's name is unique in the whole machine, so that events tell the branch that they
belong to; iterations of a Map are told apart by the chain of `previousEventId` that leads to their start.

That the state is not entered a second time, and that a Parallel or Map is not started again, is our reading of the
guide; no recorded history of AWS shows it.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mlci_asl.events import Event
from mlci_asl.jsontext import Json, Text, parse
from mlci_asl.model import Branch, Map, Parallel, is_terminal, states_of


@dataclass(frozen=True)
class Resume:
    """What `execute` needs to go on: every event so far, in order, and how often the execution is redriven (from 1).

    The machine, the input and the context are those of the first start. Event ids go on where the last one ended.
    """

    events: Sequence[Event]
    redrive_count: int = 1


class Point(NamedTuple):
    """The unsuccessful state of a branch: its name, input and Entered event, and what happened since."""

    name: str
    given: Text
    entered: Event
    inside: Sequence[Event]


class Past:
    """What happened in one branch, iteration or machine so far."""

    def __init__(self, branch: Branch, events: Sequence[Event]) -> None:
        self._branch, self._events = branch, events
        self._own = [
            (at, event) for at, event in enumerate(events) if _is_state(event) and _name(event) in branch.states
        ]

    def __bool__(self) -> bool:
        return bool(self._own)

    def point(self) -> Point | None:
        """Where to go on; None where the branch never began, or has ended well."""
        if not self._own or not self._own[-1][1].type.endswith("Entered"):
            return None
        at, entered = self._own[-1]
        text = str(_details(entered)["input"])
        return Point(_name(entered), Text(text, parse(text)), entered, self._events[at + 1 :])

    def output(self) -> str | None:
        """What the branch gave, as JSON text; None where it has not ended well."""
        if not self._own:
            return None
        last = self._own[-1][1]
        has_ended = last.type.endswith("Exited") and is_terminal(self._branch.states[_name(last)])
        return str(_details(last)["output"]) if has_ended else None

    def variables(self) -> dict[str, Text]:
        """The variables that the branch assigned, as they are now."""
        found: dict[str, Text] = {}
        for _, event in self._own:
            assigned = _details(event).get("assignedVariables")
            if isinstance(assigned, dict):
                found |= {name: Text(str(text), parse(str(text))) for name, text in assigned.items()}
        return found


def branches(state: Parallel, inside: Sequence[Event]) -> list[Past]:
    """The past of each branch in the last attempt at a Parallel; empty where it has none."""
    starts = {branch.start_at for branch in state.branches}
    entries = {event.previous_id for event in inside if event.type.endswith("Entered") and _name(event) in starts}
    began = [at for at, event in enumerate(inside) if event.type == "ParallelStateStarted" and event.id in entries]
    if not began:
        return []
    recent = inside[began[-1] + 1 :]
    names = [{state.name for _, state in states_of(branch)} for branch in state.branches]
    return [
        Past(branch, [event for event in recent if _name(event) in own or not _name(event)])
        for branch, own in zip(state.branches, names, strict=True)
    ]


def iterations(state: Map, inside: Sequence[Event]) -> dict[int, Past]:
    """The past of each iteration that began in the last attempt at a Map, by its index."""
    firsts = [at for at, event in enumerate(inside) if _started(state, event) == 0]
    if not firsts:
        return {}
    owners: dict[int, int] = {}
    found: dict[int, list[Event]] = {}
    for event in inside[firsts[-1] :]:
        index = _started(state, event)
        owner = owners.get(event.previous_id) if index is None else index
        if owner is not None:
            owners[event.id] = owner
            found.setdefault(owner, []).append(event)
    return {index: Past(state.processor, events) for index, events in found.items()}


def _started(state: Map, event: Event) -> int | None:
    """The index of the iteration that an event begins."""
    if event.type != "MapIterationStarted" or _name(event) != state.name:
        return None
    index = _details(event)["index"]
    return index if isinstance(index, int) else None


def _is_state(event: Event) -> bool:
    return event.type.endswith(("StateEntered", "StateExited"))


def _name(event: Event) -> str:
    """The state that an event names; empty where it names none."""
    return str(_details(event).get("name", ""))


def _details(event: Event) -> Mapping[str, Json]:
    details = next(iter(event.details.values()), None)
    return details if isinstance(details, dict) else {}
