"""Invocations of real handlers in real processes."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlci_emulator.services.lambda_functions import FunctionCode, FunctionInvoker, Invocation, InvocationResult
from support.local_jobs import FakeStopSignal, processes_with


@pytest.fixture
def invoker(tmp_path: Path) -> Iterator[FunctionInvoker]:
    environment = {**os.environ, "AWS_SECRET_ACCESS_KEY": "secret", "PYTHONPATH": str(tmp_path)}
    invoker = FunctionInvoker(tmp_path / "work", lambda name: tmp_path / "logs" / f"{name}.log", environment)
    yield invoker
    invoker.close()


def code(
    tmp_path: Path, text: str, handler: str = "function.handler", timeout_s: float = 30, **more: Any
) -> FunctionCode:
    folder = tmp_path / "task"
    folder.mkdir(exist_ok=True)
    (folder / "function.py").write_text(text)
    return FunctionCode("train", folder, handler, timeout_s, **more)


def invoke(
    invoker: FunctionInvoker, function: FunctionCode, event: object = None, stop: FakeStopSignal | None = None
) -> InvocationResult:
    return invoker.invoke(Invocation(function, json.dumps(event), request_id="request-1"), stop or FakeStopSignal())


def test_a_handler_gets_its_event_and_returns_a_payload(invoker: FunctionInvoker, tmp_path: Path) -> None:
    function = code(
        tmp_path,
        "import decimal\ndef handler(event, context):\n    return [event, decimal.Decimal('1.5'), 'ü'.encode()]",
    )
    result = invoke(invoker, function, {"a": [1, None]})
    assert not result.is_error
    assert json.loads(result.payload) == [{"a": [1, None]}, 1.5, "ü"]


def test_bytes_are_sent_as_they_are(invoker: FunctionInvoker, tmp_path: Path) -> None:
    assert invoke(invoker, code(tmp_path, "def handler(event, context): return b'{\"a\": 1}'")).payload == '{"a": 1}'


def test_the_context_and_environment_are_a_functions(invoker: FunctionInvoker, tmp_path: Path) -> None:
    text = (
        "import os, sys\n"
        "def handler(event, context):\n"
        "    names = ['aws_request_id', 'function_name', 'function_version', 'invoked_function_arn',\n"
        "             'memory_limit_in_mb', 'log_group_name']\n"
        "    return [{name: getattr(context, name) for name in names}, context.get_remaining_time_in_millis(),\n"
        "            dict(os.environ), os.getcwd(), sys.argv, sys.path[0]]"
    )
    function = code(tmp_path, text, environment={"STAGE": "test"})
    context, left_ms, environment, folder, argv, path = json.loads(invoke(invoker, function).payload)
    assert context == {
        "aws_request_id": "request-1",
        "function_name": "train",
        "function_version": "$LATEST",
        "invoked_function_arn": "arn:aws:lambda:us-east-1:000000000000:function:train",
        "memory_limit_in_mb": "128",
        "log_group_name": "/aws/lambda/train",
    }
    assert 20_000 < left_ms <= 30_000
    assert environment["STAGE"] == "test"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "train"
    assert environment["AWS_REGION"] == "us-east-1"
    assert not {"AWS_SECRET_ACCESS_KEY", "PYTHONPATH"} & set(environment)
    assert (folder, path) == (str(tmp_path / "task"), str(tmp_path / "task"))
    assert len(argv) == 1


def test_an_exception_is_reported_as_the_python_runtime_reports_it(invoker: FunctionInvoker, tmp_path: Path) -> None:
    text = "class NoData(Exception):\n    pass\n\ndef handler(event, context):\n    raise NoData('none there')\n"
    result = invoke(invoker, code(tmp_path, text))
    assert result.is_error
    assert list(json.loads(result.payload).items()) == [
        ("errorMessage", "none there"),
        ("errorType", "NoData"),
        ("requestId", "request-1"),
        (
            "stackTrace",
            ["  File \"/var/task/function.py\", line 5, in handler\n    raise NoData('none there')\n"],
        ),
    ]


@pytest.mark.parametrize(
    ("text", "handler", "kind", "message"),
    [
        ("", "function.other", "Runtime.HandlerNotFound", "Handler 'other' missing on module 'function'"),
        ("", "nowhere.x", "Runtime.ImportModuleError", "Unable to import module 'nowhere': No module named 'nowhere'"),
        ("def (", "function.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'function': "),
        ("1 / 0", "function.handler", "ZeroDivisionError", "division by zero"),
        ("", "handler", "Runtime.MalformedHandlerName", "Bad handler 'handler': not enough values to unpack"),
        (
            "def handler(e, c): return {1, 2}",
            "function.handler",
            "Runtime.MarshalError",
            "Unable to marshal response: Object of type set is not JSON serializable",
        ),
        (
            "def handler(e, c): return float('nan')",
            "function.handler",
            "Runtime.MarshalError",
            "Unable to marshal response: Out of range float values are not JSON compliant",
        ),
        (
            "import sys\ndef handler(e, c): sys.exit(3)",
            "function.handler",
            "Runtime.ExitError",
            "RequestId: request-1 Error: Runtime exited with error: exit status 3",
        ),
        (
            "import os\ndef handler(e, c): os.kill(os.getpid(), 9)",
            "function.handler",
            "Runtime.ExitError",
            "RequestId: request-1 Error: Runtime exited with error: signal: 9",
        ),
        (
            "def handler(e, c): return 'x' * 6_300_000",
            "function.handler",
            "Function.ResponseSizeTooLarge",
            "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        ),
    ],
)
def test_what_goes_wrong_has_awss_name(
    invoker: FunctionInvoker, tmp_path: Path, text: str, handler: str, kind: str, message: str
) -> None:
    result = invoke(invoker, code(tmp_path, text, handler))
    error = json.loads(result.payload)
    assert result.is_error
    assert error["errorType"] == kind
    assert error["errorMessage"].startswith(message)


def test_a_function_ends_when_its_time_is_over(invoker: FunctionInvoker, tmp_path: Path) -> None:
    function = code(tmp_path, "import time\ndef handler(e, c): time.sleep(60)", timeout_s=0.5)
    result = invoke(invoker, function)
    assert json.loads(result.payload) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: request-1 Error: Task timed out after 0.50 seconds",
    }


def test_a_stop_leaves_no_process(invoker: FunctionInvoker, tmp_path: Path) -> None:
    marker = f"mlci-test-{os.getpid()}-{time.monotonic_ns()}"
    text = (
        "import signal, subprocess, time\n"
        "def handler(event, context):\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        "    print('here', flush=True)\n"
        "    time.sleep(60)\n"
    )
    function = code(tmp_path, text, environment={"MARKER": marker})
    stop, ends = FakeStopSignal(), []
    thread = threading.Thread(target=lambda: ends.append(invoke(invoker, function, stop=stop)))
    thread.start()
    log = tmp_path / "logs" / "train.log"
    while not (log.exists() and "here" in log.read_text()):
        time.sleep(0.01)
    assert len(processes_with(marker)) == 2
    began = time.monotonic()
    stop.set()
    thread.join(30)
    assert time.monotonic() - began < 30
    assert ends[0].is_stopped
    assert processes_with(marker) == []
    assert list((tmp_path / "work").glob("mlci-job-*")) == []


def test_stops_at_any_moment_leave_no_process(invoker: FunctionInvoker, tmp_path: Path) -> None:
    marker = f"mlci-test-{os.getpid()}-{time.monotonic_ns()}"
    function = code(tmp_path, "import time\ndef handler(e, c): time.sleep(60)", environment={"MARKER": marker})
    for number in range(20):
        stop = FakeStopSignal()
        timer = threading.Timer(number * 0.01, stop.set)
        timer.start()
        began = time.monotonic()
        assert invoke(invoker, function, stop=stop).is_stopped
        assert time.monotonic() - began < 30
        timer.join()
    assert processes_with(marker) == []


def test_the_log_holds_what_was_printed(invoker: FunctionInvoker, tmp_path: Path) -> None:
    lines_of_code = ["print('out')", "print('err', file=sys.stderr)", "raise KeyError(1)"]
    text = "import sys\ndef handler(event, context):\n    " + "\n    ".join(lines_of_code)
    result = invoke(invoker, code(tmp_path, text))
    (stream,) = invoker.log_files()
    assert stream.group == "/aws/lambda/train"
    lines = stream.path.read_text().splitlines()
    assert lines[0] == "START RequestId: request-1 Version: $LATEST"
    assert f'  File "{tmp_path}/task/function.py", line 5, in handler' in lines
    assert {"out", "err", "[ERROR] KeyError: 1", "END RequestId: request-1"} <= set(lines)
    assert result.log_tail.decode().splitlines() == lines
