"""`uses: approval`: from flow.yaml to the state machine, to its rights, to decisions and to runs."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from mlci.backends.decisions import Decision
from mlci.backends.events import Event
from mlci.backends.progress import Progress, initial_progress
from mlci.backends.protocol import ExecutionArn, Outcome
from mlci.build_environment.time_limit import check_build_time, late_steps
from mlci.compile.metric_checks import rejection_text
from mlci.compile.names import APPROVAL_TIMED_OUT, FAIL_REACHED
from mlci.errors import InputError
from mlci.flow import dependencies, load
from mlci.flow.models import Json
from mlci.gate import Verdict
from mlci.outcome.conclusion import conclude
from mlci.provision.access_requirements import access_requirements
from mlci.provision.iam_policies import approver_policies, policies
from mlci.provision.policy_statements import AccountScope
from mlci.provision.stack_names import ROLES, Role, logical_id
from mlci.report.result import Status
from mlci_asl.jsonata import evaluate, parse_expression
from support.aws_account import account
from support.compiled_flows import compiled, planned
from support.iam_calls import Call, read
from support.iam_decisions import decided
from support.iam_derived import calls_of_the_workflow
from support.project import ROOT, Project
from support.waiting_runs import WaitingRun

FLOW = """flow: release
params: {kind: model}
defaults: {timeout: 5m}
steps:
  measure: {uses: processing, image: "mine.example/image:7", run: m.py, outputs: [out], metrics: out/metrics.json}
  approve:
    uses: approval
    message: "release the ${{ params.kind }} of auc ${{ steps.measure.metrics.auc }} (${{ steps.measure.metrics.x }})?"
    timeout: 90m
  promote:
    uses: processing
    image: mine.example/image:7
    run: p.py
    inputs: {decision: "${{ steps.approve.outputs.decision }}"}
