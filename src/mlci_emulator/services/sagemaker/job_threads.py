"""The jobs that run at this moment, each in a thread of its own, and how they are stopped.

A job is stopped by its signal, at any moment: before its process is there the signal keeps it from being started, and
afterwards it ends it. Its record is changed under its own lock, so a stop and an end that meet leave one status.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from mlci_asl import StopSignal
from mlci_emulator.errors import OperationError
from mlci_emulator.jobs.failure_reason import LIMIT
from mlci_emulator.jobs.job import JobContext, JobResult, Phase
from mlci_emulator.services.sagemaker import job_status
from mlci_emulator.services.sagemaker.job_status import JobKind
from mlci_emulator.services.sagemaker.metrics import Metrics
from mlci_emulator.services.sagemaker.records import Record, SageMakerRecords
from mlci_emulator.services.timestamps import Clock

#: How long `close` waits for a job that was stopped: the job runner takes half a second, and kills after three.
PATIENCE_S = 5.0


class RunningJob:
    """One job. `start` has to be called once; `done` is set when nothing of it is left."""

    def __init__(
        self,
        kind: JobKind,
        record: Record,
        work: Callable[[JobContext], JobResult],
        metrics: Metrics,
        create_context: Callable[[RunningJob], JobContext],
    ) -> None:
        self.kind, self.record, self.metrics = kind, record, metrics
        self.signal, self.done, self.lock = StopSignal(), threading.Event(), threading.Lock()
        self.saves_model_on_stop = False
        self._prepare_run, self._create_context = work, create_context
        self._watchers: list[Callable[[], None]] = []

    def when_done(self, callback: Callable[[], None]) -> None:
        """Have `callback` called when the job has ended, or at once if it has."""
        with self.lock:
            if not self.done.is_set():
                self._watchers.append(callback)
                return
        callback()

    def set_done(self) -> None:
        with self.lock:
            self.done.set()
            watchers, self._watchers = self._watchers, []
        for callback in watchers:
            callback()

    def run_work(self) -> JobResult:
        """Run it to its end, whatever that is."""
        try:
            return self._prepare_run(self._create_context(self))
        except OperationError as error:
            return JobResult("Failed", f"InternalServerError: {error}"[:LIMIT])
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the record has to say so
            return JobResult("Failed", f"InternalServerError: {type(error).__name__}: {error}"[:LIMIT])


class JobThreads:
    """All jobs that run."""

    def __init__(self, records: SageMakerRecords, now: Clock) -> None:
        self._records, self._now = records, now
        self._lock = threading.Lock()
        self._jobs: dict[str, RunningJob] = {}
        self._is_closed = False

    def add(self, running: RunningJob) -> None:
        """Keep the record of a job that is about to start.

        Raises: Taken, for a name that a job has or had.
        """
        with self._lock:
            self._records.add(running.record)
            self._jobs[running.record.arn] = running

    def find(self, arn: str) -> RunningJob | None:
        with self._lock:
            return self._jobs.get(arn)

    def start(self, running: RunningJob) -> None:
        """Run it in a thread."""
        # A daemon, so that a program that ends without `close` is not kept: the end of the process ends the job.
        thread = threading.Thread(target=self._run, args=(running,), name=running.record.arn, daemon=True)
        with self._lock:
            is_closed = self._is_closed
        if is_closed:
            self.stop(running)
        thread.start()

    def drop(self, running: RunningJob) -> None:
        """End one that is not to be started after all."""
        self.stop(running)
        self._finish(running, JobResult("Stopped"))

    def stop(self, running: RunningJob, saves_model: bool = False) -> bool:
        """Stop a job, in whatever state it is; False where it has ended, or is being stopped already."""
        with running.lock:
            if running.record.status != job_status.IN_PROGRESS:
                return False
            running.saves_model_on_stop = saves_model
            job_status.stop(running.kind, running.record, self._now())
            self._records.save(running.record)
        running.signal.set()
        return True

    def advance(self, running: RunningJob, phase: Phase) -> None:
        with running.lock:
            job_status.advance(running.kind, running.record, phase, self._now())
            self._records.save(running.record)

    def close(self) -> None:
        """Stop all jobs, and wait until they are gone; one that is started later is stopped at once."""
        with self._lock:
            self._is_closed = True
            jobs = list(self._jobs.values())
        for running in jobs:
            self.stop(running)
        for running in jobs:
            running.done.wait(PATIENCE_S)

    def _run(self, running: RunningJob) -> None:
        self._finish(running, running.run_work())

    def _finish(self, running: RunningJob, ending: JobResult) -> None:
        try:
            with running.lock:
                metrics = running.metrics.values(is_ended=True)
                if metrics:
                    running.record.body["FinalMetricDataList"] = metrics
                job_status.finish(running.kind, running.record, ending, self._now())
                self._records.save(running.record)
        finally:
            with self._lock:
                self._jobs.pop(running.record.arn, None)
            running.set_done()
