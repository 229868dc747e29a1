"""Runs a tuning job to its end: its trials as training jobs, as many at once as it asks for and as there are cores."""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, Protocol

from mlci_dataclasses import dataclass
from mlci_emulator.jobs import log_files
from mlci_emulator.jobs.job import JobContext, JobResult
from mlci_emulator.jobs.tuning_request import TuningRequest
from mlci_emulator.protocol.operations import ApiError
from mlci_emulator.services.sagemaker import tuning_status
from mlci_emulator.services.sagemaker.early_stopping import MedianRule
from mlci_emulator.services.sagemaker.job_threads import RunningJob
from mlci_emulator.services.sagemaker.records import Record
from mlci_emulator.services.sagemaker.tuning_search import Search, grid_size, search_of

#: SageMaker gives up after so many trials of which none succeeded. The reason is its own.
#: Source: https://github.com/aws/amazon-sagemaker-examples/issues/2437
_MAX_FAILED = 5
_NONE_SUCCEEDED = (
    "No training job succeeded after {} attempts. For additional details, please take a look at the training job "
    "failures by listing training jobs for the hyperparameter tuning job."
)
#: The time between two looks at what running trials have printed, where they may be stopped early.
_POLL_S = 0.2
#: The time between two looks at the clock, where the tuning job has a time limit.
_LIMIT_POLL_S = 0.5
#: The most of a failed trial's reason that a line of progress has.
_REASON_CHARS = 300


class TrialJobs(Protocol):
    """The training jobs that a tuning job starts."""

    def prepare_trial(self, request: Mapping[str, Any], region: str, parent: Record, log: Path | None) -> RunningJob:
        """Create the record of a trial.

        Raises: ApiError
        """
        ...

    def start(self, job: RunningJob) -> None: ...

    def stop_trial(self, job: RunningJob) -> None: ...


@dataclass(frozen=True)
class Trial:
    """A trial that runs or has ended, by its number from 1."""

    number: int
    job: RunningJob


