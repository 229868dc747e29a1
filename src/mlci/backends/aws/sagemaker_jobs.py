"""SageMaker: the jobs of a run, whatever kind they are of: what became of them, and how to stop them.

Source: the Describe…, List… and Stop… operations of https://docs.aws.amazon.com/sagemaker/latest/APIReference/
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import field
from typing import Any

from mlci.backends.aws.api_calls import Api, AwsError
from mlci.plan.names import run_in_names
from mlci.step_types import STEP_TYPES, jobs_of
from mlci_dataclasses import dataclass

#: The jobs of all step types, by the type's name.
JOBS = jobs_of(STEP_TYPES)

#: All others (InProgress, Stopping, …) still use an instance. A status that we do not know counts as running.
ENDED = frozenset({"Completed", "Failed", "Stopped", "DeleteFailed"})


@dataclass(frozen=True)
class Job:
    """A job by its name, which is unique for its kind in an account and region. `kind` is the name of a step type."""

    kind: str
    name: str
    instance_count: int = field(default=1, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.kind} job {self.name}"


@dataclass(frozen=True)
class Jobs:
    """The jobs of runs, which are of these kinds: a role may have no right to ask for others."""

    api: Api
    kinds: Collection[str] = tuple(JOBS)

    def describe(self, job: Job) -> Mapping[str, Any] | None:
        """Return SageMaker's description of a job; None if no job has that name."""
        kind = JOBS[job.kind]
        try:
            return self.api.call(f"describe_{kind.operation_noun}", **{kind.name_field: job.name})
        except AwsError as error:
            if _is_unknown(error):
                return None
            raise

    def status(self, job: Job) -> str | None:
        """A job's status; None where there is none of that name."""
        described = self.describe(job)
        return None if described is None else str(described[JOBS[job.kind].status_field])

    def running_of(self, run_id: str, name: str) -> Iterator[Job]:
        """The jobs of one kind of a run that have not ended: a run's id is part of the names of all of its jobs."""
        kind = JOBS[name]
        pages = self.api.pages(
            f"list_{kind.operation_noun}s",
            ("NextToken", "NextToken"),
            NameContains=run_in_names(kind, run_id),
            StatusEquals="InProgress",
        )
        for page in pages:
            yield from (Job(name, summary[kind.name_field]) for summary in page[kind.summaries_field])

    def trials(self, job: Job) -> list[Mapping[str, Any]]:
        """Return SageMaker's summaries of the training jobs that a tuning job has started, in their order."""
        pages = self.api.pages(
            "list_training_jobs_for_hyper_parameter_tuning_job",
            ("NextToken", "NextToken"),
            HyperParameterTuningJobName=job.name,
            SortBy="Name",
            SortOrder="Ascending",
            MaxResults=100,
        )
        return [summary for page in pages for summary in page["TrainingJobSummaries"]]

    def stop(self, job: Job) -> bool:
        """Asks a job to stop; False where it is not there, or has ended."""
        kind = JOBS[job.kind]
        try:
            self.api.call(f"stop_{kind.operation_noun}", **{kind.name_field: job.name})
        except AwsError as error:
            if _is_unknown(error) or error.code == "ValidationException":
                return False  # "The request was rejected because the training job is in status Completed."
            raise
        return True


def job_of(resource: str, parameters: Mapping[str, Any]) -> Job | None:
    """The job that a task starts; None for a task that starts none. `resource` is as a TaskScheduled event has it.

    >>> job_of("createTrainingJob.sync", {"TrainingJobName": "t1"})
    Job(kind='training', name='t1')
    """
    for name, kind in JOBS.items():
        if resource.partition(".")[0] == kind.task_resource and kind.name_field in parameters:
            return Job(name, str(parameters[kind.name_field]), _instance_count(parameters))
    return None


def _instance_count(parameters: Mapping[str, Any]) -> int:
    parameters = parameters.get("TrainingJobDefinition") or parameters  # that of each trial of a tuning job
    cluster = parameters.get("ResourceConfig") or (parameters.get("ProcessingResources") or {}).get("ClusterConfig")
    return int((cluster or {}).get("InstanceCount") or 1)


def trial_number(job: Job, trial: str) -> int | str:
    """Return the number of a trial, from its name or from that of its log stream: its tuning job's name and more.

    >>> trial_number(Job("tuning", "t-0-0"), "t-0-0-012-0123abcd/algo-1-1700000000")
    12
    """
    digits = trial.removeprefix(f"{job.name}-").partition("-")[0]
    return int(digits) if digits.isdigit() else trial


def _is_unknown(error: AwsError) -> bool:
    """DescribeTrainingJob and StopTrainingJob have no exception of their own for it, and say ValidationException."""
    return error.code in ("ResourceNotFound", "ResourceNotFoundException") or (
        error.code == "ValidationException" and "not found" in error.message.lower()
    )
