"""What tasks do and answer, and how they fail; the shapes are those of recorded executions."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from datetime import datetime, timezone
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from mlci_asl import StopSignal, TaskCall, TaskError
from mlci_emulator.integrations import Integrations
from mlci_emulator.integrations.errors import sdk_v1_error
from mlci_emulator.protocol.operations import ApiError
from support.integrations import EXECUTION, FakeService, Local, function
from support.local_jobs import training_request

UUID = r"[0-9a-f]{8}-[0-9a-f-]{27}"
MOMENT = datetime(2026, 1, 31, 12, 0, 0, 500_000, tzinfo=timezone.utc)


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path)


def failure(local: Local, resource: str, parameters: Any) -> tuple[str, str]:
    with pytest.raises(TaskError) as caught:
        local.run(resource, parameters)
    return caught.value.error, caught.value.cause


def test_an_object_is_read_as_text(local: Local) -> None:
    local.s3.answer = {
        "Body": BytesIO('{"auc": 1, "ü": 2}'.encode()),
        "ContentLength": 19,
        "LastModified": MOMENT,
        "Metadata": {"lower-case": "x"},
        "VersionId": None,
    }
    assert local.run("aws-sdk:s3:getObject", {"Bucket": "b", "Key": "k"}) == {
        "Body": '{"auc": 1, "ü": 2}',
        "ContentLength": 19,
        "LastModified": "2026-01-31T12:00:00.500Z",
        "Metadata": {"lower-case": "x"},
    }
    assert local.s3.asked == [("GetObject", {"Bucket": "b", "Key": "k"})]


def test_an_object_that_is_no_text_or_too_large_is_no_output(local: Local) -> None:
    local.s3.answer = {"Body": BytesIO(b"\xff")}
    assert failure(local, "aws-sdk:s3:getObject", {"Bucket": "b", "Key": "k"})[0] == "States.Runtime"
    local.s3.answer = {"Body": BytesIO(b"x" * 300_000)}
    assert failure(local, "aws-sdk:s3:getObject", {"Bucket": "b", "Key": "k"})[0] == "States.DataLimitExceeded"


@pytest.mark.parametrize(
    ("body", "sent"),
    [("text data", b'"text data"'), ({"Dict": "Value"}, b'{"Dict":"Value"}'), (False, b"false"), (0, b"0")],
)
def test_what_is_put_is_json(local: Local, body: Any, sent: bytes) -> None:
    local.run("aws-sdk:s3:putObject", {"Bucket": "b", "Key": "k", "Body": body})
    unasked = {"ContentType": "text/plain; charset=UTF-8", "ChecksumAlgorithm": "CRC32"}
    assert local.s3.asked == [("PutObject", {**unasked, "Bucket": "b", "Key": "k", "Body": sent})]


@pytest.mark.parametrize(
    ("error", "name", "cause"),
    [
        (
            ApiError("NoSuchKey", "The specified key does not exist.", 404),
            "S3.NoSuchKeyException",
            rf"The specified key does not exist. \(Service: S3, Status Code: 404, Request ID: {UUID}, Extended .*",
        ),
        (ApiError("SlowDown", "Please reduce your request rate.", 503), "S3.S3Exception", "Please reduce .*"),
    ],
)
def test_a_refusal_of_s3_is_worded_as_the_new_sdk_does(local: Local, error: ApiError, name: str, cause: str) -> None:
    local.s3.answer = error
    found, text = failure(local, "aws-sdk:s3:getObject", {"Bucket": "b", "Key": "k"})
    assert found == name
    assert re.fullmatch(cause, text)


def test_a_service_with_names_of_its_own_is_spoken_to_in_them(tmp_path: Path) -> None:
    sfn = FakeService({"executionArn": "arn", "startDate": MOMENT, "tags": {"keyOfTheirs": "x"}})
    local = Local(tmp_path, services={"sfn": sfn})
    given: Any = {"StateMachineArn": "m", "Input": {"key": "value"}}
    assert local.run("aws-sdk:sfn:startExecution", given) == {
        "ExecutionArn": "arn",
        "StartDate": "2026-01-31T12:00:00.500Z",
        "Tags": {"keyOfTheirs": "x"},
    }
    assert sfn.asked == [("StartExecution", {"stateMachineArn": "m", "input": '{"key":"value"}'})]
    sfn.answer = ApiError("InvalidToken", "Invalid Token: 'Invalid token'")
    name, cause = failure(local, "aws-sdk:sfn:sendTaskSuccess", {"TaskToken": "t", "Output": "o"})
    assert name == "Sfn.InvalidTokenException"
    assert cause.startswith("Invalid Token: 'Invalid token' (Service: Sfn, Status Code: 400, Request ID: ")


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("2026-01-31T12:00:00.5Z", MOMENT),
        ("2026-01-31T13:00:00.500+01:00", MOMENT),
        (1_769_860_800.5, MOMENT),
    ],
)
def test_times_are_sent_as_times(local: Local, given: Any, sent: datetime) -> None:
    local.run("aws-sdk:sagemaker:listTrainingJobs", {"CreationTimeAfter": given})
    assert local.sagemaker.asked == [("ListTrainingJobs", {"CreationTimeAfter": sent})]


@pytest.mark.parametrize(
    ("resource", "parameters", "error", "path"),
    [
        ("s3:getObject", {"Bucket": "b", "Key": None, "VersionId": "v"}, "S3.S3Exception", "key"),
        ("s3:deleteObjects", {"Bucket": "b", "Delete": None}, "S3.S3Exception", "delete"),
        (
            "s3:deleteObjects",
            {"Bucket": "b", "Delete": {"Objects": [None]}},
            "S3.S3Exception",
            "delete.objects.1.member",
        ),
        ("sfn:startExecution", {"StateMachineArn": None}, "Sfn.ValidationException", "stateMachineArn"),
    ],
)
def test_a_service_rejects_null_for_what_it_requires(
    tmp_path: Path, resource: str, parameters: Any, error: str, path: str
) -> None:
    local = Local(tmp_path, services={"sfn": FakeService()})
    name, cause = failure(local, f"aws-sdk:{resource}", parameters)
    assert name == error
    assert f"Value null at '{path}' failed to satisfy constraint: Member must not be null" in cause


@pytest.mark.parametrize(
    ("name", "value", "type_name"),
    [
        *[
            ("CreationTimeAfter", value, "TIMESTAMP")
            for value in ("", "yesterday", "2026-01-31", "2026-13-01T00:00:00Z")
        ],
        *[("CreationTimeAfter", value, "TIMESTAMP") for value in ("2026-13-01T00:00:00Z", float("inf"), 10**400)],
        *[("MaxResults", value, "INTEGER") for value in (2**31, 10**400, float("inf"), 0.5, "")],
    ],
)
def test_what_cannot_be_sent_is_rejected_at_creation_and_when_the_task_starts(
    local: Local, name: str, value: Any, type_name: str
) -> None:
    resource, text = "aws-sdk:sagemaker:listTrainingJobs", f"The value for the field '{name}' must be "
    ((_, problem),) = local.problems(f"arn:aws:states:::{resource}", {name: value})
    assert problem.startswith(text)
    assert problem.endswith(type_name)
    error, cause = failure(local, resource, {name: value})
    assert error == "States.Runtime"
    assert text in cause
    assert local.sagemaker.asked == []


def test_names_are_those_of_the_sdk_for_java_2(local: Local, tmp_path: Path) -> None:
    """An optimised integration has the API's own names."""
    local.s3.answer = {"SSEKMSKeyId": "arn", "CopyObjectResult": {"ETag": "e"}}
    copied = local.run("aws-sdk:s3:copyObject", {"Bucket": "b", "Key": "k", "CopySource": "b/x", "SsekmsKeyId": "key"})
    assert copied == {"SsekmsKeyId": "arn", "CopyObjectResult": {"ETag": "e"}}
    assert local.s3.asked == [("CopyObject", {"Bucket": "b", "Key": "k", "CopySource": "b/x", "SSEKMSKeyId": "key"})]
    dynamodb = FakeService({"Item": {"is": {"BOOL": True}, "no": {"NULL": True}, "all": {"SS": ["a"]}}})
    there = Local(tmp_path / "there", services={"dynamodb": dynamodb})
    given: Any = {"TableName": "t", "Key": {"is": {"Bool": True}}}
    assert there.run("aws-sdk:dynamodb:getItem", given) == {
        "Item": {"is": {"Bool": True}, "no": {"Nul": True}, "all": {"Ss": ["a"]}}
    }
    optimised: Any = there.run("dynamodb:getItem", {"TableName": "t", "Key": {"is": {"BOOL": True}}})
    assert optimised["Item"] == dynamodb.answer["Item"]  # type: ignore[index]
    assert dynamodb.asked == [("GetItem", {"TableName": "t", "Key": {"is": {"BOOL": True}}})] * 2


