"""`mlci report`, and the summary of a job: what they take from the environment, and what they say of what it lacks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws

from mlci.cli.job_summary import write_job_summary
from mlci.cli.report import command, credentials_of
from mlci.errors import InputError
from mlci.pull_request.actions import SUMMARY_MAX_BYTES
from mlci.pull_request.credentials import GitHubToken
from support.fake_github import FakeGitHub, served

COMMIT, TOKEN = "c" * 40, f"ghs_{'a' * 36}"
ARN = "arn:aws:codebuild:eu-west-1:123456789012:build/mlci-iris-pull-request:8f2c"


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    fake = FakeGitHub(login="github-actions[bot]")
    with served(fake):
        yield fake


def environment(folder: Path, url: str, **changes: str) -> dict[str, str]:
    """That of a job for pull request 7, in a folder with a flow."""
    event = {"pull_request": {"number": 7, "head": {"sha": COMMIT}}}
    (folder / "event.json").write_text(json.dumps(event))
    (folder / "flow.yaml").write_text("flow: iris\nsteps: [a mistake]\n")
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(folder / "event.json"),
        "GITHUB_REPOSITORY": "octo/model",
        "GITHUB_API_URL": url,
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_RUN_ID": "42",
        "GITHUB_TOKEN": TOKEN,
        **changes,
    }


def report(folder: Path, environment: dict[str, str], *options: str) -> Any:
    return CliRunner().invoke(
        command, ["--flow", str(folder / "flow.yaml"), *options], standalone_mode=False, env=environment
    )


def test_a_job_that_begins(tmp_path: Path, github: FakeGitHub) -> None:
    """The flow has a mistake, so that no run of it says its name."""
    done = report(tmp_path, environment(tmp_path, github.url), "--pending")
    assert (done.return_value, done.output) == (0, "the check mlci/iris/report is in progress\n")
    [check] = github.checks
    assert (check["head_sha"], check["external_id"]) == (COMMIT, "42-1")
    assert check["details_url"] == "https://github.com/octo/model/actions/runs/42"


@pytest.mark.parametrize(
    ("result", "conclusion", "title"),
    [
        ("failure", "failure", "the job left no valid result: its log says why"),
        ("cancelled", "cancelled", "stopped: the job was cancelled"),
        ("skipped", "cancelled", "stopped: the job did not run"),
        ("success", "failure", "the job left no valid result: its log says why"),
    ],
)
def test_a_job_without_a_run_ends_its_check(
    result: str, conclusion: str, title: str, tmp_path: Path, github: FakeGitHub
) -> None:
    done = report(
        tmp_path, environment(tmp_path, github.url), "--run", "none", "--job-result", result, "--comment", "never"
    )
    assert done.return_value == 0, done.output
    [check] = github.checks
    assert (check["conclusion"], check["output"]["title"]) == (conclusion, title)
    assert github.comments == []


@pytest.mark.parametrize("options", [(), ("--build", ARN)])
def test_without_a_token_nothing_is_posted_and_nothing_fails(
    options: tuple[str, ...], tmp_path: Path, github: FakeGitHub
) -> None:
    done = report(tmp_path, environment(tmp_path, github.url, GITHUB_TOKEN=""), *options)
    assert done.return_value == 0
    assert done.output.startswith("nothing was posted: there is no token (GITHUB_TOKEN, or MLCI_GITHUB_SECRET")
    assert github.requests == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"GITHUB_ACTIONS": ""}, "posts from a job of GitHub Actions, and this is none"),
        ({"GITHUB_EVENT_NAME": "push"}, "no run of GitHub Actions for a pull request"),
        ({"GITHUB_EVENT_PATH": "none"}, 'there is no file "none"'),
        ({"GITHUB_TOKEN": "two words"}, "GITHUB_TOKEN holds no token"),
        ({"MLCI_BUILD": "x"}, '"x" is no ARN of a build'),
        ({"MLCI_BUILD": ARN, "MLCI_REPORTS": "x"}, '"x" is no folder of reports'),
    ],
)
def test_what_is_wrong_is_a_sentence(changes: dict[str, str], words: str, tmp_path: Path, github: FakeGitHub) -> None:
    done = report(tmp_path, environment(tmp_path, github.url, **changes))
    assert isinstance(done.exception, InputError), done.output
    assert words in str(done.exception)
    assert github.requests == []


@pytest.mark.parametrize("text", ["steps: {}", "flow: [1]", "flow: two words", "{", "- 1"])
def test_a_flow_without_a_name_is_a_sentence(text: str, tmp_path: Path, github: FakeGitHub) -> None:
    variables = environment(tmp_path, github.url)
    (tmp_path / "flow.yaml").write_text(text)
    assert isinstance(report(tmp_path, variables).exception, InputError)


@mock_aws
def test_the_secret_is_read_where_its_arn_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    secret = boto3.client("secretsmanager", region_name="eu-west-1").create_secret(Name="github", SecretString=TOKEN)
    boto3.client("ssm", region_name="eu-west-1").put_parameter(Name="/team/github", Value=TOKEN, Type="SecureString")
    parameter = "arn:aws:ssm:eu-west-1:123456789012:parameter/team/github"
    for arn in (secret["ARN"], parameter):
        found = credentials_of({"MLCI_GITHUB_SECRET": arn})
        assert found is not None
        assert found.of == GitHubToken(TOKEN)


@mock_aws
def test_a_secret_that_can_not_be_read_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    missing = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:none-aBcD12"
    assert credentials_of({"MLCI_GITHUB_SECRET": missing}) is None
    assert capsys.readouterr().out.startswith("nothing can be posted: GetSecretValue: ResourceNotFoundException")


def test_a_jobs_summary_is_the_report_within_githubs_limit(tmp_path: Path) -> None:
    summary, report = tmp_path / "summary", tmp_path / "report.md"
    variables = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    write_job_summary(variables, tmp_path)
    assert summary.read_bytes() == b"" if summary.exists() else True
    report.write_text("## report\n")
    write_job_summary({"GITHUB_STEP_SUMMARY": str(tmp_path / "other")}, tmp_path)
    assert not (tmp_path / "other").exists()
    write_job_summary(variables, tmp_path)
    assert summary.read_text() == "## report\n"
    report.write_text("a line\n" * 300_000)
    for _ in range(2):
        write_job_summary(variables, tmp_path)
        assert summary.stat().st_size <= SUMMARY_MAX_BYTES
    assert "The report is cut" in summary.read_text()
