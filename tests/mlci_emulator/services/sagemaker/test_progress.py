"""A job's description, step by step, without a job."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from mlci_emulator.jobs.job import JobResult, Phase
from mlci_emulator.services.sagemaker import job_status
from mlci_emulator.services.sagemaker.job_status import KINDS, TRAINING, JobKind
from mlci_emulator.services.sagemaker.metrics import Metrics
from mlci_emulator.services.sagemaker.records import Record

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def begun(kind: JobKind = TRAINING) -> Record:
    record = Record(kind.kind, "r", "job", "arn", START, START)
    job_status.create(
        kind, record, {kind.name: "job", "Tags": [], "RoleArn": None, "OutputDataConfig": {"S3OutputPath": "s3://b/m"}}
    )
    return record


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ending", [JobResult("Completed"), JobResult("Failed", "why"), JobResult("Stopped")])
def test_a_job_that_was_being_stopped_is_stopped_however_it_ended(kind: JobKind, ending: JobResult) -> None:
    record = begun(kind)
    job_status.advance(kind, record, "Downloading", at(1))
    job_status.stop(kind, record, at(2))
    job_status.advance(kind, record, "Uploading", at(3))
    assert record.status == record.body[kind.status] == "Stopping"
    job_status.finish(kind, record, ending, at(4))
    assert record.status == record.body[kind.status] == "Stopped"
    assert "FailureReason" not in record.body
    assert record.body[f"{kind.verb}EndTime"] == at(4)


def test_transitions_follow_each_other() -> None:
    record = begun()
    phases: list[Phase] = ["Downloading", "Training", "Uploading"]
    for second, phase in enumerate(phases):
        job_status.advance(TRAINING, record, phase, at(second + 1))
    job_status.finish(TRAINING, record, JobResult("Completed"), at(9))
    transitions = record.body["SecondaryStatusTransitions"]
    assert [(each["Status"], each["StartTime"], each["EndTime"]) for each in transitions] == [
        ("Starting", at(0), at(1)),
        ("Downloading", at(1), at(2)),
        ("Training", at(2), at(3)),
        ("Uploading", at(3), at(9)),
        ("Completed", at(9), at(9)),
    ]
    assert record.body["TrainingTimeInSeconds"] == 8
    assert "RoleArn" not in record.body
    assert "Tags" not in record.body


def test_a_job_that_never_began_took_no_time() -> None:
    record = begun()
    job_status.stop(TRAINING, record, at(1))
    job_status.finish(TRAINING, record, JobResult("Stopped"), at(2))
    assert "TrainingEndTime" not in record.body
    assert "TrainingTimeInSeconds" not in record.body
    assert record.body["SecondaryStatus"] == "Stopped"


def test_a_job_whose_time_was_over() -> None:
    record = begun()
    job_status.advance(TRAINING, record, "Downloading", at(1))
    job_status.finish(TRAINING, record, JobResult("Stopped", "too long", is_timed_out=True), at(2))
    assert (record.status, record.body["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_metrics_wait_for_the_end_of_a_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    metrics = Metrics([{"Name": "a", "Regex": r"a=(\d+)"}], log, lambda: START)
    assert metrics.values() == []
    log.write_text("a=1\na=2")
    assert [item["Value"] for item in metrics.values()] == [1.0]
    with log.open("a") as stream:
        stream.write("3 a=4\na=5")
    assert [item["Value"] for item in metrics.values()] == [4.0]
    assert metrics.values(is_ended=True) == [{"MetricName": "a", "Value": 5.0, "Timestamp": START}]
