"""State machines, versions, aliases and tags."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from mlci_emulator.protocol.operations import ApiError
from mlci_emulator.services.stepfunctions import StepFunctions
from support.stepfunctions import PASS, Client, Echo, machine

ONE, TWO = machine(S={**PASS, "Result": 1}), machine(S={**PASS, "Result": 2})


@pytest.fixture
def sfn() -> Client:
    return Client()


def _refused(code: str, ask: Callable[[], Any], part: str = "") -> None:
    with pytest.raises(ApiError) as refusal:
        ask()
    assert refusal.value.code == code
    assert part in refusal.value.message


def test_the_same_request_twice_is_one_machine(sfn: Client) -> None:
    arn = sfn.create(ONE)
    assert sfn.create(ONE) == arn == "arn:aws:states:eu-west-1:000000000000:stateMachine:m"
    _refused("StateMachineAlreadyExists", lambda: sfn.create(TWO), f"'{arn}'")
    described = sfn("DescribeStateMachine", stateMachineArn=arn)
    assert (described["definition"], described["status"], "revisionId" in described) == (ONE, "ACTIVE", False)


@pytest.mark.parametrize("name", ["a b", "a/b", "a:b", "a*", "é\x00", "a\ud800", ""])
def test_an_invalid_name_is_rejected(sfn: Client, name: str) -> None:
    _refused("InvalidName", lambda: sfn.create(ONE, name=name))
    _refused("InvalidName", lambda: sfn("CreateActivity", name=name))
    _refused("InvalidName", lambda: sfn("StartExecution", stateMachineArn=sfn.create(ONE), name=name or "\n"))


def test_an_invalid_definition_is_rejected_with_its_location(sfn: Client) -> None:
    bad = machine(S={"Type": "Pass", "Next": "T"})
    _refused("InvalidDefinition", lambda: sfn.create(bad), "/States/S/Next")
    found = sfn("ValidateStateMachineDefinition", definition=bad)
    assert found["result"] == "FAIL"
    assert found["diagnostics"][0]["location"] == "/States/S/Next"
    assert sfn("ValidateStateMachineDefinition", definition=ONE) == {
        "result": "OK",
        "diagnostics": [],
        "truncated": False,
    }


def test_an_update_makes_a_revision_only_where_something_changes(sfn: Client) -> None:
    arn = sfn.create(ONE)
    _refused("MissingRequiredParameter", lambda: sfn("UpdateStateMachine", stateMachineArn=arn))
    assert "revisionId" not in sfn("UpdateStateMachine", stateMachineArn=arn, definition=ONE)
    revision = sfn("UpdateStateMachine", stateMachineArn=arn, definition=TWO)["revisionId"]
    assert sfn("UpdateStateMachine", stateMachineArn=arn, definition=TWO)["revisionId"] == revision
    assert sfn.ended(sfn.start(arn))["output"] == "2"


def test_a_version_runs_its_own_definition_for_ever(sfn: Client) -> None:
    arn = sfn.create(ONE, publish=True)
    sfn("UpdateStateMachine", stateMachineArn=arn, definition=TWO)
    ended = sfn.ended(sfn.start(f"{arn}:1"))
    assert (ended["output"], ended["stateMachineVersionArn"], ended["stateMachineArn"]) == ("1", f"{arn}:1", arn)
    assert sfn("PublishStateMachineVersion", stateMachineArn=arn)["stateMachineVersionArn"] == f"{arn}:2"
    assert sfn("PublishStateMachineVersion", stateMachineArn=arn)["stateMachineVersionArn"] == f"{arn}:2"
    listed = sfn("ListStateMachineVersions", stateMachineArn=arn)["stateMachineVersions"]
    assert [version["stateMachineVersionArn"] for version in listed] == [f"{arn}:2", f"{arn}:1"]


def test_the_number_of_a_deleted_version_is_not_used_again(sfn: Client) -> None:
    arn = sfn.create(ONE, publish=True)
    sfn("DeleteStateMachineVersion", stateMachineVersionArn=f"{arn}:1")
    assert sfn("PublishStateMachineVersion", stateMachineArn=arn)["stateMachineVersionArn"] == f"{arn}:2"
    _refused("StateMachineDoesNotExist", lambda: sfn.start(f"{arn}:1"))


def test_a_revision_that_is_not_the_current_one_is_not_published(sfn: Client) -> None:
    arn = sfn.create(ONE)
    _refused(
        "ConflictException",
        lambda: sfn("PublishStateMachineVersion", stateMachineArn=arn, revisionId="x"),
        "The current State Machine revision is INITIAL.",
    )


def _alias(sfn: Client, arn: str, **weights: int) -> str:
    routes = [{"stateMachineVersionArn": f"{arn}:{name[1:]}", "weight": weight} for name, weight in weights.items()]
    return str(sfn("CreateStateMachineAlias", name="prod", routingConfiguration=routes)["stateMachineAliasArn"])


def test_an_alias_routes_by_weight(sfn: Client) -> None:
    arn = sfn.create(ONE, publish=True)
    sfn("UpdateStateMachine", stateMachineArn=arn, definition=TWO, publish=True)
    alias = _alias(sfn, arn, v1=50, v2=50)
    ended = [sfn.ended(sfn.start(alias)) for _ in range(40)]
    assert {(one["output"], one["stateMachineVersionArn"]) for one in ended} == {("1", f"{arn}:1"), ("2", f"{arn}:2")}
    assert all(one["stateMachineAliasArn"] == alias for one in ended)
    only = [{"stateMachineVersionArn": f"{arn}:2", "weight": 100}]
    sfn("UpdateStateMachineAlias", stateMachineAliasArn=alias, routingConfiguration=only)
    assert {sfn.ended(sfn.start(alias))["output"] for _ in range(10)} == {"2"}
    assert sfn("DescribeStateMachineAlias", stateMachineAliasArn=alias)["routingConfiguration"] == only


def test_the_routes_of_an_alias_are_checked_and_stored(sfn: Client) -> None:
    arn = sfn.create(ONE, publish=True)
    _refused("ValidationException", lambda: _alias(sfn, arn, v1=99), "must equal 100. Received: [99]")
    _refused("ResourceNotFound", lambda: _alias(sfn, arn, v7=100))
    alias = _alias(sfn, arn, v1=100)
    assert _alias(sfn, arn, v1=100) == alias
    _refused("ConflictException", lambda: sfn("DeleteStateMachineVersion", stateMachineVersionArn=f"{arn}:1"), "[prod]")
    sfn("DeleteStateMachineAlias", stateMachineAliasArn=alias)
    _refused("StateMachineDoesNotExist", lambda: sfn.start(alias))


def test_a_deleted_machine_is_gone_with_its_versions(sfn: Client) -> None:
    arn = sfn.create(ONE, publish=True)
    sfn("DeleteStateMachine", stateMachineArn=arn)
    sfn("DeleteStateMachine", stateMachineArn=arn)
    for name in (arn, f"{arn}:1"):
        _refused("StateMachineDoesNotExist", lambda name=name: sfn("DescribeStateMachine", stateMachineArn=name))  # type: ignore[misc]


def test_lists_come_in_pages(sfn: Client) -> None:
    for index in range(5):
        sfn.create(ONE, name=f"m{index}")
    names: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = sfn("ListStateMachines", maxResults=2, **token)
        names += [one["name"] for one in page["stateMachines"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert names == [f"m{index}" for index in range(5)]
    _refused("InvalidToken", lambda: sfn("ListActivities", **token))
    _refused("InvalidToken", lambda: sfn("ListStateMachines", nextToken="nonsense"))


def test_tags(sfn: Client) -> None:
    arn = sfn.create(ONE, tags=[{"key": "a", "value": "1"}])
    sfn("TagResource", resourceArn=arn, tags=[{"key": "b", "value": "2"}, {"key": "a", "value": "3"}])
    sfn("UntagResource", resourceArn=arn, tagKeys=["b", "c"])
    assert sfn("ListTagsForResource", resourceArn=arn) == {"tags": [{"key": "a", "value": "3"}]}
    _refused("ResourceNotFound", lambda: sfn("ListTagsForResource", resourceArn=arn + "x"))


def test_arns_of_other_resources_are_rejected(sfn: Client) -> None:
    _refused("InvalidArn", lambda: sfn("DescribeStateMachine", stateMachineArn="m"), "'Invalid ARN prefix: m'")
    arn = sfn.create(ONE)
    _refused("InvalidArn", lambda: sfn("DescribeExecution", executionArn=arn), "stateMachine")


def test_an_operation_that_is_not_implemented_is_rejected(sfn: Client) -> None:
    _refused("UnsupportedOperation", lambda: sfn("ImportStateMachine"))


def test_variable_references_are_described(sfn: Client) -> None:
    arn = sfn.create(
        machine(A={"Type": "Pass", "Assign": {"x": 1}, "Next": "B"}, B={**PASS, "Parameters": {"v.$": "$x"}})
    )
    assert sfn("DescribeStateMachine", stateMachineArn=arn)["variableReferences"] == {"B": ["x"]}
    assert json.loads(sfn.ended(sfn.start(arn))["output"]) == {"v": 1}


_DESTINATION = {"cloudWatchLogsLogGroup": {"logGroupArn": "arn:aws:logs:eu-west-1:000000000000:log-group:g:*"}}


def test_a_log_group_must_exist() -> None:
    """As in the recorded test test_deleted_log_group of LocalStack."""
    groups = ["arn:aws:logs:eu-west-1:000000000000:log-group:g:*"]
    states = StepFunctions(None, Echo(), has_log_group=lambda arn: arn in groups)
    definition = machine(S={"Type": "Pass", "End": True})
    request = {"name": "m", "definition": definition, "roleArn": "arn:aws:iam::000000000000:role/r"}
    logged = {"loggingConfiguration": {"level": "ALL", "destinations": [_DESTINATION]}}
    try:
        arn = states.call("CreateStateMachine", {**request, **logged}, "eu-west-1")["stateMachineArn"]
        groups.clear()
        for operation, members in (
            ("CreateStateMachine", {**request, "name": "n"}),
            ("UpdateStateMachine", {"stateMachineArn": arn}),
        ):
            with pytest.raises(ApiError, match="Invalid Logging Configuration: Log Destination not found") as caught:
                states.call(operation, {**members, **logged}, "eu-west-1")
            assert caught.value.code == "InvalidLoggingConfiguration"
    finally:
        states.close()


@pytest.mark.parametrize("configuration", [{"level": "ALL"}, {"level": "ALL", "destinations": [_DESTINATION] * 2}])
def test_a_log_level_needs_exactly_one_destination(sfn: Client, configuration: dict[str, Any]) -> None:
    """As in the recorded tests test_invalid_logging_configuration and test_multiple_destinations of LocalStack."""
    definition = machine(S={"Type": "Pass", "End": True})
    arn = sfn.create(definition, name="m", loggingConfiguration={"level": "ALL", "destinations": [_DESTINATION]})
    for operation, members in [
        ("CreateStateMachine", {"name": "n", "definition": definition, "roleArn": "arn:aws:iam::000000000000:role/r"}),
        ("UpdateStateMachine", {"stateMachineArn": arn}),
    ]:
        with pytest.raises(ApiError) as caught:
            sfn(operation, **members, loggingConfiguration=configuration)
        assert caught.value.code == "InvalidLoggingConfiguration"
    sfn("UpdateStateMachine", stateMachineArn=arn, loggingConfiguration={"destinations": []})
