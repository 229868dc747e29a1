"""The phases of jobs in their descriptions."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from mlci.backends.job_phases import job_phases


def at(second: int) -> datetime:
    return datetime.fromtimestamp(second, timezone.utc)


def transition(status: str, started: int, ended: int) -> dict[str, object]:
    return {"Status": status, "StartTime": started * 1000, "EndTime": ended * 1000}


def test_statuses_of_one_phase_are_one() -> None:
    transitions = [
        transition("Starting", 0, 10),
        transition("LaunchingMLInstances", 10, 60),
        transition("Downloading", 60, 90),
        transition("Training", 90, 200),
        transition("Uploading", 200, 210),
        transition("Completed", 210, 210),
    ]
    assert job_phases(json.dumps({"SecondaryStatusTransitions": transitions})) == (
        ("starting", at(0), at(60)),
        ("downloading", at(60), at(90)),
        ("running", at(90), at(200)),
        ("uploading", at(200), at(210)),
    )


@pytest.mark.parametrize("verb", ["Processing", "Transform"])
def test_other_jobs_tell_when_they_were_created_and_ran(verb: str) -> None:
    described = {"CreationTime": 0, f"{verb}StartTime": 120_000, f"{verb}EndTime": 150_000}
    assert job_phases(json.dumps(described)) == (("starting", at(0), at(120)), ("running", at(120), at(150)))


@pytest.mark.parametrize(
    "described",
    [
        "",
        "None",
        "[]",
        "{}",
        "not JSON",
        '{"CreationTime": 0}',
        '{"CreationTime": true, "ProcessingStartTime": true, "ProcessingEndTime": true}',
        '{"CreationTime": 1e300, "ProcessingStartTime": 1, "ProcessingEndTime": 2}',
        '{"SecondaryStatusTransitions": [1, {}, {"Status": "Training"}]}',
        '{"SecondaryStatusTransitions": {}}',
        "[" * 100_000,
    ],
)
def test_anything_else_tells_none(described: str) -> None:
    assert job_phases(described) == ()
