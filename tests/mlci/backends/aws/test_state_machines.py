"""Deploying: the state machine is changed only where it differs, versions stay apart, and nobody else's is touched."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mlci.backends.aws.state_machines import KEPT_VERSIONS, DesiredStateMachine, StateMachines, state_machine_tags
from mlci.errors import CloudError, InputError
from support.fake_aws import ACCOUNT, REGION, ROLE, PretendAws, now, response

ARN = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:mlci-small"
GROUP = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/vendedlogs/mlci:*"


def definition(state: str = "a") -> str:
    return f'{{"StartAt": "{state}", "States": {{"{state}": {{"Type": "Succeed"}}}}}}'


WANTED = DesiredStateMachine(ARN, definition(), ROLE, state_machine_tags("small", "github.com/octo/model"))


@pytest.fixture
def machines(pretended: PretendAws) -> StateMachines:
    return StateMachines(pretended.session().api("stepfunctions"))


def changes(pretended: PretendAws) -> list[str]:
    """The calls that changed something, without their service."""
    verbs = ("Create", "Update", "Tag", "Delete")
    return [name for name in (call.partition(".")[2] for call in pretended.calls) if name.startswith(verbs)]


def test_it_is_made_with_tags_and_a_version(machines: StateMachines, pretended: PretendAws) -> None:
    assert machines.publish(WANTED) == f"{ARN}:1"
    assert changes(pretended) == ["CreateStateMachine"]
    assert pretended.states.machines[ARN].tags == {
        "mlci:flow": "small",
        "mlci:repository": "github.com/octo/model",
        "mlci:version": WANTED.tags["mlci:version"],
    }


def test_what_is_the_same_is_left_alone(machines: StateMachines, pretended: PretendAws) -> None:
    version = machines.publish(WANTED)
    pretended.calls.clear()
    assert machines.publish(replace(WANTED, definition=definition().replace(": ", ":"))) == version
    assert changes(pretended) == []


@pytest.mark.parametrize(
    ("desired", "change", "version"),
    [
        (replace(WANTED, definition=definition("b")), "UpdateStateMachine", 2),
        (replace(WANTED, role=f"{ROLE}-2"), "UpdateStateMachine", 2),
        (replace(WANTED, log_group=GROUP), "UpdateStateMachine", 2),
        (replace(WANTED, tags={**WANTED.tags, "mlci:version": "99"}), "TagResource", 1),
    ],
)
def test_what_differs_is_changed(
    machines: StateMachines, pretended: PretendAws, desired: DesiredStateMachine, change: str, version: int
) -> None:
    machines.publish(WANTED)
    pretended.calls.clear()
    assert machines.publish(desired) == f"{ARN}:{version}"
    assert changes(pretended) == [change]
    pretended.calls.clear()
    assert machines.publish(desired) == f"{ARN}:{version}"
    assert changes(pretended) == []


def test_tags_of_others_stay(machines: StateMachines, pretended: PretendAws) -> None:
    machines.publish(WANTED)
    pretended.states.machines[ARN].tags["team"] = "models"
    machines.publish(replace(WANTED, definition=definition("b")))
    assert pretended.states.machines[ARN].tags["team"] == "models"


def test_conflicts_are_tried_again(machines: StateMachines, pretended: PretendAws) -> None:
    machines.publish(WANTED)
    pretended.states.machines[ARN].conflicts = 5
    assert machines.publish(replace(WANTED, definition=definition("b"))) == f"{ARN}:2"


def test_endless_conflicts_are_given_up(machines: StateMachines, pretended: PretendAws) -> None:
    machines.publish(WANTED)
    pretended.states.machines[ARN].conflicts = 10_000
    with pytest.raises(CloudError, match="other builds keep updating"):
        machines.publish(WANTED)


def test_a_version_is_of_this_definition_also_when_another_build_comes_between(
    machines: StateMachines, pretended: PretendAws
) -> None:
    """Between the look at the state machine and the publishing of a version, another build updates it."""
    machines.publish(WANTED)
    inner = pretended.states.call
    seen: list[str] = []

    def call(operation: str, request: dict[str, object]) -> object:
        if operation == "PublishStateMachineVersion" and not seen:
            seen.append(operation)
            inner("UpdateStateMachine", {"stateMachineArn": ARN, "definition": definition("b"), "roleArn": ROLE})
        return inner(operation, request)

    pretended.states.call = call  # type: ignore[method-assign, assignment]
    version = machines.publish(WANTED)
    machine = pretended.states.machines[ARN]
    assert machine.versions[int(version.rpartition(":")[2])].definition == definition()
    assert version == f"{ARN}:3"


def test_a_version_that_is_another_build_s_is_not_taken(machines: StateMachines, pretended: PretendAws) -> None:
    """Between the two halves of an update that publishes, another build updates."""
    machines.publish(WANTED)
    inner = pretended.states.call
    seen: list[str] = []

    def call(operation: str, request: dict[str, object]) -> object:
        if operation == "UpdateStateMachine" and not seen:
            seen.append(operation)
            inner(operation, request)
            return inner(operation, {**request, "definition": definition("c")})
        return inner(operation, request)

    pretended.states.call = call  # type: ignore[method-assign, assignment]
    version = machines.publish(replace(WANTED, definition=definition("b")))
    assert pretended.states.machines[ARN].versions[int(version.rpartition(":")[2])].definition == definition("b")


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({}, "mlci did not create it"),
        ({"made-by": "terraform"}, "mlci did not create it"),
        (
            {"mlci:flow": "small", "mlci:repository": "github.com/else/where"},
            "belongs to the repository github.com/else",
        ),
    ],
)
def test_a_state_machine_of_others_is_refused_and_not_touched(
    machines: StateMachines, pretended: PretendAws, tags: dict[str, str], words: str
) -> None:
    machines.publish(WANTED)
    pretended.states.machines[ARN].tags = tags
    pretended.calls.clear()
    with pytest.raises(InputError, match=words):
        machines.publish(replace(WANTED, definition=definition("b")))
    assert changes(pretended) == []


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (f"User: x is not authorized to perform: iam:PassRole on resource: {ROLE}", f"iam:PassRole on {ROLE}"),
        (
            "Neither the global service principal states.amazonaws.com, nor the regional one may assume this role.",
            "must trust states.amazonaws.com",
        ),
        ("User: x is not authorized to perform: states:CreateStateMachine", "needs states:CreateStateMachine"),
    ],
)
def test_a_role_that_cannot_be_passed_is_wrong_input(
    machines: StateMachines, pretended: PretendAws, message: str, words: str
) -> None:
    refusal = response(400, {"__type": "AccessDeniedException", "message": message})
    pretended.fault = lambda name: refusal if name == "sfn.CreateStateMachine" else None
    with pytest.raises(InputError, match=words):
        machines.publish(WANTED)


def published(machines: StateMachines, pretended: PretendAws, number: int) -> None:
    """As many versions as that, made two days ago."""
    for count in range(number):
        machines.publish(replace(WANTED, definition=definition(f"s{count}")))
    machine = pretended.states.machines[ARN]
    machine.made.update({version: now() - timedelta(days=2) for version in machine.made})


def test_old_versions_are_deleted_but_none_that_runs(machines: StateMachines, pretended: PretendAws) -> None:
    published(machines, pretended, KEPT_VERSIONS + 3)
    machine = pretended.states.machines[ARN]
    waiting = '{"StartAt": "w", "States": {"w": {"Type": "Wait", "Seconds": 60, "End": true}}}'
    machine.versions[2].definition = waiting
    api = machines.api
    api.call("start_execution", stateMachineArn=f"{ARN}:2", name="runs", input="{}")
    machines.publish(replace(WANTED, definition=definition("newest")))
    assert 1 not in machine.versions
    assert 2 in machine.versions
    assert set(machine.versions) == {2, *range(5, KEPT_VERSIONS + 5)}
    api.call("stop_execution", executionArn=f"{ARN.replace(':stateMachine:', ':execution:')}:runs", error="", cause="")


def test_young_versions_stay_for_a_build_may_be_about_to_start_one(
    machines: StateMachines, pretended: PretendAws
) -> None:
    published(machines, pretended, KEPT_VERSIONS + 3)
    machine = pretended.states.machines[ARN]
    machine.made.update({version: now() for version in machine.made})
    machines.publish(replace(WANTED, definition=definition("newest")))
    assert len(machine.versions) == KEPT_VERSIONS + 4


def test_pruning_that_fails_fails_nothing(pretended: PretendAws) -> None:
    messages: list[str] = []
    machines = StateMachines(pretended.session().api("stepfunctions"), log=messages.append)
    published(machines, pretended, KEPT_VERSIONS + 1)

    pretended.fault = lambda name: (
        response(400, {"__type": "AccessDeniedException", "message": "no"})
        if name == "sfn.DeleteStateMachineVersion"
        else None
    )
    assert machines.publish(replace(WANTED, definition=definition("newest")))
    assert "AccessDeniedException" in messages[0]
