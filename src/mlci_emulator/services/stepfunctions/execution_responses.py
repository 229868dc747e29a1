"""Builds the members of DescribeExecution, StartSyncExecution and ListExecutions from an execution's document.

Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html and
API_ListExecutions.html
"""

from __future__ import annotations

from datetime import datetime

from mlci_emulator.protocol.operations import Response
from mlci_emulator.services.stepfunctions.records import Document
from mlci_emulator.services.timestamps import from_epoch

#: Source: https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
_REDRIVABLE = ("FAILED", "ABORTED", "TIMED_OUT")


#: The members of a status-change event; those that the execution lacks are null.
_STATUS_CHANGE = (
    "executionArn",
    "stateMachineArn",
    "name",
    "status",
    "startDate",
    "stopDate",
    "input",
    "output",
    "stateMachineVersionArn",
    "stateMachineAliasArn",
    "redriveCount",
    "redriveDate",
    "redriveStatus",
    "redriveStatusReason",
    "inputDetails",
    "outputDetails",
    "error",
    "cause",
)


def not_redrivable_reason(doc: Document) -> str | None:
    if doc["status"] in _REDRIVABLE:
        return None
    return f"Execution is {doc['status']} and cannot be redriven"


def _qualifier_arns(doc: Document) -> Response:
    found: Response = {}
    if doc["version"]:
        found["stateMachineVersionArn"] = doc["version"]
    if doc["alias"]:
        found["stateMachineAliasArn"] = doc["alias"]
    return found


def describe(doc: Document) -> Response:
    response: Response = {
        "executionArn": doc["arn"],
        "stateMachineArn": doc["machine"],
        "name": doc["name"],
        "status": doc["status"],
        "startDate": from_epoch(doc["started"]),
        "input": doc["input"],
        "inputDetails": {"included": True},
        "redriveCount": doc["redrives"],
        **_qualifier_arns(doc),
    }
    if "stopped" in doc:
        response["stopDate"] = from_epoch(doc["stopped"])
    if "redriven" in doc:
        response["redriveDate"] = from_epoch(doc["redriven"])
    if "output" in doc:
        response.update(output=doc["output"], outputDetails={"included": True})
    response.update({name: doc[name] for name in ("error", "cause") if name in doc})
    why_not = not_redrivable_reason(doc)
    response["redriveStatus"] = "NOT_REDRIVABLE" if why_not else "REDRIVABLE"
    if why_not:
        response["redriveStatusReason"] = why_not
    return response


def status_change(doc: Document) -> Response:
    """Return the detail of the event that a change of the execution's status sends to EventBridge.

    Source: the recorded test test_event_bridge_events_base of LocalStack, and
    https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
    """
    described = describe(doc)
    members = {name: described.get(name) for name in _STATUS_CHANGE}
    dates = ("startDate", "stopDate", "redriveDate")
    return {**members, **{name: _epoch_millis(described.get(name)) for name in dates}}


def _epoch_millis(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)


def list_entry(doc: Document) -> Response:
    stopped = {"stopDate": from_epoch(doc["stopped"])} if "stopped" in doc else {}
    redriven = {"redriveDate": from_epoch(doc["redriven"])} if "redriven" in doc else {}
    return {
        "executionArn": doc["arn"],
        "stateMachineArn": doc["machine"],
        "name": doc["name"],
        "status": doc["status"],
        "startDate": from_epoch(doc["started"]),
        "redriveCount": doc["redrives"],
        **stopped,
        **redriven,
        **_qualifier_arns(doc),
    }
