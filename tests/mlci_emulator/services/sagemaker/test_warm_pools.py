"""Warm pools, as DescribeTrainingJob tells of them: kept, reused, ended, on a clock of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from mlci_emulator.jobs.runner import LocalJobs
from mlci_emulator.protocol.operations import ApiError
from mlci_emulator.services.sagemaker import SageMaker
from support.local_jobs import JobHarness
from support.sagemaker import SageMakerHarness


class LateClock:
    """The real time, and so much later as the test says."""

    def __init__(self) -> None:
        self.later = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(timezone.utc) + self.later


@pytest.fixture
def clock() -> LateClock:
    return LateClock()


@pytest.fixture
def quota() -> int | None:
    return None


@pytest.fixture
def pooled(harness: JobHarness, jobs: LocalJobs, clock: LateClock, quota: int | None) -> Iterator[SageMakerHarness]:
    service = SageMaker(harness.store, jobs, harness.root / "home", clock, warm_pool_quota=quota)
    yield SageMakerHarness(harness, jobs, service)
    service.close()


def cluster(keep_alive_s: int | None = 1800, **changes: Any) -> dict[str, Any]:
    kept = {} if keep_alive_s is None else {"KeepAlivePeriodInSeconds": keep_alive_s}
    return {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1, **kept, **changes}


def trained(sagemaker: SageMakerHarness, name: str, script: str = "", **changes: Any) -> dict[str, Any]:
    """Run a training job to its end, and return what is said of its pool."""
    sagemaker.create_training(script, name, **{"ResourceConfig": cluster(), **changes})
    sagemaker.wait_for_end("TrainingJob", name)
    return pool(sagemaker, name)


def pool(sagemaker: SageMakerHarness, name: str) -> dict[str, Any]:
    found: dict[str, Any] = sagemaker.describe("TrainingJob", name).get("WarmPoolStatus", {})
    return found


def test_a_pool_goes_from_job_to_job_and_ends_when_its_time_is_over(pooled: SageMakerHarness, clock: LateClock) -> None:
    assert trained(pooled, "first")["Status"] == "Available"
    described = pooled.describe("TrainingJob", "first")
    assert described["SecondaryStatusTransitions"][-1]["StatusMessage"] == "Resource retained for reuse"
    clock.later += timedelta(minutes=10)
    assert 600 <= pool(pooled, "first")["ResourceRetainedBillableTimeInSeconds"] < 700
    pooled.create_training("import time; time.sleep(60)", "second", ResourceConfig=cluster(60))
    assert pool(pooled, "second") == {"Status": "InUse"}
    reused = pool(pooled, "first")
    assert (reused["Status"], reused["ReusedByJob"]) == ("Reused", "second")
    assert 600 <= reused["ResourceRetainedBillableTimeInSeconds"] < 700
    listed = pooled.call("ListTrainingJobs", WarmPoolStatusEquals="Reused")["TrainingJobSummaries"]
    assert [each["WarmPoolStatus"]["ReusedByJob"] for each in listed] == ["second"]
    pooled.wait_until("TrainingJob", "second", lambda described: described["SecondaryStatus"] == "Training")
    pooled.call("StopTrainingJob", TrainingJobName="second")
    pooled.wait_for_end("TrainingJob", "second")
    assert pool(pooled, "second")["Status"] == "Available", "a job that was stopped leaves its machines as well"
    clock.later += timedelta(seconds=61)
    assert pooled.call("ListTrainingJobs", WarmPoolStatusEquals="Available")["TrainingJobSummaries"] == []
    assert pool(pooled, "second") == {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 60}


@pytest.mark.parametrize(
    "changes",
    [
        {"RoleArn": "arn:aws:iam::000000000000:role/other"},
        {"ResourceConfig": cluster(VolumeSizeInGB=2)},
        {"ResourceConfig": cluster(InstanceType="ml.m5.xlarge")},
        {"EnableInterContainerTrafficEncryption": True},
        {"VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}},
    ],
)
def test_a_job_that_differs_starts_on_machines_of_its_own(pooled: SageMakerHarness, changes: dict[str, Any]) -> None:
    trained(pooled, "first")
    pooled.create_training("", "second", **{"ResourceConfig": cluster(), **changes})
    assert pool(pooled, "first")["Status"] == "Available"
    assert pool(pooled, "second").get("Status") != "InUse"


def test_a_job_without_a_time_to_keep_can_take_a_pool_and_ends_it(pooled: SageMakerHarness) -> None:
    trained(pooled, "first")
    ended = trained(pooled, "second", ResourceConfig=cluster(None), Environment={"A": "b"})
    assert ended["Status"] == "Terminated"
    assert pool(pooled, "first")["ReusedByJob"] == "second"
    assert trained(pooled, "third", ResourceConfig=cluster(None)) == {}


def test_a_script_that_fails_leaves_its_machines(pooled: SageMakerHarness) -> None:
    assert trained(pooled, "first", "raise SystemExit(1)")["Status"] == "Available"


@pytest.mark.parametrize(("quota", "kept"), [(0, 0), (1, 1)])
def test_no_more_machines_are_kept_than_the_quota_allows(pooled: SageMakerHarness, kept: int) -> None:
    other = "arn:aws:iam::000000000000:role/other"
    statuses = [trained(pooled, "first")["Status"], trained(pooled, "second", RoleArn=other)["Status"]]
    assert statuses == (["Available"] * kept + ["Terminated"] * 2)[:2]
    assert trained(pooled, "third", ResourceConfig=cluster(InstanceType="ml.m5.xlarge"))["Status"] == statuses[0]


def test_a_pool_waits_longer_or_ends_when_it_is_updated(pooled: SageMakerHarness, clock: LateClock) -> None:
    trained(pooled, "first", ResourceConfig=cluster(60))
    change = {"TrainingJobName": "first", "ResourceConfig": {"KeepAlivePeriodInSeconds": 3600}}
    assert pooled.call("UpdateTrainingJob", **change)["TrainingJobArn"].endswith("training-job/first")
    clock.later += timedelta(minutes=30)
    assert pool(pooled, "first")["Status"] == "Available"
    pooled.call("UpdateTrainingJob", TrainingJobName="first", ResourceConfig={"KeepAlivePeriodInSeconds": 0})
    assert pool(pooled, "first")["Status"] == "Terminated"
    for refused in (change, {"TrainingJobName": "none"}, {"TrainingJobName": "first", "ProfilerConfig": {}}):
        with pytest.raises(ApiError):
            pooled.call("UpdateTrainingJob", **refused)


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        ({"ResourceConfig": cluster(3601)}, "waits for at most 3600"),
        (
            {
                "ResourceConfig": cluster(),
                "EnableManagedSpotTraining": True,
                "StoppingCondition": {"MaxRuntimeInSeconds": 9, "MaxWaitTimeInSeconds": 9},
            },
            "cannot be used with spot instances",
        ),
    ],
)
def test_what_has_no_pool_on_aws_is_refused(pooled: SageMakerHarness, refused: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiError, match=message):
        pooled.create_training("", "first", **refused)
    assert trained(pooled, "first", ResourceConfig=cluster(3600))["Status"] == "Available"


def test_a_pool_survives_a_restart_of_the_service(pooled: SageMakerHarness, clock: LateClock) -> None:
    trained(pooled, "first")
    pooled.service.close()
    again = SageMaker(pooled.harness.store, pooled.jobs, pooled.harness.root / "home", clock, warm_pool_quota=None)
    restarted = SageMakerHarness(pooled.harness, pooled.jobs, again)
    restarted.create_training("", "second", ResourceConfig=cluster())
    assert pool(restarted, "first")["ReusedByJob"] == "second"
    again.close()
