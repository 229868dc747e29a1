"""A run while it goes on: its logs here and from a second terminal, signs of life, the list, and `mlci stop`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from support.project import Project
from support.waiting import wait_for

#: The script goes on when the test has seen what it wants to see.
CHATTY = """
import os, sys, time
print("::error::forged \\x1b[31mred", flush=True)
for percent in (10, 50, 100):
    print(f"{percent} %", end="\\r", flush=True)
print(flush=True)
print("a ##[error]forged", flush=True)
for _ in range(1200):
    if os.path.exists(os.environ["GO"]):
        break
    time.sleep(0.05)
print("the end", flush=True)
"""


@pytest.fixture
def chatty(script_flow: Callable[..., Project], project: Project) -> Project:
    more = f"env: {{GO: '{project.root}/go'}}"
    return script_flow({"talk": CHATTY}, {"talk": more})


def until_logged(project: Project, text: str, runs: int = 1) -> None:
    """Wait until the logs of this many runs hold the text."""

    def is_logged() -> bool:
        logs = project.root.glob(".mlci/runs/*/logs/talk.log")
        return sum(text in log.read_text() for log in logs) >= runs

    wait_for(is_logged)


def finish(project: Project, running: subprocess.Popen[str]) -> str:
    project.write("go", "")
    out, err = running.communicate(timeout=60)
    assert running.returncode == 0, out + err
    return out


@pytest.mark.slow
def test_a_run_is_followed_here_and_from_a_second_terminal(chatty: Project) -> None:
    running = chatty.start("run", "--follow")
    until_logged(chatty, "forged")
    follower = chatty.start("logs", "-f")
    raw = chatty.start("logs", "-f", "talk")
    time.sleep(1)
    assert follower.poll() is None
    lines = ["talk | ::error::forged red", "talk | 100 %", "talk | a ## [error]forged", "talk | the end"]
    out = finish(chatty, running)
    assert [line for line in out.splitlines() if line.startswith("talk | ")] == lines
    assert out.index("the end") < out.index("talk succeeded")
    assert follower.communicate(timeout=30)[0].splitlines() == lines
    followed = raw.communicate(timeout=30)[0].splitlines()
    assert followed == [": :error::forged red", "100 %", "a ## [error]forged", "the end"]
    assert (follower.returncode, raw.returncode) == (0, 0)


def test_a_build_log_gets_signs_of_life(chatty: Project) -> None:
    running = chatty.start("run", MLCI_HEARTBEAT_S="1")
    until_logged(chatty, "forged")
    time.sleep(3)
    out = finish(chatty, running)
    assert "running: talk (" in out
    assert "0 of 1 steps done\n          talk | a ## [error]forged\n" in out
    assert "##[" not in out


def test_a_running_run_is_told_from_a_killed_one_and_is_stopped_without_aws(chatty: Project) -> None:
    running = chatty.start("run")
    until_logged(chatty, "forged")
    [run] = json.loads(chatty.mlci("list", "--json").stdout)["runs"]
    assert (run["status"], run["flow"], run["seconds"]) == ("running", "scripts", None)
    assert "is running: it has started" in chatty.mlci("show").stdout
    stopped = chatty.mlci("stop", "latest", AWS_PROFILE="no-such-profile")
    assert (stopped.returncode, stopped.stdout) == (0, f"run {run['run_id']}: stopped\n"), stopped.stderr
    assert running.wait(30) == 4
    running.communicate()
    assert chatty.result()["reason"] == "stopped by `mlci stop`"
    again = chatty.mlci("stop", run["run_id"])
    assert (again.returncode, again.stdout) == (0, f"run {run['run_id']}: it has ended already: stopped\n")

    killed = chatty.start("run")
    until_logged(chatty, "forged", runs=2)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=30)
    newest = json.loads(chatty.mlci("list", "--json").stdout)["runs"][0]
    assert newest["status"] == "killed"
    assert json.loads(chatty.mlci("show", "--json").stdout)["status"] == "killed"
    gone = chatty.mlci("stop", newest["run_id"])
    assert (gone.returncode, gone.stdout) == (
        0,
        f"run {newest['run_id']}: its process is gone, and nothing of it runs\n",
    )


@pytest.mark.slow
def test_compiling_a_new_structure_says_so(script_flow: Callable[..., Project], project: Project) -> None:
    script_flow({"one": "print(1)"})
    cache = str(project.root / "cache")
    first, second = (project.mlci("definition", MLCI_CACHE=cache) for _ in range(2))
    assert json.loads(first.stdout) == json.loads(second.stdout)
    assert "compiling the flow, which takes some seconds" in first.stderr
    assert second.stderr == ""


def test_a_list_marks_runs_of_a_changed_work_tree(script_flow: Callable[..., Project]) -> None:
    project = script_flow({"one": "print(1)"})
    project.write(".gitignore", ".mlci/\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.example"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *words], cwd=project.root, check=True)
    assert project.mlci("run").returncode == 0
    project.write("one.py", "print(2)")
    assert project.mlci("run").returncode == 0
    newer, older = json.loads(project.mlci("list", "--json").stdout)["runs"]
    assert (newer["dirty"], older["dirty"], newer["commit"]) == (True, False, older["commit"])
    assert f"  {newer['commit'][:12]}*  " in project.mlci("list").stdout
