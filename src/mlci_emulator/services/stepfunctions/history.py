"""Stores an execution's events as they happen, and returns them in pages.

Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_GetExecutionHistory.html
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import mlci_asl as asl
from mlci_emulator.protocol.operations import Request, Response
from mlci_emulator.protocol.timestamps import epoch_seconds
from mlci_emulator.services.stepfunctions.pagination import bounds, token
from mlci_emulator.services.stepfunctions.records import Document, StepFunctionsRecords
from mlci_emulator.services.timestamps import from_epoch

#: Members of details that hold the execution's data, which a request can exclude.
_DATA = ("input", "output", "inputDetails", "outputDetails")

#: The last event of an execution, and the status that it means.
ENDS = {
    "ExecutionSucceeded": "SUCCEEDED",
    "ExecutionFailed": "FAILED",
    "ExecutionAborted": "ABORTED",
    "ExecutionTimedOut": "TIMED_OUT",
}


def save(records: StepFunctionsRecords, execution: str, event: asl.Event) -> None:
    doc = {
        "at": epoch_seconds(event.timestamp),
        "type": event.type,
        "previous": event.previous_id,
        "details": dict(event.details),
    }
    records.add_event(execution, event.id, {"id": event.id, **doc})


def events(records: StepFunctionsRecords, execution: str) -> list[asl.Event]:
    """Return all events as values of the interpreter."""
    return [
        asl.Event(
            doc["id"], doc["previous"], datetime.fromtimestamp(doc["at"], timezone.utc), doc["type"], doc["details"]
        )
        for doc in records.events(execution)
    ]


def result_members(end: asl.Event) -> dict[str, Any]:
    """Return the members of an execution's result from its last event: output, or error and cause."""
    members = [item for inner in end.details.values() if isinstance(inner, dict) for item in inner.items()]
    return {name: value for name, value in members if name in ("output", "error", "cause") and value}


def page_of_events(records: StepFunctionsRecords, execution: str, request: Request) -> Response:
    """GetExecutionHistory."""
    is_reverse, has_data = bool(request.get("reverseOrder")), request.get("includeExecutionData") is not False
    of = f"history {execution} {is_reverse}"
    offset, size = bounds(request, of)
    docs = records.events(execution, is_reverse, offset, size + 1)
    found: Response = {"events": [_shown(doc, has_data) for doc in docs[:size]]}
    if len(docs) > size:
        found["nextToken"] = token(offset + size, of)
    return found


def _shown(doc: Document, has_data: bool) -> dict[str, Any]:
    details = doc["details"]
    if not has_data:
        details = {
            member: {name: value for name, value in inner.items() if name not in _DATA}
            for member, inner in details.items()
        }
    head = {
        "timestamp": from_epoch(doc["at"]),
        "type": doc["type"],
        "id": doc["id"],
        "previousEventId": doc["previous"],
    }
    return {**head, **details}
