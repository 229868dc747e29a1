"""The local cloud's task handlers: what a state machine's Task states do here."""

from __future__ import annotations

import hashlib
import json
import urllib.parse
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mlci.asl import TaskCall, TaskError
from mlci.cloud.local import requests
from mlci.cloud.local.api import Answer, ApiError
from mlci.cloud.local.jobs import LocalJobs
from mlci.cloud.local.names import REGION
from mlci.cloud.local.sagemaker import SageMaker
from mlci.cloud.local.store import DirectoryStore, NoSuchKey
from mlci.errors import CloudError

if TYPE_CHECKING:
    from mlci.asl import Json

PROCESSING = "arn:aws:states:::sagemaker:createProcessingJob.sync"
TRAINING = "arn:aws:states:::sagemaker:createTrainingJob.sync"
GET_OBJECT = "arn:aws:states:::aws-sdk:s3:getObject"
COPY_OBJECT = "arn:aws:states:::aws-sdk:s3:copyObject"


class LocalTasks:
    """Handlers of one run: job names are unique within it, as they are in an account and region on AWS."""

    def __init__(self, store: DirectoryStore, jobs: LocalJobs) -> None:
        self._store, self._sagemaker = store, SageMaker(store, jobs, None)
        self._handlers: dict[str, Callable[[TaskCall], Json]] = {
            PROCESSING: self._process,
            TRAINING: self._train,
            GET_OBJECT: self._get_object,
            COPY_OBJECT: self._copy_object,
        }

    def supports(self, resource: str) -> bool:
        return resource in self._handlers

    def __call__(self, task: TaskCall) -> Json:
        """The task's output.

        Raises:
            TaskError: as Step Functions reports it.
        """
        try:
            return self._handlers[task.resource](task)
        except (requests.Malformed, requests.CannotRunHere) as error:
            raise TaskError("States.Runtime", str(error)) from error
        except requests.Invalid as error:
            # Not the SDK's base class, AmazonSageMakerException: that is what throttling comes as, and is retried.
            raise TaskError("SageMaker.ValidationException", _sagemaker(str(error), "ValidationException")) from error

    def _process(self, task: TaskCall) -> Json:
        requests.processing(task.parameters)
        return self._run("CreateProcessingJob", "ProcessingJobStatus", task)

    def _train(self, task: TaskCall) -> Json:
        requests.training(task.parameters)
        return self._run("CreateTrainingJob", "TrainingJobStatus", task)

    def _run(self, operation: str, status: str, task: TaskCall) -> Json:
        request = cast("dict[str, Json]", task.parameters)
        try:
            described = self._sagemaker.run_to_end(operation, request, REGION, task.stop, task.submitted)
        except ApiError as error:
            name = error.code if error.code.endswith("Exception") else f"{error.code}Exception"
            raise TaskError(f"SageMaker.{name}", _sagemaker(error.message, error.code)) from error
        return _completed(described, status)

    def _get_object(self, task: TaskCall) -> Json:
        given = _texts(task, "Bucket", "Key")
        uri = f"s3://{given['Bucket']}/{given['Key']}"
        try:
            data = self._store.read_bytes(uri)
            modified = self._store.path(uri).stat().st_mtime
        except (NoSuchKey, CloudError, FileNotFoundError) as error:
            raise _no_such_key() from error
        try:
            body = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise TaskError(
                "States.Runtime", f"the object {uri} is no text, so it can't be a state's output"
            ) from error
        return {
            "AcceptRanges": "bytes",
            "Body": body,
            "ContentLength": len(data),
            "ContentType": "binary/octet-stream",
            "ETag": _etag_of(self._store.path(uri)),
            "LastModified": datetime.fromtimestamp(modified, timezone.utc).isoformat(timespec="seconds"),
            "Metadata": {},
        }

    def _copy_object(self, task: TaskCall) -> Json:
        given = _texts(task, "Bucket", "CopySource", "Key")
        source = urllib.parse.unquote(given["CopySource"]).removeprefix("/")
        if "?versionId=" in source:
            raise TaskError("States.Runtime", "the local store keeps no versions: drop ?versionId from CopySource")
        uri = f"s3://{given['Bucket']}/{given['Key']}"
        try:
            self._store.copy(f"s3://{source}", uri)
        except (NoSuchKey, CloudError) as error:
            raise _no_such_key() from error
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        return {"CopyObjectResult": {"ETag": _etag_of(self._store.path(uri)), "LastModified": now}}


def _completed(described: Answer, status: str) -> Json:
    """The job's description if it completed; a failed or stopped job fails its task, with the description as cause."""
    text = json.dumps(
        described, default=lambda moment: moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
    if described[status] != "Completed":
        raise TaskError("States.TaskFailed", text)
    result: Json = json.loads(text)
    return result


def _texts(task: TaskCall, *names: str) -> dict[str, str]:
    given = task.parameters if isinstance(task.parameters, dict) else {}
    problems = [f'The field "{name}" is required but was missing' for name in names if name not in given]
    problems += [f'The field "{name}" is not supported by the local cloud' for name in given if name not in names]
    problems += [
        f'The value for the field "{name}" must be a text'
        for name in names
        if name in given and not isinstance(given[name], str)
    ]
    if problems:
        raise TaskError(
            "States.Runtime", "The Parameters could not be used to start the Task: [" + ", ".join(problems) + "]"
        )
    return cast("dict[str, str]", given)


def _no_such_key() -> TaskError:
    return TaskError("S3.NoSuchKeyException", "The specified key does not exist. (Service: S3, Status Code: 404)")


def _etag_of(file: Path) -> str:
    """What S3 gives an object that was put in one piece: the MD5 of its bytes, quoted."""
    digest = hashlib.md5(usedforsecurity=False)
    with file.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return f'"{digest.hexdigest()}"'


def _sagemaker(what: str, code: str) -> str:
    return f"{what} (Service: AmazonSageMaker; Status Code: 400; Error Code: {code})"
