"""The JSON protocol around a service that says what it was asked."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from mlci_emulator.protocol import java_patterns, models
from mlci_emulator.protocol.aws_json import JsonService
from mlci_emulator.protocol.operations import ApiError, Response
from support.recorded_service import Recorded

NOON = datetime(2026, 11, 25, 12, 0, 0, 123_456, timezone.utc)


def ask(
    operation: str, body: object, answer: Response | Exception | None = None, service: str = "stepfunctions"
) -> tuple[int, dict[str, Any], Recorded]:
    recorded = Recorded(answer if answer is not None else {})
    written = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = JsonService(service, recorded, lambda error: None).respond(operation, written, "eu-west-1")
    return response.status, json.loads(response.body), recorded


START = {"stateMachineArn": "arn:aws:states:eu-west-1:000000000000:stateMachine:m"}


def test_a_request_reaches_the_service_and_its_answer_the_client() -> None:
    arn = "arn:aws:states:eu-west-1:000000000000:execution:m:e"
    status, answer, recorded = ask("StartExecution", START, {"executionArn": arn, "startDate": NOON})
    assert (status, answer) == (200, {"executionArn": arn, "startDate": 1795608000.123})
    assert recorded.asked == [("StartExecution", START, "eu-west-1")]


def test_members_that_the_model_has_not_are_dropped_on_both_sides() -> None:
    _, answer, recorded = ask("StartExecution", {**START, "novel": 1, "name": None}, {"executionArn": "a", "inner": 1})
    assert recorded.asked[0][1] == START
    assert answer == {"executionArn": "a"}


def test_times_and_blobs_are_typed() -> None:
    request = {"NameContains": "x", "CreationTimeAfter": NOON.timestamp()}
    _, _, recorded = ask("ListTrainingJobs", request, service="sagemaker")
    assert recorded.asked[0][1]["CreationTimeAfter"] == NOON


def test_errors_of_the_service_are_the_client_s() -> None:
    status, answer, _ = ask("StartExecution", START, ApiError("ExecutionLimitExceeded", "too many", 400))
    assert (status, answer) == (400, {"__type": "ExecutionLimitExceeded", "message": "too many"})


def test_an_error_inside_is_told_and_answered() -> None:
    told: list[BaseException] = []
    service = JsonService("stepfunctions", Recorded(RuntimeError("oops")), told.append)
    response = service.respond("StartExecution", json.dumps(START).encode(), "eu-west-1")
    assert (response.status, "RuntimeError: oops" in response.body.decode()) == (500, True)
    assert [str(error) for error in told] == ["oops"]


@pytest.mark.parametrize(
    ("operation", "body", "code"),
    [
        ("StartExecutions", {}, "UnknownOperationException"),
        ("StartExecution", b"{", "SerializationException"),
        ("StartExecution", b"[]", "SerializationException"),
        ("StartExecution", {**START, "name": 1}, "SerializationException"),
        ("StartExecution", {**START, "name": {}}, "SerializationException"),
        ("ListExecutions", {**START, "maxResults": "1"}, "SerializationException"),
        ("ListExecutions", {**START, "maxResults": True}, "SerializationException"),
        ("ListExecutions", {**START, "maxResults": 1.5}, "SerializationException"),
        ("TagResource", {"resourceArn": "a", "tags": {}}, "SerializationException"),
        ("CreateStateMachine", {"tracingConfiguration": {"enabled": "true"}}, "SerializationException"),
    ],
)
def test_what_cannot_be_read_never_reaches_the_service(operation: str, body: object, code: str) -> None:
    status, answer, recorded = ask(operation, body)
    assert (status, answer["__type"], recorded.asked) == (400, code, [])


def refusal(operation: str, body: object, service: str = "stepfunctions") -> str:
    status, answer, recorded = ask(operation, body, service=service)
    assert (status, answer["__type"], recorded.asked) == (400, "ValidationException", [])
    return str(answer["message"])


MUST = "failed to satisfy constraint: Member must"


def test_constraints_of_the_model_are_told_in_aws_s_words() -> None:
    """Recorded from AWS: maxResults, the alias's weight, name and the enum; the others are of the same form."""
    assert refusal("ListStateMachines", {"maxResults": 1001}) == (
        f"1 validation error detected: Value '1001' at 'maxResults' {MUST} have value less than or equal to 1000"
    )
    assert refusal("StartExecution", {}) == (
        f"1 validation error detected: Value null at 'stateMachineArn' {MUST} not be null"
    )
    assert refusal("ListExecutions", {"statusFilter": "succeeded"}) == (
        f"1 validation error detected: Value 'succeeded' at 'statusFilter' {MUST} satisfy enum value set: "
        "[RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED, PENDING_REDRIVE]"
    )
    route = {"stateMachineVersionArn": "a", "weight": 101}
    assert refusal("CreateStateMachineAlias", {"name": "a", "routingConfiguration": [route]}) == (
        f"1 validation error detected: Value '101' at 'routingConfiguration.1.member.weight' {MUST} "
        "have value less than or equal to 100"
    )
    assert refusal("CreateStateMachineAlias", {"name": "123", "routingConfiguration": [{**route, "weight": 1}]}) == (
        rf"1 validation error detected: Value '123' at 'name' {MUST} satisfy regular expression pattern: "
        r"^(?=.*[a-zA-Z_\-\.])[a-zA-Z0-9_\-\.]+$"
    )


def test_all_constraints_are_told_at_once() -> None:
    told = refusal("DescribeTrainingJob", {"TrainingJobName": "a_b"}, "sagemaker")
    assert told.startswith(f"1 validation error detected: Value 'a_b' at 'trainingJobName' {MUST} satisfy regular")
    both = refusal("CreateStateMachine", {"name": "", "definition": "", "roleArn": "r"})
    assert both == (
        f"2 validation errors detected: Value '' at 'name' {MUST} have length greater than or equal to 1; "
        f"Value '' at 'definition' {MUST} have length greater than or equal to 1"
    )


def test_a_null_in_a_list_is_refused() -> None:
    assert "Value null at 'tags.1.member'" in refusal("TagResource", {"resourceArn": "a", "tags": [None]})


def test_patterns_that_python_cannot_read_limit_nothing() -> None:
    ask("TagResource", {"resourceArn": "a", "tags": [{"key": "ä b", "value": "ß"}]})
    status, _, _ = ask("StartExecution", {**START, "traceHeader": "Root=1"})
    assert status == 200
    assert "traceHeader" in refusal("StartExecution", {**START, "traceHeader": "ä"})


def test_every_pattern_of_our_models_is_read_or_left_out() -> None:
    """None of them raises, and at least nine in ten are checked."""
    patterns = set()
    for name in ("stepfunctions", "sagemaker"):
        model = models.service_model(name)
        patterns |= {model.shape_for(shape).metadata.get("pattern") for shape in model.shape_names}
    read = [java_patterns.compile_pattern(pattern)[0] for pattern in patterns if pattern]
    assert sum(pattern is not None for pattern in read) > 0.9 * len(read)
