"""The starter as a script's parent: output, signals, exit codes, and what is due afterwards."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlci.stage.starter import mlci_start

STARTER = Path(mlci_start.__file__).parent
#: A feature for these tests: its value says which filters and actions the job gets.
FEATURE = """
import os, sys

def prepare(value, job):
    if value.get("filter"):
        job.filters.append(lambda line: line.replace(b"secret", b"***"))
    if value.get("seen"):
        job.filters.append(lambda line: open(value["seen"], "ab").write(repr(line).encode() + b"\\n") and line)
    for text in value.get("after", []):
        job.after.append(lambda text=text: print(text, flush=True))
    for text in value.get("fails", []):
        job.after.append(lambda text=text: sys.exit(text))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A code folder with a starter that knows the feature `test`."""
    for file in STARTER.glob("mlci_start*.py"):
        shutil.copy(file, tmp_path)
    starter = tmp_path / "mlci_start.py"
    text, count = re.subn(r"(?m)^FEATURES: .*$", 'FEATURES = ("test",)', starter.read_text())
    assert count == 1
    starter.write_text(text)
    (tmp_path / "mlci_start_test.py").write_text(FEATURE)
    return tmp_path


def command(folder: Path, source: str, **value: object) -> list[str]:
    (folder / "x.py").write_text(source)
    document = {"run": {"script": "x.py"}, "import_roots": [], "test": value}
    (folder / "mlci_start.json").write_text(json.dumps(document))
    return [sys.executable, str(folder / "mlci_start.py")]


def run(folder: Path, source: str, **value: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(folder, source, **value), capture_output=True, text=True, check=False, timeout=60)


def test_actions_run_in_their_order_after_a_script_that_succeeds(folder: Path) -> None:
    done = run(folder, "print('script')", after=["one", "two"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "script\none\ntwo\n", "")


def test_no_action_runs_after_a_script_that_fails(folder: Path) -> None:
    done = run(folder, "import sys; sys.exit('bad')", after=["one"])
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "bad\n")


def test_an_action_that_fails_makes_the_job_fail_and_the_others_run(folder: Path) -> None:
    done = run(folder, "", fails=["no file", "no folder"])
    assert (done.returncode, done.stderr) == (1, "no file\nno folder\n")


@pytest.mark.parametrize("value", [{"after": ["one"]}, {"filter": True}], ids=["action", "filter"])
@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("import sys; sys.exit(7)", 7),
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", -signal.SIGSEGV),
    ],
)
def test_the_exit_code_is_the_scripts(folder: Path, source: str, code: int, value: dict[str, object]) -> None:
    assert run(folder, source, **value).returncode == code


@contextmanager
def started(command_line: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process with the default action of each signal, and kill it at the end.

    A shell starts what it runs in the background with SIGINT ignored, which all of its children inherit.
    """

    def default_signals() -> None:
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)

    with subprocess.Popen(command_line, stdout=subprocess.PIPE, preexec_fn=default_signals) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("value", [{"after": ["one"]}, {"filter": True}], ids=["action", "filter"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_reaches_the_script(folder: Path, number: signal.Signals, value: dict[str, object]) -> None:
    source = (
        f"import signal, sys\nsignal.signal({number.value}, lambda *_: sys.exit(5))\n"
        "print('up', flush=True)\nsignal.pause()"
    )
    with started(command(folder, source, **value)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.send_signal(number)
        assert process.wait(30) == 5


def test_filters_see_each_line_of_both_streams_and_change_what_is_printed(folder: Path, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    source = (
        "import os\nos.write(1, b'a secret\\r10%\\r20% secret\\n\\xff\\nno end')\nos.write(2, b'error: secret\\r\\n')\n"
    )
    done = subprocess.run(
        command(folder, source, filter=True, seen=str(seen)), capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0
    assert (done.stdout, done.stderr) == (b"a ***\r10%\r20% ***\n\xff\nno end", b"error: ***\r\n")
    lines = seen.read_bytes().splitlines()
    out = [b"b'a ***\\r'", b"b'10%\\r'", b"b'20% ***\\n'", b"b'\\xff\\n'", b"b'no end'"]
    assert [line for line in lines if b"error" not in line] == out
    assert [line for line in lines if b"error" in line] == [b"b'error: ***\\r\\n'"]


def test_a_line_is_printed_when_it_is_whole_and_not_at_the_end(folder: Path) -> None:
    source = "import time\nprint('one', flush=True)\ntime.sleep(60)"
    with started(command(folder, source, filter=True)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"one\n"
        process.terminate()
        assert process.wait(30) == -signal.SIGTERM


def test_much_output_passes_whole(folder: Path) -> None:
    done = run(folder, "for i in range(100000): print(i)\nprint('x' * 3_000_000)", filter=True)
    assert done.stdout == "".join(f"{number}\n" for number in range(100000)) + "x" * 3_000_000 + "\n"


@pytest.mark.slow
def test_a_process_that_is_left_behind_does_not_hold_the_job(folder: Path) -> None:
    source = "import subprocess\nprint(subprocess.Popen(['sleep', '60']).pid, flush=True)"
    begun = time.monotonic()
    with subprocess.Popen(command(folder, source, filter=True), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        left = int(process.stdout.readline())
        try:
            assert process.wait(40) == 0
        finally:
            os.kill(left, signal.SIGKILL)
    assert time.monotonic() - begun < 40


def test_a_script_whose_reader_is_gone_ends_as_without_a_parent(folder: Path) -> None:
    source = "import signal\nsignal.signal(signal.SIGPIPE, signal.SIG_DFL)\nwhile True: print('y' * 1000)"
    with subprocess.Popen(command(folder, source, filter=True), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(30) == -signal.SIGPIPE


def test_without_filters_and_actions_the_starter_becomes_the_script(folder: Path) -> None:
    with subprocess.Popen(command(folder, "import os; print(os.getpid())"), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert int(process.stdout.read()) == process.pid


def test_nothing_is_left_among_the_code(folder: Path) -> None:
    (folder / "json.py").write_text("1 / 0")
    before = sorted(path.name for path in folder.iterdir())
    assert run(folder, "", filter=True).returncode == 0
    assert sorted(path.name for path in folder.iterdir()) == sorted([*before, "mlci_start.json", "x.py"])
