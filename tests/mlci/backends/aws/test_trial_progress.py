"""The lines that tell of a tuning job's trials on AWS: each trial once, and the best so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from mlci.backends.aws.sagemaker_jobs import Job, job_of, trial_number
from mlci.backends.aws.trial_progress import TrialProgress

JOB = Job("tuning", "mlci-k3f9--ex53ljr5u2hcmi-0-0")


@dataclass
class FakeTuningJobs:
    """A tuning job with these trials."""

    summaries: list[Mapping[str, Any]] = field(default_factory=list)
    max_jobs: int | None = 3

    def describe(self, job: Job) -> Mapping[str, Any] | None:
        limits = {} if self.max_jobs is None else {"MaxNumberOfTrainingJobs": self.max_jobs}
        return {"HyperParameterTuningJobConfig": {"ResourceLimits": limits}}

    def trials(self, job: Job) -> list[Mapping[str, Any]]:
        return self.summaries


def trial(number: int, status: str, value: float | None = None, **more: Any) -> dict[str, Any]:
    metric = {"MetricName": "auc", "Type": more.pop("kind", "Maximize"), "Value": value}
    return {
        "TrainingJobName": f"{JOB.name}-{number:03d}-0123abcd",
        "TrainingJobStatus": status,
        "TunedHyperParameters": {"eta": "0.1234567", "booster": '"dart"'},
        **({} if value is None else {"FinalHyperParameterTuningJobObjectiveMetric": metric}),
        **more,
    }


def test_each_trial_that_has_ended_is_told_once() -> None:
    jobs = FakeTuningJobs([trial(1, "Completed", 0.5), trial(2, "InProgress")])
    progress = TrialProgress(jobs)
    assert progress.new_lines(JOB) == ["trial 1 of 3: auc 0.5, best 0.5 (eta=0.123457, booster=dart)"]
    assert progress.new_lines(JOB) == []
    jobs.summaries = [
        trial(1, "Completed", 0.5),
        trial(2, "Stopped", 0.9),
        trial(3, "Failed", FailureReason="AlgorithmError:\nno such column"),
    ]
    assert progress.new_lines(JOB) == [
        "trial 2 of 3: auc 0.9, stopped early, best 0.5 (eta=0.123457, booster=dart)",
        "trial 3 of 3: failed: AlgorithmError: no such column, best 0.5 (eta=0.123457, booster=dart)",
    ]


@pytest.mark.parametrize(("kind", "best"), [("Maximize", "0.7"), ("Minimize", "0.5")])
def test_the_best_is_the_largest_or_the_smallest(kind: str, best: str) -> None:
    jobs = FakeTuningJobs([trial(1, "Completed", 0.5, kind=kind), trial(2, "Completed", 0.7, kind=kind)], None)
    lines = TrialProgress(jobs).new_lines(JOB)
    assert lines[1].startswith(f"trial 2: auc 0.7, best {best} (")


def test_a_trial_without_a_value_and_a_job_without_trials() -> None:
    progress = TrialProgress(FakeTuningJobs([trial(1, "Completed"), trial(2, "Stopped")]))
    assert [line.partition(" (")[0] for line in progress.new_lines(JOB)] == [
        "trial 1 of 3: no value of the objective in its output",
        "trial 2 of 3: stopped",
    ]
    assert progress.new_lines(Job("training", "t")) == []


def test_a_tuning_job_is_one_of_its_task() -> None:
    name = {"HyperParameterTuningJobName": JOB.name}
    definition = {"TrainingJobDefinition": {"ResourceConfig": {"InstanceCount": 2}}}
    found = job_of("createHyperParameterTuningJob.sync", {**name, **definition})
    assert found == JOB
    assert found.instance_count == 2
    assert trial_number(JOB, f"{JOB.name}-1012-0123abcd/algo-1-1700000000") == 1012
