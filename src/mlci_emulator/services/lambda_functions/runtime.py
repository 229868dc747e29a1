"""Runs in the process of one invocation, by path: the standard library only, and nothing of mlci.

    python runtime.py <folder>

`<folder>/invocation.json` says what to run; what came of it is written to `<folder>/result.json`, whole or not at all:
`{"payload": text}`, or `{"error": {errorMessage, errorType, requestId, stackTrace}}` as AWS's runtime interface client
for Python gives it. Where the file is missing, the process ended before the handler did.

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


class Identity:
    """Of a mobile caller: there is none."""

    cognito_identity_id = None
    cognito_identity_pool_id = None


class Context:
    """What a handler gets as its second argument."""

    def __init__(self, said: dict[str, Any]) -> None:
        self.aws_request_id: str = said["request_id"]
        self.function_name: str = said["function_name"]
        self.function_version: str = said["function_version"]
        self.invoked_function_arn: str = said["invoked_function_arn"]
        self.memory_limit_in_mb: str = said["memory_mb"]
        self.log_group_name: str = said["log_group"]
        self.log_stream_name: str = said["log_stream"]
        self.identity = Identity()
        self.client_context = None
        self._deadline: float = said["deadline"]

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - time.time()) * 1000))

    def log(self, message: object) -> None:
        sys.stdout.write(str(message))

    def __repr__(self) -> str:
        return f"LambdaContext([aws_request_id={self.aws_request_id},function_name={self.function_name}])"


class Failed(Exception):
    """The runtime, and not the handler, has found something wrong."""

    def __init__(self, kind: str, message: str, frames: list[str] | None = None) -> None:
        super().__init__(message)
        self.kind, self.frames = kind, frames or []


def main() -> None:
    folder = sys.argv[1]
    with open(os.path.join(folder, "invocation.json"), encoding="utf-8") as file:
        said = json.load(file)
    sys.argv[1:] = []
    sys.path[0] = said["task_root"]  # in place of this file's own folder
    request_id: str = said["request_id"]
    try:
        handler = _load(said["handler"])
        result = _call(handler, said)
    except Failed as error:
        result = {"error": _error(str(error), error.kind, error.frames, request_id)}
    if "error" in result:
        _log(result["error"])
        result["error"]["stackTrace"] = [_as_on_aws(frame, said) for frame in result["error"]["stackTrace"]]
    _write(os.path.join(folder, "result.json"), result)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # AWS freezes what a handler left running; here it ends


def _load(name: str) -> Callable[[Any, Context], Any]:
    module_name, dot, function_name = name.rpartition(".")
    if not dot:
        what = f"Bad handler '{name}': not enough values to unpack (expected 2, got 1)"
        raise Failed("Runtime.MalformedHandlerName", what)
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        what = f"Unable to import module '{module_name}': {error}"
        raise Failed("Runtime.ImportModuleError", what) from error
    except SyntaxError as error:
        frame = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        what = f"Syntax error in module '{module_name}': {error}"
        raise Failed("Runtime.UserCodeSyntaxError", what, [frame]) from error
    except Exception as error:
        raise Failed(type(error).__name__, str(error), _frames(error.__traceback__, __file__, "importlib")) from error
    try:
        handler: Callable[[Any, Context], Any] = getattr(module, function_name)
    except AttributeError as error:
        what = f"Handler '{function_name}' missing on module '{module_name}'"
        raise Failed("Runtime.HandlerNotFound", what) from error
    return handler


def _call(handler: Callable[[Any, Context], Any], said: dict[str, Any]) -> dict[str, Any]:
    try:
        result = handler(json.loads(said["payload"]), Context(said))
    except Exception as error:  # noqa: BLE001 - whatever a handler raises is the function's error
        frames = _frames(error.__traceback__, __file__)
        return {"error": _error(str(error), type(error).__name__, frames, said["request_id"])}
    try:
        if isinstance(result, bytes):
            return {"payload": result.decode()}  # recorded: sent as it is, so it should be JSON
        return {"payload": json.dumps(result, default=_plain, ensure_ascii=False, allow_nan=False)}
    except Exception as error:
        what = f"Unable to marshal response: {error}"
        raise Failed("Runtime.MarshalError", what) from error


def _plain(value: object) -> object:
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, bytes):
        return value.decode()
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _frames(trace: TracebackType | None, *hidden: str) -> list[str]:
    """The frames of the user's code, each as Python prints it."""
    frames = [frame for frame in traceback.extract_tb(trace) if not any(part in frame.filename for part in hidden)]
    return traceback.format_list(frames)


def _as_on_aws(frame: str, said: dict[str, Any]) -> str:
    """A frame with the folder that the code has on AWS, so that a cause is the same there; the log has the one here."""
    return frame.replace(f'  File "{said["task_root"]}/', '  File "/var/task/')


def _error(message: str, kind: str, frames: list[str], request_id: str) -> Error:
    return {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": frames}


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
