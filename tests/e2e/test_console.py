"""The console: what it shows of jobs, and a console that is lost, and a full disk; the exit code keeps its meaning."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.project import Project, clean_environment

MEASURE = 'import time; time.sleep(0.5); open("/opt/ml/processing/output/out/m.json", "w").write(\'{"auc": 0.9}\')'


@pytest.fixture
def measured(script_flow: Callable[..., Project]) -> Project:
    return script_flow(
        {"measure": MEASURE},
        {"measure": "outputs: [out]\nmetrics: out/m.json"},
        "gate: [{metric: measure.auc, min: 0.5}]",
    )


def shell(project: Project, line: str) -> subprocess.CompletedProcess[str]:
    """Runs a line of bash; `$M` is the command mlci."""
    return subprocess.run(
        ["bash", "-c", line],
        cwd=project.root,
        env=clean_environment({"M": f"{sys.executable} -m mlci"}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("redirection", "limit", "code", "status"),
    [
        ("| head -n 1 >/dev/null", "0.5", 0, "passed"),
        ("| true", "0.95", 1, "gate_missed"),
        (">/dev/full", "0.5", 0, "passed"),
        (">/dev/full 2>/dev/full", "0.95", 1, "gate_missed"),
        (">&- 2>&- <&-", "0.5", 0, "passed"),
    ],
)
def test_a_run_whose_console_is_lost_keeps_its_verdict(
    measured: Project, redirection: str, limit: str, code: int, status: str
) -> None:
    measured.write("flow.yaml", (measured.root / "flow.yaml").read_text().replace("0.5", limit))
    done = shell(measured, f"$M run {redirection}; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, measured.result()["status"]) == (code, status), done.stderr
    assert "error inside" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("$M schema | head -n 1 >/dev/null", 0),  # the reader has enough
        ("$M schema >&-", 0),  # nobody wants it
        ("$M schema >/dev/full", 3),  # the output is the result, and it is lost
        ("$M schema --help >/dev/full", 3),
        ("$M list >/dev/full", 3),
        ("$M nonsense 2>&-", 2),
        ("$M nonsense 2>/dev/full", 2),
        ("$M nonsense 2> >(true)", 2),
    ],
)
def test_a_command_that_prints_fails_only_if_its_output_is_lost_on_the_way(
    measured: Project, line: str, code: int
) -> None:
    done = shell(measured, f"{line}; exit ${{PIPESTATUS[0]}}")
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert ("could not be written: No space left on device" in done.stderr) is (code == 3)


def test_a_pipe_that_does_not_block_gets_the_whole_output(project: Project) -> None:
    """Another program that shares the pipe may have made it non-blocking, as Node.js does."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    command = [sys.executable, "-m", "mlci", "schema"]
    running = subprocess.Popen(command, cwd=project.root, env=clean_environment({}), stdout=writer)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        time.sleep(1)  # until the pipe is full
        assert json.load(pipe)["type"] == "object"
    assert running.wait(60) == 0


FILL = f"""
import os, time
{MEASURE}
folder = os.environ["FILLED"]
print("filling", flush=True)
with open(folder + "/filler", "wb", buffering=0) as file:
    for size in (65536, 4096, 1):
        try:
            while os.fstat(file.fileno()).st_size < 32_000_000:  # never more than the small disk has
                file.write(b"x" * size)
        except OSError:
            pass
"""


def test_a_full_disk_loses_the_reports_but_not_the_verdict_on_the_console(
    script_flow: Callable[..., Project], tmp_path: Path
) -> None:
    """`.mlci/runs` is a small disk of its own, which the script fills."""
    project = script_flow(
        {"measure": FILL},
        {"measure": f"outputs: [out]\nmetrics: out/m.json\nenv: {{FILLED: '{tmp_path}/.mlci/runs'}}"},
        "gate: [{metric: measure.auc, min: 0.5}]",
    )
    (tmp_path / ".mlci/runs").mkdir(parents=True)
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs the right to have a mount namespace")
    done = shell(
        project,
        "exec unshare -m bash -c 'mount -t tmpfs -o size=256k tmpfs .mlci/runs && { $M run; code=$?; "
        "ls -A .mlci/runs/*/ >&2; rm .mlci/runs/filler; $M show; exit $code; }'",
    )
    assert "scripts: passed" in done.stdout, done.stdout + done.stderr
    assert "no report: the files could not be written (No space left on device" in done.stdout
    assert done.returncode == 3
    assert "result.json" not in done.stderr
    assert ".tmp" not in done.stderr
    assert "error inside" not in done.stderr
    assert "has not finished" in done.stdout


def test_a_terminal_gets_a_log_without_control_sequences_and_a_pipe_gets_its_bytes(
    script_flow: Callable[..., Project],
) -> None:
    project = script_flow({"one": "import sys; sys.stdout.buffer.write(b'\\x1b[31mred\\x1b[0m\\xff\\n')"})
    assert project.mlci("run").returncode == 0
    command = [sys.executable, "-m", "mlci", "logs", "one"]
    piped = subprocess.run(command, cwd=project.root, env=clean_environment({}), capture_output=True, check=True)
    assert piped.stdout == b"\x1b[31mred\x1b[0m\xff\n"
    terminal, end = os.openpty()
    subprocess.run(command, cwd=project.root, env=clean_environment({}), stdout=end, check=True)
    os.close(end)
    assert os.read(terminal, 1000).decode() == "red�\r\n"
    os.close(terminal)
