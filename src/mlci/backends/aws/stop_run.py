"""Making sure that nothing of a run is left running: its execution is stopped, and so is each of its jobs.

Step Functions stops the jobs of an execution that is stopped, where its role may, as a best effort; a job that was just
being created may slip through. So the run's jobs are looked for, by the history and by their names, until none runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mlci.backends.aws.api_calls import AwsError, Clock
from mlci.backends.aws.sagemaker_jobs import ENDED, Job, Jobs

#: A container has 120 seconds between SIGTERM and SIGKILL; then SageMaker uploads what there is.
#: Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StopTrainingJob.html
LONGEST_S = 300.0
POLL_S = 3.0


@dataclass(frozen=True)
class Ended:
    """The jobs that were found running, and those of them that still ran when it was given up to wait."""

    stopped: tuple[Job, ...] = ()
    left: tuple[Job, ...] = ()

    def __str__(self) -> str:
        if not self.stopped:
            return "no job was running"
        done = [str(job) for job in self.stopped if job not in self.left]
        parts = [f"stopped {', '.join(done)}"] if done else []
        if self.left:
            parts.append(f"asked to stop, and not yet ended: {', '.join(str(job) for job in self.left)}")
        return "; ".join(parts)


@dataclass(frozen=True)
class Ending:
    jobs: Jobs
    clock: Clock = field(default_factory=Clock)
    tell: Callable[[str], None] = lambda text: None

    def of(self, run_id: str, known: Iterable[Job]) -> Ended:
        """Stops the jobs of a run, and waits for their end. `known` are those that its history names."""
        known, end, is_last_look = set(known), self.clock.monotonic() + LONGEST_S, False
        stopped: dict[Job, None] = {}
        while True:
            statuses = {job: self.jobs.status(job) for job in known | self._found(run_id)}
            running = sorted((job for job, status in statuses.items() if status and status not in ENDED), key=str)
            for job in running:
                if job not in stopped:
                    stopped[job] = None
                    self.tell(f"stopping {job}")
                    self.jobs.stop(job)
            # A job of the history that SageMaker does not know may just be on its way: it is looked for once more.
            is_done = not running and (is_last_look or None not in statuses.values())
            if is_done or self.clock.monotonic() > end:
                return Ended(tuple(stopped), tuple(running))
            is_last_look = not running
            known.update(running)
            self.clock.sleep(POLL_S)

    def _found(self, run_id: str) -> set[Job]:
        """Running jobs with the run's id in their names. Of kinds that may not be listed, the history has them."""
        found: set[Job] = set()
        for kind in self.jobs.kinds:
            try:
                found.update(self.jobs.running_of(run_id, kind))
            except AwsError as error:
                if error.is_passing:
                    raise
        return found