def test_an_optimised_integration_can_stand_on_a_given_service(tmp_path: Path) -> None:
    dynamodb = FakeService({"Item": {"id": {"S": "1"}}})
    local = Local(tmp_path, services={"dynamodb": dynamodb})
    output: Any = local.run("dynamodb:getItem", {"TableName": "t", "Key": {"id": {"S": "1"}}})
    assert list(output) == ["Item", "SdkHttpMetadata", "SdkResponseMetadata"]
    assert output["SdkHttpMetadata"]["HttpStatusCode"] == 200
    dynamodb.answer = ApiError("ValidationException", "no")
    assert failure(local, "dynamodb:getItem", {"TableName": "t", "Key": {}})[0] == "DynamoDB.AmazonDynamoDBException"


def test_a_job_that_is_waited_for_answers_with_its_description(local: Local) -> None:
    local.sagemaker.answer = {"TrainingJobStatus": "Completed", "CreationTime": MOMENT, "Stages": [{"At": MOMENT}]}
    submitted: Any = []
    millis = 1_769_860_800_500
    assert local.run("sagemaker:createTrainingJob.sync", training_request("a"), submitted) == {
        "TrainingJobStatus": "Completed",
        "CreationTime": millis,
        "Stages": [{"At": millis}],
    }
    assert submitted[0]["TrainingJobArn"] == "arn:aws:sagemaker:us-east-1:000000000000:a"
    assert submitted[0]["SdkHttpMetadata"]["HttpStatusCode"] == 200
    ((operation, request),) = local.sagemaker.asked
    assert operation == "CreateTrainingJob"
    assert request["Tags"] == [{"Key": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"}]


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_a_job_that_did_not_complete_fails_its_task(local: Local, status: str) -> None:
    described = {"TrainingJobName": "a", "TrainingJobStatus": status, "FailureReason": "AlgorithmError: ü"}
    local.sagemaker.answer = described
    name, cause = failure(local, "sagemaker:createTrainingJob.sync", training_request("a"))
    assert name == "States.TaskFailed"
    assert json.loads(cause) == described


def test_a_job_that_is_not_waited_for_answers_with_its_arn(local: Local) -> None:
    local.sagemaker.answer = {"TrainingJobArn": "arn"}
    output: Any = local.run("sagemaker:createTrainingJob", training_request("a"))
    assert output["TrainingJobArn"] == "arn"
    assert set(output) == {"TrainingJobArn", "SdkHttpMetadata", "SdkResponseMetadata"}


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("ResourceInUse", "SageMaker.ResourceInUseException"),
        ("ResourceLimitExceeded", "SageMaker.ResourceLimitExceededException"),
        ("ValidationException", "SageMaker.AmazonSageMakerException"),
    ],
)
def test_a_refusal_of_sagemaker_is_worded_as_the_old_sdk_does(local: Local, code: str, name: str) -> None:
    local.sagemaker.answer = ApiError(code, "No.")
    found, cause = failure(local, "sagemaker:createTrainingJob.sync", training_request("a"))
    assert found == name
    pattern = (
        rf"No\. \(Service: AmazonSageMaker; Status Code: 400; Error Code: {code}; Request ID: {UUID}; Proxy: null\)"
    )
    assert re.fullmatch(pattern, cause)


