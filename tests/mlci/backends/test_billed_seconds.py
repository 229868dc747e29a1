"""The seconds that AWS bills for a job, in its description."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from mlci.backends.billed_seconds import billed_seconds
from mlci.backends.events import Event
from mlci.backends.progress import initial_progress
from mlci.flow.models import Json

NOW = datetime(2026, 12, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize("verb", ["Processing", "Transform", "Training"])
def test_a_job_is_billed_from_its_start_to_its_end(verb: str) -> None:
    described = {"CreationTime": 0, f"{verb}StartTime": 120_000, f"{verb}EndTime": 150_500}
    assert billed_seconds(json.dumps(described)) == 30.5


def test_a_training_job_says_itself_what_is_billed() -> None:
    described = {"TrainingStartTime": 0, "TrainingEndTime": 500_000, "BillableTimeInSeconds": 100}
    assert billed_seconds(json.dumps(described)) == 100


@pytest.mark.parametrize(
    "described",
    [
        "",
        "None",
        "[]",
        "{}",
        "not JSON",
        '{"ConsumedResources": {"RuntimeInSeconds": 60}}',
        '{"ProcessingStartTime": true, "ProcessingEndTime": true}',
        '{"ProcessingStartTime": 2000, "ProcessingEndTime": 1000}',
        '{"ProcessingStartTime": 1}',
        '{"BillableTimeInSeconds": -1}',
        '{"BillableTimeInSeconds": NaN}',
        "[" * 100_000,
    ],
)
def test_anything_else_tells_none(described: str) -> None:
    assert billed_seconds(described) is None


def test_all_jobs_of_a_step_are_billed_even_those_that_failed() -> None:
    progress = initial_progress(["train"]).after(
        Event(1, 0, NOW, "TaskStateEntered", {"stateEnteredEventDetails": {"name": "train"}})
    )
    failed: dict[str, Json] = {"resource": "createTrainingJob.sync", "cause": json.dumps({"BillableTimeInSeconds": 40})}
    succeeded: dict[str, Json] = {
        "resource": "createTrainingJob.sync",
        "output": json.dumps({"BillableTimeInSeconds": 60}),
    }
    progress = progress.after(Event(2, 1, NOW, "TaskFailed", {"taskFailedEventDetails": failed}))
    progress = progress.after(Event(3, 2, NOW, "TaskSucceeded", {"taskSucceededEventDetails": succeeded}))
    assert progress.steps["train"].billed_s == 100
