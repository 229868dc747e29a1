"""The command that the console of a red run names."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from mlci.backends.progress import StepState
from mlci.plan import Baseline
from mlci.report.console import summary
from mlci.report.next_commands import next_command
from mlci.report.result import Result, Status

START = datetime(2026, 11, 23, 10, 15, 30, tzinfo=timezone.utc)
ENDED = START + timedelta(seconds=3)


def result(status: Status, cloud: str = "local", build: str | None = None, baseline: str = "") -> Result:
    steps = {"train it": StepState("failed" if status is Status.FAILED else "succeeded", START, ENDED)}
    base = Baseline(run_id=baseline)
    return Result("x", "r1", cloud, "c0ffee", status, START, 3, steps, (), {}, "", "why", baseline=base, build=build)


def test_a_failed_step_is_read_first() -> None:
    assert next_command(result(Status.FAILED)) == "mlci logs r1 'train it'"
    assert summary(result(Status.FAILED), "folder").endswith("report: folder/report.md\nnext: mlci logs r1 'train it'")


def test_a_missed_gate_is_looked_at_where_the_run_is_at_hand_and_else_reproduced() -> None:
    assert next_command(result(Status.GATE_MISSED, baseline="r0")) == "mlci diff"
    assert next_command(result(Status.GATE_MISSED)) == "mlci open"
    other = replace(result(Status.GATE_MISSED), flow_file="flows/a b.yaml")
    assert next_command(other) == "mlci open --flow 'flows/a b.yaml'"
    reproduce = "git checkout c0ffee && mlci run --cloud local"
    assert next_command(result(Status.GATE_MISSED, "aws", "models:1", "r0")) == reproduce


def test_a_run_that_was_stopped_is_run_again() -> None:
    assert next_command(result(Status.STOPPED, "aws", "models:1")) == "aws codebuild retry-build --id models:1"
    assert next_command(result(Status.STOPPED)) == "git checkout c0ffee && mlci run --cloud local"


def test_a_run_that_passed_needs_none() -> None:
    assert next_command(result(Status.PASSED)) == ""
    assert "next:" not in summary(result(Status.PASSED), "folder")
