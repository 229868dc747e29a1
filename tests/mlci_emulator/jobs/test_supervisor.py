"""The supervisor of a job, started by itself."""

from __future__ import annotations

import marshal
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

SUPERVISOR = Path(__file__).parents[3] / "src" / "mlci_emulator" / "jobs" / "supervisor.py"


def run(launch_request: dict[str, Any] | None, after: bytes = b"") -> tuple[str, Any] | None:
    """Return the status of a launch request; standard input stays open until the status is there."""
    reader, writer = os.pipe()
    command = [sys.executable, "-I", "-S", str(SUPERVISOR), str(writer)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[writer]) as process:
        os.close(writer)
        assert process.stdin is not None
        if launch_request is not None:
            data = marshal.dumps(launch_request)
            process.stdin.write(len(data).to_bytes(4, "big") + data + after)
            process.stdin.flush()
        else:
            process.stdin.close()
        with open(reader, "rb") as file:
            status = file.read()
        assert process.stdout is not None
        assert process.stdout.read() == b""
    assert process.returncode == 0
    return marshal.loads(status) if status else None


def launch_request(tmp_path: Path, code: str, **changes: Any) -> dict[str, Any]:
    return {
        "mode": "paths",
        "folder": str(tmp_path),
        "stage": str(tmp_path),
        "log": str(tmp_path / "log"),
        "argv": [sys.executable, "-c", code],
        "env": {"SM_HP_MAX-DEPTH": "4", "PATH": os.environ["PATH"]},
        "cwd": str(tmp_path),
        "grace_s": 0.2,
        "root": "",
        "removal": [],
        "removal_environment": {},
        **changes,
    }


def test_it_starts_with_the_standard_library_alone_and_little_of_it() -> None:
    program = f"import runpy, sys; runpy.run_path({str(SUPERVISOR)!r}, run_name='x'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    assert not {"mlci", "json", "subprocess", "threading", "tempfile"} & set(done.stdout.split())


def test_the_scripts_own_end_is_reported(tmp_path: Path) -> None:
    assert run(launch_request(tmp_path, "raise SystemExit(3)")) == ("exited", 3 << 8)
    assert run(launch_request(tmp_path, "import os; os.kill(os.getpid(), 9)")) == ("exited", 9)


def test_names_that_a_shell_would_drop_and_inherited_files(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys;"
        "print(sorted(os.environ), sys.stdin.read(), sorted(map(int, os.listdir('/dev/fd')))[:4]);"
        "print(open('/proc/self/status').read().split('SigIgn:')[1].split()[0] if sys.platform == 'linux' else 0)"
    )
    run(launch_request(tmp_path, code, argv=[sys.executable, "-I", "-c", code]))
    lines = (tmp_path / "log").read_text().splitlines()
    assert "'SM_HP_MAX-DEPTH'" in lines[0]
    assert "[0, 1, 2, 3]" in lines[0]  # 3 is the listing itself


def test_what_cannot_start_is_not_a_exit_code(tmp_path: Path) -> None:
    status = run(launch_request(tmp_path, "", argv=["no-such-program"]))
    assert status == ("not_executable", "no-such-program: No such file or directory")
    status = run(launch_request(tmp_path, "", cwd="/no/such/folder"))
    assert status is not None
    assert status == ("not_executable", "/no/such/folder: No such file or directory")
    status = run(launch_request(tmp_path, "", log="/no/such/folder/log"))
    assert status is not None
    assert status[0] == "setup_failed"
    status = run({"mode": "paths"})
    assert status is not None
    assert status[0] == "setup_failed"


def test_a_stop_is_sigterm_first(tmp_path: Path) -> None:
    status = run(
        launch_request(tmp_path, "", argv=["/bin/sh", "-c", 'trap "exit 7" TERM; sleep 0.3 & wait; sleep 20']), b"S"
    )
    assert status in (("exited", 7 << 8), ("exited", 15))  # 15 if it came before the trap was set


def test_a_script_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    assert run(
        launch_request(tmp_path, "", argv=["/bin/sh", "-c", 'trap "" TERM; sleep 20 & wait; sleep 20']), b"S"
    ) in (
        ("exited", 9),
        ("exited", 15),
    )