"""
RUN = "20261123-101530-3f9c2a"
AT = datetime(2026, 11, 23, 10, 15, 30, tzinfo=timezone.utc)


def test_the_values_are_in_the_input_and_the_structure_in_the_definition() -> None:
    definition, execution_input = compiled(FLOW)
    step = execution_input["steps"]["approve"]
    assert step["message"] == ["release the model of auc ", " (", ")?"]
    assert step["timeout_s"] == 5_400
    assert step["timed_out"] == 'nobody decided about the approval "approve" within 1 h 30 min'
    assert step["token"] == {"bucket": "bucket", "key": f"mlci/release/tokens/{RUN}/approve.json"}
    assert step["decision"]["key"] == f"mlci/release/runs/{RUN}/approve/decision/decision.json"
    states = definition["States"]
    assert states["approve: read metrics of measure"]["Next"] == "approve: message"
    assert states["approve: message"]["Next"] == "approve"
    ask = states["approve"]
    assert ask["Resource"] == "arn:aws:states:::aws-sdk:s3:putObject.waitForTaskToken"
    assert ask["Parameters"]["Body"]["token.$"] == "$$.Task.Token"
    assert ask["TimeoutSecondsPath"] == "$.steps.approve.timeout_s"
    assert ask["Catch"][0] == {
        "ErrorEquals": ["States.Timeout"],
        "ResultPath": "$.failure",
        "Next": "approve: timed out",
    }
    assert states["approve: timed out"]["Error"] == APPROVAL_TIMED_OUT
    assert ask["Next"] == "approve: keep the decision"
    choice = states["approve: approved?"]
    assert (choice["Choices"][0]["Next"], choice["Default"]) == ("promote: reused?", "approve: rejected")
    assert states["approve: rejected"]["Error"] == FAIL_REACHED
    assert compiled(FLOW.replace("kind: model", "kind: copy").replace("90m", "2h"))[0] == definition


def test_it_waits_for_the_metrics_in_its_message() -> None:
    flow = planned(FLOW).flow
    assert dependencies(flow)["approve"] == {"measure"}
    assert dependencies(flow)["promote"] == {"approve"}
    assert access_requirements(flow, {}).has_rules


def test_the_default_timeout_is_an_hour_and_not_that_of_jobs() -> None:
    flow = planned(FLOW.replace("    timeout: 90m\n", "")).flow
    assert (flow.steps["approve"].timeout_s, flow.steps["measure"].timeout_s) == (3_600, 300)


def test_its_last_step_ends_the_run_well_where_a_branch_ends() -> None:
    text = FLOW[: FLOW.index("  promote:")] + "  other: {uses: wait, seconds: 1, after: measure}\n"
    definition, _ = compiled(text)
    [parallel] = [state for state in definition["States"].values() if state["Type"] == "Parallel"]
    states = {name: state for branch in parallel["Branches"] for name, state in branch["States"].items()}
    assert states[states["approve: approved?"]["Choices"][0]["Next"]]["Type"] == "Succeed"


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        ({"decision": "rejected", "by": "ann", "reason": "biased"}, "approve was rejected by ann: biased"),
        ({"decision": "rejected", "by": "ann", "reason": ""}, "approve was rejected by ann"),
        ({}, "approve was rejected"),
    ],
)
def test_the_reason_of_a_rejection_says_who_and_why(decision: dict[str, Json], expected: str) -> None:
    data: Json = {"trained": {"approve": {"decision": decision}}}
    expression = parse_expression(rejection_text("approve", "$.trained.approve.decision"))
    assert evaluate(expression, {"states": {"input": data}}) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("message:", "mesage:", 'unknown key "mesage"'),
        ("timeout: 90m", "timeout: 90", "must be a duration such as 30m"),
        ("timeout: 90m", "timeout: 0s", '"timeout" must be at least 1s'),
        ("timeout: 90m", "seconds: 90", 'Give an approval its time limit as "timeout"'),
        ("timeout: 90m", "run: a.py", '"run" is for processing, training'),
        ("steps.measure.metrics.x", "steps.mesure.metrics.x", 'Did you mean "measure"?'),
        ("outputs.decision }}", "outputs.decison }}", 'Its only output is "decision"'),
    ],
)
def test_what_is_wrong_is_refused(old: str, new: str, expected: str) -> None:
    planned(FLOW)
    with pytest.raises(InputError) as raised:
        planned(FLOW.replace(old, new))
    assert expected in str(raised.value)


def test_an_approval_may_not_outlast_its_build() -> None:
    flow = planned(FLOW).flow
    in_build = {"CODEBUILD_BUILD_ID": "a:1"}
    check_build_time(flow, in_build)  # a build ends after 2 h
    check_build_time(flow, {**in_build, "MLCI_BUILD_TIMEOUT": "90m"})
    check_build_time(flow, {"MLCI_BUILD_TIMEOUT": "60m"})
    with pytest.raises(InputError, match=r"flow.yaml:9:14: the approval \"approve\" waits for up to 1h30m, and its"):
        check_build_time(flow, {**in_build, "MLCI_BUILD_TIMEOUT": "60m"})
    with pytest.raises(InputError, match=r'MLCI_BUILD_TIMEOUT: "60" has no unit'):
        check_build_time(flow, {**in_build, "MLCI_BUILD_TIMEOUT": "60"})
    day = planned(FLOW.replace("90m", "1d")).flow
    assert [problem.hint.partition(":")[0] for problem in late_steps(day, {})] == [
        "Give it a shorter timeout, or builds a longer one"
    ]


def test_only_the_build_of_its_side_reads_a_token() -> None:
    scope = AccountScope("aws", "us-east-1", "000000000000", "bucket", "c", dict.fromkeys(ROLES, "arn:role"))
    documents = policies(access_requirements(planned(FLOW).flow, {}), scope)
    own = (("aws:ResourceAccount", "000000000000"),)
    tokens = {
        "": f"arn:aws:s3:::bucket/mlci/release/tokens/{RUN}/approve.json",
        "protected": f"arn:aws:s3:::bucket/mlci/release/protected/tokens/{RUN}/approve.json",
    }

    def may(action: str, token: str) -> set[str]:
        return {role for role, each in documents.items() if decided(each, Call(action, tokens[token], own))}

    assert may("s3:GetObject", "") == {"pull_request_build"}
    assert may("s3:GetObject", "protected") == {"base_build"}
    assert may("s3:PutObject", "") == {"workflow"}
    assert may("s3:PutObject", "protected") == {"protected_workflow"}
    sends = {role for role, each in documents.items() if decided(each, Call("states:SendTaskSuccess", "*"))}
    assert sends == {"pull_request_build", "base_build"}
    # A history has the token as well.
    history = "arn:aws:states:us-east-1:000000000000:execution:mlci-release_protected:" + RUN
    reads = {role for role, each in documents.items() if decided(each, Call("states:GetExecutionHistory", history))}
    assert reads == {"base_build"}


def test_a_flow_without_approvals_has_no_right_on_tokens() -> None:
    scope = AccountScope("aws", "us-east-1", "000000000000", "bucket", "c", dict.fromkeys(ROLES, "arn:role"))
    requirements = access_requirements(load(b"flow: a\nsteps: {settle: {uses: wait, seconds: 1}}\n", "flow.yaml"), {})
    text = json.dumps(policies(requirements, scope))
    assert "tokens" not in text
    assert "SendTask" not in text
    assert approver_policies(requirements, scope) == {}


def event(number: int, kind: str, **details: Json) -> Event:
    member = f"{kind[0].lower()}{kind[1:]}EventDetails"
    if kind.endswith("StateEntered"):
        member = "stateEnteredEventDetails"
    seconds = timedelta(seconds=number)
    return Event(number, number - 1, AT + seconds, kind, {member: dict(details)})


TASK = {"resourceType": "aws-sdk:s3", "resource": "putObject.waitForTaskToken"}
ASKED = [
    event(1, "TaskStateEntered", name="approve"),
    event(2, "TaskScheduled", **TASK, parameters='{"Body": {"token": "t", "message": "go?"}}', timeoutInSeconds=60),
    event(3, "TaskStarted", **TASK),
    event(4, "TaskSubmitted", **TASK, output="{}"),
]


def progress_after(*events: Event) -> Progress:
    progress = initial_progress(["approve", "promote"])
    for each in events:
        progress = progress.after(each)
    return progress


def test_a_step_waits_from_the_time_that_its_token_is_there() -> None:
    assert progress_after(*ASKED[:3]).undecided == {}
    [(name, question)] = progress_after(*ASKED).undecided.items()
    assert (name, question.message, question.until) == ("approve", "go?", AT + timedelta(seconds=62))
    assert progress_after(*ASKED).steps["approve"].status == "running"


DECISION = {"decision": "approved", "by": "ann", "at": "2026-11-23T10:16:00Z", "reason": "fine"}


def test_an_approved_step_succeeds_and_keeps_the_decision() -> None:
    progress = progress_after(*ASKED, event(5, "TaskSucceeded", **TASK, output=json.dumps(DECISION)))
    step = progress.steps["approve"]
    assert (step.status, step.question) == ("succeeded", None)
    assert str(step.decision) == "approved by ann at 2026-11-23T10:16:00Z: fine"


def test_a_rejected_step_ends_the_run_as_a_missed_gate() -> None:
    rejected = {**DECISION, "decision": "rejected"}
    kept: dict[str, Json] = {"resourceType": "aws-sdk:s3", "resource": "putObject"}
    progress = progress_after(
        *ASKED,
        event(5, "TaskSucceeded", **TASK, output=json.dumps(rejected)),
        event(6, "TaskStateEntered", name="approve: keep the decision"),
        event(7, "TaskSucceeded", **kept, output="{}"),
    )
    assert progress.steps["approve"].status == "running"  # and never succeeded
    reason = "approve was rejected by ann: fine"
    progress = progress.after(event(8, "FailStateEntered", name="approve: rejected"))
    progress = progress.after(event(9, "ExecutionFailed", error=FAIL_REACHED, cause=reason)).finished(AT)
    assert (progress.steps["approve"].status, progress.steps["approve"].reason) == ("failed", reason)
    outcome = Outcome(ExecutionArn("arn"), "FAILED", FAIL_REACHED, reason)
    assert conclude(outcome, Verdict(()), progress) == (Status.GATE_MISSED, reason)


def test_a_run_that_nobody_decides_about_is_stopped() -> None:
    progress = progress_after(*ASKED, event(5, "TaskTimedOut", **TASK, error="States.Timeout")).finished(AT)
    assert (progress.steps["approve"].status, progress.steps["approve"].reason) == ("stopped", "nobody decided in time")
    outcome = Outcome(ExecutionArn("arn"), "FAILED", APPROVAL_TIMED_OUT, "nobody decided")
    assert conclude(outcome, Verdict(()), progress) == (Status.STOPPED, "nobody decided")
    failed = replace(progress.steps["promote"], status="failed", reason="no")
    worse = replace(progress, steps={**progress.steps, "promote": failed})
    assert conclude(outcome, Verdict(()), worse)[0] is Status.FAILED


def test_a_token_that_could_not_be_written_fails_the_step_and_may_be_written_later() -> None:
    failed = progress_after(*ASKED[:3], event(4, "TaskFailed", **TASK, error="S3.S3Exception", cause="no such bucket"))
    assert (failed.steps["approve"].status, failed.steps["approve"].reason) == ("failed", "no such bucket")
    again = event(5, "TaskScheduled", **TASK, parameters='{"Body": {"token": "u", "message": "go?"}}')
    assert failed.after(again).steps["approve"].status == "running"


SCRIPTS = {
    "m.py": 'import json\njson.dump({"auc": 0.8125}, open("/opt/ml/processing/output/out/metrics.json", "w"))\n',
    "p.py": 'print(open("/opt/ml/processing/input/decision/decision.json").read())\n',
}


def project(folder: Path, text: str = FLOW) -> Project:
    made = Project(folder)
    made.write("flow.yaml", text)
    for name, script in SCRIPTS.items():
        made.write(name, script)
    return made


@pytest.mark.e2e
@pytest.mark.slow
def test_a_local_run_is_approved_from_another_process(tmp_path: Path) -> None:
    local = project(tmp_path)
    assert "approval within 1 h 30 min: release the model of auc <measure.auc>" in local.mlci("plan").stdout
    run = WaitingRun(local)
    assert "approve: release the model of auc 0.8125 ((missing))?\n" in run.lines
    assert "waits for approve" in local.mlci("list").stdout
    assert f"mlci approve {run.run_id} approve" in local.mlci("show").stdout
    [listed] = json.loads(local.mlci("list", "--json").stdout)["runs"]
    assert (listed["status"], list(listed["undecided"])) == ("running", ["approve"])
    refused = local.mlci("approve", "latest")
    assert (refused.returncode, "name the step. Open are: approve (release" in refused.stderr) == (2, True)
    wrong = local.mlci("reject", run.run_id, "aprove", "--reason", "no")
    assert (wrong.returncode, 'step "aprove" of run' in wrong.stderr) == (2, True)
    done = local.mlci("approve", run.run_id[-6:], "approve", "--reason", "looks good")
    assert done.returncode == 0, done.stderr
    code, output = run.end()
    assert code == 0, output
    step = local.result()["steps"]["approve"]
    assert (step["status"], step["decision"]["decision"], step["decision"]["reason"]) == (
        "succeeded",
        "approved",
        "looks good",
    )
    assert '"reason":"looks good"' in local.latest("logs/promote.log")
    for report in ("report.md", "report.html", "junit.xml"):
        assert f"approved by {step['decision']['by']} at" in local.latest(report)
    late = local.mlci("approve", run.run_id, "approve")
    assert (late.returncode, "has ended already: passed" in late.stderr) == (2, True)
    modes = {file.stat().st_mode & 0o777 for file in (tmp_path / ".mlci/latest/decisions").iterdir()}
    assert modes == {0o600}


@pytest.mark.e2e
@pytest.mark.slow
def test_a_local_run_is_rejected_stopped_and_killed(tmp_path: Path) -> None:
    local = project(tmp_path)
    run = WaitingRun(local)
    assert local.mlci("reject", run.run_id, "approve").returncode == 2  # without a reason
    assert local.mlci("reject", run.run_id, "approve", "--reason", "biased data").returncode == 0
    code, output = run.end()
    assert code == 1, output
    result = local.result()
    who = result["steps"]["approve"]["decision"]["by"]
    assert (result["status"], result["reason"]) == ("gate_missed", f"approve was rejected by {who}: biased data")
    assert result["steps"]["promote"]["status"] == "skipped"

    stopped = WaitingRun(local)
    assert local.mlci("stop", stopped.run_id).returncode == 0
    assert stopped.end()[0] == 4
    assert local.mlci("approve", stopped.run_id, "approve").returncode == 2

    killed = WaitingRun(local)
    killed.process.kill()
    killed.end()
    refused = local.mlci("approve", killed.run_id, "approve")
    assert (refused.returncode, "was killed: nothing of it waits" in refused.stderr) == (2, True)
    assert "killed" in local.mlci("list").stdout


CELLS = """flow: cells
steps:
  base: {uses: wait, seconds: 1}
  approve: {uses: approval, matrix: {region: [eu, us]}, message: "${{ matrix.region }}?", timeout: 2m, after: base}
  late: {uses: approval, message: "really?", timeout: 1s, after: approve}
