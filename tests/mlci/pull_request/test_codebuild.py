"""Builds of CodeBuild, as the reporter posts them: in progress, ended, dead; by CodeBuild's word, not the build's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import boto3
import pytest
from moto import mock_aws

from mlci.backends.aws.api_calls import Api, Clock, RetryPolicy
from mlci.backends.aws.codebuild_reports import CodeBuildReports
from mlci.backends.aws.s3_objects import Objects
from mlci.errors import CloudError, InputError
from mlci.pull_request.codebuild import read_build
from mlci.pull_request.models import PullRequest
from mlci.pull_request.reporter import collect_report

COMMIT = "c" * 40
AT, END = datetime(2026, 11, 23, 10, 15, tzinfo=timezone.utc), datetime(2026, 11, 23, 10, 45, tzinfo=timezone.utc)
ARN = "arn:aws:codebuild:eu-west-1:123456789012:build/mlci-iris-pull-request:8f2c"
FOLDER = "s3://models/mlci/iris/reports/"
PASSED = {"schema": 2, "run_id": "20261123-101530-3f9c2a", "status": "passed", "rules": []}


def build(**changes: Any) -> dict[str, Any]:
    own = {
        "id": "mlci-iris-pull-request:8f2c",
        "buildStatus": "SUCCEEDED",
        "sourceVersion": "pr/7",
        "resolvedSourceVersion": COMMIT,
        "source": {"type": "GITHUB", "location": "https://github.com/octo/model.git"},
        "startTime": AT,
        "endTime": END,
    }
    return {name: value for name, value in {**own, **changes}.items() if value is not None}


@dataclass
class FakeStoredBuild:
    """A build that is held in memory."""

    told: dict[str, Any] = field(default_factory=build)
    files: dict[str, bytes] = field(default_factory=dict)
    flow: str = "iris"
    build_url: str = "https://console/build"
    page_url: str = "https://console/report"

    def build(self) -> Mapping[str, Any]:
        return self.told

    def names(self) -> frozenset[str]:
        return frozenset(self.files)

    def read(self, name: str, max_bytes: int) -> bytes | None:
        return self.files[name][:max_bytes]


def head(pull_request: PullRequest) -> str:
    return "d" * 40


def files(**result: Any) -> dict[str, bytes]:
    document = json.dumps({**PASSED, **result}).encode()
    return {"result.json": document, "report.md": b"## report\n", "report.html": b"<html>"}


@pytest.mark.parametrize(
    ("version", "resolved", "found"),
    [
        ("pr/7", COMMIT, (7, COMMIT)),
        (f"refs/pull/7/head^{{{COMMIT}}}", None, (7, COMMIT)),
        ("refs/pull/12/merge", None, (12, "")),
        ("pr/7", "pr/7", (7, "")),
        ("main", COMMIT, None),
        (COMMIT, COMMIT, None),
        (None, COMMIT, None),
        ("refs/heads/pr/7", COMMIT, None),
    ],
)
def test_the_pull_request_and_its_commit(version: str | None, resolved: str | None, found: Any) -> None:
    read = read_build(build(sourceVersion=version, resolvedSourceVersion=resolved), "")
    assert (read and (read.pull_request.number, read.pull_request.commit)) == found


@pytest.mark.parametrize(
    ("location", "repository", "api"),
    [
        ("https://github.com/octo/model.git", "octo/model", "https://api.github.com"),
        ("https://github.com/octo/model", "octo/model", "https://api.github.com"),
        ("https://user:x@ghe.example/octo/my.model.git", "octo/my.model", "https://ghe.example/api/v3"),
        ("https://octo.ghe.com/octo/model", "octo/model", "https://api.octo.ghe.com"),
    ],
)
def test_the_repository_and_its_api(location: str, repository: str, api: str) -> None:
    read = read_build(build(source={"location": location}), "")
    assert read is not None
    assert (read.pull_request.repository, read.pull_request.api_url) == (repository, api)


def test_a_source_that_is_not_on_github_is_named() -> None:
    with pytest.raises(InputError, match="no repository on GitHub"):
        read_build(build(source={"location": "bucket/key.zip"}), "")


def test_a_build_in_progress_reads_no_report() -> None:
    report = collect_report(FakeStoredBuild(build(buildStatus="IN_PROGRESS", endTime=None), files()), head)
    assert report is not None
    assert (report.state, report.markdown, report.url) == ("in_progress", "", "https://console/build")


def test_a_build_that_passed() -> None:
    report = collect_report(FakeStoredBuild(files=files()), head)
    assert report is not None
    assert (report.state, report.headline) == ("passed", "passed: there are no rules")
    assert (report.pull_request.commit, report.started, report.ended) == (COMMIT, AT, END)
    assert (report.markdown, report.url) == ("## report\n", "https://console/report")


@pytest.mark.parametrize(
    ("status", "left", "state", "headline"),
    [
        ("FAILED", {}, "died", "the build failed, and left no valid result: its log says why"),
        ("SUCCEEDED", {}, "died", "the build succeeded, and left no valid result: its log says why"),
        ("TIMED_OUT", {}, "died", "the build timed out, and left no valid result: its log says why"),
        ("FAULT", {}, "died", "the build failed in CodeBuild, and left no valid result: its log says why"),
        ("STOPPED", {}, "stopped", "the build was stopped, and left no valid result: its log says why"),
        ("FAILED", files(), "died", "the build failed, though its result says that it passed: its log says why"),
        (
            "STOPPED",
            files(),
            "stopped",
            "the build was stopped, though its result says that it passed: its log says why",
        ),
        ("FAILED", files(status="gate_missed", reason="auc"), "gate_missed", "gate missed: auc"),
        (
            "SUCCEEDED",
            {**files(), "result.json": b"{"},
            "died",
            "the build succeeded, and left no valid result: its log says why",
        ),
    ],
)
def test_each_end_of_a_build_ends_its_check(status: str, left: dict[str, bytes], state: str, headline: str) -> None:
    report = collect_report(FakeStoredBuild(build(buildStatus=status), left), head)
    assert report is not None
    assert (report.state, report.headline) == (state, headline)
    assert (report.markdown == "") == (state in ("died", "stopped"))


def test_a_build_that_never_got_its_source_is_of_the_newest_commit() -> None:
    report = collect_report(FakeStoredBuild(build(buildStatus="FAILED", resolvedSourceVersion=None)), head)
    assert report is not None
    assert report.pull_request.commit == "d" * 40


@dataclass
class FakeCodeBuild:
    """CodeBuild's API, with the builds that it answers one after the other."""

    answers: list[dict[str, Any]]
    asked: list[list[str]] = field(default_factory=list)

    def batch_get_builds(self, ids: list[str]) -> dict[str, Any]:
        self.asked.append(ids)
        return {"builds": [self.answers.pop(0)] if self.answers else []}


