"""What `mlci bootstrap` shows: changes in words, events in lines, and the next steps."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest

from mlci.backends.aws.cloudformation_stacks import Change, StackEvent
from mlci.report.stack_report import Line, Setup, change_set_lines, event_line, failures, made, next_steps

NOW = datetime(2026, 11, 25, 7, 12, 1, tzinfo=timezone.utc)
OUTPUTS = {
    "Bucket": "mlci-small-bucket-1a2b",
    "ConnectionArn": "arn:aws:codeconnections:eu-west-1:1:connection/c",
    "PullRequestProject": "mlci-small-pull-request",
    "BaseProject": "mlci-small-base",
    "PullRequestActionsRole": "arn:aws:iam::1:role/a",
    "BaseActionsRole": "arn:aws:iam::1:role/b",
}
SETUP = Setup("small", "eu-west-1", "octo/model", OUTPUTS, False, True, None, "mlci bootstrap")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (Change("Add", "Bucket", "AWS::S3::Bucket"), Line("  + Bucket  AWS::S3::Bucket", "green")),
        (
            Change("Modify", "Role", "AWS::IAM::Role", "False", about=("Policies", "Tags")),
            Line("  ~ Role  AWS::IAM::Role  changed in place: Policies, Tags"),
        ),
        (
            Change("Modify", "Log", "AWS::Logs::LogGroup", "True", "ReplaceAndDelete", ("LogGroupName",)),
            Line(
                "  ± Log  AWS::Logs::LogGroup  REPLACED by a new one; the old one is deleted: LogGroupName", "bold red"
            ),
        ),
        (
            Change("Modify", "Bucket", "AWS::S3::Bucket", "True", "ReplaceAndRetain"),
            Line("  ± Bucket  AWS::S3::Bucket  REPLACED by a new one; the old one stays in the account", "bold red"),
        ),
        (
            Change("Modify", "Role", "AWS::IAM::Role", "Conditional"),
            Line("  ± Role  AWS::IAM::Role  changed, and perhaps REPLACED by a new one", "yellow"),
        ),
        (
            Change("Remove", "Role", "AWS::IAM::Role", policy="Delete"),
            Line("  - Role  AWS::IAM::Role  REMOVED", "bold red"),
        ),
        (
            Change("Remove", "Bucket", "AWS::S3::Bucket", policy="Retain"),
            Line("  - Bucket  AWS::S3::Bucket  leaves the stack, and stays in the account", "bold red"),
        ),
        (
            Change("Dynamic", "Hook", "Custom::Hook"),
            Line("  ? Hook  Custom::Hook  may change: known only when it is executed"),
        ),
        (Change("Odd", "Hook", "Custom::Hook"), Line("  ? Hook  Custom::Hook  Odd")),
    ],
)
def test_a_change_in_words(change: Change, line: Line) -> None:
    assert change_set_lines([change], []) == [line]


def test_what_is_lost_comes_last_and_parameters_after_it() -> None:
    changes = [
        Change("Remove", "Old", "AWS::IAM::Role"),
        Change("Modify", "Log", "AWS::Logs::LogGroup", "True"),
        Change("Add", "NewRole", "AWS::IAM::Role"),
    ]
    told = change_set_lines(changes, [("RunRetention", "90", "30"), ("KmsKey", "", "arn"), ("Repository", None, "o/m")])
    assert [line.text.split()[1] for line in told[:3]] == ["NewRole", "Log", "Old"]
    assert [line.text for line in told[3:]] == [
        "parameters",
        "  RunRetention  90 → 30",
        "  KmsKey        (none) → arn",
        "  Repository    o/m",
    ]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (StackEvent("1", "Role", "R", "CREATE_IN_PROGRESS"), Line("07:12:01  ▶ Role CREATE_IN_PROGRESS", "dim")),
        (StackEvent("1", "Role", "R", "CREATE_IN_PROGRESS", "Resource creation Initiated"), None),
        (StackEvent("1", "Role", "R", "CREATE_COMPLETE"), Line("07:12:01  ✔ Role CREATE_COMPLETE", "green")),
        (
            StackEvent("1", "Role", "R", "CREATE_FAILED", "quota exceeded"),
            Line("07:12:01  ✘ Role CREATE_FAILED: quota exceeded", "bold red"),
        ),
        (
            StackEvent("1", "mlci-x", "S", "CREATE_IN_PROGRESS", "User Initiated", is_stack=True),
            Line("07:12:01  ▶ the stack CREATE_IN_PROGRESS", "dim"),
        ),
    ],
)
def test_an_event_in_a_line(event: StackEvent, line: Line | None) -> None:
    assert event_line(event, NOW) == line


def test_the_first_failures_are_told() -> None:
    events = [StackEvent("1", f"Role{number}", "R", "CREATE_FAILED", f"reason {number}") for number in range(5)]
    assert failures(events) == "Role0 (R): reason 0; Role1 (R): reason 1; Role2 (R): reason 2"
    assert failures([]) == "CloudFormation gave no reason"


def text(lines: list[Line]) -> str:
    return "\n".join(line.text for line in lines)


def test_next_steps_are_numbered_and_concrete() -> None:
    told = text(next_steps(SETUP))
    assert "  1. Commit flow.yaml" in told
    assert '  2. Open a pull request in octo/model. CodeBuild reports the status check "mlci/small"' in told
    assert "https://github.com/octo/model/settings/rules" in told
    assert "gh variable" not in told
    assert "connection to GitHub" not in told
    assert "/mlci/small/bucket, /mlci/small/workflow_role, /mlci/small/job_role" in text(made(SETUP))


def test_a_pending_connection_comes_first() -> None:
    told = text(next_steps(replace(SETUP, connection_page="https://console/x", has_buildspec=False)))
    assert "  1. Complete the connection to GitHub" in told
    assert "     https://console/x" in told
    assert "  2. Put a buildspec.yaml at the top of the repository" in told
    assert "     mlci buildspec > buildspec.yaml" in told


def test_actions_are_told_their_variables() -> None:
    told = text(next_steps(replace(SETUP, uses_actions=True)))
    for name, value in {
        "MLCI_REGION": "eu-west-1",
        "MLCI_PULL_REQUEST_ROLE": "arn:aws:iam::1:role/a",
        "MLCI_BASE_ROLE": "arn:aws:iam::1:role/b",
        "MLCI_PULL_REQUEST_PROJECT": "mlci-small-pull-request",
        "MLCI_BASE_PROJECT": "mlci-small-base",
    }.items():
        assert f"gh variable set {name} --repo octo/model --body {value}" in told