"""


@pytest.mark.e2e
@pytest.mark.slow
def test_each_cell_is_decided_and_a_run_ends_where_nobody_decides(tmp_path: Path) -> None:
    cells = Project(tmp_path)
    cells.write("flow.yaml", CELLS)
    run = WaitingRun(cells)
    for cell in ("approve(region=us)", "approve(region=eu)"):
        until = time.monotonic() + 20
        while (done := cells.mlci("approve", run.run_id, cell)).returncode and time.monotonic() < until:
            time.sleep(0.2)
        assert done.returncode == 0, done.stderr
    code, output = run.end()
    assert code == 4, output
    result = cells.result()
    assert (result["status"], result["reason"]) == ("stopped", 'nobody decided about the approval "late" within 1 s')
    assert {name: step["status"] for name, step in result["steps"].items() if name != "base"} == {
        "approve(region=eu)": "succeeded",
        "approve(region=us)": "succeeded",
        "late": "stopped",
    }


@pytest.mark.e2e
@pytest.mark.slow
def test_the_aws_cloud_waits_and_needs_just_its_rights(tmp_path: Path) -> None:
    remote = project(tmp_path / "project")
    with account(tmp_path / "served", "models") as served:
        run = WaitingRun(remote, **served.environment)
        elsewhere = project(tmp_path / "elsewhere")

        def decide(*arguments: str) -> subprocess.CompletedProcess[str]:
            return elsewhere.mlci(*arguments, **served.environment)

        refused = decide("approve", run.run_id)
        assert (refused.returncode, "Open are: approve (release" in refused.stderr) == (2, True)
        done = decide("approve", run.run_id, "approve", "--reason", "fine")
        assert done.returncode == 0, done.stderr
        code, output = run.end()
        assert code == 0, output
        decision = remote.result()["steps"]["approve"]["decision"]
        assert decision["by"].startswith("arn:aws:")
        assert decide("approve", run.run_id, "approve").returncode == 2
        called = list(calls_of_the_workflow(served, remote.result()["execution"]))
        rejected = WaitingRun(remote, **served.environment)
        assert decide("reject", rejected.run_id, "approve", "--reason", "no").returncode == 0
        assert rejected.end()[0] == 1
        assert remote.result()["reason"].endswith(": no")
    scope = AccountScope("aws", "us-east-1", "000000000000", "models", "c", dict.fromkeys(ROLES, "arn:role"))
    document = policies(access_requirements(planned(FLOW).flow, {}), scope)["workflow"]
    assert {call.action for call in called if not decided(document, call)} == {"iam:PassRole"}
    assert any("/tokens/" in call.resource for call in called if call.action == "s3:PutObject")


def test_a_decision_tells_who_when_and_why() -> None:
    decision = Decision("rejected", "ann", "2026-11-23T10:16:00Z", "too old")
    assert str(decision) == "rejected by ann at 2026-11-23T10:16:00Z: too old"
    assert not decision.is_approved


@pytest.mark.parametrize("role", ROLES)
def test_nothing_that_must_stay_forbidden_becomes_allowed(role: Role) -> None:
    forbidden = json.loads((ROOT / "tests/mlci/provision/calls.json").read_text())[role]["denied"]
    flow = FLOW.replace("flow: release", "flow: breast-cancer")
    roles = {name: f"arn:aws:iam::000000000000:role/mlci-breast-cancer-{logical_id(name)}-1" for name in ROLES}
    secret = "arn:aws:secretsmanager:us-east-1:000000000000:secret:github-aBcD12"
    scope = AccountScope("aws", "us-east-1", "000000000000", "mlci-breast-cancer-bucket-1", "c", roles, secret)
    document = policies(access_requirements(planned(flow).flow, {}), scope)[role]
    assert any("/tokens/" in entry[1] for entry in forbidden) == (
        role not in ("pull_request_actions", "base_actions", "reporter_events")
    )
    assert [entry for entry in forbidden if decided(document, read(entry))] == []


def test_people_approve_with_the_rights_of_one_side() -> None:
    scope = AccountScope("aws", "us-east-1", "000000000000", "bucket", "c", dict.fromkeys(ROLES, "arn:role"))
    documents = approver_policies(access_requirements(planned(FLOW).flow, {}), scope)
    own = (("aws:ResourceAccount", "000000000000"),)
    for name, prefix, machine in (
        ("approver", "", "mlci-release"),
        ("protected_approver", "protected/", "mlci-release_protected"),
    ):
        other = "" if prefix else "protected/"
        token = "arn:aws:s3:::bucket/mlci/release/{}tokens/" + f"{RUN}/approve.json"
        needed = [
            Call("s3:GetObject", token.format(prefix), own),
            Call("s3:GetObject", f"arn:aws:s3:::bucket/mlci/release/{prefix}runs/{RUN}/approve/decision/d.json", own),
            Call("states:DescribeExecution", f"arn:aws:states:us-east-1:000000000000:execution:{machine}:{RUN}"),
            Call("states:SendTaskSuccess", "*"),
        ]
        assert [call for call in needed if not decided(documents[name], call)] == []
        assert not decided(documents[name], Call("s3:GetObject", token.format(other), own))
