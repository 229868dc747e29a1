"""TestState."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlci_emulator.protocol.operations import ApiError
from support.stepfunctions import ECHO, PASS, Client

ROLE = "arn:aws:iam::000000000000:role/r"
TASK: dict[str, Any] = {"Type": "Task", "Resource": ECHO, "Next": "N"}
CATCH = [{"ErrorEquals": ["States.ALL"], "Next": "C", "ResultPath": "$.e"}]


def _tried(state: dict[str, Any], given: Any = None, **more: Any) -> dict[str, Any]:
    asked = {"roleArn": ROLE, "input": json.dumps(given), **more}
    return Client()("TestState", definition=json.dumps(state), **asked)


def _shown(state: dict[str, Any], given: Any = None, **more: Any) -> dict[str, Any]:
    """Return the inspection data as values."""
    shown = _tried(state, given, inspectionLevel="DEBUG", **more)["inspectionData"]
    return {name: json.loads(value) if isinstance(value, str) else value for name, value in shown.items()}


@pytest.mark.parametrize(
    ("state", "given", "expected"),
    [
        (
            {"Type": "Pass", "Parameters": {"v.$": "$.a"}, "Next": "N"},
            {"a": 1},
            {"status": "SUCCEEDED", "output": '{"v":1}', "nextState": "N"},
        ),
        ({"Type": "Pass", "Result": 1, "End": True}, None, {"status": "SUCCEEDED", "output": "1"}),
        (
            {"Type": "Choice", "Choices": [{"Variable": "$.a", "IsNull": True, "Next": "N"}], "Default": "D"},
            {"a": 1},
            {"status": "SUCCEEDED", "output": '{"a": 1}', "nextState": "D"},
        ),
        ({"Type": "Fail", "Error": "E", "Cause": "C"}, None, {"status": "FAILED", "error": "E", "cause": "C"}),
        (TASK, {"fail": "E"}, {"status": "FAILED", "error": "E", "cause": "as told"}),
        (
            {**TASK, "Catch": CATCH},
            {"fail": "E"},
            {
                "status": "CAUGHT_ERROR",
                "output": '{"fail":"E","e":{"Error":"E","Cause":"as told"}}',
                "nextState": "C",
                "error": "E",
                "cause": "as told",
            },
        ),
        (
            {**TASK, "Catch": CATCH, "Retry": [{"ErrorEquals": ["E"]}]},
            {"fail": "E"},
            {"status": "RETRIABLE", "error": "E", "cause": "as told"},
        ),
        (
            {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $states.input.a + 1 %}", "End": True},
            {"a": 1},
            {"status": "SUCCEEDED", "output": "2"},
        ),
    ],
)
def test_a_state_by_itself(state: dict[str, Any], given: Any, expected: dict[str, Any]) -> None:
    assert _tried(state, given) == expected


def test_a_state_of_a_machine() -> None:
    states = {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Result": 2, "End": True}}
    assert _tried({"StartAt": "A", "States": states}, 1, stateName="B") == {"status": "SUCCEEDED", "output": "2"}


def test_a_state_inside_of_a_map() -> None:
    inner = {"StartAt": "I", "States": {"I": {"Type": "Pass", "Result": 3, "End": True}}}
    states = {"M": {"Type": "Map", "ItemProcessor": inner, "End": True}}
    assert _tried({"StartAt": "M", "States": states}, [], stateName="I")["output"] == "3"


def test_a_pass_shows_its_way_in_and_out() -> None:
    state = {
        "Type": "Pass",
        "InputPath": "$.a",
        "Parameters": {"p.$": "$.b"},
        "ResultPath": "$.r",
        "OutputPath": "$.r",
        "End": True,
    }
    assert _shown(state, {"a": {"b": 1}}) == {
        "input": {"a": {"b": 1}},
        "afterInputPath": {"b": 1},
        "afterParameters": {"p": 1},
        "afterResultSelector": {"p": 1},
        "afterResultPath": {"a": {"b": 1}, "r": {"p": 1}},
    }
    assert _shown({"Type": "Pass", "Result": 2, "End": True}, 1) == {
        "input": 1,
        "result": 2,
        "afterResultSelector": 2,
        "afterResultPath": 2,
    }


def test_a_task_shows_its_result_and_the_selected_part() -> None:
    state = {**TASK, "Parameters": {"x": [1, 2]}, "ResultSelector": {"y.$": "$.x[1]"}, "ResultPath": "$.z"}
    assert _shown(state, {"a": 0}) == {
        "input": {"a": 0},
        "afterInputPath": {"a": 0},
        "afterParameters": {"x": [1, 2]},
        "result": {"x": [1, 2]},
        "afterResultSelector": {"y": 2},
        "afterResultPath": {"a": 0, "z": {"y": 2}},
    }


def test_jsonata_shows_arguments_and_variables() -> None:
    state = {
        **TASK,
        "QueryLanguage": "JSONata",
        "Arguments": {"n": "{% $base + $states.input %}"},
        "Assign": {"last": "{% $states.result.n %}"},
        "Output": "{% $states.result %}",
    }
    shown = _shown(state, 1, variables='{"base": 10}')
    variables = {"base": 10, "last": 11}
    assert shown == {"input": 1, "afterArguments": {"n": 11}, "result": {"n": 11}, "variables": variables}


def test_a_failure_shows_how_far_it_came_and_who_handles_it() -> None:
    retry = [{"ErrorEquals": ["A"]}, {"ErrorEquals": ["E"], "IntervalSeconds": 3, "MaxAttempts": 2}]
    state = {**TASK, "Retry": retry, "Catch": [{"ErrorEquals": ["E"], "Next": "C"}]}
    mock = {"errorOutput": {"error": "E", "cause": "c"}}

    def tried(before: int) -> dict[str, Any]:
        more = {"mock": mock, "stateConfiguration": {"retrierRetryCount": before}, "inspectionLevel": "TRACE"}
        return _tried(state, 1, **more)

    assert tried(1)["status"] == "RETRIABLE"
    assert tried(1)["inspectionData"]["errorDetails"] == {"retryIndex": 1, "retryBackoffIntervalSeconds": 6}
    assert (tried(2)["status"], tried(2)["nextState"]) == ("CAUGHT_ERROR", "C")
    assert tried(2)["inspectionData"] == {
        "input": "1",
        "afterInputPath": "1",
        "afterParameters": "1",
        "errorDetails": {"retryIndex": 1, "catchIndex": 0},
    }


def test_a_catch_that_fails_itself_fails_the_state() -> None:
    state = {**TASK, "Catch": [{"ErrorEquals": ["E"], "Next": "C", "ResultPath": "$.a.b"}]}
    tried = _tried(state, {"a": 1}, mock={"errorOutput": {"error": "E"}})
    assert (tried["status"], tried["error"]) == ("FAILED", "States.ResultPathMatchFailure")


def test_a_mock_stands_for_branches_and_items() -> None:
    branch = {"StartAt": "I", "States": {"I": {"Type": "Pass", "End": True}}}
    parallel = {
        "Type": "Parallel",
        "Branches": [branch, {**branch, "States": {"J": PASS}, "StartAt": "J"}],
        "End": True,
    }
    assert _tried(parallel, 1, mock={"result": "[1, 2]"}) == {"status": "SUCCEEDED", "output": "[1, 2]"}
    mapped = {"Type": "Map", "ItemsPath": "$.v", "ItemProcessor": branch, "MaxConcurrency": 2, "End": True}
    shown = _shown(mapped, {"v": [5]}, mock={"result": "[6]"})
    assert (shown["afterItemsPath"], shown["maxConcurrency"], shown["afterResultPath"]) == ([5], 2, [6])


def test_a_request_with_a_mock_can_have_a_context() -> None:
    state = {**TASK, "ResultSelector": {"name.$": "$$.Execution.Name"}}
    mock = {"result": "1"}
    tried = _tried(state, mock=mock, context=json.dumps({"Execution": {"Name": "mine"}}))
    assert json.loads(tried["output"]) == {"name": "mine"}


@pytest.mark.parametrize(
    ("context", "wrong"),
    [
        ({"Other": {}}, "Field 'Other' is not allowed"),
        ({"Execution": {"Id": 1}}, "Execution.Id must be a string"),
        ({"Map": {}}, "'Map' field is not supported when mocking a Context object"),
        ({"Task": {"Token": "t"}}, "Context object contains 'Task' when state is not a Task state with"),
    ],
)
def test_a_context_that_could_not_be(context: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ApiError, match=f"Invalid Context object provided: {wrong}"):
        _tried(TASK, mock={"result": "1"}, context=json.dumps(context))


@pytest.mark.parametrize(
    ("resource", "result", "wrong"),
    [
        ("states:startExecution", "{}", "Required field 'ExecutionArn' is missing"),
        ("aws-sdk:s3:getObject", '{"ContentLength": "1"}', "Field 'ContentLength' must be a number"),
        ("aws-sdk:s3:getObject", '{"StorageClass": "NONE"}', "Field 'StorageClass' is not an expected value"),
        ("events:putEvents", '{"Entries": [{"EventId": 1}]}', "Field 'EventId' must be a string"),
        ("aws-sdk:lambda:getFunction", '{"Configuration": {"MemorySize": 1}}', "is less than the minimum value"),
    ],
)
def test_a_mocked_result_is_one_that_the_api_could_give(resource: str, result: str, wrong: str) -> None:
    state = {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Parameters": {}, "End": True}
    with pytest.raises(ApiError, match=f"ValidationException: Mock result schema validation error: .*{wrong}"):
        _tried(state, mock={"result": result})
    none = {"result": result, "fieldValidationMode": "NONE"}
    assert _tried(state, mock=none) == {"status": "SUCCEEDED", "output": result}


@pytest.mark.parametrize(
    ("state", "more", "words"),
    [
        ({"Type": "Pass", "End": True}, {"mock": {"result": "1"}}, "State type 'Pass' is not supported when a mock"),
        ({"Type": "Map", "End": True}, {}, "InvalidDefinition: TestState API does not support Map or Parallel"),
        (TASK, {"roleArn": None}, "RoleArn must be specified when testing a Task state"),
        (TASK, {"context": "{}"}, "TestState does not support Context when a mock is not specified"),
        (TASK, {"mock": {"result": "1", "errorOutput": {"error": "E"}}}, "should have only one of the following"),
        (TASK, {"mock": {"result": "{"}}, "Mocked result must be valid JSON"),
        ({**TASK, "Catch": 1}, {}, "InvalidDefinition: .*Catch"),
        (TASK, {"mock": {"result": "1"}, "stateConfiguration": {"errorCausedByState": "X"}}, "State not found"),
        (TASK, {"mock": {"result": "1"}, "stateConfiguration": {"mapItemReaderData": "[]"}}, "no distributed Map"),
    ],
)
def test_what_is_rejected(state: dict[str, Any], more: dict[str, Any], words: str) -> None:
    with pytest.raises(ApiError, match=words):
        _tried(state, **more)
