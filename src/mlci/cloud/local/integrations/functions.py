"""`lambda:invoke`, and a function's ARN as the resource.

Sources: https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html; for errors
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html (Lambda.Unknown, Sandbox.Timedout).
Recorded: a Payload that is a text is sent as it is, so it has to be JSON itself; a function's error names the task's,
with the function's answer as the cause, compact in `lambda:invoke` and as it came where the ARN is the resource.
"""

from __future__ import annotations

import json
import threading
import uuid
from typing import TYPE_CHECKING, Any

from mlci.asl import StopSignal, TaskError
from mlci.cloud.local.api import ApiError
from mlci.cloud.local.integrations.calls import Where, fields, where
from mlci.cloud.local.integrations.errors import old_sdk_error
from mlci.cloud.local.integrations.metadata import with_metadata
from mlci.cloud.local.integrations.values import as_json_text, as_text
from mlci.cloud.local.lambdas.functions import LATEST, FunctionCode, Functions, read_name
from mlci.cloud.local.lambdas.invoke import Invocation, Invoked, Lambdas

if TYPE_CHECKING:
    from mlci.asl import Json, TaskCall


class FunctionCalls:
    """Finds and invokes functions for tasks; those that are invoked as events run on until `close`."""

    def __init__(self, functions: Functions, lambdas: Lambdas) -> None:
        self._functions, self._lambdas = functions, lambdas
        self._closing = StopSignal()
        self._lock = threading.Lock()
        self._events: set[threading.Thread] = set()

    def close(self) -> None:
        """Ends the invocations that nobody waits for."""
        self._closing.set()
        with self._lock:
            threads = list(self._events)
        for thread in threads:
            thread.join()
        self._lambdas.close()

    def invoke(self, task: TaskCall) -> Json:
        """The output of a task with the resource `lambda:invoke`.

        Raises: TaskError.
        """
        given = fields(task.parameters)
        try:
            invocation = self._invocation(given, where(task))
            kind = given.get("InvocationType", "RequestResponse")
            if kind == "DryRun":
                return with_metadata("lambda", {"Payload": "", "StatusCode": 204}, 204, size_bytes=0)
            if kind == "Event":
                self._start(invocation)
                return with_metadata("lambda", {"Payload": "", "StatusCode": 202}, 202, size_bytes=0)
        except ApiError as error:
            raise old_sdk_error("lambda", error) from error
        invoked = self._lambdas.invoke(invocation, task.stop)
        if invoked.is_error:
            raise TaskError(_error_name(invoked.payload), as_json_text(json.loads(invoked.payload)))
        log: dict[str, Json] = {"LogResult": invoked.log_result} if given.get("LogType") == "Tail" else {}
        return _output(invocation, invoked, log)

    def invoke_arn(self, task: TaskCall) -> Json:
        """The output of a task whose resource is a function's ARN: what the function returns.

        Raises: TaskError.
        """
        at = where(task)
        try:
            invocation = Invocation(self._find(task.resource, at), as_json_text(task.parameters), at.region, at.account)
        except ApiError as error:
            raise old_sdk_error("lambda", error) from error
        invoked = self._lambdas.invoke(invocation, task.stop)
        if invoked.is_error:
            raise TaskError(_error_name(invoked.payload), invoked.payload)
        payload: Json = json.loads(invoked.payload)
        return payload

    def _invocation(self, given: dict[str, Json], at: Where) -> Invocation:
        name = str(given["FunctionName"])
        if "Qualifier" in given:
            name = f"{name}:{given['Qualifier']}"
        payload = as_text(given["Payload"]) if given.get("Payload") is not None else "{}"
        try:
            json.loads(payload)
        except ValueError as error:
            what = f"Could not parse request body into json: Could not parse payload into json: {error}"
            raise ApiError("InvalidRequestContentException", what) from error
        if given.get("InvocationType", "RequestResponse") not in ("RequestResponse", "Event", "DryRun"):
            what = (
                f"1 validation error detected: Value '{given['InvocationType']}' at 'invocationType' failed to satisfy "
                "constraint: Member must satisfy enum value set: [Event, RequestResponse, DryRun]"
            )
            raise ApiError("ValidationException", what)
        return Invocation(self._find(name, at), payload, at.region, at.account)

    def _find(self, name: str, at: Where) -> FunctionCode:
        code = self._functions.find(name, at.region)
        if code is not None:
            return code
        read = read_name(name)
        if read is None:
            what = f"1 validation error detected: Value '{name}' at 'functionName' failed to satisfy constraint"
            raise ApiError("ValidationException", what)
        region, account = read.region or at.region, read.account or at.account
        arn = f"arn:aws:lambda:{region}:{account}:function:{read.name}:{read.qualifier or LATEST}"
        raise ApiError("ResourceNotFoundException", f"Function not found: {arn}", 404)

    def _start(self, invocation: Invocation) -> None:
        def run() -> None:
            try:
                self._lambdas.invoke(invocation, self._closing.child())
            finally:
                with self._lock:
                    self._events.discard(thread)

        thread = threading.Thread(target=run, name=f"lambda {invocation.code.name}", daemon=True)
        with self._lock:
            self._events.add(thread)
        thread.start()


def _output(invocation: Invocation, invoked: Invoked, more: dict[str, Json]) -> Json:
    payload: Any = json.loads(invoked.payload)
    version = invocation.code.version
    answer: dict[str, Json] = {"ExecutedVersion": version, "Payload": payload, "StatusCode": 200, **more}
    headers = {
        "X-Amz-Executed-Version": version,
        "x-amzn-Remapped-Content-Length": "0",
        "X-Amzn-Trace-Id": f"Root=1-{uuid.uuid4().hex[:8]}-{uuid.uuid4().hex[:24]};Sampled=0",
    }
    return with_metadata("lambda", answer, headers=headers, size_bytes=len(invoked.payload.encode()))


def _error_name(payload: str) -> str:
    said = json.loads(payload)
    return str(said.get("errorType") or "Lambda.Unknown") if isinstance(said, dict) else "Lambda.Unknown"
