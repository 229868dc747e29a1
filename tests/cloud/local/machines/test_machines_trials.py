"""TestState."""

from __future__ import annotations

import json
from typing import Any

import pytest

from machines_fakes import ECHO, Client
from mlci.cloud.local.api import ApiError

TASK: dict[str, Any] = {"Type": "Task", "Resource": ECHO, "Next": "N"}
CATCH = [{"ErrorEquals": ["States.ALL"], "Next": "C", "ResultPath": "$.e"}]


def _tried(state: dict[str, Any], given: Any = None, **more: Any) -> dict[str, Any]:
    return Client()("TestState", definition=json.dumps(state), input=json.dumps(given), **more)


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


def test_what_is_not_done_is_refused() -> None:
    state = {"Type": "Pass", "End": True}
    for more in ({"inspectionLevel": "DEBUG"}, {"variables": "{}"}, {"mock": {"result": "1"}}):
        with pytest.raises(ApiError, match="does not do"):
            _tried(state, **more)
    with pytest.raises(ApiError, match="type 'Map'"):
        _tried({"Type": "Map", "End": True})
