"""`sns:publish`, `sqs:sendMessage` and `events:putEvents`: messages that leave a state machine.

Step Functions sends a body that is no text as its JSON, adds the state machine and the execution to an event's
resources, and fails a task whose entries did not all arrive. Recorded, and
https://docs.aws.amazon.com/step-functions/latest/dg/connect-eventbridge.html.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from mlci_asl import TaskError
from mlci_emulator.integrations import json_values, sdk_names
from mlci_emulator.integrations.catalog import SDK_NAMES
from mlci_emulator.integrations.errors import old_sdk_error
from mlci_emulator.integrations.message_validation import expect_sendable
from mlci_emulator.integrations.resource_arns import Integration
from mlci_emulator.integrations.response_metadata import with_metadata
from mlci_emulator.integrations.task_context import fields, where
from mlci_emulator.protocol.operations import ApiError, Request, Response

if TYPE_CHECKING:
    from mlci_asl import Json, TaskCall


class Messages(Protocol):
    """Takes messages. Safe to call from any thread. `mlci_emulator.integrations.message_records.Records` is one."""

    def deliver(self, service: str, operation: str, request: Request, region: str) -> Response:
        """What the API answers. `service` is sns, sqs or events, the request is in the API's own names.

        Raises: ApiError.
        """
        ...


def send(messages: Messages, integration: Integration, task: TaskCall) -> Json:
    """The output of a task that publishes or sends.

    Raises: TaskError.
    """
    service = integration.service
    model = sdk_names.operation_model(SDK_NAMES.get(service, service), integration.action)
    assert model is not None, f"{service} has no {integration.action}"
    request = json_values.request(model.input_shape, fields(task.parameters))
    if service == "events":
        request["Entries"] = [_from_here(entry, task) for entry in request.get("Entries", ())]
    try:
        expect_sendable(service, request)
        answer = messages.deliver(service, integration.operation, request, where(task).region)
    except ApiError as error:
        raise old_sdk_error(service, error) from error
    output = fields(json_values.answer(model.output_shape, answer))
    if service != "events":
        return with_metadata(service, output)
    if output.get("FailedEntryCount"):
        raise TaskError("EventBridge.FailedEntry", json_values.as_json_text(dict(sorted(output.items()))))
    return output


def _from_here(entry: dict[str, Any], task: TaskCall) -> dict[str, Any]:
    senders = [arn for arn in (where(task).state_machine_arn, task.execution_arn) if arn]
    return {**entry, "Resources": [*entry.get("Resources", []), *senders]}
