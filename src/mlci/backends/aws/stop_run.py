"""Stops the jobs of a run, so that nothing of it is left running.

Step Functions stops the jobs of a stopped execution as a best effort, if its role may; a job in creation can be missed.
So the jobs of the run are looked up by its history and by their names until none of them is running.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import field

from mlci.backends.aws.api_calls import AwsError, Clock
from mlci.backends.aws.sagemaker_jobs import ENDED, Job, Jobs
from mlci_dataclasses import dataclass

#: A container has 120 seconds between SIGTERM and SIGKILL; then SageMaker uploads what there is.
#: Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StopTrainingJob.html
LONGEST_S = 300.0
POLL_S = 3.0


@dataclass(frozen=True)
class StoppedJobs:
    """The jobs that were running, and those that are still running after LONGEST_S."""

    stopped: tuple[Job, ...] = ()
    still_running: tuple[Job, ...] = ()

    def __str__(self) -> str:
        if not self.stopped:
            return "no job was running"
        done = [str(job) for job in self.stopped if job not in self.still_running]
        parts = [f"stopped {', '.join(done)}"] if done else []
        if self.still_running:
            parts.append(f"stopping, but still running: {', '.join(str(job) for job in self.still_running)}")
        return "; ".join(parts)


@dataclass(frozen=True)
class RunStopper:
    """Stops the jobs of runs."""

    jobs: Jobs
    clock: Clock = field(default_factory=Clock)
    log: Callable[[str], None] = lambda text: None

    def stop_jobs(self, run_id: str, known: Iterable[Job]) -> StoppedJobs:
        """Stop the jobs of a run, and wait for their end. `known` are the jobs in its history."""
        known, end, is_last_check = set(known), self.clock.monotonic() + LONGEST_S, False
        stopped: dict[Job, None] = {}
        while True:
            statuses = {job: self.jobs.status(job) for job in known | self._found(run_id)}
            running = sorted((job for job, status in statuses.items() if status and status not in ENDED), key=str)
            for job in running:
                if job not in stopped:
                    stopped[job] = None
                    self.log(f"stopping {job}")
                    self.jobs.stop(job)
            # SageMaker may not know a job yet that the history names: such a job is looked up once more.
            is_done = not running and (is_last_check or None not in statuses.values())
            if is_done or self.clock.monotonic() > end:
                return StoppedJobs(tuple(stopped), tuple(running))
            is_last_check = not running
            known.update(running)
            self.clock.sleep(POLL_S)

    def _found(self, run_id: str) -> set[Job]:
        """Return the running jobs with the run's ID in their names. A kind that may not be listed is in the history."""
        found: set[Job] = set()
        for kind in self.jobs.kinds:
            try:
                found.update(self.jobs.running_of(run_id, kind))
            except AwsError as error:
                if error.is_transient:
                    raise
        return found
