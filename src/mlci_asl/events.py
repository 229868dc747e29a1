"""The history of an execution: events with the names and details of GetExecutionHistory.

Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from mlci_asl.errors import RUNTIME, QueryError, StateError
from mlci_asl.jsontext import Json, Text

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
    """Numbers events and hands them on, one at a time whatever thread they come from."""

    def __init__(self, on_event: Callable[[Event], None], now: Callable[[], datetime], last_id: int = 0) -> None:
        self._on_event, self._now = on_event, now
        self._lock = threading.RLock()  # a handler's submitted() may be called from within on_event's thread
        self._last_id = last_id

    def add(self, previous_id: int, kind: str, details: Mapping[str, Json]) -> Event:
        with self._lock:
            self._last_id += 1
            event = Event(self._last_id, previous_id, self._now(), kind, details)
            self._on_event(event)
            return event

    def check_room(self) -> None:
        """Raises: StateError where the execution has as many events as AWS allows."""
        if self._last_id >= MAX_EVENTS - 1:
            what = f"The execution reached the maximum number of history events ({MAX_EVENTS})."
            raise StateError(RUNTIME, what)


class Trail:
    """One thread of events, each following the one before; a Parallel's branches have one each."""

    def __init__(self, history: History, last_id: int = 0) -> None:
        self.history, self.last_id = history, last_id

    def fork(self) -> Trail:
        return Trail(self.history, self.last_id)

    def add(self, kind: str, member: str = "", details: Mapping[str, Json] | None = None) -> Event:
        """Adds an event; `member` is the API's name for its details."""
        event = self.history.add(self.last_id, kind, {member: dict(details or {})} if member else {})
        self.last_id = event.id
        return event

    def entered(self, kind: str, name: str, given: str) -> Event:
        self.history.check_room()
        details: dict[str, Json] = {"name": name, "input": given, "inputDetails": {"truncated": False}}
        return self.add(f"{kind}StateEntered", "stateEnteredEventDetails", details)

    def exited(self, kind: str, name: str, output: str, assigned: Mapping[str, Text]) -> None:
        details: dict[str, Json] = {"name": name, "output": output, "outputDetails": {"truncated": False}}
        if assigned:
            details["assignedVariables"] = {variable: value.text for variable, value in assigned.items()}
            details["assignedVariablesDetails"] = {"truncated": False}
        self.add(f"{kind}StateExited", "stateExitedEventDetails", details)

    def evaluation_failed(self, entered: Event, state: str, error: QueryError, told: StateError) -> None:
        """`told` is the error in the words that name the state."""
        details: dict[str, Json] = {"state": state, **error_details(told.error, told.cause)}
        if error.location:
            details["location"] = error.location
        self.last_id = entered.id if error.is_after_entry else entered.previous_id
        self.add("EvaluationFailed", "evaluationFailedEventDetails", details)


def error_details(error: str | None, cause: str | None) -> dict[str, Json]:
    """`error` and `cause`, each where there is one."""
    return {name: text for name, text in (("error", error), ("cause", cause)) if text}
