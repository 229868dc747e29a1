"""The logs of a run's jobs, copied to files while the jobs run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import field
from pathlib import Path

from mlci.backends.aws.api_calls import AwsError, Clock
from mlci.backends.aws.cloudwatch_logs import LogPosition, Logs
from mlci.backends.aws.sagemaker_jobs import Job
from mlci_dataclasses import dataclass

#: The jobs whose logs are read at a time: GetLogEvents may be called 25 times a second in an account and region.
#: Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
_MAX_JOBS = 20
#: Lines reach CloudWatch some seconds after a job has printed them.
_LATE_S = 2.0


@dataclass
class JobLogs:
    """The logs of one run's jobs. `file` returns the file of a job's log; the jobs of a step share one. `progress`
    returns further lines of a job that are new.

    A log that can't be read is told once, and is no error.
    """

    logs: Logs
    file: Callable[[str], Path]
    log: Callable[[str], None]
    clock: Clock = field(default_factory=Clock)
    progress: Callable[[Job], list[str]] = lambda job: []
    _positions: dict[Job, LogPosition] = field(default_factory=dict)
    _turns: dict[Job, int] = field(default_factory=dict)
    _has_lines: set[Job] = field(default_factory=set)
    _begun: set[Path] = field(default_factory=set)
    _unreadable: set[Job] = field(default_factory=set)

    def follow(self, jobs: Iterable[Job]) -> None:
        """Copy what jobs that run have logged since; of many jobs, those that have waited longest."""
        waiting = sorted(jobs, key=lambda job: self._turns.get(job, 0))[:_MAX_JOBS]
        for job in waiting:
            self._turns[job] = self._turns.get(job, 0) + 1
            self.copy(job, is_over=False)

    def copy_failed(self, job: Job) -> None:
        """Copy the rest of the log of a job that failed: its last lines say why, and may be late."""
        self.copy(job)
        for wait_s in (_LATE_S, 2 * _LATE_S):
            if job in self._unreadable or (wait_s > _LATE_S and job in self._has_lines):
                return
            self.clock.sleep(wait_s)
            self.copy(job)

    def copy(self, job: Job, is_over: bool = True) -> None:
        """Copy the lines of a job that are new. While it runs, an error that may pass is left to the next call."""
        if job in self._unreadable:
            return
        try:
            lines = self.logs.lines(job, self._positions.setdefault(job, LogPosition()))
            lines += self.progress(job)
        except AwsError as error:
            if is_over or not error.is_transient:
                self._unreadable.add(job)
                self.log(f"the log of {job} can't be read: {error}")
            return
        if lines:
            self._has_lines.add(job)
            self._write(self.file(job.name), lines)

    def _write(self, file: Path, lines: list[str]) -> None:
        """Append lines to a file, which is emptied first if it is of an earlier process."""
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a" if file in self._begun else "w", encoding="utf-8") as stream:
            stream.write("\n".join(lines) + "\n")
        self._begun.add(file)