def test_wrong_parameters_start_nothing(local: Local) -> None:
    name, cause = failure(local, "sagemaker:createTrainingJob.sync", {"TrainingJobName": 1, "Unknown": 2})
    assert name == "States.Runtime"
    assert cause.startswith(
        'The Parameters \'{"TrainingJobName":1,"Unknown":2}\' could not be used to start the Task: '
    )
    assert 'The field "Unknown" is not supported by Step Functions' in cause
    assert "The field 'RoleArn' is required but was missing" in cause
    assert local.sagemaker.asked == []


def test_wrong_parameters_end_the_execution_before_the_task_is_scheduled(local: Local) -> None:
    state: Any = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": "train", "TaskToken.$": "$.token"},
        "End": True,
    }
    outcome, events = local.execute(state, {"token": "t"})
    assert (outcome.status, outcome.error) == ("FAILED", "States.Runtime")
    assert outcome.cause == (
        "An error occurred while executing the state 'A' (entered at the event id #2). The Parameters "
        '\'{"FunctionName":"train","TaskToken":"t"}\' could not be used to start the Task: '
        '[The field "TaskToken" is not supported by Step Functions]'
    )
    assert [event.type for event in events] == ["ExecutionStarted", "TaskStateEntered", "ExecutionFailed"]


# --- Functions --------------------------------------------------------------------------------------------------------

