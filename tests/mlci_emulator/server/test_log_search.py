"""Filter patterns, prefixes, times and pages of FilterLogEvents."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from mlci_emulator.protocol.operations import ApiError
from mlci_emulator.server.log_filter import parse_filter
from support.serving import Serving, serving

MESSAGES = (
    "[ERROR 400] BAD REQUEST",
    "[ERROR 401] UNAUTHORIZED REQUEST",
    "[ERROR 419] MISSING ARGUMENTS",
    "[ERROR 420] INVALID ARGUMENTS",
    "[WARN 7] slow",
    "[error 1] fine",
)


@pytest.mark.parametrize(
    ("pattern", "numbers"),
    [  # the first ones are of the documentation's examples
        ("", [0, 1, 2, 3, 4, 5]),
        ("  ", [0, 1, 2, 3, 4, 5]),
        ("ERROR", [0, 1, 2, 3]),
        ("ERROR ARGUMENTS", [2, 3]),
        ('"BAD REQUEST"', [0]),
        ("?ERROR ?WARN", [0, 1, 2, 3, 4]),
        ("ERROR -ARGUMENTS", [0, 1]),
        ('ERROR -"BAD REQUEST"', [1, 2, 3]),
        ("-ERROR", [4, 5]),
        ("ERROR ?WARN", [0, 1, 2, 3]),
        ("%AUTHORIZED%", [1]),
        ("%^.ERROR 4[12]%", [2, 3]),
        ("%40[01]% -BAD", [1]),
        ('"[ERROR 4"', [0, 1, 2, 3]),
        ("ROR", [0, 1, 2, 3]),
        ("error", [5]),
        ('"a \\" quote"', []),
    ],
)
def test_a_pattern_selects_messages(pattern: str, numbers: list[int]) -> None:
    matches = parse_filter(pattern)
    assert [number for number, message in enumerate(MESSAGES) if matches(message)] == numbers


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ('{ $.level = "ERROR" }', "filter patterns on JSON members"),
        ("[ip, user, status = 404]", "filter patterns on fields between spaces"),
        ("auc=0.9", "Invalid character"),
        ("a:b", "Invalid character"),
        ('"open', "Invalid character"),
        ('"a"b', "Invalid character"),
        ("- ERROR", "Invalid character"),
        ("%a(b)%", "not supported"),
        ("%a!%", "not supported"),
        ("%[a%", "Invalid regular expression"),
    ],
)
def test_a_pattern_that_selects_nothing_right_is_rejected(pattern: str, reason: str) -> None:
    with pytest.raises(ApiError, match=reason) as raised:
        parse_filter(pattern)
    assert raised.value.code == "InvalidParameterException"


#: Times are in milliseconds after this one; CloudWatch Logs accepts no events of more than 14 days ago.
START_MS = int(time.time() * 1000) - 3_600_000
GROUP = "/aws/sagemaker/TrainingJobs"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("served")) as server:
        logs = server.client("logs")
        logs.create_log_group(logGroupName=GROUP)
        for stream, times in (("mine/algo-1", (1000, 3000)), ("mine/algo-2", (2000,)), ("other/algo-1", (1500,))):
            logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
            for time_ms in times:
                event = {"timestamp": START_MS + time_ms, "message": f"{stream} at {time_ms}"}
                logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=[event])
        yield server


def times(served: Serving, **request: Any) -> list[int]:
    request |= {name: START_MS + request[name] for name in ("startTime", "endTime") if name in request}
    pages = served.client("logs").get_paginator("filter_log_events").paginate(**{"logGroupName": GROUP, **request})
    return [event["timestamp"] - START_MS for page in pages for event in page["events"]]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, [1000, 1500, 2000, 3000]),
        ({"logStreamNamePrefix": "mine/"}, [1000, 2000, 3000]),
        ({"logStreamNamePrefix": "none/"}, []),
        ({"logStreamNames": ["mine/algo-1", "other/algo-1"]}, [1000, 1500, 3000]),
        ({"startTime": 1500, "endTime": 2000}, [1500, 2000]),
        ({"endTime": 1400}, [1000]),
        ({"filterPattern": "other"}, [1500]),
        ({"filterPattern": "-other", "logStreamNamePrefix": "mine/algo-1"}, [1000, 3000]),
        ({"PaginationConfig": {"PageSize": 1}}, [1000, 1500, 2000, 3000]),
        ({"PaginationConfig": {"PageSize": 2}, "filterPattern": "mine"}, [1000, 2000, 3000]),
    ],
)
def test_events_are_selected(served: Serving, request_: dict[str, Any], expected: list[int]) -> None:
    assert times(served, **request_) == expected


def test_a_group_is_named_by_its_arn(served: Serving) -> None:
    arn = f"arn:aws:logs:us-east-1:000000000000:log-group:{GROUP}"
    response = served.client("logs").filter_log_events(logGroupIdentifier=arn, limit=1)
    assert [event["message"] for event in response["events"]] == ["mine/algo-1 at 1000"]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"logGroupName": "none"}, "ResourceNotFoundException"),
        ({"logStreamNames": ["a"], "logStreamNamePrefix": "a"}, "InvalidParameterException"),
        ({"filterPattern": "{ $.a = 1 }"}, "InvalidParameterException"),
        ({"nextToken": "x"}, "InvalidParameterException"),
    ],
)
def test_requests_are_rejected(served: Serving, request_: dict[str, Any], code: str) -> None:
    logs = served.client("logs")
    with pytest.raises(logs.exceptions.ClientError) as raised:
        logs.filter_log_events(**{"logGroupName": GROUP, **request_})
    assert raised.value.response["Error"]["Code"] == code


def test_a_state_machine_filters_alike(served: Serving) -> None:
    states = served.client("stepfunctions")
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:cloudwatchlogs:filterLogEvents",
        "Parameters": {"LogGroupName": GROUP, "LogStreamNamePrefix": "mine/", "FilterPattern": "3000"},
        "OutputPath": "$.Events[*].Message",
        "End": True,
    }
    definition = json.dumps({"StartAt": "Filter", "States": {"Filter": task}})
    role = "arn:aws:iam::000000000000:role/any-role"
    arn = states.create_state_machine(name="filter", definition=definition, roleArn=role, type="EXPRESS")
    result = states.start_sync_execution(stateMachineArn=arn["stateMachineArn"])
    assert json.loads(result["output"]) == ["mine/algo-1 at 3000"], result