@dataclass
class TuningRun:
    """One tuning job. `trial_log` returns the log of a trial; None for where training jobs have theirs."""

    request: TuningRequest
    tuning: Record
    jobs: TrialJobs
    context: JobContext
    trial_log: Callable[[int], Path | None]
    clock: Callable[[], float] = time.monotonic
    running: list[Trial] = field(default_factory=list)
    ended: list[Trial] = field(default_factory=list)
    last_reason: str = ""

    def __post_init__(self) -> None:
        self._changed = threading.Event()
        self._search: Search = search_of(self.request)
        self._started = self.clock()
        self._median = MedianRule(self.request.is_maximized)
        self._is_exhausted = False

    @property
    def max_trials(self) -> int:
        return self.request.max_trials or grid_size(self.request.ranges)

    def run(self) -> JobResult:
        """Run the trials, and return how the tuning job ends."""
        self.context.on_phase("Downloading")
        unsubscribe = self.context.stop.subscribe(self._changed.set)
        try:
            while True:
                self._changed.clear()
                self._collect()
                if self.context.stop.is_set():
                    self._stop_all()
                    return JobResult("Stopped")
                if self._is_over():
                    self._stop_all()
                    return self._result()
                self._launch()
                if not self.running:
                    return self._result()
                self._stop_early()
                self._changed.wait(self._pause_s())
        finally:
            unsubscribe()

    def _is_over(self) -> bool:
        limit_s = self.request.max_runtime_s
        if limit_s is not None and self.clock() - self._started >= limit_s:
            self._note(f"the {limit_s} s of the tuning job are over; what still runs is stopped")
            return True
        return len(self.ended) >= _MAX_FAILED and not self._best()

    def _pause_s(self) -> float | None:
        if self.request.stops_early:
            return _POLL_S
        limit_s = self.request.max_runtime_s
        return None if limit_s is None else _LIMIT_POLL_S

    def _launch(self) -> None:
        """Start trials until as many run as may."""
        at_once = min(self.request.max_parallel, _cores())
        while len(self.running) < at_once and len(self.ended) + len(self.running) < self.max_trials:
            number = len(self.ended) + len(self.running) + 1
            values = self._search.next(number)
            if values is None:
                return
            name = f"{self.request.name}-{number:03d}-{uuid.uuid4().hex[:8]}"
            request = self.request.training_request(name, values)
            job = self.jobs.prepare_trial(request, self.tuning.region, self.tuning, self.trial_log(number))
            self.running.append(Trial(number, job))
            job.when_done(self._changed.set)
            self.jobs.start(job)

    def _collect(self) -> None:
        """Take the results of the trials that have ended."""
        for trial in [each for each in self.running if each.job.done.is_set()]:
            self.running.remove(trial)
            self.ended.append(trial)
            value = self._summary(trial).get("FinalHyperParameterTuningJobObjectiveMetric", {}).get("Value")
            self._search.tell(trial.number, value)
            self._median.end(trial.number, self._history(trial))
            self._tell(trial, value)

    def _stop_early(self) -> None:
        """Stop the trials that are worse than the median of those before, if the tuning job asks for it."""
        if not self.request.stops_early:
            return
        for trial in self.running:
            trial.job.metrics.values()
            if self._median.is_hopeless(self._history(trial)):
                self.jobs.stop_trial(trial.job)

    def _history(self, trial: Trial) -> Sequence[float]:
        return trial.job.metrics.history(self.request.metric)

    def _stop_all(self) -> None:
        for trial in self.running:
            self.jobs.stop_trial(trial.job)
        for trial in self.running:
            trial.job.done.wait()
        self._collect()

    def _result(self) -> JobResult:
        if self._best():
            return JobResult("Completed")
        reason = _NONE_SUCCEEDED.format(len(self.ended))
        return JobResult("Failed", f"{reason} The last one: {self.last_reason}" if self.last_reason else reason)

    def _summary(self, trial: Trial) -> dict[str, Any]:
        return tuning_status.summary(self.tuning.body, trial.job.record)

    def _best(self) -> dict[str, Any] | None:
        return tuning_status.best_of(self.tuning.body, [self._summary(trial) for trial in self.ended])

    def _tell(self, trial: Trial, value: float | None) -> None:
        """Copy a trial's log to the tuning job's, and add a line of progress."""
        if self.trial_log(trial.number):
            _copy_log(Path(trial.job.record.log), self.context.log, f"[{trial.number:03d}] ")
        summary, metric, best = self._summary(trial), self.request.metric, self._best()
        values = ", ".join(f"{name}={_shown(text)}" for name, text in summary["TunedHyperParameters"].items())
        status = summary["TrainingJobStatus"]
        if status == "Failed":
            self.last_reason = str(summary.get("FailureReason", ""))
            what = f"failed: {' '.join(self.last_reason.split())[:_REASON_CHARS]}"
        elif value is None:
            self.last_reason = f'it printed no line that the metric definition of "{metric}" finds'
            what = "stopped" if status == "Stopped" else f"no {metric}: {self.last_reason}"
        else:
            what = f"{metric} {value:.6g}" + (", stopped early" if status == "Stopped" else "")
        known = f", best {best['FinalHyperParameterTuningJobObjectiveMetric']['Value']:.6g}" if best else ""
        self._note(f"trial {trial.number} of {self.max_trials}: {what}{known} ({values})")

    def _note(self, line: str) -> None:
        log_files.append(self.context.log, f"{line}\n")


def start_trials(
    request: TuningRequest,
    tuning: Record,
    jobs: TrialJobs,
    trial_log: Callable[[int], Path | None],
    context: JobContext,
) -> JobResult:
    """Run a tuning job to its end, and return its result."""
    try:
        return TuningRun(request, tuning, jobs, context, trial_log).run()
    except ApiError as error:
        return JobResult("Failed", f"{error.code}: {error.message}")


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1


def _shown(text: str) -> str:
    """Return a tuned value in few characters.

    >>> _shown("0.12345678901"), _shown('"gbtree"'), _shown("4")
    ('0.123457', 'gbtree', '4')
    """
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _copy_log(source: Path, target: Path, prefix: str) -> None:
    try:
        lines = source.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return
    log_files.append(target, "".join(f"{prefix}{line}\n" for line in lines))
