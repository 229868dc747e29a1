"""`runs-on: build`: from flow.yaml to the state machine, to a step's key and to the rights of roles."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from mlci.backends.events import Event
from mlci.backends.progress import Progress, initial_progress
from mlci.build_environment.time_limit import late_steps
from mlci.errors import InputError
from mlci.flow import load
from mlci.plan.names import Names
from mlci.provision.access_requirements import access_requirements
from mlci.provision.iam_policies import policies
from mlci.provision.policy_statements import AccountScope, Document
from mlci.provision.stack_names import ROLES, Role
from mlci.reuse.step_keys import step_keys
from support.compiled_flows import compiled, planned
from support.iam_calls import Call
from support.iam_decisions import decided

FLOW = """flow: small
defaults: {image: "mine.example/image:7", timeout: 5m, instance: ml.m5.large}
steps:
  train: {uses: training, run: t.py, inputs: {train: "s3://public/train/"}}
  measure:
    uses: processing
    runs-on: build
    run: m.py
    inputs: {model: "${{ steps.train.outputs.model }}", test: "s3://other/test/"}
    outputs: [out]
    metrics: out/metrics.json
"""
RUN = "20261123-101530-3f9c2a"
AT = datetime(2026, 11, 23, 10, 15, 30, tzinfo=timezone.utc)


def test_the_state_writes_the_token_and_the_request_and_waits_with_heartbeats() -> None:
    definition, execution_input = compiled(FLOW)
    step = execution_input["steps"]["measure"]
    assert step["token"] == {"bucket": "bucket", "key": f"mlci/small/tokens/{RUN}/measure.json"}
    assert (step["timeout_s"], step["heartbeat_s"]) == (300 + 86_400, 20)
    assert step["request"]["AppSpecification"]["ImageUri"] == "runs-on-build"
    assert step["request"]["StoppingCondition"] == {"MaxRuntimeInSeconds": 300}
    state = definition["States"]["measure"]
    assert state["Resource"] == "arn:aws:states:::aws-sdk:s3:putObject.waitForTaskToken"
    body = state["Parameters"]["Body"]
    assert body["token.$"] == "$$.Task.Token"
    assert body["request"]["ProcessingInputs.$"] == "$.steps.measure.request.ProcessingInputs"
    assert state["HeartbeatSecondsPath"] == "$.steps.measure.heartbeat_s"
    assert state["Catch"][0] == {
        "ErrorEquals": ["States.HeartbeatTimeout"],
        "ResultPath": "$.failure",
        "Next": "measure: the build is gone",
    }
    gone = definition["States"]["measure: the build is gone"]
    assert gone["Cause"] == "measure: the build is gone: the build that ran it gave no sign of life any more"
    assert definition["States"]["train"]["Resource"] == "arn:aws:states:::sagemaker:createTrainingJob.sync"


def test_a_step_says_that_it_runs_on_sagemaker_as_it_does_by_default() -> None:
    written = FLOW.replace("runs-on: build", "runs-on: sagemaker")
    assert compiled(written) == compiled(FLOW.replace("    runs-on: build\n", ""))


def test_aws_gives_a_build_that_was_cut_off_the_time_to_come_back() -> None:
    target = planned(FLOW).target
    assert replace(target, poll_s=30).heartbeat_s == 300
    assert replace(target, cores=2).heartbeat_s == 300  # on this machine, nothing outlives the build
    assert target.heartbeat_s == 20


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("runs-on: build", "runs-on: biuld", '7:14: "runs-on" must be "sagemaker" or "build"'),
        (
            "run: t.py",
            "run: t.py, runs-on: build",
            '4:38: "runs-on" is for processing steps, and "train" is a training',
        ),
        ("run: m.py\n", "run: m.py\n    image: a/b:1\n", '"image" is for jobs on SageMaker'),
        ("run: m.py\n", "run: m.py\n    instance: ml.m5.large\n", '9:5: step "measure": "instance" is for jobs on'),
        ("run: m.py\n", "run: m.py\n    request: {Tags: []}\n", '"request" is for jobs on SageMaker'),
        ("run: m.py\n", "run: m.py\n    kms_key: alias/x\n", '"kms_key" protects jobs on SageMaker'),
        ("timeout: 5m", "network_isolation: true", '7:5: step "measure": "network_isolation" protects jobs'),
        ("    run: m.py\n", "", 'step "measure" lacks "run"'),
    ],
)
def test_what_a_build_cannot_do_is_refused_where_it_stands(old: str, new: str, what: str) -> None:
    with pytest.raises(InputError) as refused:
        load(FLOW.replace(old, new, 1).encode(), "flow.yaml")
    assert what in str(refused.value)


def test_a_secret_is_for_jobs_on_sagemaker() -> None:
    flow = FLOW.replace("steps:", 'secrets: {x: "ssm:/a"}\nsteps:').replace(
        "run: m.py", 'run: m.py\n    env: {T: "${{ secrets.x }}"}'
    )
    with pytest.raises(InputError, match='10:14: "T" holds a secret, and step "measure" runs in the build'):
        load(flow.encode(), "flow.yaml")
    assert load(flow.replace("runs-on: build", "runs-on: sagemaker").encode(), "flow.yaml").secrets


def test_machines_in_defaults_are_those_of_the_other_steps() -> None:
    step = planned(FLOW).steps["measure"]
    assert (step.image, step.summary) == ("", "processing in the build, at most 300 s")


def test_the_software_of_the_build_counts_for_its_steps_alone() -> None:
    plan = planned(FLOW)
    old, new = step_keys(plan, {"numpy": "1"}).steps, step_keys(plan, {"numpy": "2"}).steps
    assert old["train"].key == new["train"].key
    assert old["measure"].key != new["measure"].key


def test_a_job_of_the_build_keeps_to_the_builds_time_limit() -> None:
    flow = load(FLOW.replace("timeout: 5m", "timeout: 3h").encode(), "flow.yaml")
    [problem] = late_steps(flow, {})
    what = 'flow.yaml:6:5: step "measure" runs in the build for up to 3h, and its build ends after 2h'
    assert str(problem).startswith(what)
    assert list(late_steps(flow, {"MLCI_BUILD_TIMEOUT": "3h"})) == []


def test_a_step_of_the_build_goes_through_the_states_of_a_job() -> None:
    def after(progress: Progress, number: int, kind: str, **details: object) -> Progress:
        member = f"{kind[0].lower()}{kind[1:]}EventDetails"
        event = {"resource": "putObject.waitForTaskToken", **details}
        return progress.after(Event(number, number - 1, AT, kind, {member: event}))  # type: ignore[dict-item]

    body = {"token": "t", "step": "measure", "job": "mlci-small--measure-0-0", "heartbeat_s": 20, "request": {}}
    parameters = json.dumps({"Bucket": "b", "Key": "k", "Body": body})
    progress = initial_progress(["measure"]).after(
        Event(1, 0, AT, "TaskStateEntered", {"stateEnteredEventDetails": {"name": "measure"}})
    )
    running = after(progress, 2, "TaskScheduled", parameters=parameters)
    assert running.steps["measure"].job == "mlci-small--measure-0-0"
    assert running.undecided == {}
    assert after(running, 3, "TaskSucceeded", output="{}").steps["measure"].status == "succeeded"
    failed = after(running, 3, "TaskFailed", cause=json.dumps({"FailureReason": "AlgorithmError: no such column"}))
    assert (failed.steps["measure"].status, failed.steps["measure"].reason) == (
        "failed",
        "AlgorithmError: no such column",
    )
    lost = after(running, 3, "TaskTimedOut", error="States.Timeout")
    assert lost.steps["measure"].reason == "the build that ran it gave no sign of life in time"


def documents(flow: str) -> dict[Role, Document]:
    scope = AccountScope("aws", "us-east-1", "000000000000", "bucket", "c", dict.fromkeys(ROLES, "arn:role"))
    return policies(access_requirements(planned(flow).flow, {}), scope)


OWN = (("aws:ResourceAccount", "000000000000"),)
BUILD_CALLS = [
    Call("s3:GetObject", f"arn:aws:s3:::bucket/mlci/small/tokens/{RUN}/measure.json", OWN),
    Call("states:SendTaskSuccess", "*"),
    Call("states:SendTaskFailure", "*"),
    Call("states:SendTaskHeartbeat", "*"),
    Call("s3:PutObject", f"arn:aws:s3:::bucket/mlci/small/runs/{RUN}/measure/out/metrics.json", OWN),
    Call("s3:GetObject", "arn:aws:s3:::other/test/x.csv"),
]
#: What the state machine reads of a flow whose requests don't fit into the execution input, and what is reused.
FURTHER_CALLS: list[tuple[Role, Call]] = [
    ("pull_request_build", Call("s3:ListBucket", "arn:aws:s3:::other", (("s3:prefix", "test/"),))),
    ("pull_request_build", Call("s3:GetObject", "arn:aws:s3:::bucket/mlci/small/protected/records/outputs/r/x", OWN)),
    ("workflow", Call("s3:GetObject", "arn:aws:s3:::bucket/" + Names("small").requests(RUN), OWN)),
]


def test_the_build_gets_the_rights_of_its_jobs_and_other_flows_get_none_of_them() -> None:
    with_it, without = documents(FLOW), documents(FLOW.replace("runs-on: build", "runs-on: sagemaker"))
    assert [call for call in BUILD_CALLS if not decided(with_it["pull_request_build"], call)] == []
    assert [call for call in BUILD_CALLS if decided(without["pull_request_build"], call)] == []
    assert [(role, call) for role, call in FURTHER_CALLS if not decided(with_it[role], call)] == []
    write = Call("s3:PutObject", f"arn:aws:s3:::bucket/mlci/small/tokens/{RUN}/measure.json", OWN)
    assert decided(with_it["workflow"], write)
    assert not decided(without["workflow"], write)
    assert not decided(with_it["pull_request_build"], write)


def test_a_side_reads_its_own_tokens_and_nobody_else_does() -> None:
    token = Call("s3:GetObject", f"arn:aws:s3:::bucket/mlci/small/protected/tokens/{RUN}/measure.json", OWN)
    assert [role for role, document in documents(FLOW).items() if decided(document, token)] == ["base_build"]


def test_what_no_job_on_sagemaker_needs_is_no_right() -> None:
    build_alone = documents(
        FLOW.replace(
            "  train: {uses: training, run: t.py",
            "  train: {uses: processing, runs-on: build, run: t.py, outputs: [model]",
        )
    )
    text = json.dumps(build_alone)
    assert "sagemaker:" not in text
    assert "iam:PassRole" not in json.dumps(build_alone["workflow"])
    role, call = FURTHER_CALLS[-1]
    assert decided(build_alone[role], call)
    job = documents(FLOW)["job"]
    assert not decided(job, BUILD_CALLS[5])
    assert decided(job, Call("s3:GetObject", "arn:aws:s3:::public/train/x.csv"))
