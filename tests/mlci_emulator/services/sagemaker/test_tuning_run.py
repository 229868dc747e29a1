"""The course of a tuning job, with trials that are no processes: how many run, and when it ends."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from mlci_asl import StopSignal
from mlci_emulator.jobs.job import JobContext, JobResult
from mlci_emulator.jobs.tuning_request import TuningRequest, tuning
from mlci_emulator.services.sagemaker.job_status import TRAINING
from mlci_emulator.services.sagemaker.job_threads import RunningJob
from mlci_emulator.services.sagemaker.metrics import Metrics
from mlci_emulator.services.sagemaker.records import Record
from mlci_emulator.services.sagemaker.tuning_jobs import TuningRun
from support.sagemaker import REGION, tuning_request

NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)


@dataclass
class FakeTrials:
    """Trials that end at once as `outcome` says of their depth: a value, or None for a failure; those that it leaves
    out go on until they are stopped."""

    log: Path
    outcome: Callable[[int], float | None | str]
    started: list[str] = field(default_factory=list)
    running: int = 0
    most: int = 0

    def prepare_trial(self, request: Mapping[str, Any], region: str, parent: Record, log: Path | None) -> RunningJob:
        name = request["TrainingJobName"]
        body = {"HyperParameters": request["HyperParameters"]}
        record = Record("training-job", region, name, f"arn:{name}", NOW, NOW, log=str(log), body=body)
        record.status = "InProgress"
        return RunningJob(TRAINING, record, lambda context: JobResult("Completed"), self.metrics(), self.context)

    def metrics(self) -> Metrics:
        return Metrics([], self.log, lambda: NOW)

    def context(self, running: RunningJob) -> JobContext:
        raise AssertionError(running.record.name)

    def start(self, job: RunningJob) -> None:
        self.started.append(job.record.name)
        self.running += 1
        self.most = max(self.most, self.running)
        value = self.outcome(json.loads(job.record.body["HyperParameters"]["depth"]))
        if value != "goes on":
            threading.Timer(0.02, self.end, [job, value]).start()

    def stop_trial(self, job: RunningJob) -> None:
        if not job.done.is_set():
            self.end(job, "stopped")

    def end(self, job: RunningJob, value: float | None | str) -> None:
        self.running -= 1
        job.record.status = {None: "Failed", "stopped": "Stopped"}.get(value, "Completed")  # type: ignore[arg-type]
        if isinstance(value, float):
            job.record.body["FinalMetricDataList"] = [{"MetricName": "score", "Value": value}]
        job.set_done()


def course(
    folder: Path,
    outcome: Callable[[int], float | None | str],
    clock: Callable[[], float] = lambda: 0.0,
    **changes: Any,
) -> tuple[JobResult, FakeTrials, str]:
    """Run a tuning job at random, and return its result, its trials and its log."""
    parameters = tuning_request("Random", seed=1)
    request: TuningRequest = replace(tuning(parameters), **changes)
    trials, log = FakeTrials(folder / "trial.log", outcome), folder / "tune.log"
    tuned = Record("hyper-parameter-tuning-job", REGION, "tune", "arn", NOW, NOW, body=dict(parameters))
    context = JobContext("arn", log, StopSignal())
    result = TuningRun(request, tuned, trials, context, lambda number: folder / "trial.log", clock).run()
    return result, trials, log.read_text()


def test_as_many_trials_run_as_are_asked_for_and_no_more_than_there_are_cores(tmp_path: Path) -> None:
    result, trials, log = course(tmp_path, float, max_trials=9, max_parallel=2)
    assert result == JobResult("Completed")
    assert len(set(trials.started)) == 9
    assert trials.most <= 2
    assert trials.running == 0
    assert log.count("trial ") == 9
    assert course(tmp_path, float, max_parallel=1)[1].most == 1


def test_five_failures_without_a_success_end_it(tmp_path: Path) -> None:
    result, trials, log = course(tmp_path, lambda depth: None, max_trials=20, max_parallel=1)
    assert result.status == "Failed"
    assert (result.reason or "").startswith("No training job succeeded after 5 attempts.")
    assert len(trials.started) == 5
    assert "trial 5 of 20: failed" in log


def test_failures_beside_a_success_do_not(tmp_path: Path) -> None:
    depths: list[int] = []

    def outcome(depth: int) -> float | None:
        depths.append(depth)
        return 1.0 if len(depths) == 1 else None

    result, trials, _ = course(tmp_path, outcome, max_trials=8, max_parallel=1)
    assert result == JobResult("Completed")
    assert len(trials.started) == 8


@pytest.mark.parametrize(("first", "status"), [(3.0, "Completed"), (None, "Failed")])
def test_the_time_limit_stops_what_runs_and_keeps_what_has_ended(
    tmp_path: Path, first: float | None, status: str
) -> None:
    seen: list[int] = []
    moments = iter([0.0, 0.0, 0.0, 0.0, 0.0, *[121.0] * 1_000])

    def outcome(depth: int) -> float | None | str:
        seen.append(depth)
        return first if len(seen) == 1 else "goes on"

    result, trials, log = course(
        tmp_path, outcome, lambda: next(moments), max_trials=9, max_parallel=1, max_runtime_s=120
    )
    assert result.status == status
    assert trials.running == 0
    assert "the 120 s of the tuning job are over" in log


def test_a_trial_that_prints_no_value_is_told_so(tmp_path: Path) -> None:
    result, _, log = course(tmp_path, lambda depth: "none", max_trials=1)
    assert result.status == "Failed"
    assert 'it printed no line that the metric definition of "score" finds' in (result.reason or "")
    assert "trial 1 of 1: no score" in log
