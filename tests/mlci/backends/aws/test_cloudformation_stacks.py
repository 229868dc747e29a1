"""Stacks: on moto, which answers at once, and on a CloudFormation that takes its time as AWS does."""

from __future__ import annotations

import json

import boto3
import pytest

from mlci.backends.aws.api_calls import Api, RetryPolicy
from mlci.backends.aws.cloudformation_stacks import ChangeSet, ChangeSetRequest, ResourceChange, StackEvent, Stacks
from mlci.backends.aws.codeconnections import Connections
from mlci.backends.stop_signal import StopSignal
from mlci.errors import CloudError
from support.fake_aws import REGION, PretendAws, waiting_clock
from support.fake_cloudformation import CodeConnections, Formation, FormationStack, refusal

TEMPLATE = {
    "Parameters": {"Days": {"Type": "String", "Default": "1"}},
    "Resources": {
        "Role": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Type": "String", "Name": "/x", "Value": {"Ref": "Days"}},
        }
    },
}
ARN = "arn:aws:codeconnections:eu-west-1:123456789012:connection/c"


def request(is_creation: bool = True, days: str | None = "1") -> ChangeSetRequest:
    values, kept = ({"Days": days}, frozenset[str]()) if days else ({}, frozenset({"Days"}))
    return ChangeSetRequest("mlci-x", json.dumps(TEMPLATE), values, kept, {"mlci:flow": "x"}, is_creation)


def api(client: object) -> Api:
    return Api(client, RetryPolicy(waiting_clock(), 10.0))


@pytest.fixture(params=["moto", "pretended"])
def stacks(request: pytest.FixtureRequest, pretended: PretendAws) -> Stacks:
    """CloudFormation as moto has it, and as AWS has it."""
    fake = Formation()
    return Stacks(api(boto3.client("cloudformation", region_name=REGION) if request.param == "moto" else fake))


def executed(stacks: Stacks, change_set: ChangeSet | None) -> list[StackEvent]:
    events: list[StackEvent] = []
    assert change_set is not None
    assert stacks.execute(change_set, events.append, StopSignal()).condition == "ready"
    return events


def test_a_stack_is_made_changed_and_deleted(stacks: Stacks) -> None:
    assert stacks.find("mlci-x") is None
    change_set = stacks.create_change_set(request())
    assert change_set is not None
    assert change_set.changes == (ResourceChange("Add", "Role", "AWS::SSM::Parameter"),)
    events = executed(stacks, change_set)
    assert (events[-1].status, events[-1].is_stack) == ("CREATE_COMPLETE", True)
    assert stacks.create_change_set(request(is_creation=False, days=None)) is None
    events = executed(stacks, stacks.create_change_set(request(is_creation=False, days="2")))
    assert next(event.status for event in events if event.is_stack) == "UPDATE_IN_PROGRESS"
    made = stacks.find("mlci-x")
    assert made is not None
    assert (made.condition, made.parameters, made.tags) == ("ready", {"Days": "2"}, {"mlci:flow": "x"})
    assert list(stacks.resources(made.id)) == [("Role", "AWS::SSM::Parameter")]
    assert stacks.physical_id(made.id, "Role")
    assert stacks.physical_id(made.id, "Other") is None
    assert stacks.delete(made.id, events.append, StopSignal()).condition == "gone"
    assert stacks.find("mlci-x") is None


def test_a_change_set_that_is_discarded_leaves_no_stack(stacks: Stacks) -> None:
    change_set = stacks.create_change_set(request())
    assert change_set is not None
    found = stacks.find("mlci-x")
    assert found is not None
    assert found.condition == "empty"
    stacks.discard(change_set)
    assert stacks.find("mlci-x") is None


def test_one_of_a_stack_that_is_there_leaves_it(stacks: Stacks) -> None:
    executed(stacks, stacks.create_change_set(request()))
    change_set = stacks.create_change_set(request(is_creation=False, days="2"))
    assert change_set is not None
    stacks.discard(change_set)
    found = stacks.find("mlci-x")
    assert found is not None
    assert (found.condition, found.parameters) == ("ready", {"Days": "1"})


def test_a_status_that_nobody_knows_is_an_error_that_names_it() -> None:
    formation = Formation()
    formation.stacks["arn"] = FormationStack("arn", "mlci-x", "SLEEPING")
    found = Stacks(api(formation)).find("mlci-x")
    assert found is not None
    with pytest.raises(CloudError, match="unknown status SLEEPING"):
        _ = found.condition


def test_a_failure_that_validation_found_early_tells_what_it_found() -> None:
    formation = Formation(change_set_fault="The following hook(s)/validation failed: [AWS::EarlyValidation::X].")
    formation.early = {"BaseLog": "Resource of type 'AWS::Logs::LogGroup' with identifier '/aws/x' already exists."}
    with pytest.raises(CloudError, match=r"BaseLog: Resource of type .* already exists"):
        Stacks(api(formation)).create_change_set(request())
    assert not formation.living


def test_a_failure_is_one_only_where_it_is_not_anothers() -> None:
    failed = StackEvent("1", "Role", "AWS::IAM::Role", "CREATE_FAILED", "quota")
    assert failed.is_failure
    assert not StackEvent("1", "Role", "AWS::IAM::Role", "CREATE_FAILED", "Resource creation cancelled").is_failure


def test_a_connection() -> None:
    fake = CodeConnections(["PENDING", "AVAILABLE"])
    connections = Connections(api(fake))
    assert [getattr(connections.find(ARN), "status", None) for _ in range(2)] == ["PENDING", "AVAILABLE"]
    fake.refuses = refusal("GetConnection", "ResourceNotFoundException", "none")
    assert connections.find(ARN) is None
    fake.refuses, fake.statuses = None, ["ODD"]
    with pytest.raises(CloudError, match="unknown status ODD"):
        connections.find(ARN)


@pytest.mark.parametrize("code", ["500", "404", "501", "UnknownOperationException"])
def test_where_no_aws_has_no_such_service_a_connection_is_taken_to_be_available(code: str) -> None:
    fake = CodeConnections(
        refuses=refusal("GetConnection", code, "not implemented", 500), endpoint="http://127.0.0.1:1"
    )
    found = Connections(api(fake)).find(ARN)
    assert found is not None
    assert (found.status, fake.asked) == ("AVAILABLE", 1)
