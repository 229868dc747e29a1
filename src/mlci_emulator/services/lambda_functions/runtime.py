"""Runs as the process of an invocation: loads the handler, and calls it with its event and context.

It is started by path, so it stays one file, and imports the standard library only:

    python runtime.py <folder>

It reads the request in `<folder>/invocation.json`, and writes the result to `<folder>/result.json`, whole or not at
all: `{"payload": text}`, or `{"error": {errorMessage, errorType, requestId, stackTrace}}` as AWS's runtime interface
client for Python has it. If the file is missing, the process ended before the handler returned.

Source: awslambdaric/bootstrap.py and lambda_context.py of aws/aws-lambda-python-runtime-interface-client.
"""

from __future__ import annotations

import decimal
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

Error = dict[str, Any]


class CognitoIdentity:
    """The identity of a mobile caller; there is none here."""

    cognito_identity_id = None
    cognito_identity_pool_id = None


class LambdaContext:
    """The second argument of a handler."""

    def __init__(self, invocation: dict[str, Any]) -> None:
        self.aws_request_id: str = invocation["request_id"]
        self.function_name: str = invocation["function_name"]
        self.function_version: str = invocation["function_version"]
        self.invoked_function_arn: str = invocation["invoked_function_arn"]
        self.memory_limit_in_mb: str = invocation["memory_mb"]
        self.log_group_name: str = invocation["log_group"]
        self.log_stream_name: str = invocation["log_stream"]
        self.identity = CognitoIdentity()
        self.client_context = None
        self._deadline: float = invocation["deadline"]

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - time.time()) * 1000))

    def log(self, message: object) -> None:
        sys.stdout.write(str(message))

    def __repr__(self) -> str:
        return f"LambdaContext([aws_request_id={self.aws_request_id},function_name={self.function_name}])"


class RuntimeFailure(Exception):
    """An error of the runtime, and not of the handler."""

    def __init__(self, error_type: str, message: str, frames: list[str] | None = None) -> None:
        super().__init__(message)
        self.error_type, self.frames = error_type, frames or []


def main() -> None:
    folder = sys.argv[1]
    with open(os.path.join(folder, "invocation.json"), encoding="utf-8") as file:
        invocation = json.load(file)
    sys.argv[1:] = []
    sys.path[0] = invocation["task_root"]  # in place of this file's own folder
    request_id: str = invocation["request_id"]
    try:
        handler = _load_handler(invocation["handler"])
        result = _call_handler(handler, invocation)
    except RuntimeFailure as error:
        result = {"error": _error(str(error), error.error_type, error.frames, request_id)}
    if "error" in result:
        _log(result["error"])
        result["error"]["stackTrace"] = [_with_task_root(frame, invocation) for frame in result["error"]["stackTrace"]]
    _write(os.path.join(folder, "result.json"), result)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # AWS freezes threads that a handler left running; here they end


def _load_handler(name: str) -> Callable[[Any, LambdaContext], Any]:
    module_name, dot, function_name = name.rpartition(".")
    if not dot:
        message = f"Bad handler '{name}': not enough values to unpack (expected 2, got 1)"
        raise RuntimeFailure("Runtime.MalformedHandlerName", message)
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        message = f"Unable to import module '{module_name}': {error}"
        raise RuntimeFailure("Runtime.ImportModuleError", message) from error
    except SyntaxError as error:
        frame = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        message = f"Syntax error in module '{module_name}': {error}"
        raise RuntimeFailure("Runtime.UserCodeSyntaxError", message, [frame]) from error
    except Exception as error:
        raise RuntimeFailure(
            type(error).__name__, str(error), _frames(error.__traceback__, __file__, "importlib")
        ) from error
    try:
        handler: Callable[[Any, LambdaContext], Any] = getattr(module, function_name)
    except AttributeError as error:
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        raise RuntimeFailure("Runtime.HandlerNotFound", message) from error
    return handler


def _call_handler(handler: Callable[[Any, LambdaContext], Any], invocation: dict[str, Any]) -> dict[str, Any]:
    try:
        result = handler(json.loads(invocation["payload"]), LambdaContext(invocation))
    except Exception as error:  # noqa: BLE001 - whatever a handler raises is the function's error
        frames = _frames(error.__traceback__, __file__)
        return {"error": _error(str(error), type(error).__name__, frames, invocation["request_id"])}
    try:
        if isinstance(result, bytes):
            return {"payload": result.decode()}  # as recorded from AWS: bytes are returned unchanged
        return {"payload": json.dumps(result, default=_json_default, ensure_ascii=False, allow_nan=False)}
    except Exception as error:
        message = f"Unable to marshal response: {error}"
        raise RuntimeFailure("Runtime.MarshalError", message) from error


def _json_default(value: object) -> object:
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, bytes):
        return value.decode()
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _frames(trace: TracebackType | None, *hidden: str) -> list[str]:
    """Return the frames of the user's code, each as Python prints it."""
    frames = [frame for frame in traceback.extract_tb(trace) if not any(part in frame.filename for part in hidden)]
    return traceback.format_list(frames)


def _with_task_root(frame: str, invocation: dict[str, Any]) -> str:
    """Return a frame with /var/task as the code's folder, so that an execution's cause is the same as on AWS."""
    return frame.replace(f'  File "{invocation["task_root"]}/', '  File "/var/task/')


def _error(message: str, error_type: str, frames: list[str], request_id: str) -> Error:
    return {"errorMessage": message, "errorType": error_type, "requestId": request_id, "stackTrace": frames}


def _log(error: Error) -> None:
    lines = [f"[ERROR] {error['errorType']}: {error['errorMessage']}"]
    if error["stackTrace"]:
        lines += ["Traceback (most recent call last):", *(frame.rstrip("\n") for frame in error["stackTrace"])]
    print("\n".join(lines))


def _write(file: str, result: dict[str, Any]) -> None:
    with open(f"{file}.part", "w", encoding="utf-8", errors="surrogatepass") as stream:
        json.dump(result, stream)
    os.replace(f"{file}.part", file)


if __name__ == "__main__":
    main()
