"""The task handlers, as a state machine calls them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from local_jobs import FakeStop, Place, processing_request, sourcedir, training_request
from mlci.asl import TaskCall, TaskError
from mlci.cloud.local.jobs import LocalJobs
from mlci.cloud.local.tasks import COPY_OBJECT, GET_OBJECT, PROCESSING, TRAINING, LocalTasks

if TYPE_CHECKING:
    from mlci.asl import Json


@pytest.fixture
def tasks(place: Place, jobs: LocalJobs) -> LocalTasks:
    return LocalTasks(place.store, jobs)


def call(tasks: LocalTasks, resource: str, parameters: Json, submitted: list[Json] | None = None) -> Json:
    into = [] if submitted is None else submitted
    task = TaskCall(resource, "State", parameters, FakeStop(), into.append)  # type: ignore[arg-type]
    result: Json = tasks(task)
    return result


def test_it_supports_its_four_resources(tasks: LocalTasks) -> None:
    for resource in (PROCESSING, TRAINING, GET_OBJECT, COPY_OBJECT):
        assert tasks.supports(resource)
    assert not tasks.supports(PROCESSING.removesuffix(".sync"))


def test_a_job_answers_with_its_description(place: Place, tasks: LocalTasks) -> None:
    submitted: list[Json] = []
    place.store.put_bytes(b"", "s3://b/code/script.py")
    output = call(tasks, PROCESSING, processing_request("a"), submitted)
    assert isinstance(output, dict)
    assert output["ProcessingJobStatus"] == "Completed"
    assert submitted == [{"ProcessingJobArn": output["ProcessingJobArn"]}]
    place.store.put_bytes(sourcedir({"train.py": ""}), "s3://b/sourcedir.tar.gz")
    output = call(tasks, TRAINING, training_request("a"), submitted)
    assert isinstance(output, dict)
    assert output["ModelArtifacts"] == {"S3ModelArtifacts": "s3://b/models/a/output/model.tar.gz"}


def test_a_failed_job_fails_its_task_with_the_description_as_cause(place: Place, tasks: LocalTasks) -> None:
    place.store.put_bytes(b"raise SystemExit(4)", "s3://b/code/script.py")
    with pytest.raises(TaskError) as caught:
        call(tasks, PROCESSING, processing_request("a"))
    assert caught.value.error == "States.TaskFailed"
    cause = json.loads(caught.value.cause)
    assert cause["ProcessingJobStatus"] == "Failed"
    assert cause["FailureReason"].endswith("exit code: 4")


def test_a_taken_name_is_refused_also_after_a_failure(place: Place, tasks: LocalTasks) -> None:
    place.store.put_bytes(b"raise SystemExit(4)", "s3://b/code/script.py")
    causes = []
    for error in ("States.TaskFailed", "SageMaker.ResourceInUseException"):
        with pytest.raises(TaskError) as caught:
            call(tasks, PROCESSING, processing_request("a"))
        assert caught.value.error == error
        causes.append(caught.value.cause)
    assert "Job name must be unique" in causes[-1]
    place.store.put_bytes(sourcedir({"train.py": ""}), "s3://b/sourcedir.tar.gz")
    call(tasks, TRAINING, training_request("a"))  # names of training jobs are apart


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"Unknown": 1}, "States.Runtime"),
        ({"ProcessingJobName": "a_b"}, "SageMaker.ValidationException"),
        ({"AppSpecification": {"ImageUri": "x"}}, "States.Runtime"),
    ],
)
def test_wrong_parameters(tasks: LocalTasks, changes: dict[str, Json], error: str) -> None:
    submitted: list[Json] = []
    with pytest.raises(TaskError) as caught:
        call(tasks, PROCESSING, {**processing_request(), **changes}, submitted)
    assert caught.value.error == error
    assert submitted == []


def test_objects_are_read_and_copied(place: Place, tasks: LocalTasks) -> None:
    place.store.put_bytes('{"auc": 1, "ü": 2}'.encode(), "s3://b/m/metrics file.json")
    copied = call(tasks, COPY_OBJECT, {"Bucket": "b", "Key": "best.json", "CopySource": "b/m/metrics%20file.json"})
    read = call(tasks, GET_OBJECT, {"Bucket": "b", "Key": "best.json"})
    assert isinstance(read, dict)
    assert isinstance(copied, dict)
    assert read["Body"] == '{"auc": 1, "ü": 2}'
    assert read["ContentLength"] == 19
    assert copied["CopyObjectResult"]["ETag"] == read["ETag"]  # type: ignore[index, call-overload]


@pytest.mark.parametrize(
    ("resource", "parameters", "error"),
    [
        (GET_OBJECT, {"Bucket": "b", "Key": "no"}, "S3.NoSuchKeyException"),
        (GET_OBJECT, {"Bucket": "b", "Key": "../x"}, "S3.NoSuchKeyException"),
        (COPY_OBJECT, {"Bucket": "b", "Key": "k", "CopySource": "b/no"}, "S3.NoSuchKeyException"),
        (COPY_OBJECT, {"Bucket": "b", "Key": "k", "CopySource": "b/k?versionId=1"}, "States.Runtime"),
        (GET_OBJECT, {"Bucket": "b"}, "States.Runtime"),
        (GET_OBJECT, {"Bucket": "b", "Key": "k", "Range": "bytes=0-1"}, "States.Runtime"),
        (GET_OBJECT, {"Bucket": "b", "Key": 1}, "States.Runtime"),
        (GET_OBJECT, {"Bucket": "b", "Key": "binary"}, "States.Runtime"),
    ],
)
def test_what_objects_refuse(place: Place, tasks: LocalTasks, resource: str, parameters: Json, error: str) -> None:
    place.store.put_bytes(b"\xff", "s3://b/binary")
    with pytest.raises(TaskError) as caught:
        call(tasks, resource, parameters)
    assert caught.value.error == error
