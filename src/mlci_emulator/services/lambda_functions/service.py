"""Lambda's Invoke operation, for tasks of a state machine and for the API. Other operations are not implemented.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from mlci_asl import StopSignal
from mlci_emulator.identity import ACCOUNT
from mlci_emulator.protocol.operations import ApiError, Request, Response
from mlci_emulator.services.lambda_functions.function_code import LATEST, FunctionCode, Functions, parse_function_name
from mlci_emulator.services.lambda_functions.invocation import FunctionInvoker, Invocation

if TYPE_CHECKING:
    from mlci_emulator.jobs.process import StopSignal as Stop

_INVOCATION_TYPES = ("RequestResponse", "Event", "DryRun")


class LambdaService:
    """Finds and invokes functions. Asynchronous invocations run until they end, or until `close`."""

    operations = frozenset({"Invoke"})

    def __init__(self, functions: Functions, invoker: FunctionInvoker, account: str = ACCOUNT) -> None:
        self._functions, self._invoker, self._account = functions, invoker, account
        self._closing = StopSignal()
        self._lock = threading.Lock()
        self._events: set[threading.Thread] = set()

    def close(self) -> None:
        """End all invocations that `call` started."""
        self._closing.set()
        with self._lock:
            threads = list(self._events)
        for thread in threads:
            thread.join()
        self._invoker.close()

    def call(self, operation: str, request: Request, region: str) -> Response:
        """Return an operation's output.

        Raises: ApiError.
        """
        if operation != "Invoke":
            raise ApiError("InvalidRequestContentException", f"the local cloud does not do Lambda's {operation}", 501)
        return self.invoke(request, region, self._closing.child())

    def invoke(self, request: Request, region: str, stop: Stop) -> Response:
        """Return Invoke's output, which has a FunctionError if the function failed.

        Raises: ApiError.
        """
        invocation = self._invocation(request, region)
        match request.get("InvocationType", "RequestResponse"):
            case "DryRun":
                return {"StatusCode": 204, "Payload": b""}
            case "Event":
                self._start(invocation)
                return {"StatusCode": 202, "Payload": b""}
        result = self._invoker.invoke(invocation, stop)
        response: Response = {
            "StatusCode": 200,
            "ExecutedVersion": invocation.code.version,
            "Payload": result.payload.encode("utf-8", "surrogatepass"),
        }
        if result.is_error:
            response["FunctionError"] = "Unhandled"
        if request.get("LogType") == "Tail":
            response["LogResult"] = result.log_result
        return response

    def _invocation(self, request: Request, region: str) -> Invocation:
        name = str(request["FunctionName"])
        if request.get("Qualifier"):
            name = f"{name}:{request['Qualifier']}"
        kind = request.get("InvocationType", "RequestResponse")
        if kind not in _INVOCATION_TYPES:
            allowed = ", ".join(sorted(_INVOCATION_TYPES))
            raise _invalid("invocationType", str(kind), f"Member must satisfy enum value set: [{allowed}]")
        payload = bytes(request.get("Payload") or b"{}").decode("utf-8", "surrogatepass")
        try:
            json.loads(payload)
        except ValueError as error:
            message = f"Could not parse request body into json: Could not parse payload into json: {error}"
            raise ApiError("InvalidRequestContentException", message) from error
        return Invocation(self._find(name, region), payload, region, self._account)

    def _find(self, name: str, region: str) -> FunctionCode:
        function = parse_function_name(name)
        if function is None:
            raise _invalid("functionName", name, "Member must satisfy regular expression pattern")
        code = self._functions.find(name, region)
        if code is not None:
            return code
        location = f"{function.region or region}:{function.account or self._account}"
        arn = f"arn:aws:lambda:{location}:function:{function.name}:{function.qualifier or LATEST}"
        raise ApiError("ResourceNotFoundException", f"Function not found: {arn}", 404)

    def _start(self, invocation: Invocation) -> None:
        def run() -> None:
            try:
                self._invoker.invoke(invocation, self._closing.child())
            finally:
                with self._lock:
                    self._events.discard(thread)

        thread = threading.Thread(target=run, name=f"lambda {invocation.code.name}", daemon=True)
        with self._lock:
            self._events.add(thread)
        thread.start()


def _invalid(field: str, value: str, constraint: str) -> ApiError:
    message = f"1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: {constraint}"
    return ApiError("ValidationException", message)
