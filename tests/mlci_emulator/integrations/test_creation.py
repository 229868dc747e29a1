"""What is said of a definition's tasks when a machine is created. The words are AWS's, from recordings and issues."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import mlci_asl as asl
from mlci_emulator.integrations import catalog
from mlci_emulator.integrations.resource_arns import Pattern
from support.integrations import PASS, FakeService, Local
from support.local_jobs import processing_request, training_request

if TYPE_CHECKING:
    from mlci_asl import Json

RESOURCE, PARAMETERS = "/States/A/Resource", "/States/A/Parameters"


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path)


@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws:states:::dynamodb:query",
        "arn:aws:states:::lambda:listFunctions",
        "arn:aws:states:::lambda:invoke.sync",
        "arn:aws:states:::sagemaker:createTrainingJob.waitForTaskToken",
        "arn:aws:states:::sagemaker:createTrainingJob.sync:2",
        "arn:aws:states:::sagemaker:createModel.sync",
        "arn:aws:states:::nothing:invoke",
        "arn:aws:states:::aws-sdk:s3:getObject.sync",
        "arn:aws:states:::aws-sdk:s3:GetObject",
        "arn:aws:states:::aws-sdk:s3:getObjects",
        "arn:aws:states:::aws-sdk:nothing:getObject",
        "arn:aws:states:::aws-sdk:logs:putLogEvents",
        "arn:aws:states:::aws-sdk:sagemakerruntime:invokeEndpointWithResponseStream",
        "arn:aws:sqs:us-east-1:000000000000:queue",
    ],
)
def test_what_aws_has_not_is_not_recognized(local: Local, resource: str) -> None:
    what = (
        f"The resource provided {resource} is not recognized. The value is not a valid resource ARN, or the resource "
        "is not available in this region."
    )
    assert local.problems(resource, {}) == [(RESOURCE, what)]
    assert not local.handlers.supports(resource)


def test_what_is_no_arn_is_said_to_be_none(local: Local) -> None:
    assert local.problems("train", {}) == [(RESOURCE, "Value is not a valid resource ARN")]


@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws:states:::http:invoke",
        "arn:aws:states:::ecs:runTask.sync",
        "arn:aws:states:::dynamodb:putItem",
        "arn:aws:states:::sagemaker:createLabelingJob.sync",
        "arn:aws:states:::aws-sdk:ssm:getParameter",
        "arn:aws:states:::aws-sdk:cloudwatchlogs:putLogEvents",
    ],
)
def test_what_only_aws_has_is_refused_with_what_to_do(local: Local, resource: str) -> None:
    ((place, what),) = local.problems(resource, {})
    assert place == RESOURCE
    assert what.startswith(f"AWS has the resource {resource}, and the local cloud does not do it: ")
    assert not local.handlers.supports(resource)


@pytest.mark.parametrize(
    ("resource", "parameters"),
    [
        ("arn:aws:states:::sagemaker:createTrainingJob.sync", training_request()),
        ("arn:aws:states:::sagemaker:createProcessingJob", processing_request()),
        ("arn:aws:states:::sagemaker:createTrainingJob", {**training_request(), "EnableManagedSpotTraining": True}),
        ("arn:aws:states:::sagemaker:createModel", {"ModelName": "m", "ExecutionRoleArn": "r"}),
        ("arn:aws:states:::aws-sdk:s3:getObject", {"Bucket.$": "$.b", "Key": "k", "VersionId": "1"}),
        ("arn:aws:states:::aws-sdk:s3:listBuckets.waitForTaskToken", {}),
        ("arn:aws:states:::aws-sdk:sagemaker:listTrainingJobs", {"MaxResults": 5}),
        ("arn:aws:states:::lambda:invoke", {"FunctionName": "f", "Payload.$": "$", "LogType": "Tail"}),
        ("arn:aws:states:::lambda:invoke.waitForTaskToken", {"FunctionName": "f", "Payload": {"t.$": "$$.Task.Token"}}),
        ("arn:aws:states:::sns:publish", {"TopicArn": "t", "Message": {"a": [1]}}),
        ("arn:aws:states:::sqs:sendMessage.waitForTaskToken", {"QueueUrl": "q", "MessageBody": {"a.$": "$"}}),
        ("arn:aws:states:::events:putEvents", {"Entries": [{"Detail": {"a": 1}, "DetailType": "t", "Source": "s"}]}),
    ],
)
def test_what_is_right_passes(local: Local, resource: str, parameters: Json) -> None:
    assert local.problems(resource, parameters) == []
    assert local.handlers.supports(resource)


def test_parts_of_step_functions_itself_pass_and_are_not_done_here(local: Local) -> None:
    started = "arn:aws:states:::states:startExecution.sync:2"
    activity = "arn:aws:states:us-east-1:000000000000:activity:label"
    assert local.problems(started, {"StateMachineArn": "arn", "Input": {"a.$": "$"}}) == []
    assert local.problems(activity) == []
    assert not local.handlers.supports(started)
    assert not local.handlers.supports(activity)
    assert local.problems("arn:aws:lambda:us-east-1:000000000000:function:train:prod") == []


def test_a_given_service_makes_its_actions_right(tmp_path: Path) -> None:
    local = Local(tmp_path, services={"ssm": FakeService(), "dynamodb": FakeService()})
    assert local.problems("arn:aws:states:::aws-sdk:ssm:getParameter", {"Name": "n"}) == []
    assert local.problems("arn:aws:states:::dynamodb:getItem", {"TableName": "t", "Key": {"a": {"S": "b"}}}) == []


@pytest.mark.parametrize(
    ("resource", "parameters", "what"),
    [
        (
            "sagemaker:createTrainingJob.sync",
            {**training_request(), "Tags": [{"key": "a", "Value": "b"}]},
            'The field "key" is not supported by Step Functions',
        ),
        ("lambda:invoke", {"Payload": {}}, "The field 'FunctionName' is required but was missing"),
        ("sqs:sendMessage", {"QueueUrl": "q"}, "The field 'MessageBody' is required but was missing"),
        ("sns:publish", {"TopicArn": "t"}, "The field 'Message' is required but was missing"),
        ("events:putEvents", {}, "The field 'Entries' is required but was missing"),
        ("states:startExecution", {}, "The field 'StateMachineArn' is required but was missing"),
        ("aws-sdk:s3:getObject", {"Bucket": "b"}, "The field 'Key' is required but was missing"),
        (
            "aws-sdk:s3:getObject",
            {"Bucket": "b", "Key": "k", "bucket": 1},
            'The field "bucket" is not supported by Step Functions',
        ),
        (
            "aws-sdk:sagemaker:listTrainingJobs",
            {"MaxResults": "5"},
            "The value for the field 'MaxResults' must be an INTEGER",
        ),
        (
            "aws-sdk:s3:copyObject",
            {"Bucket": "b", "Key": "k", "CopySource": "b/x", "SSEKMSKeyId": "key"},
            'The field "SSEKMSKeyId" is not supported by Step Functions',
        ),
        ("sns:publish", {"TopicArn": ["t"], "Message": 1}, "The value for the field 'TopicArn' must be a STRING"),
    ],
)
def test_wrong_parameters_are_told_with_their_place(local: Local, resource: str, parameters: Json, what: str) -> None:
    problems = local.problems(f"arn:aws:states:::{resource}", parameters)
    assert (PARAMETERS, what) in problems


def test_an_operation_that_the_service_says_it_has_not_is_refused(local: Local) -> None:
    resource = "arn:aws:states:::aws-sdk:lambda:listFunctions"
    ((place, what),) = local.problems(resource, {})
    assert place == RESOURCE
    assert what.startswith(f"AWS has the resource {resource}, and the local cloud does not do it: ")
    assert local.problems("arn:aws:states:::aws-sdk:lambda:invoke", {"FunctionName": "f"}) == []


def test_an_integration_needs_parameters(local: Local) -> None:
    resource = "arn:aws:states:::aws-sdk:s3:listBuckets"
    what = "field is required for resource ARN: arn:aws:states:::aws-sdk:s3:listBuckets"
    assert local.problems(resource) == [("/States/A", f"Parameters {what}")]
    assert local.problems(resource, QueryLanguage="JSONata") == [("/States/A", f"Arguments {what}")]


def test_jsonata_is_left_out_of_the_check(local: Local) -> None:
    resource = "arn:aws:states:::lambda:invoke"
    assert local.problems(resource, QueryLanguage="JSONata", Arguments="{% $states.input %}") == []
    given: dict[str, Json] = {"FunctionName": "{% $f %}", "LogType": 1}
    what = "The value for the field 'LogType' must be a STRING"
    assert local.problems(resource, QueryLanguage="JSONata", Arguments=given) == [("/States/A/Arguments", what)]


def test_tasks_are_found_wherever_they_are(local: Local) -> None:
    task: Json = {"Type": "Task", "Resource": "arn:aws:states:::dynamodb:query", "End": True}
    inner: Json = {"StartAt": "T", "States": {"T": task}}
    states: Json = {
        "P": {"Type": "Parallel", "Branches": [inner, {"StartAt": "S", "States": {"S": {"Type": "Succeed"}}}]},
        "M": {"Type": "Map", "ItemProcessor": inner},
        "N": {"Type": "Map", "Iterator": {"StartAt": "Q", "States": {"Q": {"Type": "Parallel", "Branches": [inner]}}}},
    }
    machine = asl.Machine(json.dumps({"StartAt": "P", "States": states}), asl.load(PASS).root)
    assert [problem.location for problem in local.handlers.problems(machine)] == [
        "/States/P/Branches[0]/States/T/Resource",
        "/States/M/ItemProcessor/States/T/Resource",
        "/States/N/Iterator/States/Q/Branches[0]/States/T/Resource",
    ]


def test_what_is_done_is_in_the_catalogue(local: Local) -> None:
    for service, actions in catalog.SUPPORTED.items():
        for action in actions:
            assert Pattern.REQUEST_RESPONSE in catalog.OPTIMISED[service][action]
