"""The rights on the verdict before what stands behind the gate: those of the side that judges, and of no other."""

from __future__ import annotations

import pytest

from mlci.provision.access_requirements import access_requirements
from mlci.provision.iam_policies import policies
from mlci.provision.policy_statements import AccountScope, Document
from mlci.provision.stack_names import ROLES, Role
from support.compiled_flows import planned
from support.iam_calls import Call
from support.iam_decisions import decided

FLOW = """
flow: small
defaults: {image: "mine.example/image:7"}
steps:
  measure: {uses: processing, run: a.py, outputs: [out], metrics: out/metrics.json}
  deploy: {uses: wait, seconds: 1, after: gate}
gate: [{metric: measure.auc, min: 0.5}]
"""
OWN = (("aws:ResourceAccount", "000000000000"),)
BUILD: list[tuple[Role, str]] = [("pull_request_build", ""), ("base_build", "protected/")]


def documents(flow: str) -> dict[Role, Document]:
    scope = AccountScope("aws", "us-east-1", "000000000000", "bucket", "c", dict.fromkeys(ROLES, "arn:role"))
    return policies(access_requirements(planned(flow).flow, {}), scope)


def token(action: str, side: str) -> Call:
    key = f"mlci/small/{side}tokens/20261123-101530-3f9c2a/_gate/1.json"
    return Call(action, f"arn:aws:s3:::bucket/{key}", OWN)


@pytest.mark.parametrize(("role", "side"), BUILD)
def test_a_side_reads_its_own_tokens_and_answers(role: Role, side: str) -> None:
    roles = documents(FLOW)
    assert [name for name, each in roles.items() if decided(each, token("s3:GetObject", side))] == [role]
    for action in ("states:SendTaskSuccess", "states:SendTaskFailure"):
        assert {name for name, each in roles.items() if decided(each, Call(action, "*"))} == {
            "pull_request_build",
            "base_build",
        }
    assert not any(decided(each, Call("states:SendTaskHeartbeat", "*")) for each in roles.values())


@pytest.mark.parametrize(("role", "side"), [("workflow", ""), ("protected_workflow", "protected/")])
def test_the_state_machine_of_a_side_writes_its_tokens(role: Role, side: str) -> None:
    roles = documents(FLOW)
    assert [name for name, each in roles.items() if decided(each, token("s3:PutObject", side))] == [role]


def test_a_flow_with_nothing_behind_the_gate_gets_no_such_rights() -> None:
    roles = documents(FLOW.replace(", after: gate", ""))
    calls = [token(f"s3:{action}", side) for action in ("GetObject", "PutObject") for side in ("", "protected/")]
    calls += [Call("states:SendTaskSuccess", "*"), Call("states:SendTaskFailure", "*")]
    assert [call for each in roles.values() for call in calls if decided(each, call)] == []
