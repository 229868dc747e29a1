"""Redrive: where an execution that did not succeed goes on, read from its history.

A state is unsuccessful if its Entered event has no Exited event. It gets the same input, and the variables of that
time. Inside a Parallel or Map, branches and iterations that succeeded keep their outputs, and the others go on in their
own unsuccessful state. A state's name is unique in the whole machine, so an event tells which branch it belongs to.
Iterations of a Map are told apart by the chain of `previousEventId` that leads to their start.

That the state is not entered a second time, and that a Parallel or Map is not started again, is our reading of the
guide; no recorded history of AWS shows it.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mlci_asl.events import Event
from mlci_asl.jsontext import Json, JsonText, parse
from mlci_asl.model import Branch, Map, Parallel, all_states, is_terminal
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class Resume:
    """The history from which `execute` goes on: every event so far, in order, and the number of redrives (from 1).

    The machine, the input and the context are those of the first start. Event ids go on from the last one.
    """

    events: Sequence[Event]
    redrive_count: int = 1


class ResumePoint(NamedTuple):
    """The unsuccessful state of a branch: its name, input and Entered event, and the events inside it."""

    name: str
    input: JsonText
    entered: Event
    past_events: Sequence[Event]


class BranchHistory:
    """The events so far of one branch, iteration or machine."""

    def __init__(self, branch: Branch, events: Sequence[Event]) -> None:
        self._branch, self._events = branch, events
        self._state_events = [
            (position, event)
            for position, event in enumerate(events)
            if _is_state_event(event) and _state_name(event) in branch.states
        ]

    def __bool__(self) -> bool:
        return bool(self._state_events)

    def resume_point(self) -> ResumePoint | None:
        """The state in which to go on; None if the branch never started, or succeeded."""
        if not self._state_events or not self._state_events[-1][1].type.endswith("Entered"):
            return None
        position, entered = self._state_events[-1]
        text = str(_details(entered)["input"])
        return ResumePoint(_state_name(entered), JsonText(text, parse(text)), entered, self._events[position + 1 :])

    def output(self) -> str | None:
        """The branch's output, a JSON text; None if it did not succeed."""
        if not self._state_events:
            return None
        last = self._state_events[-1][1]
        is_completed = last.type.endswith("Exited") and is_terminal(self._branch.states[_state_name(last)])
        return str(_details(last)["output"]) if is_completed else None

    def variables(self) -> dict[str, JsonText]:
        """The variables that the branch assigned, with their last values."""
        variables: dict[str, JsonText] = {}
        for _, event in self._state_events:
            assigned = _details(event).get("assignedVariables")
            if isinstance(assigned, dict):
                variables |= {name: JsonText(str(text), parse(str(text))) for name, text in assigned.items()}
        return variables


def branch_histories(state: Parallel, past_events: Sequence[Event]) -> list[BranchHistory]:
    """The history of each branch in the last attempt at a Parallel; empty if there is none."""
    first_states = {branch.start_at for branch in state.branches}
    entered_after = {
        event.previous_id
        for event in past_events
        if event.type.endswith("Entered") and _state_name(event) in first_states
    }
    starts = [
        position
        for position, event in enumerate(past_events)
        if event.type == "ParallelStateStarted" and event.id in entered_after
    ]
    if not starts:
        return []
    last_attempt = past_events[starts[-1] + 1 :]
    names = [{state.name for _, state in all_states(branch)} for branch in state.branches]
    return [
        BranchHistory(branch, [event for event in last_attempt if _state_name(event) in own or not _state_name(event)])
        for branch, own in zip(state.branches, names, strict=True)
    ]


def iteration_histories(state: Map, past_events: Sequence[Event]) -> dict[int, BranchHistory]:
    """The history of each iteration that started in the last attempt at a Map, by its index."""
    starts = [position for position, event in enumerate(past_events) if _started_index(state, event) == 0]
    if not starts:
        return {}
    index_by_event: dict[int, int] = {}
    events_by_index: dict[int, list[Event]] = {}
    for event in past_events[starts[-1] :]:
        started = _started_index(state, event)
        index = index_by_event.get(event.previous_id) if started is None else started
        if index is not None:
            index_by_event[event.id] = index
            events_by_index.setdefault(index, []).append(event)
    return {index: BranchHistory(state.processor, events) for index, events in events_by_index.items()}


def _started_index(state: Map, event: Event) -> int | None:
    """The index of the iteration that an event starts; None for any other event."""
    if event.type != "MapIterationStarted" or _state_name(event) != state.name:
        return None
    index = _details(event)["index"]
    return index if isinstance(index, int) else None


def _is_state_event(event: Event) -> bool:
    return event.type.endswith(("StateEntered", "StateExited"))


def _state_name(event: Event) -> str:
    """The state that an event names; empty if it names none."""
    return str(_details(event).get("name", ""))


def _details(event: Event) -> Mapping[str, Json]:
    details = next(iter(event.details.values()), None)
    return details if isinstance(details, dict) else {}
