"""Runs each job in a thread of its own, and stops running jobs.

A job can be stopped at any moment, by its signal: before its process exists, the signal keeps the process from being
started; afterwards, it ends the process. A job's record is changed under the job's own lock, so a stop and an end that
happen at the same time leave one status.
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

#: The time that `close` waits for a stopped job: the job runner takes half a second, and kills after three.
CLOSE_TIMEOUT_S = 5.0


class RunningJob:
    """A job that runs, or is about to. `done` is set when none of its processes is left."""

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
        self._work, self._create_context = work, create_context
        self._watchers: list[Callable[[], None]] = []

    def when_done(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the job has ended, or at once if it has ended already."""
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
        """Run the job to its end, and return its result; an error becomes the failure reason."""
        try:
            return self._work(self._create_context(self))
        except OperationError as error:
            return JobResult("Failed", f"InternalServerError: {error}"[:LIMIT])
        except Exception as error:  # noqa: BLE001 - the record must show any error
            return JobResult("Failed", f"InternalServerError: {type(error).__name__}: {error}"[:LIMIT])


class JobThreads:
    """The running jobs."""

    def __init__(
        self, records: SageMakerRecords, now: Clock, ended: Callable[[Record], None] = lambda record: None
    ) -> None:
        """`ended` completes the record of a job that has ended, before it is saved."""
        self._records, self._now, self._ended = records, now, ended
        self._lock = threading.Lock()
        self._jobs: dict[str, RunningJob] = {}
        self._is_closed = False

    def add(self, running: RunningJob) -> None:
        """Save the record of a job that is about to start.

        Raises: NameInUseError: a job has or had this name.
        """
        with self._lock:
            self._records.add(running.record)
            self._jobs[running.record.arn] = running

    def find(self, arn: str) -> RunningJob | None:
        with self._lock:
            return self._jobs.get(arn)

    def start(self, running: RunningJob) -> None:
        """Run the job in a thread."""
        # A daemon thread does not keep a program that ends without `close`; the end of the process ends the job.
        thread = threading.Thread(target=self._run, args=(running,), name=running.record.arn, daemon=True)
        with self._lock:
            is_closed = self._is_closed
        if is_closed:
            self.stop(running)
        thread.start()

    def drop(self, running: RunningJob) -> None:
        """End a job that was added and will not be started."""
        self.stop(running)
        self._finish(running, JobResult("Stopped"))

    def stop(self, running: RunningJob, saves_model: bool = False) -> bool:
        """Stop a job in any state; return False if it has ended, or is being stopped already."""
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
        """Stop all jobs, and wait until they have ended. A job that is started later is stopped at once."""
        with self._lock:
            self._is_closed = True
            jobs = list(self._jobs.values())
        for running in jobs:
            self.stop(running)
        for running in jobs:
            running.done.wait(CLOSE_TIMEOUT_S)

    def _run(self, running: RunningJob) -> None:
        self._finish(running, running.run_work())

    def _finish(self, running: RunningJob, ending: JobResult) -> None:
        try:
            with running.lock:
                metrics = running.metrics.values(is_ended=True)
                if metrics:
                    running.record.body["FinalMetricDataList"] = metrics
                job_status.finish(running.kind, running.record, ending, self._now())
                self._ended(running.record)
                self._records.save(running.record)
        finally:
            with self._lock:
                self._jobs.pop(running.record.arn, None)
            running.set_done()