ECHO = "def handler(event, context):\n    return event\n"
FAILS = "class Broken(Exception): pass\n\ndef handler(event, context):\n    raise Broken('no')\n"


def test_a_function_answers_with_its_payload(tmp_path: Path) -> None:
    local = Local(tmp_path, (function(tmp_path / "code", ECHO),))
    output: Any = local.run("lambda:invoke", {"FunctionName": "train", "Payload": {"a": [1, None]}, "LogType": "Tail"})
    assert list(output) == [
        "ExecutedVersion",
        "LogResult",
        "Payload",
        "SdkHttpMetadata",
        "SdkResponseMetadata",
        "StatusCode",
    ]
    assert (output["ExecutedVersion"], output["Payload"], output["StatusCode"]) == ("$LATEST", {"a": [1, None]}, 200)
    headers = output["SdkHttpMetadata"]["HttpHeaders"]
    assert headers["X-Amz-Executed-Version"] == "$LATEST"
    assert headers["Connection"] == "keep-alive"
    assert headers["X-Amz-Log-Result"] == output["LogResult"]
    assert output["SdkHttpMetadata"]["AllHttpHeaders"]["Content-Length"] == [headers["Content-Length"]]


@pytest.mark.parametrize(("payload", "event"), [('"Hello"', "Hello"), ("0.5", 0.5), ("null", None), ([1], [1]), (5, 5)])
def test_a_payload_that_is_a_text_is_json_itself(tmp_path: Path, payload: Any, event: Any) -> None:
    local = Local(tmp_path, (function(tmp_path / "code", ECHO),))
    output: Any = local.run("lambda:invoke", {"FunctionName": "train", "Payload": payload})
    assert output["Payload"] == event


def test_a_text_that_is_not_json_is_refused(tmp_path: Path) -> None:
    local = Local(tmp_path, (function(tmp_path / "code", ECHO),))
    name, _ = failure(local, "lambda:invoke", {"FunctionName": "train", "Payload": "Hello"})
    assert name == "Lambda.InvalidRequestContentException"


def test_a_functions_error_names_the_tasks(tmp_path: Path) -> None:
    local = Local(tmp_path, (function(tmp_path / "code", FAILS),))
    name, cause = failure(local, "lambda:invoke", {"FunctionName": "train"})
    assert name == "Broken"
    assert cause.startswith('{"errorMessage":"no","errorType":"Broken","requestId":"')
    arn = "arn:aws:lambda:us-east-1:000000000000:function:train"
    with pytest.raises(TaskError) as caught:
        local.handlers(TaskCall(arn, "State", {}, StopSignal(), lambda answer: None))
    assert caught.value.error == "Broken"
    assert caught.value.cause.startswith('{"errorMessage": "no", "errorType": "Broken", "requestId": "')


