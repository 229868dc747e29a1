"""Explained failures: an event of a failed job gets the job's own failure reason. The log of a job that ended is
complete before the event is passed on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import field, replace

from mlci.backends.aws.api_calls import RIGHTS_HINT, AwsError
from mlci.backends.aws.job_logs import JobLogs
from mlci.backends.aws.sagemaker_jobs import Job, Jobs, job_of
from mlci.backends.events import Event
from mlci.backends.progress import reason_of
from mlci_dataclasses import dataclass

#: The quota in "The account-level service limit 'ml.m5.large for training warm pool usage' is 0 Instances, …".
_WARM_POOL_QUOTA = re.compile(r"'([a-z0-9.-]+ for training warm pool usage)'")
FAILURES = ("TaskFailed", "TaskTimedOut")


@dataclass
class EventExplainer:
    """Handles the events of one execution, and passes them to `on_event`."""

    all_jobs: Jobs
    logs: JobLogs
    log: Callable[[str], None]
    link: Callable[[Job], str]
    on_event: Callable[[Event], None]
    _owners: dict[int, Job] = field(default_factory=dict)
    _ended: set[Job] = field(default_factory=set)

    @property
    def jobs(self) -> list[Job]:
        """The jobs that the execution requested, in order."""
        return list(dict.fromkeys(self._owners.values()))

    def handle(self, event: Event) -> None:
        job = self._job(event)
        if job is not None and event.type == "TaskSucceeded":
            self._ended.add(job)
            self.logs.copy(job)
        if job is None or event.type not in FAILURES:
            self.on_event(event)
            return
        self._ended.add(job)
        self.logs.copy_failed(job)
        self.on_event(self._with_reason(event, job))
        if "is not authorized to perform: sagemaker:" in _cause(event):  # by the workflow role, not by a job's script
            self.log(RIGHTS_HINT)
        if quota := _WARM_POOL_QUOTA.search(_cause(event)):
            self.log(
                f'Raise the quota "{quota[1]}" in Service Quotas, Amazon SageMaker, or remove keep_alive: the machines '
                "that wait for other jobs count, and AWS begins with 0."
            )
        self.log(f"{job.kind} job: {self.link(job)}")

    def follow_logs(self) -> None:
        """Copy what the running jobs have logged."""
        self.logs.follow(job for job in self.jobs if job not in self._ended)

    def save_logs(self) -> None:
        """Copy what has come late, also of jobs that were stopped."""
        for job in self.jobs:
            self.logs.copy(job)

    def _job(self, event: Event) -> Job | None:
        """Return the job of an event: TaskScheduled names it, and the following events lead back to that."""
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
        """Return the event, with SageMaker's failure reason as its cause if the cause is truncated or empty."""
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
        failure = {"FailureReason": described["FailureReason"]}
        return (
            replace(event, details={member: {**details, "cause": json.dumps(failure)}})
            if isinstance(details, dict)
            else event
        )


def _cause(event: Event) -> str:
    """Return the cause of a failed task, or an empty string if the event has none."""
    details = next(iter(event.details.values()), None)
    return str(details.get("cause") or "") if isinstance(details, dict) else ""
