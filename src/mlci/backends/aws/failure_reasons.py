"""Failures that explain themselves: on their way to whoever watches, events of failed jobs get the job's own reason,
and the job's log is fetched, so that its last lines can be shown at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlci.backends.aws.api_calls import RIGHTS_HINT, AwsError, Clock
from mlci.backends.aws.cloudwatch_logs import Logs
from mlci.backends.aws.sagemaker_jobs import Job, Jobs, job_of
from mlci.backends.events import Event
from mlci.backends.progress import reason_of

FAILURES = ("TaskFailed", "TaskTimedOut")
#: Lines reach CloudWatch some seconds after a job has printed them.
_LOG_WAITS_S = (0.0, 2.0, 4.0)


@dataclass
class Explanations:
    """Hears the events of one execution, and hands them on."""

    all_jobs: Jobs
    logs: Logs
    log_file: Callable[[str], Path]
    tell: Callable[[str], None]
    link: Callable[[Job], str]
    on_event: Callable[[Event], None]
    clock: Clock = field(default_factory=Clock)
    _owners: dict[int, Job] = field(default_factory=dict)
    _kept: set[Job] = field(default_factory=set)

    @property
    def jobs(self) -> list[Job]:
        """Every job that the execution asked for, in order."""
        return list(dict.fromkeys(self._owners.values()))

    def hear(self, event: Event) -> None:
        job = self._job(event)
        if job is None or event.type not in FAILURES:
            self.on_event(event)
            return
        self._keep_log(job, _LOG_WAITS_S)
        self.on_event(self._with_reason(event, job))
        if "is not authorized to perform: sagemaker:" in _cause(event):  # the workflow role, and no job's script
            self.tell(RIGHTS_HINT)
        self.tell(f"{job.kind} job: {self.link(job)}")

    def keep_logs(self) -> None:
        """Fetches the logs of all jobs that were not fetched yet."""
        for job in self.jobs:
            if job not in self._kept:
                self._keep_log(job, (0.0,))

    def _job(self, event: Event) -> Job | None:
        """The job that an event tells of: TaskScheduled names it, and what follows leads back there."""
        job = self._owners.get(event.previous_id) if event.type.startswith("Task") else None
        details = event.details.get("taskScheduledEventDetails")
        if isinstance(details, dict):
            try:
                job = job_of(str(details.get("resource")), json.loads(str(details.get("parameters"))))
            except ValueError:
                job = None
        if job is not None:
            self._owners[event.id] = job
        return job

    def _with_reason(self, event: Event, job: Job) -> Event:
        """The event, with what SageMaker says of the job as its cause where the cause is cut off or empty."""
        member, details = next(iter(event.details.items()), ("", None))
        cause = _cause(event)
        if event.type != "TaskFailed" or (cause and reason_of(cause) != cause):
            return event
        try:
            described = self.all_jobs.describe(job)
        except AwsError:
            return event
        if not described or not described.get("FailureReason"):
            return event
        told = {"FailureReason": described["FailureReason"]}
        return (
            replace(event, details={member: {**details, "cause": json.dumps(told)}})
            if isinstance(details, dict)
            else event
        )

    def _keep_log(self, job: Job, waits_s: tuple[float, ...]) -> None:
        """Writes a job's log to its file. What can't be fetched is told, and fails nothing."""
        self._kept.add(job)
        for wait_s in waits_s:
            if wait_s:
                self.clock.sleep(wait_s)
            try:
                lines = self.logs.lines(job)
            except AwsError as error:
                self.tell(f"the log of {job} can't be read: {error}")
                return
            if lines:
                file = self.log_file(job.name)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text("\n".join(lines) + "\n", encoding="utf-8")
                return


def _cause(event: Event) -> str:
    """Why a task failed; empty where the event says nothing of it."""
    details = next(iter(event.details.values()), None)
    return str(details.get("cause") or "") if isinstance(details, dict) else ""