def test_a_functions_arn_gives_what_it_returns(tmp_path: Path) -> None:
    local = Local(tmp_path, (function(tmp_path / "code", ECHO),))
    arn = "arn:aws:lambda:us-east-1:000000000000:function:train"
    assert local.handlers(TaskCall(arn, "State", {"a": 1}, StopSignal(), lambda answer: None)) == {"a": 1}


def test_a_function_that_is_not_there(local: Local) -> None:
    name, cause = failure(local, "lambda:invoke", {"FunctionName": "nowhere"})
    assert name == "Lambda.ResourceNotFoundException"
    assert cause.startswith(
        "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nowhere:$LATEST "
        "(Service: AWSLambda; Status Code: 404; Error Code: ResourceNotFoundException; Request ID: "
    )


def test_an_event_is_not_waited_for_and_ends_with_the_cloud(tmp_path: Path) -> None:
    text = "import pathlib, time\ndef handler(event, context):\n    pathlib.Path(event).touch()\n    time.sleep(60)\n"
    local = Local(tmp_path, (function(tmp_path / "code", text),))
    mark = tmp_path / "mark"
    given: Any = {"FunctionName": "train", "InvocationType": "Event", "Payload": json.dumps(str(mark))}
    output: Any = local.run("lambda:invoke", given)
    assert (output["StatusCode"], output["Payload"]) == (202, "")
    stop = StopSignal()
    while not mark.exists():
        stop.wait(0.01)
    local.lambdas.close()
    assert "END RequestId" in (tmp_path / "logs" / "train.log").read_text()


def test_the_api_itself_answers_a_failed_function(tmp_path: Path) -> None:
    local = Local(tmp_path, (function(tmp_path / "code", FAILS),))
    output: Any = local.run("aws-sdk:lambda:invoke", {"FunctionName": "train", "Payload": {"a": 1}})
    assert (output["StatusCode"], output["FunctionError"]) == (200, "Unhandled")
    assert json.loads(output["Payload"])["errorType"] == "Broken"
    name, _ = failure(local, "aws-sdk:lambda:invoke", {"FunctionName": "nowhere"})
    assert name == "Lambda.ResourceNotFoundException"
    with pytest.raises(ApiError, match="does not do Lambda's ListFunctions"):
        local.lambdas.call("ListFunctions", {}, "us-east-1")


# --- Messages ---------------------------------------------------------------------------------------------------------


def kept(local: Local, service: str) -> Any:
    return [json.loads(line) for line in (local.root / "records" / f"{service}.jsonl").read_text().splitlines()]


def test_a_message_to_a_queue_is_recorded(local: Local) -> None:
    body: Any = {"Message": "ü", "n": [1]}
    output: Any = local.run("sqs:sendMessage", {"QueueUrl": "http://sqs/1/q", "MessageBody": body})
    assert list(output) == ["MD5OfMessageBody", "MessageId", "SdkHttpMetadata", "SdkResponseMetadata"]
    (record,) = kept(local, "sqs")
    assert record["request"] == {"QueueUrl": "http://sqs/1/q", "MessageBody": '{"Message":"ü","n":[1]}'}
    assert record["operation"] == "SendMessage"
    digest = hashlib.md5(record["request"]["MessageBody"].encode(), usedforsecurity=False)
    assert output["MD5OfMessageBody"] == digest.hexdigest()


@pytest.mark.parametrize(
    ("resource", "parameters", "name", "cause"),
    [
        (
            "sqs:sendMessage",
            {"QueueUrl": "http://sqs/1/q", "MessageBody": None},
            "SQS.AmazonSQSException",
            "The request must contain the parameter MessageBody. (Service: AmazonSQS; Status Code: 400; Error Code",
        ),
        (
            "sqs:sendMessage",
            {"QueueUrl": "http://no-such-queue", "MessageBody": "m"},
            "SQS.SdkClientException",
            "Unable to execute HTTP request: no-such-queue: Name or service not known",
        ),
        (
            "sns:publish",
            {"TopicArn": "arn:aws:sns:us-east-1:000000000000:t.fifo", "Message": "m"},
            "SNS.InvalidParameterException",
            "Invalid parameter: The MessageGroupId parameter is required for FIFO topics (Service: AmazonSNS; Status",
        ),
        (
            "events:putEvents",
            {"Entries": [{"Detail": '"text"', "DetailType": "t", "Source": "s"}, {"Detail": {}, "DetailType": "t"}]},
            "EventBridge.FailedEntry",
            '{"Entries":[{"ErrorCode":"MalformedDetail","ErrorMessage":"Detail is malformed."},{"ErrorCode":"Invalid',
        ),
    ],
)
def test_messages_that_are_refused(local: Local, resource: str, parameters: Any, name: str, cause: str) -> None:
    found, text = failure(local, resource, parameters)
    assert found == name
    assert text.startswith(cause)


