"""The handlers of one run, as `mlci run` and `mlci execute` have them: real jobs, and S3 on a real store."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from mlci_asl import StopSignal, TaskCall, TaskError
from mlci_emulator.embedded import EmbeddedEmulator, InvalidDefinition, open_emulator
from mlci_emulator.integrations import catalog
from mlci_emulator.jobs.job import JobSettings
from mlci_emulator.services.sagemaker import SageMaker
from support.local_jobs import JobHarness, processes_with, processing_request, sourcedir, training_request

if TYPE_CHECKING:
    from mlci_asl import Json

PROCESSING = "arn:aws:states:::sagemaker:createProcessingJob.sync"
TRAINING = "arn:aws:states:::sagemaker:createTrainingJob.sync"
GET_OBJECT = "arn:aws:states:::aws-sdk:s3:getObject"
COPY_OBJECT = "arn:aws:states:::aws-sdk:s3:copyObject"


@pytest.fixture
def emulator(harness: JobHarness) -> Iterator[EmbeddedEmulator]:
    settings = JobSettings(harness.work, harness.log, "python3", harness.environment, "auto")
    with open_emulator(harness.store.root, settings) as made:
        yield made


def call(emulator: EmbeddedEmulator, resource: str, parameters: Json, submitted: list[Json] | None = None) -> Json:
    into = [] if submitted is None else submitted
    return emulator.tasks(TaskCall(resource, "State", parameters, StopSignal(), into.append))


def test_a_job_answers_with_its_description(harness: JobHarness, emulator: EmbeddedEmulator) -> None:
    submitted: list[Json] = []
    harness.store.put_bytes(b"", "s3://b/code/script.py")
    output = call(emulator, PROCESSING, processing_request("a"), submitted)
    assert isinstance(output, dict)
    assert output["ProcessingJobStatus"] == "Completed"
    assert isinstance(submitted[0], dict)
    assert submitted[0]["ProcessingJobArn"] == output["ProcessingJobArn"]
    harness.store.put_bytes(sourcedir({"train.py": ""}), "s3://b/sourcedir.tar.gz")
    output = call(emulator, TRAINING, training_request("a"), submitted)
    assert isinstance(output, dict)
    assert output["ModelArtifacts"] == {"S3ModelArtifacts": "s3://b/models/a/output/model.tar.gz"}


def test_a_failed_job_fails_its_task_with_the_description_as_cause(
    harness: JobHarness, emulator: EmbeddedEmulator
) -> None:
    harness.store.put_bytes(b"raise SystemExit(4)", "s3://b/code/script.py")
    with pytest.raises(TaskError) as caught:
        call(emulator, PROCESSING, processing_request("a"))
    assert caught.value.error == "States.TaskFailed"
    cause = json.loads(caught.value.cause)
    assert cause["ProcessingJobStatus"] == "Failed"
    assert cause["FailureReason"].endswith("exit code: 4")


def test_a_taken_name_is_refused_also_after_a_failure(harness: JobHarness, emulator: EmbeddedEmulator) -> None:
    harness.store.put_bytes(b"raise SystemExit(4)", "s3://b/code/script.py")
    causes = []
    for error in ("States.TaskFailed", "SageMaker.ResourceInUseException"):
        with pytest.raises(TaskError) as caught:
            call(emulator, PROCESSING, processing_request("a"))
        assert caught.value.error == error
        causes.append(caught.value.cause)
    assert "Job name must be unique" in causes[-1]
    harness.store.put_bytes(sourcedir({"train.py": ""}), "s3://b/sourcedir.tar.gz")
    call(emulator, TRAINING, training_request("a"))  # names of training jobs are apart


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"Unknown": 1}, "States.Runtime"),
        ({"ProcessingJobName": "a_b"}, "SageMaker.AmazonSageMakerException"),
        ({"AppSpecification": {"ImageUri": "x"}}, "States.Runtime"),
    ],
)
def test_wrong_parameters(emulator: EmbeddedEmulator, changes: dict[str, Json], error: str) -> None:
    submitted: list[Json] = []
    with pytest.raises(TaskError) as caught:
        call(emulator, PROCESSING, {**processing_request(), **changes}, submitted)
    assert caught.value.error == error
    assert submitted == []


def test_objects_are_read_and_copied(harness: JobHarness, emulator: EmbeddedEmulator) -> None:
    harness.store.put_bytes('{"auc": 1, "ü": 2}'.encode(), "s3://data/m/metrics file.json")
    copied = call(
        emulator, COPY_OBJECT, {"Bucket": "data", "Key": "best.json", "CopySource": "data/m/metrics%20file.json"}
    )
    read = call(emulator, GET_OBJECT, {"Bucket": "data", "Key": "best.json"})
    assert isinstance(read, dict)
    assert isinstance(copied, dict)
    assert read["Body"] == '{"auc": 1, "ü": 2}'
    assert read["ContentLength"] == 19
    assert copied["CopyObjectResult"]["ETag"] == read["ETag"]  # type: ignore[index, call-overload]


def test_s3_lists_describes_puts_and_deletes(emulator: EmbeddedEmulator) -> None:
    at: dict[str, Json] = {"Bucket": "data", "Key": "a/k.json"}
    emulator.store.put_bytes(b"1", "s3://data/a/other")
    put = call(emulator, "arn:aws:states:::aws-sdk:s3:putObject", {**at, "Body": {"a": 1}})
    head = call(emulator, "arn:aws:states:::aws-sdk:s3:headObject", at)
    assert isinstance(put, dict)
    assert isinstance(head, dict)
    assert head["ETag"] == put["ETag"]
    assert head["ContentLength"] == len('{"a":1}')
    assert head["ContentType"] == "text/plain; charset=UTF-8"
    assert put["ChecksumType"] == "FULL_OBJECT"
    assert "ChecksumCRC32" in put
    listed = call(emulator, "arn:aws:states:::aws-sdk:s3:listObjectsV2", {"Bucket": "data", "Prefix": "a/"})
    assert isinstance(listed, dict)
    assert [item["Key"] for item in listed["Contents"]] == ["a/k.json", "a/other"]  # type: ignore[index, call-overload, union-attr]
    objects: Json = [{"Key": "a/k.json"}, {"Key": "a/other"}]
    call(emulator, "arn:aws:states:::aws-sdk:s3:deleteObjects", {"Bucket": "data", "Delete": {"Objects": objects}})
    assert not emulator.store.exists("s3://data/a/other")


@pytest.mark.parametrize(
    ("resource", "parameters", "error"),
    [
        (GET_OBJECT, {"Bucket": "data", "Key": "no"}, "S3.NoSuchKeyException"),
        (GET_OBJECT, {"Bucket": "nowhere", "Key": "no"}, "S3.NoSuchBucketException"),
        (COPY_OBJECT, {"Bucket": "data", "Key": "k", "CopySource": "data/no"}, "S3.NoSuchKeyException"),
        (GET_OBJECT, {"Bucket": "data"}, "States.Runtime"),
        (GET_OBJECT, {"Bucket": "data", "Key": 1}, "States.Runtime"),
        (GET_OBJECT, {"Bucket": "data", "Key": "binary"}, "States.Runtime"),
    ],
)
def test_what_objects_refuse(
    harness: JobHarness, emulator: EmbeddedEmulator, resource: str, parameters: Json, error: str
) -> None:
    harness.store.put_bytes(b"\xff", "s3://data/binary")
    with pytest.raises(TaskError) as caught:
        call(emulator, resource, parameters)
    assert caught.value.error == error


@pytest.mark.parametrize(
    ("resource", "parameters", "words"),
    [
        ("arn:aws:states:::lambda:invoke", {"FunctionName": "f"}, "--function NAME=FILE.py:HANDLER"),
        ("arn:aws:lambda:us-east-1:000000000000:function:f", {}, "--function NAME=FILE.py:HANDLER"),
        ("arn:aws:states:::states:startExecution", {"StateMachineArn": "a"}, "needs Step Functions itself"),
        ("arn:aws:states:us-east-1:000000000000:activity:a", {}, "needs Step Functions itself"),
        (
            "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            {"QueueUrl": "q", "MessageBody.$": "$$.Task.Token"},
            "needs Step Functions itself",
        ),
    ],
)
def test_what_one_run_alone_has_not_is_refused(
    emulator: EmbeddedEmulator, resource: str, parameters: Json, words: str
) -> None:
    state = {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True}
    with pytest.raises(InvalidDefinition, match=words):
        emulator.load(json.dumps({"StartAt": "a", "States": {"a": state}}))


def test_what_is_done_of_sagemaker_is_there(emulator: EmbeddedEmulator) -> None:
    service = SageMaker(emulator.store, emulator.jobs, None)
    try:
        assert {action[0].upper() + action[1:] for action in catalog.SUPPORTED["sagemaker"]} <= service.operations
    finally:
        service.close()


def test_stops_at_any_moment_leave_no_process_of_a_task(harness: JobHarness, emulator: EmbeddedEmulator) -> None:
    marker = f"mlci-test-{os.getpid()}-{time.monotonic_ns()}"
    harness.store.put_bytes(b"import time; time.sleep(60)", "s3://b/code/script.py")
    for number in range(8):
        stop = StopSignal()
        timer = threading.Timer(number * 0.03, stop.set)
        timer.start()
        request: Json = processing_request(f"job-{number}", Environment={"MARKER": marker})
        began = time.monotonic()
        with pytest.raises(TaskError):
            emulator.tasks(TaskCall(PROCESSING, "State", request, stop, lambda answer: None))
        assert time.monotonic() - began < 30
        timer.join()
    assert processes_with(marker) == []
