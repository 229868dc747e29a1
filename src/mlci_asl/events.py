"""The history of an execution: events with the names and details of GetExecutionHistory.

Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime

from mlci_asl.errors import RUNTIME, QueryError, StateError
from mlci_asl.jsontext import Json, JsonText
from mlci_dataclasses import dataclass

#: Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
MAX_EVENTS = 25_000


@dataclass(frozen=True)
class Event:
    """One event. `details` has at most one member, as in the API: `{"stateEnteredEventDetails": {…}}`."""

    id: int
    previous_id: int
    timestamp: datetime
    type: str
    details: Mapping[str, Json]


class History:
    """Numbers events and hands them on, one at a time. Safe from any thread."""

    def __init__(self, on_event: Callable[[Event], None], now: Callable[[], datetime], last_id: int = 0) -> None:
        self._on_event, self._now = on_event, now
        self._lock = threading.RLock()  # a handler's submitted() may be called from within on_event's thread
        self._last_id = last_id

    def add(self, previous_id: int, event_type: str, details: Mapping[str, Json]) -> Event:
        """Adds an event and hands it on."""
        with self._lock:
            self._last_id += 1
            event = Event(self._last_id, previous_id, self._now(), event_type, details)
            self._on_event(event)
            return event

    def raise_if_full(self) -> None:
        """Raises: StateError if the execution has as many events as AWS allows."""
        if self._last_id >= MAX_EVENTS - 1:
            message = f"The execution reached the maximum number of history events ({MAX_EVENTS})."
            raise StateError(RUNTIME, message)


class EventChain:
    """A chain of events, each with the previous one's id; each branch of a Parallel has its own."""

    def __init__(self, history: History, last_id: int = 0) -> None:
        self.history, self.last_id = history, last_id

    def fork(self) -> EventChain:
        """A chain that starts from the last event of this one."""
        return EventChain(self.history, self.last_id)

    def add(self, event_type: str, member: str = "", details: Mapping[str, Json] | None = None) -> Event:
        """Adds an event; `member` is the API's name of its details."""
        event = self.history.add(self.last_id, event_type, {member: dict(details or {})} if member else {})
        self.last_id = event.id
        return event

    def state_entered(self, state_type: str, name: str, input: str) -> Event:
        self.history.raise_if_full()
        details: dict[str, Json] = {"name": name, "input": input, "inputDetails": {"truncated": False}}
        return self.add(f"{state_type}StateEntered", "stateEnteredEventDetails", details)

    def state_exited(self, state_type: str, name: str, output: str, assigned: Mapping[str, JsonText]) -> None:
        details: dict[str, Json] = {"name": name, "output": output, "outputDetails": {"truncated": False}}
        if assigned:
            details["assignedVariables"] = {variable: value.text for variable, value in assigned.items()}
            details["assignedVariablesDetails"] = {"truncated": False}
        self.add(f"{state_type}StateExited", "stateExitedEventDetails", details)

    def evaluation_failed(self, entered: Event, state: str, error: QueryError, located: StateError) -> None:
        """Adds the event of an `error`; `located` is the same error with the state's name."""
        details: dict[str, Json] = {"state": state, **error_details(located.error, located.cause)}
        if error.location:
            details["location"] = error.location
        self.last_id = entered.id if error.is_after_entry else entered.previous_id
        self.add("EvaluationFailed", "evaluationFailedEventDetails", details)


def error_details(error: str | None, cause: str | None) -> dict[str, Json]:
    """The members `error` and `cause`, without those that are empty."""
    return {name: text for name, text in (("error", error), ("cause", cause)) if text}
