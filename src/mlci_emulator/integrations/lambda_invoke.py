"""`lambda:invoke`, and a function's ARN as the resource.

Sources: https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html; for errors
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html (Lambda.Unknown, Sandbox.Timedout).
Recorded: a Payload that is a text is sent as it is, so it has to be JSON itself; a function's error names the task's,
with the function's answer as the cause, compact in `lambda:invoke` and as it came where the ARN is the resource.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, Protocol

from mlci_asl import TaskError
from mlci_emulator.integrations.errors import old_sdk_error
from mlci_emulator.integrations.json_values import as_json_text, as_text
from mlci_emulator.integrations.response_metadata import with_metadata
from mlci_emulator.integrations.task_context import fields, where
from mlci_emulator.protocol.operations import ApiError, Request, Response, Service

if TYPE_CHECKING:
    from mlci_asl import Json, StopSignal, TaskCall


class FunctionService(Service, Protocol):
    """Lambda, with what tasks need. `mlci_emulator.services.lambda_functions.LambdaService` is one."""

    def invoke(self, request: Request, region: str, stop: StopSignal) -> Response:
        """Invoke's output; `stop` ends the function, and with it the call.

        Raises: ApiError.
        """
        ...


def invoke(service: FunctionService, task: TaskCall) -> Json:
    """The output of a task with the resource `lambda:invoke`.

    Raises: TaskError.
    """
    given = fields(task.parameters)
    payload = as_text(given["Payload"]).encode("utf-8", "surrogatepass") if given.get("Payload") is not None else b""
    answer = _answer(service, {**given, "Payload": payload}, task)
    text = answer.pop("Payload").decode("utf-8", "surrogatepass")
    if "FunctionError" in answer:
        raise TaskError(_error_name(text), as_json_text(json.loads(text)))
    headers = _headers(answer) if "ExecutedVersion" in answer else {}
    output = {**answer, "Payload": _parsed(text)}
    return with_metadata("lambda", output, int(answer["StatusCode"]), headers, len(text.encode()))


def invoke_arn(service: FunctionService, task: TaskCall) -> Json:
    """The output of a task whose resource is a function's ARN: what the function returns.

    Raises: TaskError.
    """
    payload = as_json_text(task.parameters).encode("utf-8", "surrogatepass")
    answer = _answer(service, {"FunctionName": task.resource, "Payload": payload}, task)
    text = answer["Payload"].decode("utf-8", "surrogatepass")
    if "FunctionError" in answer:
        raise TaskError(_error_name(text), text)
    return _parsed(text)


def _parsed(payload: str) -> Json:
    """What a function returned; a handler that returns bytes can return what is no JSON."""
    try:
        value: Json = json.loads(payload)
    except ValueError:
        return payload
    return value


def _answer(service: FunctionService, request: dict[str, Any], task: TaskCall) -> Response:
    try:
        return service.invoke(request, where(task).region, task.stop)
    except ApiError as error:
        raise old_sdk_error("lambda", error) from error


def _headers(answer: Response) -> dict[str, str]:
    log = {"X-Amz-Log-Result": str(answer["LogResult"])} if "LogResult" in answer else {}
    return {
        **log,
        "X-Amz-Executed-Version": str(answer["ExecutedVersion"]),
        "x-amzn-Remapped-Content-Length": "0",
        "X-Amzn-Trace-Id": f"Root=1-{uuid.uuid4().hex[:8]}-{uuid.uuid4().hex[:24]};Sampled=0",
    }


def _error_name(payload: str) -> str:
    said = json.loads(payload)
    return str(said.get("errorType") or "Lambda.Unknown") if isinstance(said, dict) else "Lambda.Unknown"
