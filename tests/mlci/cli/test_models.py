"""`mlci models`: what it lists and shows, and how it decides."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlci.cli import main
from support.registered_models import register

FLOW = "flow: small\nsteps: {settle: {uses: wait, seconds: 1}}\n"


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("flow.yaml").write_text(FLOW)
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["models", *arguments]) == code
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err


def test_groups_versions_and_one_version(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "No model is registered yet" in printed(capsys)
    register(repository / ".mlci", "churn", 2)
    assert printed(capsys).splitlines()[1].split()[:2] == ["churn", "2"]
    head, newest, first = printed(capsys, "churn").splitlines()
    assert head.split() == ["version", "approval", "metrics", "run", "commit", "created"]
    assert newest.split()[:6] == ["2", "pending", "auc", "0.75", "20261123-101530-3f9c2a", "c" * 12]
    assert first.startswith("1 ")
    assert len(printed(capsys, "churn", "--limit", "1").splitlines()) == 2
    shown = printed(capsys, "churn", "2")
    assert shown.startswith("churn/2: pending\n")
    assert "\n    auc 0.75\n" in shown
    assert "\n    depth 6\n" in shown


def test_documents_for_other_programs(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    register(repository / ".mlci", "churn")
    groups = json.loads(printed(capsys, "--json"))
    assert [(group["group"], group["newest_version"]) for group in groups["groups"]] == [("churn", 1)]
    [version] = json.loads(printed(capsys, "churn", "--json"))["versions"]
    shown = json.loads(printed(capsys, "churn", "1", "--json"))
    assert shown == {"schema": 1, **version}
    assert (shown["approval_status"], shown["metrics"]) == ("PendingManualApproval", {"auc": 0.75})


def test_approve_and_reject(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    register(repository / ".mlci", "churn")
    approved = printed(capsys, "churn", "1", "--approve", "--reason", "by hand")
    assert approved.startswith("churn/1: approved by ")
    assert approved.endswith(": by hand\n")
    assert "churn/1: approved\n  decision: approved by" in printed(capsys, "churn", "1")
    printed(capsys, "churn", "1", "--reject")
    assert printed(capsys, "churn").splitlines()[1].split()[1] == "rejected"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--approve"], "--approve needs a group and a version"),
        (["churn", "--reject"], "--reject needs a group and a version"),
        (["churn", "1", "--reason", "x"], "Add --approve or --reject"),
        (["chrn"], 'Did you mean "churn"?'),
        (["churn", "7"], "has no version 7"),
        (["churn", "x"], "'x' is not a valid integer"),
    ],
)
def test_what_is_wrong_is_refused(
    repository: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    register(repository / ".mlci", "churn")
    assert expected in printed(capsys, *arguments, code=2)


def test_a_pull_requests_build_decides_nothing(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    register(repository / ".mlci", "churn")
    monkeypatch.setenv("CODEBUILD_BUILD_ID", "ml:1")
    monkeypatch.setenv("CODEBUILD_WEBHOOK_EVENT", "PULL_REQUEST_UPDATED")
    monkeypatch.setenv("CODEBUILD_WEBHOOK_TRIGGER", "pr/7")
    refused = printed(capsys, "churn", "1", "--approve", "--cloud", "local", code=2)
    assert "can't be approved or rejected in this" in refused
    assert "pending" in printed(capsys, "churn", "1", "--cloud", "local")
