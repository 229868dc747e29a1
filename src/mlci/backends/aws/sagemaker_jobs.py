"""SageMaker: the jobs of a run, whatever kind they are of: what became of them, and how to stop them.

Source: the Describe…, List… and Stop… operations of https://docs.aws.amazon.com/sagemaker/latest/APIReference/
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mlci.backends.aws.api_calls import Api, AwsError

JobKind = Literal["processing", "training", "transform", "tuning"]


@dataclass(frozen=True)
class Kind:
    """How the API calls one kind of job: `noun` is `processing_job` in boto3's operations."""

    noun: str
    name: str
    status: str
    summaries: str
    resource: str
    log_group: str


KINDS: Mapping[JobKind, Kind] = {
    "processing": Kind(
        "processing_job",
        "ProcessingJobName",
        "ProcessingJobStatus",
        "ProcessingJobSummaries",
        "createProcessingJob",
        "/aws/sagemaker/ProcessingJobs",
    ),
    "training": Kind(
        "training_job",
        "TrainingJobName",
        "TrainingJobStatus",
        "TrainingJobSummaries",
        "createTrainingJob",
        "/aws/sagemaker/TrainingJobs",
    ),
    "transform": Kind(
        "transform_job",
        "TransformJobName",
        "TransformJobStatus",
        "TransformJobSummaries",
        "createTransformJob",
        "/aws/sagemaker/TransformJobs",
    ),
    "tuning": Kind(
        "hyper_parameter_tuning_job",
        "HyperParameterTuningJobName",
        "HyperParameterTuningJobStatus",
        "HyperParameterTuningJobSummaries",
        "createHyperParameterTuningJob",
        "/aws/sagemaker/TrainingJobs",  # its training jobs', which begin with another name
    ),
}

#: All others (InProgress, Stopping, …) still use an instance. A status that we do not know counts as running.
ENDED = frozenset({"Completed", "Failed", "Stopped", "DeleteFailed"})


@dataclass(frozen=True)
class Job:
    """A job by its name, which is unique for its kind in an account and region."""

    kind: JobKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} job {self.name}"


@dataclass(frozen=True)
class Jobs:
    """The jobs of runs, which are of these kinds: a role may have no right to ask for others."""

    api: Api
    kinds: Collection[JobKind] = tuple(KINDS)

    def describe(self, job: Job) -> Mapping[str, Any] | None:
        """What SageMaker says of a job; None where there is none of that name."""
        kind = KINDS[job.kind]
        try:
            return self.api.call(f"describe_{kind.noun}", **{kind.name: job.name})
        except AwsError as error:
            if _is_unknown(error):
                return None
            raise

    def status(self, job: Job) -> str | None:
        """A job's status; None where there is none of that name."""
        described = self.describe(job)
        return None if described is None else str(described[KINDS[job.kind].status])

    def running_of(self, run_id: str, name: JobKind) -> Iterator[Job]:
        """The jobs of one kind of a run that have not ended: a run's id is part of the names of all of its jobs."""
        kind = KINDS[name]
        pages = self.api.pages(
            f"list_{kind.noun}s", ("NextToken", "NextToken"), NameContains=run_id, StatusEquals="InProgress"
        )
        for page in pages:
            yield from (Job(name, summary[kind.name]) for summary in page[kind.summaries])

    def stop(self, job: Job) -> bool:
        """Asks a job to stop; False where it is not there, or has ended."""
        kind = KINDS[job.kind]
        try:
            self.api.call(f"stop_{kind.noun}", **{kind.name: job.name})
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
    for name, kind in KINDS.items():
        if resource.partition(".")[0] == kind.resource and kind.name in parameters:
            return Job(name, str(parameters[kind.name]))
    return None


def _is_unknown(error: AwsError) -> bool:
    """DescribeTrainingJob and StopTrainingJob have no exception of their own for it, and say ValidationException."""
    return error.code in ("ResourceNotFound", "ResourceNotFoundException") or (
        error.code == "ValidationException" and "not found" in error.message.lower()
    )
