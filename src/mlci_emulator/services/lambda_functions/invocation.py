"""One invocation of a Lambda function: its process, its limits, its log.

Each invocation is a cold start: a process of its own, which is gone with all that it started when the invocation ends,
is stopped, or mlci dies (`mlci_emulator.jobs.supervisor` sees to that, as for SageMaker's jobs).
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
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlci_emulator.identity import ACCOUNT, REGION
from mlci_emulator.jobs.containers import base_environment, host_environment
from mlci_emulator.jobs.log_files import LogFile
from mlci_emulator.jobs.process import EntryPointError, LaunchRequest, ProcessResult, Supervisors
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
    """What to invoke with: `payload` is JSON text, `region` and `account` go into the function's ARN."""

    code: FunctionCode
    payload: str
    region: str = REGION
    account: str = ACCOUNT
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.code.name}"


@dataclass(frozen=True)
class Invoked:
    """What came of an invocation. `payload` is JSON text: the handler's result, or where `is_error` what went wrong."""

    payload: str
    is_error: bool
    request_id: str
    log_tail: bytes = b""
    is_stopped: bool = False

    @property
    def log_result(self) -> str:
        """LogResult of the API."""
        return base64.b64encode(self.log_tail).decode("ascii")


class Lambdas:
    """Invokes functions, any number at once, each in the thread that calls.

    `work` is where their temporary folders are, `logs` gives a function's log file by its name, `environment` is the
    user's (functions see the part of it that says nothing of credentials), `extra` is what each function gets besides.
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
        """The log streams that there are."""
        with self._lock:
            yield from list(self._streams.values())

    def invoke(self, invocation: Invocation, stop: StopSignal) -> Invoked:
        """Invokes a function and waits for its end; when this returns, no process of it is left."""
        stream = self._stream(invocation.code.name)
        stream.path.parent.mkdir(parents=True, exist_ok=True)
        start = stream.path.stat().st_size if stream.path.exists() else 0
        began = time.monotonic()
        _write_log(stream.path, f"START RequestId: {invocation.request_id} Version: {invocation.code.version}\n")
        with workspace(self._work) as space:
            ended = self._run(invocation, stream, space, stop)
            payload, is_error = _outcome(invocation, ended, space)
        _write_log(stream.path, _report(invocation, time.monotonic() - began))
        is_stopped = isinstance(ended, ProcessResult) and ended.outcome == "stopped"
        return Invoked(payload, is_error, invocation.request_id, _tail(stream.path, start), is_stopped)

    def _run(
        self, invocation: Invocation, stream: LogFile, space: Workspace, stop: StopSignal
    ) -> ProcessResult | EntryPointError:
        code = invocation.code
        said = _said(invocation, stream)
        (space.folder / "invocation.json").write_text(json.dumps(said), encoding="utf-8")
        python = code.python or sys.executable
        launch = LaunchRequest(
            "paths",
            space.ml,
            space.stage,
            stream.path.absolute(),
            (python, str(RUNTIME), str(space.folder)),
            {
                **base_environment(self._host, python, space.temporary),
                **_environment(invocation, stream),
                **self._extra,
            },
            str(code.folder.absolute()),
        )
        try:
            return self._started().run(launch, timeout_s=code.timeout_s, stop=stop)
        except EntryPointError as error:
            return error

    def _started(self) -> Supervisors:
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


def _said(invocation: Invocation, stream: LogFile) -> dict[str, Any]:
    """What runtime.py reads."""
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
    """Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html (defined runtime variables)."""
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


def _outcome(invocation: Invocation, ended: ProcessResult | EntryPointError, space: Workspace) -> tuple[str, bool]:
    if isinstance(ended, EntryPointError):
        return _error(invocation, "Runtime.InvalidEntrypoint", f"Couldn't find valid bootstrap(s): {ended}"), True
    if ended.outcome == "timed_out":
        return _error(
            invocation, "Sandbox.Timedout", f"Task timed out after {invocation.code.timeout_s:.2f} seconds"
        ), True
    try:
        result = json.loads((space.folder / "result.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return _exited(invocation, ended), True
    if "error" in result:
        return json.dumps(result["error"], ensure_ascii=False), True
    payload = str(result["payload"])
    size = len(payload.encode("utf-8", "surrogatepass"))
    if size > MAX_PAYLOAD_BYTES:
        what = f"Response payload size exceeded maximum allowed payload size ({MAX_PAYLOAD_BYTES} bytes)."
        return json.dumps({"errorType": "Function.ResponseSizeTooLarge", "errorMessage": what}), True
    return payload, False


def _exited(invocation: Invocation, ended: ProcessResult) -> str:
    if ended.exit_code == 0:
        return _error(invocation, "Runtime.ExitError", "Runtime exited without providing a reason")
    how = f"signal: {ended.exit_code - 128}" if ended.exit_code > 128 else f"exit status {ended.exit_code}"
    return _error(invocation, "Runtime.ExitError", f"Runtime exited with error: {how}")


def _error(invocation: Invocation, kind: str, what: str) -> str:
    """As Lambda itself, and not the runtime, reports what stopped a function."""
    return json.dumps({"errorType": kind, "errorMessage": f"RequestId: {invocation.request_id} Error: {what}"})


def _report(invocation: Invocation, seconds: float) -> str:
    about, milliseconds = f"RequestId: {invocation.request_id}", seconds * 1000
    return (
        f"END {about}\nREPORT {about}\tDuration: {milliseconds:.2f} ms\tBilled Duration: 0 ms\t"
        f"Memory Size: {invocation.code.memory_mb} MB\n"
    )


def _write_log(file: Path, text: str) -> None:
    with open(file, "ab") as stream:
        stream.write(text.encode())


def _tail(file: Path, start: int) -> bytes:
    with open(file, "rb") as stream:
        end = stream.seek(0, 2)
        stream.seek(max(start, end - LOG_TAIL_BYTES))
        return stream.read()
