"""Updates a job's description from its creation to its end. Pure: each function takes the current time.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_SecondaryStatusTransition.html (the messages);
API_DescribeTrainingJob.html, API_DescribeProcessingJob.html, API_DescribeTransformJob.html
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from mlci_dataclasses import dataclass
from mlci_emulator.jobs import training
from mlci_emulator.jobs.job import JobResult, Phase
from mlci_emulator.services.sagemaker.records import Kind, Record

IN_PROGRESS, STOPPING = "InProgress", "Stopping"
#: The statuses of a job that has not ended.
UNFINISHED = (IN_PROGRESS, STOPPING)

_MESSAGES = {
    "Starting": "Starting the training job",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Completed": "Training job completed",
    "Stopped": "Training job stopped",
    "Failed": "Training job failed",
    "MaxRuntimeExceeded": "Job runtime exceeded MaxRuntimeInSeconds provided",
}


@dataclass(frozen=True)
class JobKind:
    """The names of the API's fields for one kind of job, all of which start with `noun`."""

    kind: Kind
    noun: str
    verb: str
    words: str

    @property
    def name(self) -> str:
        return f"{self.noun}Name"

    @property
    def arn(self) -> str:
        return f"{self.noun}Arn"

    @property
    def status(self) -> str:
        return f"{self.noun}Status"


PROCESSING = JobKind("processing-job", "ProcessingJob", "Processing", "processing job")
TRAINING = JobKind("training-job", "TrainingJob", "Training", "training job")
TRANSFORM = JobKind("transform-job", "TransformJob", "Transform", "transform job")
TUNING = JobKind(
    "hyper-parameter-tuning-job", "HyperParameterTuningJob", "HyperParameterTuning", "hyperparameter tuning job"
)
KINDS = (PROCESSING, TRAINING, TRANSFORM, TUNING)


def create(kind: JobKind, record: Record, request: dict[str, Any]) -> None:
    """Write the description of a job that was just created."""
    record.status = IN_PROGRESS
    record.body = {
        **{name: value for name, value in request.items() if name != "Tags" and value is not None},
        kind.arn: record.arn,
        kind.status: IN_PROGRESS,
        "CreationTime": record.created,
    }
    if kind is TRAINING:
        for field in ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining"):
            record.body.setdefault(field, False)

        # The location of the model, which need not exist yet. Source: API_DescribeTrainingJob.html, ModelArtifacts

        prefix = training.output_prefix(request["OutputDataConfig"]["S3OutputPath"], record.name)
        record.body["ModelArtifacts"] = {"S3ModelArtifacts": f"{prefix}/model.tar.gz"}
        record.body["SecondaryStatusTransitions"] = []
        _add_transition(record, "Starting", record.created)
    _set_modified(kind, record, record.created)


def advance(kind: JobKind, record: Record, phase: Phase, now: dt.datetime) -> None:
    """Show the phase that a job has reached; a job that is being stopped shows no other phase."""
    if record.status != IN_PROGRESS:
        return
    if phase == "Downloading" and kind is not TUNING:  # a tuning job's creation is its start
        record.body[f"{kind.verb}StartTime"] = now
    if kind is TRAINING:
        _add_transition(record, phase, now)
    _set_modified(kind, record, now)


def stop(kind: JobKind, record: Record, now: dt.datetime) -> None:
    """Show that a job is being stopped."""
    record.status = record.body[kind.status] = STOPPING
    if kind is TRAINING:
        _add_transition(record, "Stopping", now)
    _set_modified(kind, record, now)


def finish(kind: JobKind, record: Record, ending: JobResult, now: dt.datetime) -> None:
    """Show the result of a job. A job that was being stopped is Stopped, even if it ended by itself at that moment."""
    is_stopped = record.status == STOPPING or ending.status == "Stopped"
    status = "Stopped" if is_stopped else ending.status
    is_timed_out = ending.is_timed_out and record.status != STOPPING
    body = record.body
    record.status = body[kind.status] = status
    if ending.reason is not None and (status == "Failed" or is_timed_out):
        body["FailureReason"] = ending.reason
    if ending.exit_message is not None:
        body["ExitMessage"] = ending.exit_message
    if f"{kind.verb}StartTime" in body or kind is TUNING:
        body[f"{kind.verb}EndTime"] = now
    if kind is TRAINING:
        _add_transition(record, "MaxRuntimeExceeded" if is_timed_out else status, now)
        body["SecondaryStatusTransitions"][-1]["EndTime"] = now
        if "TrainingStartTime" in body:
            seconds = max(1, round((now - body["TrainingStartTime"]).total_seconds()))
            body["TrainingTimeInSeconds"] = body["BillableTimeInSeconds"] = seconds
    _set_modified(kind, record, now)


def _add_transition(record: Record, status: str, now: dt.datetime) -> None:
    transitions = record.body["SecondaryStatusTransitions"]
    if transitions:
        transitions[-1]["EndTime"] = now
    transitions.append({"Status": status, "StartTime": now, "StatusMessage": _MESSAGES[status]})
    record.body["SecondaryStatus"] = status


def _set_modified(kind: JobKind, record: Record, now: dt.datetime) -> None:
    record.modified = now
    if kind is not TRANSFORM:  # DescribeTransformJob has no such field
        record.body["LastModifiedTime"] = now
