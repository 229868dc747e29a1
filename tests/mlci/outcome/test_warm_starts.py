"""The steps that started on machines which another job had left, and those whose machines were not kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field
from datetime import datetime, timezone
from typing import Any, cast

from mlci.backends.aws.api_calls import Api
from mlci.backends.aws.sagemaker_jobs import Jobs
from mlci.backends.aws.warm_pools import warm_pool_uses
from mlci.backends.progress import Progress, StepState
from mlci.backends.protocol import Cloud, WarmPoolUse
from mlci.errors import CloudError
from mlci.outcome.warm_starts import warm_starts
from mlci_dataclasses import dataclass
from support.compiled_flows import planned

FLOW = """flow: warm
defaults: {image: "mine.example/image:7"}
steps:
  train: {uses: training, run: a.py, keep_alive: 30m}
  distill: {uses: training, run: a.py, after: [train], keep_alive: 30m}
  last: {uses: training, run: a.py, after: [distill]}
"""
AT = datetime(2026, 11, 23, tzinfo=timezone.utc)
RAN = Progress({name: StepState("succeeded", AT, AT, f"job-{name}") for name in ("train", "distill", "last")})


@dataclass
class PoolCloud:
    """Tells of warm pools, or fails."""

    uses: Mapping[str, WarmPoolUse] = field(default_factory=dict)
    error: str = ""
    asked: list[set[str]] = field(default_factory=list)

    def warm_pools(self, flow: str, jobs: Collection[str]) -> Mapping[str, WarmPoolUse]:
        self.asked.append(set(jobs))
        if self.error:
            raise CloudError(self.error)
        return self.uses


def told(flow: str, cloud: PoolCloud) -> tuple[dict[str, str], list[str]]:
    lines: list[str] = []
    return warm_starts(planned(flow), RAN, cast("Cloud", cloud), lines.append), lines


def test_a_step_names_the_job_whose_machines_it_started_on() -> None:
    uses = {
        "job-train": WarmPoolUse(None, is_kept=True),
        "job-distill": WarmPoolUse("job-train", is_kept=False),
        "job-last": WarmPoolUse("job-distill", is_kept=False),
    }
    cloud = PoolCloud(uses)
    found, lines = told(FLOW, cloud)
    assert found == {"distill": "job-train", "last": "job-distill"}
    assert lines == [
        (
            "distill: the machines were not kept for the next job. Raise the quota "
            '"ml.m5.xlarge for training warm pool usage" in Service Quotas, Amazon SageMaker: it is 0 at first'
        )
    ]
    assert cloud.asked == [{"job-train", "job-distill", "job-last"}]


def test_a_flow_without_warm_pools_asks_nothing() -> None:
    cloud = PoolCloud()
    assert told(FLOW.replace(", keep_alive: 30m", ""), cloud) == ({}, [])
    assert cloud.asked == []


def test_a_cloud_that_does_not_tell_fails_no_run() -> None:
    found, lines = told(FLOW, PoolCloud(error="AccessDenied"))
    assert (found, lines) == ({}, ["the warm pools of this run are not known: AccessDenied"])


@dataclass(frozen=True)
class JobsClient(Api):
    """SageMaker's answers about two jobs, of which the one took the machines of the other."""

    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def call(self, operation: str, **request: Any) -> Any:
        self.calls.append((operation, request))
        if operation == "list_training_jobs":
            reused = {"Status": "Reused", "ReusedByJob": "b"}
            return {"TrainingJobSummaries": [{"TrainingJobName": "a", "WarmPoolStatus": reused}]}
        status = {"a": {"Status": "Reused"}, "b": {"Status": "Terminated"}, "c": None}[request["TrainingJobName"]]
        return {"WarmPoolStatus": status} if status else {}


def test_sagemaker_is_asked_in_one_list_and_a_description_of_each_job() -> None:
    api = JobsClient(None)
    assert warm_pool_uses(Jobs(api), "mlci-warm--", ["a", "b", "c"]) == {
        "a": WarmPoolUse(None, is_kept=True),
        "b": WarmPoolUse("a", is_kept=False),
        "c": WarmPoolUse(None, None),
    }
    assert [operation for operation, _ in api.calls] == ["list_training_jobs", *["describe_training_job"] * 3]
    assert api.calls[0][1]["NameContains"] == "mlci-warm--"
    assert warm_pool_uses(Jobs(JobsClient(None)), "mlci-warm--", []) == {}