def test_without_a_request_it_exits_quietly() -> None:
    assert run(None) is None


@pytest.mark.skipif(sys.platform == "linux", reason="Linux has namespaces")
def test_namespaces_are_refused_elsewhere(tmp_path: Path) -> None:
    status = run(launch_request(tmp_path, "", mode="namespace"))
    assert status is not None
    assert status[0] == "setup_failed"


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "import time; time.sleep(60)"])
def test_a_container_is_removed_after_the_end_and_after_a_stop(tmp_path: Path, code: str) -> None:
    removed = tmp_path / "removed"
    removal = ["/bin/sh", "-c", f"echo $NAME > {removed}"]
    request = launch_request(tmp_path, code, mode="container", removal=removal, removal_environment={"NAME": "job"})
    status = run(request, b"S" if "sleep" in code else b"")
    assert status == (("exited", 15) if "sleep" in code else ("exited", 3 << 8))
    assert removed.read_text() == "job\n"


def test_a_container_is_removed_where_mlci_is_killed(tmp_path: Path) -> None:
    removed, started = tmp_path / "removed", tmp_path / "started"
    code = f"import signal, time; signal.signal(15, signal.SIG_IGN); open({str(started)!r}, 'w'); time.sleep(60)"
    removal = ["/bin/sh", "-c", f"echo x > {removed}"]
    data = marshal.dumps(launch_request(tmp_path, code, mode="container", removal=removal))
    reader, writer = os.pipe()
    command = [sys.executable, "-I", "-S", str(SUPERVISOR), str(writer)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[writer]) as process:
        os.close(writer)
        assert process.stdin is not None
        process.stdin.write(len(data).to_bytes(4, "big") + data)
        process.stdin.flush()
        while not started.exists():
            time.sleep(0.01)
        process.stdin.close()  # as when mlci is gone
        process.wait(60)
    os.close(reader)
    assert removed.exists()


def test_a_job_gets_the_root_that_it_is_given(tmp_path: Path) -> None:
    """A root with a shell and the libraries that it is linked with."""
    if os.geteuid() != 0 or shutil.which("ldd") is None:
        pytest.skip("only root can change the root, and the shell's libraries must be known")
    root, folder = tmp_path / "root", tmp_path / "ml"
    folder.mkdir()
    linked = subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True, check=True).stdout
    for file in ["/bin/sh", *re.findall(r"(/\S+) \(0x", linked)]:
        target = root / file.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    script = "echo $GREETING > /opt/ml/found; pwd >> /opt/ml/found; echo /* >> /opt/ml/found; exit 4"
    request = launch_request(
        tmp_path,
        "",
        mode="namespace",
        folder=str(folder),
        root=str(root),
        argv=["/bin/sh", "-c", script],
        env={"GREETING": "hello"},
        cwd="/work",
        temporary="",
        shared_names=[],
        hosts="",
        is_offline=False,
        network_of=0,
    )
    assert run(request) == ("exited", 4 << 8)
    greeting, place, entries = (folder / "found").read_text().splitlines()
    assert (greeting, place) == ("hello", "/work")
    assert {"/opt", "/proc", "/dev", "/work"} <= set(entries.split())
    assert "/home" not in entries.split()


def test_no_link_of_an_image_leads_out_of_its_root(tmp_path: Path) -> None:
    """A folder that is made through the link would be one of this machine, made by root."""
    if os.geteuid() != 0:
        pytest.skip("only root can change the root")
    root, folder, outside = tmp_path / "root", tmp_path / "ml", tmp_path / "outside"
    for each in (root, folder, outside):
        each.mkdir()
    (root / "opt").symlink_to(outside)
    changes = {"mode": "namespace", "folder": str(folder), "root": str(root), "argv": ["/bin/true"], "cwd": "/"}
    network = {"hosts": "", "is_offline": False, "network_of": 0}
    status = run(launch_request(tmp_path, "", **changes, **network, env={}, temporary="", shared_names=[]))
    assert status is not None
    assert status[0] == "setup_failed"
    assert "/opt/ml of the image is a link to" in status[1]
    assert list(outside.iterdir()) == []
