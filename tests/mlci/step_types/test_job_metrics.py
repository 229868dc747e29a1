"""The metrics that SageMaker found in a job's log: the states that keep them, and what comes of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from mlci.backends.events import Event
from mlci.backends.progress import Progress, initial_progress
from support.compiled_flows import compiled
from support.executions import Run, ScriptedHandlers, run

FLOW = """flow: found
steps:
  NAME:
    uses: training
    algorithm: xgboost:1.7-1
    inputs: {train: "s3://bucket/train/"}
    hyperparameters: {num_round: 2}
gate: [{metric: NAME.validation:auc, min: 0.9}]
"""
JOB = "mlci-found--train-20261123-101530-3f9c2a-0-0"
KEY = "mlci/found/runs/20261123-101530-3f9c2a/NAME/_metrics/metrics.json"


@dataclass
class Metrics(ScriptedHandlers):
    """SageMaker, whose job had these metrics, and S3."""

    found: list[Any] | None = None
    written: Any = None

    def supports(self, resource: str) -> bool:
        return True

    def __call__(self, task: Any) -> Any:
        self.calls.append(task)
        match task.resource.rpartition(":")[2]:
            case "createTrainingJob.sync":
                return {"TrainingJobName": JOB, "HyperParameters": {"FinalMetricDataList": "mine"}}
            case "describeTrainingJob":
                described = {"TrainingJobName": task.parameters["TrainingJobName"]}
                return described if self.found is None else {**described, "FinalMetricDataList": self.found}
            case "putObject":
                self.written = task.parameters
                return {"ETag": "etag"}
            case "getObject":
                body = self.written["Body"]
                return {"Body": body if isinstance(body, str) else json.dumps(body)}
            case _:
                return {}


def ran(found: list[Any] | None, name: str = "train") -> tuple[Run, Metrics]:
    definition, execution_input = compiled(FLOW.replace("NAME", name))
    handlers = Metrics(found=found)
    return run(json.dumps(definition), execution_input, handlers=handlers), handlers


def metric(name: str, value: float) -> dict[str, Any]:
    return {"MetricName": name, "Value": value, "Timestamp": 1_700_000_000_000}


@pytest.mark.parametrize("name", ["train", "train-a"])
def test_the_last_values_are_written_by_their_names_and_judged(name: str) -> None:
    done, handlers = ran([metric("train:auc", 0.99), metric("validation:auc", 0.9278000593185425)], name)
    assert done.outcome.status == "SUCCEEDED", done.outcome
    assert handlers.written["Key"] == KEY.replace("NAME", name)
    assert handlers.written["Body"] == {"train:auc": 0.99, "validation:auc": 0.9278000593185425}
    described = next(call for call in handlers.calls if call.resource.endswith("describeTrainingJob"))
    assert described.parameters == {"TrainingJobName": JOB}


def test_a_metric_below_its_limit_misses_the_gate() -> None:
    done, _ = ran([metric("validation:auc", 0.89)])
    assert (done.outcome.status, done.outcome.error) == ("FAILED", "mlci.GateMissed")


@pytest.mark.parametrize("found", [None, []])
def test_a_job_without_metrics_says_so_and_misses_the_gate(found: list[Any] | None) -> None:
    done, handlers = ran(found)
    assert json.loads(handlers.written["Body"]) == "missing: SageMaker found none in the log of the job"
    assert (done.outcome.status, done.outcome.error) == ("FAILED", "mlci.GateMissed")


def test_what_describes_a_job_starts_none() -> None:
    """The step succeeds once, and keeps the job that it had."""
    done, _ = ran([metric("validation:auc", 1)])
    progress: Progress = initial_progress(["train"])
    seen = []
    for event in done.events:
        progress = progress.after(Event(event.id, event.previous_id, event.timestamp, event.type, event.details))
        seen.append(progress.steps["train"].status)
    statuses = [status for index, status in enumerate(seen) if index == 0 or seen[index - 1] != status]
    assert statuses == ["waiting", "running", "succeeded"]
    assert progress.steps["train"].job is not None


def test_a_script_collects_its_metrics_itself() -> None:
    text = FLOW.replace("NAME", "train").replace("algorithm: xgboost:1.7-1", "image: a/b\n    run: a.py")
    definition, execution_input = compiled(
        text.replace("train.validation:auc", "train.auc").replace(
            "    run: a.py\n", "    run: a.py\n    metric_definitions: [{name: auc, regex: a}]\n"
        )
    )
    assert not [name for name in definition["States"] if "its metrics" in name]
    assert "metric_data" not in execution_input["steps"]["train"]
