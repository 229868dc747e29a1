"""Folders that can't be used: one that is gone, one that may not be written or read, and a flow that is no file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from support.project import Project, clean_environment

FLOW = "flow: x\nsteps: {one: {uses: processing, run: one.py, image: 'i.example/i:1'}}\n"
#: The rights that let root pass over permissions; `setpriv` drops them, so that root is as any other owner.
DROP = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--inh-caps=-all")


def as_owner(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command without root's right to pass over permissions."""
    drop = DROP if os.geteuid() == 0 else ()
    if drop and shutil.which("setpriv") is None:
        pytest.skip("root passes over permissions, and there is no setpriv to drop that right")
    command = [*drop, sys.executable, "-m", "mlci", *arguments]
    return subprocess.run(
        command, cwd=project.root, env=clean_environment({}), capture_output=True, text=True, timeout=60, check=False
    )


def test_init_in_a_folder_that_is_gone_says_so(project: Project) -> None:
    line = f"mkdir gone && cd gone && rmdir ../gone && {sys.executable} -m mlci init"
    done = subprocess.run(
        ["bash", "-c", line], cwd=project.root, env=clean_environment({}), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "mlci: the working directory does not exist any more. Change to another one.\n"


def test_a_flow_that_is_a_pipe_is_refused_and_not_waited_for(project: Project) -> None:
    os.mkfifo(project.root / "pipe.yaml")
    done = project.mlci("validate", "--flow", "pipe.yaml")
    assert (done.returncode, done.stderr) == (
        2,
        'mlci: "pipe.yaml" is no file. Name the flow\'s file with --flow.\n',
    )


def test_a_checkout_that_may_not_be_written_is_told_before_anything_is_done(project: Project) -> None:
    project.write("flow.yaml", FLOW)
    project.write("one.py", "")
    project.root.chmod(0o555)
    try:
        refused = as_owner(project, "run")
        looked = as_owner(project, "list")
    finally:
        project.root.chmod(0o755)
    assert refused.returncode == 2
    assert f'"{project.root}" can\'t be written. mlci keeps its runs there: check its owner' in refused.stderr
    assert (looked.returncode, "There are no runs yet" in looked.stdout) == (0, True)


@pytest.mark.parametrize("arguments", [("run",), ("list",), ("clean", "--yes")])
def test_runs_that_may_not_be_read_are_no_empty_list(project: Project, arguments: tuple[str, ...]) -> None:
    project.write("flow.yaml", FLOW)
    project.write("one.py", "")
    runs = project.root / ".mlci/runs"
    runs.mkdir(parents=True)
    runs.chmod(0)
    try:
        refused = as_owner(project, *arguments)
    finally:
        runs.chmod(0o755)
    assert refused.returncode == 2
    assert f'"{runs}" can\'t be ' in refused.stderr
    assert "heck its owner and its permissions" in refused.stderr
