"""The scripts of .github/workflows/ml-ci.yml, run as the runner runs them, with an `aws` that answers from a list."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
BUILD = "mlci-breast-cancer-pull-request:b1e6661e-e4f2-4156-9ab9-82a19EXAMPLE"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
#: Answers from `answers`, one file a call; a file with text that is no JSON is an error's message.
AWS = """\
import json, pathlib, sys
here = pathlib.Path(__file__).parent
with (here / "calls").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
answer = sorted((here / "answers").iterdir())[0]
said = answer.read_text()
answer.unlink()
if said.startswith("An error"):
    sys.exit(said)
print(said)
"""


def described(phase: str, status: str, message: str = "", stream: str | None = "b1e6661e") -> dict[str, Any]:
    """What BatchGetBuilds says of the build."""
    ended = {"phaseType": "BUILD", "phaseStatus": status, "contexts": [{"statusCode": "", "message": message}]}
    build = {
        "id": BUILD,
        "arn": f"arn:aws:codebuild:eu-west-1:123456789012:build/{BUILD}",
        "projectName": BUILD.partition(":")[0],
        "currentPhase": phase,
        "buildStatus": status,
        "phases": [{"phaseType": "QUEUED"}, ended],
        "logs": {"groupName": "/aws/codebuild/mlci-breast-cancer-pull-request"}
        | ({"streamName": stream} if stream else {}),
    }
    return {"builds": [build]}


def page(token: str, *messages: str) -> dict[str, Any]:
    """What GetLogEvents says."""
    return {"events": [{"message": message} for message in messages], "nextForwardToken": token}


@dataclass(frozen=True)
class Ran:
    exit_code: int
    printed: str
    calls: list[list[str]]
    summary: str
    outputs: str


def step(name: str, job: str = "build") -> dict[str, Any]:
    workflow = yaml.safe_load((REPOSITORY / ".github/workflows/ml-ci.yml").read_text())
    [found] = [step for step in workflow["jobs"][job]["steps"] if step["name"] == name]
    assert isinstance(found, dict)
    return found


def ran(name: str, where: Path, *answers: dict[str, Any] | str, job: str = "build", **environment: str) -> Ran:
    script = step(name, job)
    (where / "answers").mkdir()
    for number, answer in enumerate(answers):
        (where / f"answers/{number:02}").write_text(answer if isinstance(answer, str) else json.dumps(answer))
    (where / "aws.py").write_text(AWS)
    (where / "aws").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{where / "aws.py"}" "$@"\n')
    (where / "aws").chmod(0o755)
    for file in ("calls", "summary", "outputs"):
        (where / file).touch()
    # https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsshell
    (where / "script").write_text(script["run"])
    command = [sys.executable] if script.get("shell") == "python" else ["bash", "-e"]
    done = subprocess.run(
        [*command, "script"],
        cwd=where,
        env={
            "PATH": f"{where}:{os.environ['PATH']}",
            "GITHUB_STEP_SUMMARY": str(where / "summary"),
            "GITHUB_OUTPUT": str(where / "outputs"),
            "SECONDS_BETWEEN": "0",
            "BUILD": BUILD,
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    calls = [json.loads(line) for line in (where / "calls").read_text().splitlines()]
    assert not list((where / "answers").iterdir()), done.stderr
    return Ran(
        done.returncode,
        done.stdout,
        calls,
        (where / "summary").read_text(),
        (where / "outputs").read_text() + done.stderr,
    )


@pytest.mark.parametrize(
    ("number", "ref", "version"),
    [
        ("7", "refs/pull/7/merge", "refs/pull/7/head^{" + COMMIT + "}"),
        ("", "refs/heads/main", "refs/heads/main^{" + COMMIT + "}"),
    ],
)
def test_it_starts_the_commit_of_the_event_and_overrides_nothing_else(
    number: str, ref: str, version: str, tmp_path: Path
) -> None:
    environment = {"GITHUB_REF": ref, "GITHUB_RUN_ID": "99", "GITHUB_RUN_ATTEMPT": "2"}
    done = ran("Start the build", tmp_path, BUILD, PROJECT="p", NUMBER=number, COMMIT=COMMIT, **environment)
    [call] = done.calls
    assert call[:2] == ["codebuild", "start-build"]
    options = dict(zip(call[2::2], call[3::2], strict=True))
    assert options == {
        "--project-name": "p",
        "--source-version": version,
        "--idempotency-token": "99-2",
        "--query": "build.id",
        "--output": "text",
    }
    assert (done.exit_code, done.outputs) == (0, f"id={BUILD}\n")


def test_a_build_that_can_not_be_started_fails(tmp_path: Path) -> None:
    refused = "An error occurred (AccessDeniedException) when calling the StartBuild operation"
    environment = {"GITHUB_REF": "refs/heads/main", "GITHUB_RUN_ID": "99", "GITHUB_RUN_ATTEMPT": "1"}
    done = ran("Start the build", tmp_path, refused, PROJECT="p", NUMBER="", COMMIT=COMMIT, **environment)
    assert done.exit_code == 1
    assert "id=" not in done.outputs


def test_it_follows_the_build_and_its_log_to_the_verdict(tmp_path: Path) -> None:
    done = ran(
        "Follow it to its verdict",
        tmp_path,
        described("QUEUED", "IN_PROGRESS", stream=None),
        described("BUILD", "IN_PROGRESS"),
        page("f/1", "first\n", "::error::said by the build\n"),
        page("f/1"),
        described("BUILD", "IN_PROGRESS"),
        "An error occurred (ThrottlingException) when calling the GetLogEvents operation",
        described("COMPLETED", "SUCCEEDED"),
        page("f/2", "last\n"),
        page("f/2"),
    )
    assert done.exit_code == 0
    printed = done.printed.splitlines()
    # What the build prints is between these two, where the runner takes no commands.
    pause = printed[0].removeprefix("::stop-commands::")
    assert len(pause) == 32
    assert printed[1:6] == [
        "first",
        "::error::said by the build",
        "(The log could not be read.)",
        "last",
        f"::{pause}::",
    ]
    assert printed[6].startswith(
        "::notice title=mlci: passed::the gate held: https://eu-west-1.console.aws.amazon.com/"
    )
    tokens = [call[call.index("--next-token") + 1] for call in done.calls if "--next-token" in call]
    assert tokens == ["f/1", "f/1", "f/1", "f/2"]
    assert done.summary.startswith(f"### mlci: passed\n\nThe gate held: [build {BUILD}](https://eu-west-1.console.aws.")
    assert (
        "/codebuild/123456789012/projects/mlci-breast-cancer-pull-request/build/mlci-breast-cancer-pull-"
        in done.summary
    )
    assert "status=SUCCEEDED\n" in done.outputs


@pytest.mark.parametrize(
    ("status", "message", "told"),
    [
        (
            "FAILED",
            "Error while executing command: python pipeline.py. Reason: exit status 1",
            "failed::the gate was missed:",
        ),
        (
            "FAILED",
            "Error while executing command: python pipeline.py. Reason: exit status 2",
            "failed::the input is wrong:",
        ),
        (
            "FAILED",
            "Error while executing command: x. Reason: exit status 3",
            "failed::a step failed, or the cloud did:",
        ),
        ("FAILED", "Error while executing command: x. Reason: exit status 4", "failed::stopped or timed out:"),
        (
            "FAILED",
            "Error while executing command: x. Reason: exit status 127",
            "a command ended with exit status 127:",
        ),
        ("FAULT", "", "fault::see its log:"),
        ("TIMED_OUT", "Build timed out", "timed out::see its log:"),
        ("STOPPED", "", "stopped::see its log:"),
        ("SOMETHING_NEW", "", "something new::see its log:"),
    ],
)
def test_anything_but_success_fails_and_says_why(status: str, message: str, told: str, tmp_path: Path) -> None:
    done = ran("Follow it to its verdict", tmp_path, described("COMPLETED", status, message, stream=None))
    assert done.exit_code == 1
    assert "::error title=mlci: " in done.printed
    assert told in done.printed
    assert f"status={status}\n" in done.outputs


def test_one_that_can_not_be_asked_about_is_stopped(tmp_path: Path) -> None:
    refused = "An error occurred (ExpiredTokenException) when calling the BatchGetBuilds operation"
    (tmp_path / "follow").mkdir()
    done = ran("Follow it to its verdict", tmp_path / "follow", refused)
    assert done.exit_code == 1
    assert "status=" not in done.outputs  # which is what the last step looks at
    assert step("Stop it")["if"] == "always() && steps.start.outputs.id != '' && steps.follow.outputs.status == ''"
    (tmp_path / "stop").mkdir()
    done = ran("Stop it", tmp_path / "stop", "STOPPED")
    assert done.calls == [
        ["codebuild", "stop-build", "--id", BUILD, "--query", "build.buildStatus", "--output", "text"]
    ]
    assert done.summary == "### mlci: stopped, without a verdict\n"


@pytest.mark.parametrize("missing", ["MLCI_PULL_REQUEST_ROLE", "MLCI_BASE_ROLE", "MLCI_BASE_PROJECT", None])
def test_a_variable_that_is_missing_is_named(missing: str | None, tmp_path: Path) -> None:
    names = step("Look at the variables")["env"]
    done = ran("Look at the variables", tmp_path, **{name: "" if name == missing else "set" for name in names})
    assert done.exit_code == (1 if missing else 0)
    assert missing is None or f"::error::The repository's variable {missing} is not set." in done.printed


def test_a_fork_is_told_why_it_is_not_built(tmp_path: Path) -> None:
    done = ran("Say why", tmp_path, job="fork", NUMBER="7", COMMIT=COMMIT)
    assert done.exit_code == 0
    assert done.printed.startswith("::notice title=Not built::GitHub gives the run of a fork's pull request no token")
    # The commit that was read, and not what may have been pushed since.
    assert f"--source-version 'refs/pull/7/head^{{{COMMIT}}}' --project-name, with the project" in done.summary
