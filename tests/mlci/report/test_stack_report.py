"""What `mlci bootstrap` shows: changes in words, events in lines, and the next steps."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest

from mlci.backends.aws.cloudformation_stacks import ResourceChange, StackEvent
from mlci.report.stack_report import (
    BootstrapSummary,
    Line,
    change_set_lines,
    event_line,
    failure_summary,
    next_step_lines,
    resource_lines,
)

NOW = datetime(2026, 11, 25, 7, 12, 1, tzinfo=timezone.utc)
OUTPUTS = {
    "Bucket": "mlci-small-bucket-1a2b",
    "ConnectionArn": "arn:aws:codeconnections:eu-west-1:1:connection/c",
    "PullRequestProject": "mlci-small-pull-request",
    "BaseProject": "mlci-small-base",
    "PullRequestActionsRole": "arn:aws:iam::1:role/a",
    "BaseActionsRole": "arn:aws:iam::1:role/b",
}
SETUP = BootstrapSummary(
    "small",
    "eu-west-1",
    "github.com",
    "octo/model",
    OUTPUTS,
    ("/mlci/small/bucket", "/mlci/small/job_role"),
    False,
    True,
    None,
    "mlci bootstrap",
)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (ResourceChange("Add", "Bucket", "AWS::S3::Bucket"), Line("  + Bucket  AWS::S3::Bucket", "green")),
        (
            ResourceChange("Modify", "Role", "AWS::IAM::Role", "False", properties=("Policies", "Tags")),
            Line("  ~ Role  AWS::IAM::Role  updated in place: Policies, Tags"),
        ),
        (
            ResourceChange("Modify", "Log", "AWS::Logs::LogGroup", "True", "ReplaceAndDelete", ("LogGroupName",)),
            Line("  ± Log  AWS::Logs::LogGroup  REPLACED; the old one is deleted: LogGroupName", "bold red"),
        ),
        (
            ResourceChange("Modify", "Bucket", "AWS::S3::Bucket", "True", "ReplaceAndRetain"),
            Line("  ± Bucket  AWS::S3::Bucket  REPLACED; the old one is kept in the account", "bold red"),
        ),
        (
            ResourceChange("Modify", "Role", "AWS::IAM::Role", "Conditional"),
            Line("  ± Role  AWS::IAM::Role  updated, and possibly REPLACED", "yellow"),
        ),
        (
            ResourceChange("Remove", "Role", "AWS::IAM::Role", policy="Delete"),
            Line("  - Role  AWS::IAM::Role  DELETED", "bold red"),
        ),
        (
            ResourceChange("Remove", "Bucket", "AWS::S3::Bucket", policy="Retain"),
            Line("  - Bucket  AWS::S3::Bucket  removed from the stack, but kept in the account", "bold red"),
        ),
        (
            ResourceChange("Dynamic", "Hook", "Custom::Hook"),
            Line("  ? Hook  Custom::Hook  may change; known only at execution"),
        ),
        (ResourceChange("Odd", "Hook", "Custom::Hook"), Line("  ? Hook  Custom::Hook  Odd")),
    ],
)
def test_a_change_in_words(change: ResourceChange, line: Line) -> None:
    assert change_set_lines([change], []) == [line]


def test_what_is_lost_comes_last_and_parameters_after_it() -> None:
    changes = [
        ResourceChange("Remove", "Old", "AWS::IAM::Role"),
        ResourceChange("Modify", "Log", "AWS::Logs::LogGroup", "True"),
        ResourceChange("Add", "NewRole", "AWS::IAM::Role"),
    ]
    output = change_set_lines(
        changes, [("RunRetention", "90", "30"), ("KmsKey", "", "arn"), ("Repository", None, "o/m")]
    )
    assert [line.text.split()[1] for line in output[:3]] == ["NewRole", "Log", "Old"]
    assert [line.text for line in output[3:]] == [
        "Parameters",
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
    assert failure_summary(events) == "Role0 (R): reason 0; Role1 (R): reason 1; Role2 (R): reason 2"
    assert failure_summary([]) == "CloudFormation gave no reason"


def text(lines: list[Line]) -> str:
    return "\n".join(line.text for line in lines)


def test_next_steps_are_numbered_and_concrete() -> None:
    output = text(next_step_lines(SETUP))
    assert "  1. Commit flow.yaml" in output
    assert '  2. Open a pull request in octo/model. CodeBuild reports the status check "mlci/small"' in output
    assert "https://github.com/octo/model/settings/rules" in output
    assert "gh variable" not in output
    assert "connection to GitHub" not in output
    assert "/mlci/small/bucket, /mlci/small/job_role (SSM" in text(resource_lines(SETUP))


def test_a_pending_connection_comes_first() -> None:
    output = text(next_step_lines(replace(SETUP, connections_page="https://console/x", has_buildspec=False)))
    assert "  1. Complete the connection to GitHub" in output
    assert "     https://console/x" in output
    assert "  2. Add buildspec.yaml" in output
    assert "     mlci buildspec > buildspec.yaml" in output


def test_actions_are_told_their_variables() -> None:
    output = text(next_step_lines(replace(SETUP, uses_actions=True)))
    for name, value in {
        "MLCI_REGION": "eu-west-1",
        "MLCI_PULL_REQUEST_ROLE": "arn:aws:iam::1:role/a",
        "MLCI_BASE_ROLE": "arn:aws:iam::1:role/b",
        "MLCI_PULL_REQUEST_PROJECT": "mlci-small-pull-request",
        "MLCI_BASE_PROJECT": "mlci-small-base",
    }.items():
        assert f"gh variable set {name} --repo octo/model --body {value}" in output
