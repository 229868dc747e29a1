"""Invokes Lambda functions, each in a process of its own, with Lambda's limits and log.

Each invocation is a cold start. When it ends or is stopped, or when mlci dies, `mlci_emulator.jobs.supervisor` kills
all of its processes, as for SageMaker's jobs.
"""

from __future__ import annotations

import base64
import json
import secrets
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlci_dataclasses import dataclass
from mlci_emulator.identity import ACCOUNT, REGION
from mlci_emulator.jobs import log_files
from mlci_emulator.jobs.contained_files import read_file
from mlci_emulator.jobs.containers import base_environment, host_environment
from mlci_emulator.jobs.log_files import LogFile
from mlci_emulator.jobs.process import EntryPointError, LaunchRequest, ProcessResult, Supervisors
from mlci_emulator.jobs.python_overlay import Interpreter, bare
from mlci_emulator.jobs.workspace import Workspace, remove_abandoned, workspace
from mlci_emulator.services.lambda_functions.function_code import FunctionCode

if TYPE_CHECKING:
    from mlci_emulator.jobs.process import StopSignal

RUNTIME = Path(__file__).with_name("runtime.py")

#: Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (invocation payload: 6 MB)
MAX_PAYLOAD_BYTES = 6_291_556
#: Source: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html (LogResult: the last 4 KB)
LOG_TAIL_BYTES = 4096


@dataclass(frozen=True)
class Invocation:
    """A call of a function. `payload` is JSON text; `region` and `account` become part of the function's ARN."""

    code: FunctionCode
    payload: str
    region: str = REGION
    account: str = ACCOUNT
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.code.name}"


@dataclass(frozen=True)
class InvocationResult:
    """The result of an invocation. `payload` is JSON text: the handler's result, or the error if `is_error`."""

    payload: str
    is_error: bool
    request_id: str
    log_tail: bytes = b""
    is_stopped: bool = False

    @property
    def log_result(self) -> str:
        """Return the API's LogResult: the end of the log in base64."""
        return base64.b64encode(self.log_tail).decode("ascii")


class FunctionInvoker:
    """Invokes functions, any number at once, each in the thread that calls.

    `work` is the folder of their workspaces, and `logs` returns a function's log file by its name. `environment` is the
    user's environment, of which functions see little; `extra` holds variables that every function gets.
    """

    def __init__(
        self,
        work: Path,
        logs: Callable[[str], Path],
        environment: Mapping[str, str],
        extra: Mapping[str, str] | None = None,
    ) -> None:
        self._work, self._logs, self._extra = work, logs, dict(extra or {})
        self._host = host_environment(environment)
        self._lock = threading.Lock()
        self._supervisors: Supervisors | None = None  # most runs invoke no function
        self._streams: dict[str, LogFile] = {}

    def close(self) -> None:
        with self._lock:
            supervisors, self._supervisors = self._supervisors, None
        if supervisors is not None:
            supervisors.close()

    def log_files(self) -> Iterator[LogFile]:
        """Yield the logs of all functions that were invoked."""
        with self._lock:
            yield from list(self._streams.values())

    def invoke(self, invocation: Invocation, stop: StopSignal) -> InvocationResult:
        """Invoke a function, and wait for its end. When this returns, none of its processes is left."""
        stream = self._stream(invocation.code.name)
        log_start = log_files.append(stream.path, "")
        started = time.monotonic()
        version = invocation.code.version
        log_files.append(stream.path, f"START RequestId: {invocation.request_id} Version: {version}\n")
        with workspace(self._work) as space:
            process = self._run(invocation, stream, space, stop)
            payload, is_error = _response(invocation, process, space)
        log_files.append(stream.path, _report_lines(invocation, time.monotonic() - started))
        is_stopped = isinstance(process, ProcessResult) and process.outcome == "stopped"
        log_tail = log_files.read_tail(stream.path, log_start, LOG_TAIL_BYTES)
        return InvocationResult(payload, is_error, invocation.request_id, log_tail, is_stopped)

    def _run(
        self, invocation: Invocation, stream: LogFile, space: Workspace, stop: StopSignal
    ) -> ProcessResult | EntryPointError:
        code = invocation.code
        request = _runtime_request(invocation, stream)
        (space.folder / "invocation.json").write_text(json.dumps(request), encoding="utf-8")
        python = code.python or sys.executable
        launch = LaunchRequest(
            "paths",
            space.ml,
            space.stage,
            stream.path.absolute(),
            (python, str(RUNTIME), str(space.folder)),
            {
                **base_environment(self._host, bare(Interpreter(python)), space.temporary),
                **_environment(invocation, stream),
                **self._extra,
            },
            str(code.folder.absolute()),
            space.temporary,
        )
        try:
            return self._get_supervisors().run(launch, timeout_s=code.timeout_s, stop=stop)
        except EntryPointError as error:
            return error

    def _get_supervisors(self) -> Supervisors:
        with self._lock:
            if self._supervisors is None:
                remove_abandoned(self._work)
                self._supervisors = Supervisors(self._host)
            return self._supervisors

    def _stream(self, name: str) -> LogFile:
        with self._lock:
            if name not in self._streams:
                day = datetime.now(timezone.utc).strftime("%Y/%m/%d")
                stream = f"{day}/[$LATEST]{secrets.token_hex(16)}"
                self._streams[name] = LogFile(f"/aws/lambda/{name}", stream, self._logs(name))
            return self._streams[name]


