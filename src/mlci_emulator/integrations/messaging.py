"""`sns:publish`, `sqs:sendMessage` and `events:putEvents`: messages of a state machine to the outside.

Step Functions sends a body that is no string as its JSON, adds the state machine and the execution to an event's
resources, and fails a task whose entries did not all arrive. Recorded, and
https://docs.aws.amazon.com/step-functions/latest/dg/connect-eventbridge.html.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from mlci_asl import TaskError
from mlci_emulator.integrations import sdk_names, task_values
from mlci_emulator.integrations.catalog import SDK_NAMES
from mlci_emulator.integrations.errors import sdk_v1_error
from mlci_emulator.integrations.message_validation import check_message
from mlci_emulator.integrations.resource_arns import Integration
from mlci_emulator.integrations.response_metadata import with_metadata
from mlci_emulator.integrations.task_context import fields, task_context
from mlci_emulator.protocol.operations import ApiError, Request, Response

if TYPE_CHECKING:
    from mlci_asl import Json, TaskCall


class MessageService(Protocol):
    """Delivers messages; safe to call from any thread. `message_records.MessageRecords` is one."""

    def deliver(self, service: str, operation: str, request: Request, region: str) -> Response:
        """Return the API's output. `service` is sns, sqs or events, and the request is in the API's own names.

        Raises: ApiError.
        """
        ...


def send(messages: MessageService, integration: Integration, task: TaskCall) -> Json:
    """Return the output of a task that publishes or sends.

    Raises: TaskError.
    """
    service = integration.service
    model = sdk_names.operation_model(SDK_NAMES.get(service, service), integration.action)
    assert model is not None, f"{service} has no {integration.action}"
    request = task_values.to_api(model.input_shape, fields(task.parameters))
    if service == "events":
        request["Entries"] = [_with_senders(entry, task) for entry in request.get("Entries", ())]
    try:
        check_message(service, request)
        answer = messages.deliver(service, integration.operation, request, task_context(task).region)
    except ApiError as error:
        raise sdk_v1_error(service, error) from error
    output = fields(task_values.to_task(model.output_shape, answer))
    if service != "events":
        return with_metadata(service, output)
    if output.get("FailedEntryCount"):
        raise TaskError("EventBridge.FailedEntry", task_values.as_json_text(dict(sorted(output.items()))))
    return output


def _with_senders(entry: dict[str, Any], task: TaskCall) -> dict[str, Any]:
    senders = [arn for arn in (task_context(task).state_machine_arn, task.execution_arn) if arn]
    return {**entry, "Resources": [*entry.get("Resources", []), *senders]}