def test_a_fifo_topic_numbers_its_messages(local: Local) -> None:
    given: Any = {"TopicArn": "arn:t.fifo", "Message": {"a": 1}, "MessageGroupId": "g", "MessageDeduplicationId": "d"}
    first: Any = local.run("sns:publish", given)
    second: Any = local.run("sns:publish", given)
    assert int(first["SequenceNumber"]) < int(second["SequenceNumber"])
    assert kept(local, "sns")[0]["request"]["Message"] == '{"a":1}'


def test_an_event_says_where_it_is_from(local: Local) -> None:
    entry: Any = {"Detail": {"a": 1}, "DetailType": "t", "Source": "s", "Resources": ["r"]}
    output: Any = local.run("events:putEvents", {"Entries": [entry]})
    assert set(output) == {"Entries", "FailedEntryCount"}
    assert re.fullmatch(UUID, output["Entries"][0]["EventId"])
    (record,) = kept(local, "events")
    assert record["request"]["Entries"][0]["Detail"] == '{"a":1}'
    assert record["request"]["Entries"][0]["Resources"] == [
        "r",
        "arn:aws:states:us-east-1:000000000000:stateMachine:machine",
        EXECUTION,
    ]


def test_a_queue_that_is_not_there_has_the_models_name() -> None:
    code = "AWS.SimpleQueueService.NonExistentQueue"
    error = sdk_v1_error("sqs", ApiError(code, "The specified queue does not exist."))
    assert error.error == "SQS.QueueDoesNotExistException"
    assert f"Error Code: {code}; " in error.cause


class Worker:
    """Does tasks, and answers for whoever gets their tokens, a moment later."""

    def __init__(self, handlers: Integrations) -> None:
        self.handlers = handlers

    def supports(self, resource: str) -> bool:
        return self.handlers.supports(resource)

    def __call__(self, task: TaskCall) -> Any:
        answer = self.handlers(task)
        assert task.callback is not None
        threading.Timer(0.05, task.callback.succeed, ['{"done": true}']).start()
        return answer


@pytest.mark.parametrize(
    ("resource", "parameters"),
    [
        ("sqs:sendMessage", {"QueueUrl": "http://sqs/1/q", "MessageBody": {"token.$": "$$.Task.Token"}}),
        ("sns:publish", {"TopicArn": "arn:t", "Message.$": "$$.Task.Token"}),
        (
            "events:putEvents",
            {"Entries": [{"Detail": {"token.$": "$$.Task.Token"}, "DetailType": "t", "Source": "s"}]},
        ),
        ("lambda:invoke", {"FunctionName": "train", "Payload": {"token.$": "$$.Task.Token"}}),
    ],
)
def test_a_token_goes_out_and_an_answer_comes_back(tmp_path: Path, resource: str, parameters: Any) -> None:
    local = Local(tmp_path, (function(tmp_path / "code", ECHO),))
    state: Any = {
        "Type": "Task",
        "Resource": f"arn:aws:states:::{resource}.waitForTaskToken",
        "Parameters": parameters,
        "End": True,
    }
    outcome, events = local.execute(state, handlers=Worker(local.handlers))
    assert (outcome.status, outcome.output) == ("SUCCEEDED", '{"done":true}')
    assert [event.type for event in events if event.type.startswith("Task")] == [
        "TaskStateEntered",
        "TaskScheduled",
        "TaskStarted",
        "TaskSubmitted",
        "TaskSucceeded",
        "TaskStateExited",
    ]