def _runtime_request(invocation: Invocation, stream: LogFile) -> dict[str, Any]:
    """Return the request that runtime.py reads."""
    code = invocation.code
    return {
        "handler": code.handler,
        "task_root": str(code.folder.absolute()),
        "payload": invocation.payload,
        "request_id": invocation.request_id,
        "function_name": code.name,
        "function_version": code.version,
        "invoked_function_arn": invocation.arn,
        "memory_mb": str(code.memory_mb),
        "log_group": stream.group,
        "log_stream": stream.stream,
        "deadline": time.time() + code.timeout_s,
    }


def _environment(invocation: Invocation, stream: LogFile) -> dict[str, str]:
    """Return the runtime's environment variables.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html (defined runtime variables)
    """
    code = invocation.code
    return {
        **code.environment,
        "_HANDLER": code.handler,
        "AWS_DEFAULT_REGION": invocation.region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(code.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": code.name,
        "AWS_LAMBDA_FUNCTION_VERSION": code.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": stream.group,
        "AWS_LAMBDA_LOG_STREAM_NAME": stream.stream,
        "AWS_REGION": invocation.region,
        "LAMBDA_TASK_ROOT": str(code.folder.absolute()),
        "TZ": ":UTC",
        "PYTHONDONTWRITEBYTECODE": "1",  # the code's folder is the user's
    }


def _response(invocation: Invocation, process: ProcessResult | EntryPointError, space: Workspace) -> tuple[str, bool]:
    if isinstance(process, EntryPointError):
        return _error(invocation, "Runtime.InvalidEntrypoint", f"Couldn't find valid bootstrap(s): {process}"), True
    if process.outcome == "timed_out":
        return _error(
            invocation, "Sandbox.Timedout", f"Task timed out after {invocation.code.timeout_s:.2f} seconds"
        ), True
    text = read_file(space.folder, ["result.json"], max_bytes=-1)
    if text is None:
        return _exit_error(invocation, process), True
    result = json.loads(text)
    if "error" in result:
        return json.dumps(result["error"], ensure_ascii=False), True
    payload = str(result["payload"])
    size = len(payload.encode("utf-8", "surrogatepass"))
    if size > MAX_PAYLOAD_BYTES:
        message = f"Response payload size exceeded maximum allowed payload size ({MAX_PAYLOAD_BYTES} bytes)."
        return json.dumps({"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}), True
    return payload, False


def _exit_error(invocation: Invocation, process: ProcessResult) -> str:
    if process.exit_code == 0:
        return _error(invocation, "Runtime.ExitError", "Runtime exited without providing a reason")
    reason = f"signal: {process.exit_code - 128}" if process.exit_code > 128 else f"exit status {process.exit_code}"
    return _error(invocation, "Runtime.ExitError", f"Runtime exited with error: {reason}")


def _error(invocation: Invocation, kind: str, message: str) -> str:
    """Return an error as Lambda itself reports it, and not the runtime."""
    return json.dumps({"errorType": kind, "errorMessage": f"RequestId: {invocation.request_id} Error: {message}"})


def _report_lines(invocation: Invocation, seconds: float) -> str:
    request_id, milliseconds = f"RequestId: {invocation.request_id}", seconds * 1000
    return (
        f"END {request_id}\nREPORT {request_id}\tDuration: {milliseconds:.2f} ms\tBilled Duration: 0 ms\t"
        f"Memory Size: {invocation.code.memory_mb} MB\n"
    )