def reports(codebuild: FakeCodeBuild, s3: Any = None) -> CodeBuildReports:
    waits: list[float] = []
    policy = RetryPolicy(Clock(lambda: sum(waits), waits.append))
    opened = ("mlci-iris-pull-request:8f2c", "iris", "models", "aws", "eu-west-1")
    return CodeBuildReports(Api(codebuild, policy), Objects(Api(s3), "123456789012"), ARN, *opened)


def test_a_build_that_has_just_begun_is_asked_about_until_its_commit_is_known() -> None:
    early = build(buildStatus="IN_PROGRESS", resolvedSourceVersion=None)
    codebuild = FakeCodeBuild([early, early, build(buildStatus="IN_PROGRESS")])
    assert reports(codebuild).build()["resolvedSourceVersion"] == COMMIT
    assert codebuild.asked == [["mlci-iris-pull-request:8f2c"]] * 3


def test_it_is_not_asked_about_for_ever() -> None:
    codebuild = FakeCodeBuild([build(buildStatus="IN_PROGRESS", resolvedSourceVersion=None)] * 50)
    assert "resolvedSourceVersion" not in reports(codebuild).build()
    assert len(codebuild.asked) < 10


def test_a_build_that_is_gone_is_an_error() -> None:
    with pytest.raises(CloudError, match="there is no build mlci-iris-pull-request:8f2c"):
        reports(FakeCodeBuild([])).build()


@mock_aws
def test_the_reports_of_this_build_alone_are_read() -> None:
    s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    s3.create_bucket(Bucket="models")
    for key in ("mlci-iris-pull-request:8f2c/report.md", "mlci-iris-pull-request:8f2c2/result.json"):
        s3.put_object(Bucket="models", Key=f"mlci/iris/reports/{key}", Body=b"0123456789")
    found = reports(FakeCodeBuild([build()]), s3)
    assert found.names() == {"report.md"}
    assert found.read("report.md", 4) == b"0123"
    assert found.page_url.endswith("prefix=mlci/iris/reports/mlci-iris-pull-request:8f2c/report.html")
    assert found.build_url.startswith("https://eu-west-1.console.aws.amazon.com/codesuite/codebuild/123456789012/")


@pytest.mark.parametrize(
    ("arn", "folder"), [("x", FOLDER), (ARN, "x"), (ARN, "s3://models/other/"), (f"{ARN}/..", FOLDER)]
)
def test_what_is_no_build_or_no_folder_is_refused(arn: str, folder: str) -> None:
    with pytest.raises(InputError):
        CodeBuildReports.open(arn, folder)
