"""Lambda's Invoke as a service: for tasks, and for whoever calls the API. Its other operations are not here.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from mlci_asl import StopSignal
from mlci_emulator.identity import ACCOUNT
from mlci_emulator.protocol.operations import ApiError, Request, Response
from mlci_emulator.services.lambda_functions.function_code import LATEST, FunctionCode, Functions, read_name
from mlci_emulator.services.lambda_functions.invocation import Invocation, Lambdas

if TYPE_CHECKING:
    from mlci_emulator.jobs.process import StopSignal as Stop

_KINDS = ("RequestResponse", "Event", "DryRun")


class LambdaService:
    """Finds and invokes functions; those that are invoked as events run on until `close`."""

    operations = frozenset({"Invoke"})

    def __init__(self, functions: Functions, lambdas: Lambdas, account: str = ACCOUNT) -> None:
        self._functions, self._lambdas, self._account = functions, lambdas, account
        self._closing = StopSignal()
        self._lock = threading.Lock()
        self._events: set[threading.Thread] = set()

    def close(self) -> None:
        """Ends all invocations that were made by `call`."""
        self._closing.set()
        with self._lock:
            threads = list(self._events)
        for thread in threads:
            thread.join()
        self._lambdas.close()

    def call(self, operation: str, request: Request, region: str) -> Response:
        """An operation's output.

        Raises: ApiError.
        """
        if operation != "Invoke":
            raise ApiError("InvalidRequestContentException", f"the local cloud does not do Lambda's {operation}", 501)
        return self.invoke(request, region, self._closing.child())

    def invoke(self, request: Request, region: str, stop: Stop) -> Response:
        """Invoke's output. A function that fails is an answer too: it has FunctionError then.

        Raises: ApiError.
        """
        invocation = self._invocation(request, region)
        match request.get("InvocationType", "RequestResponse"):
            case "DryRun":
                return {"StatusCode": 204, "Payload": b""}
            case "Event":
                self._start(invocation)
                return {"StatusCode": 202, "Payload": b""}
        invoked = self._lambdas.invoke(invocation, stop)
        answer: Response = {
            "StatusCode": 200,
            "ExecutedVersion": invocation.code.version,
            "Payload": invoked.payload.encode("utf-8", "surrogatepass"),
        }
        if invoked.is_error:
            answer["FunctionError"] = "Unhandled"
        if request.get("LogType") == "Tail":
            answer["LogResult"] = invoked.log_result
        return answer

    def _invocation(self, request: Request, region: str) -> Invocation:
        name = str(request["FunctionName"])
        if request.get("Qualifier"):
            name = f"{name}:{request['Qualifier']}"
        kind = request.get("InvocationType", "RequestResponse")
        if kind not in _KINDS:
            allowed = ", ".join(sorted(_KINDS))
            raise _invalid("invocationType", str(kind), f"Member must satisfy enum value set: [{allowed}]")
        payload = bytes(request.get("Payload") or b"{}").decode("utf-8", "surrogatepass")
        try:
            json.loads(payload)
        except ValueError as error:
            what = f"Could not parse request body into json: Could not parse payload into json: {error}"
            raise ApiError("InvalidRequestContentException", what) from error
        return Invocation(self._find(name, region), payload, region, self._account)

    def _find(self, name: str, region: str) -> FunctionCode:
        read = read_name(name)
        if read is None:
            raise _invalid("functionName", name, "Member must satisfy regular expression pattern")
        code = self._functions.find(name, region)
        if code is not None:
            return code
        at = f"{read.region or region}:{read.account or self._account}"
        arn = f"arn:aws:lambda:{at}:function:{read.name}:{read.qualifier or LATEST}"
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


def _invalid(field: str, value: str, constraint: str) -> ApiError:
    what = f"1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: {constraint}"
    return ApiError("ValidationException", what)
