"""`lambda:invoke`, and a function's ARN as the resource.

Sources: https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html; for errors
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html (Lambda.Unknown, Sandbox.Timedout).
Recorded: a Payload that is a string is sent as it is, so it must be JSON itself. The error of a function gives the
task's error its name, and the function's response is the cause: compact for `lambda:invoke`, unchanged for an ARN.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, Protocol

from mlci_asl import TaskError
from mlci_emulator.integrations.errors import sdk_v1_error
from mlci_emulator.integrations.response_metadata import with_metadata
from mlci_emulator.integrations.task_context import fields, task_context
from mlci_emulator.integrations.task_values import as_json_text, as_text
from mlci_emulator.protocol.operations import ApiError, Request, Response, Service

if TYPE_CHECKING:
    from mlci_asl import Json, StopSignal, TaskCall


class FunctionService(Service, Protocol):
    """Lambda, as tasks need it. `mlci_emulator.services.lambda_functions.LambdaService` is one."""

    def invoke(self, request: Request, region: str, stop: StopSignal) -> Response:
        """Return Invoke's output; `stop` ends the function, and with it the call.

        Raises: ApiError.
        """
        ...


def invoke(service: FunctionService, task: TaskCall) -> Json:
    """Return the output of a task with the resource `lambda:invoke`.

    Raises: TaskError.
    """
    parameters = fields(task.parameters)
    payload = (
        as_text(parameters["Payload"]).encode("utf-8", "surrogatepass")
        if parameters.get("Payload") is not None
        else b""
    )
    response = _invoke(service, {**parameters, "Payload": payload}, task)
    text = response.pop("Payload").decode("utf-8", "surrogatepass")
    if "FunctionError" in response:
        raise TaskError(_error_name(text), as_json_text(json.loads(text)))
    headers = _headers(response) if "ExecutedVersion" in response else {}
    output = {**response, "Payload": _parsed(text)}
    return with_metadata("lambda", output, int(response["StatusCode"]), headers, len(text.encode()))


def invoke_arn(service: FunctionService, task: TaskCall) -> Json:
    """Return the output of a task whose resource is a function's ARN: the function's result.

    Raises: TaskError.
    """
    payload = as_json_text(task.parameters).encode("utf-8", "surrogatepass")
    response = _invoke(service, {"FunctionName": task.resource, "Payload": payload}, task)
    text = response["Payload"].decode("utf-8", "surrogatepass")
    if "FunctionError" in response:
        raise TaskError(_error_name(text), text)
    return _parsed(text)


def _parsed(payload: str) -> Json:
    """Return a function's result; a handler that returns bytes need not return JSON."""
    try:
        value: Json = json.loads(payload)
    except ValueError:
        return payload
    return value


def _invoke(service: FunctionService, request: dict[str, Any], task: TaskCall) -> Response:
    try:
        return service.invoke(request, task_context(task).region, task.stop)
    except ApiError as error:
        raise sdk_v1_error("lambda", error) from error


def _headers(response: Response) -> dict[str, str]:
    log = {"X-Amz-Log-Result": str(response["LogResult"])} if "LogResult" in response else {}
    return {
        **log,
        "X-Amz-Executed-Version": str(response["ExecutedVersion"]),
        "x-amzn-Remapped-Content-Length": "0",
        "X-Amzn-Trace-Id": f"Root=1-{uuid.uuid4().hex[:8]}-{uuid.uuid4().hex[:24]};Sampled=0",
    }


def _error_name(payload: str) -> str:
    error = json.loads(payload)
    return str(error.get("errorType") or "Lambda.Unknown") if isinstance(error, dict) else "Lambda.Unknown"
