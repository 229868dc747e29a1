"""`uses: lambda`: from flow.yaml to the state machine, to its rights and to a run."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from mlci.backends.function_handlers import check_handlers, function_handlers
from mlci.backends.progress import reason_of
from mlci.errors import InputError
from mlci.flow import dependencies, load
from mlci.flow.models import Flow
from mlci.provision.access_requirements import access_requirements
from mlci.provision.iam_policies import policies
from mlci.provision.policy_statements import AccountScope
from mlci.provision.stack_names import ROLES
from support.aws_account import account
from support.compiled_flows import compiled, planned
from support.iam_calls import Call, arn
from support.iam_decisions import decided
from support.iam_derived import calls_of_the_workflow
from support.project import Project

FLOW = """flow: caller
params: {name: Ann}
steps:
  make: {uses: processing, image: "mine.example/image:7", run: make.py, outputs: [out]}
  call:
    uses: lambda
    function: notify:live
    payload: {name: "${{ params.name }}", data: ["${{ steps.make.outputs.out }}"]}
    local: functions/notify.py
  read:
    uses: processing
    image: mine.example/image:7
    run: read.py
    inputs: {result: "${{ steps.call.outputs.result }}"}
  stop: {uses: fail, message: "auc ${{ steps.call.metrics.auc }}", if: [{metric: call.auc, max: 0.5}]}
gate: [{metric: call.auc, min: 0.7}]
"""
FUNCTION = """
def handler(event, context):
    print("called for", event["name"])
    if event["name"] == "nobody":
        raise ValueError("no such person")
    return {"auc": 0.75, "name": event["name"], "data": event["data"]}
"""


def test_the_values_are_in_the_input_and_the_structure_in_the_definition() -> None:
    definition, execution_input = compiled(FLOW)
    run = "mlci/caller/runs/20261123-101530-3f9c2a"
    step = execution_input["steps"]["call"]
    assert step["function"] == "notify:live"
    assert step["payload"] == {"name": "Ann", "data": [f"s3://bucket/{run}/make/out/"]}
    assert (step["result"]["bucket"], step["result"]["key"]) == ("bucket", f"{run}/call/result/result.json")
    assert step["metrics"]["key"] == step["result"]["key"]
    assert execution_input["steps"]["read"]["request"]["ProcessingInputs"][1]["S3Input"]["S3Uri"].endswith(
        "/call/result/"
    )
    states = definition["States"]
    assert states["call"]["Resource"] == "arn:aws:states:::lambda:invoke"
    assert states["call"]["Parameters"] == {
        "FunctionName.$": "$.steps.call.function",
        "Payload.$": "$.steps.call.payload",
    }
    assert set(states["call"]["Retry"][0]["ErrorEquals"]) == {
        "Lambda.ServiceException",
        "Lambda.SdkClientException",
        "Lambda.TooManyRequestsException",
    }
    assert states["call"]["Next"] == "call: keep the result"
    assert states["call: keep the result"]["Parameters"]["Body.$"] == "$.trained.call.payload"
    assert compiled(FLOW.replace("notify:live", "other").replace("Ann", "Bob"))[0] == definition


def test_it_waits_for_what_its_payload_reads() -> None:
    flow = planned(FLOW).flow
    assert dependencies(flow)["call"] == {"make"}
    assert dependencies(flow)["stop"] == {"call"}


def test_the_state_machine_may_call_exactly_the_functions_of_the_flow() -> None:
    arn = "arn:aws:lambda:eu-west-1:111111111111:function:theirs"
    text = FLOW.replace("  stop:", f"  more: {{uses: lambda, function: '{arn}'}}\n  stop:")
    scope = AccountScope("aws", "us-east-1", "000000000000", "bucket", "c", dict.fromkeys(ROLES, "arn:role"))
    documents = policies(access_requirements(planned(text).flow, {}), scope)
    for role, written in documents.items():
        statements = {statement["Sid"]: statement for statement in written["Statement"]}  # type: ignore[attr-defined]
        called = [name for name, each in statements.items() if "lambda:InvokeFunction" in each["Action"]]
        if role not in ("workflow", "protected_workflow"):
            assert called == [], role
            continue
        assert called == ["InvokeFunctions"]
        assert statements["InvokeFunctions"]["Action"] == ["lambda:InvokeFunction"]
        assert statements["InvokeFunctions"]["Resource"] == [
            arn,
            "arn:aws:lambda:us-east-1:000000000000:function:notify:live",
        ]
        assert statements["KeepResults"]["Action"] == ["s3:PutObject"]
        assert all("/runs/*" in resource for resource in statements["KeepResults"]["Resource"])


def test_a_flow_without_functions_may_call_none() -> None:
    flow = load(b"flow: a\nsteps: {settle: {uses: wait, seconds: 1}}\n", "flow.yaml")
    assert access_requirements(flow, {}).functions == ()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    function: notify:live\n", "", 'step "call" lacks "function". Add function: <its name>'),
        ("notify:live", '"notify *"', '7:15: "notify *" is not a Lambda function'),
        ("notify:live", "${{ steps.make.outputs.out }}", "cannot stand here"),
        ("functions/notify.py", "../notify.py", '"../notify.py" is not a handler'),
        ("functions/notify.py", "functions.notify.handler", "is not a handler"),
        ("payload: {name", "payload: [a]  # {name", '"payload" must be'),
        ("    local:", "    timeout: 5m\n    local:", "A function has a time limit of its own"),
        ("    local:", "    metrics: a/b.json\n    local:", '"metrics" is for processing, training'),
        ("steps.call.outputs.result", "steps.call.outputs.reslt", 'Its only output is "result"'),
    ],
)
def test_what_is_wrong_is_refused(old: str, new: str, expected: str) -> None:
    with pytest.raises(InputError) as raised:
        planned(FLOW.replace(old, new))
    assert expected in str(raised.value)


@pytest.mark.parametrize(
    "function", ["notify", "notify:$LATEST", "arn:aws:lambda:eu-west-1:111111111111:function:notify:7", "n_o-7"]
)
def test_each_form_of_a_functions_name_is_accepted(function: str) -> None:
    flow = planned(FLOW.replace("notify:live", f"'{function}'")).flow
    name, handler = next(iter(function_handlers(flow).items()))
    assert name in ("notify", "n_o-7")
    assert (handler.file, handler.handler, handler.step) == ("functions/notify.py", "notify.handler", "call")


def test_a_local_run_needs_the_code_of_each_function(tmp_path: Path) -> None:
    (tmp_path / "functions").mkdir()
    with pytest.raises(InputError, match=r'there is no file "functions/notify\.py"'):
        check_handlers(planned(FLOW).flow, tmp_path)
    (tmp_path / "functions" / "notify.py").touch()
    check_handlers(planned(FLOW).flow, tmp_path)
    with pytest.raises(InputError, match=r"flow.yaml:7:15: .*a local run does not know. Name it: local:"):
        check_handlers(planned(FLOW.replace("    local: functions/notify.py\n", "")).flow, tmp_path)
    twice = FLOW.replace(
        "  stop:", "  more: {uses: lambda, function: notify, local: 'functions/notify.py:%s'}\n  stop:"
    )
    check_handlers(planned(twice % "handler").flow, tmp_path)
    with pytest.raises(InputError, match='has another handler in step "call"'):
        check_handlers(planned(twice % "main").flow, tmp_path)


def test_the_reason_is_the_functions_error() -> None:
    cause = '{"errorMessage": "no such person", "errorType": "ValueError", "stackTrace": []}'
    assert reason_of(cause) == "ValueError: no such person"


def project(folder: Path) -> Project:
    project = Project(folder)
    project.write("flow.yaml", FLOW)
    project.write("functions/notify.py", FUNCTION)
    project.write("make.py", 'open("/opt/ml/processing/output/out/a", "w").write("x")\n')
    project.write("read.py", 'print(open("/opt/ml/processing/input/result/result.json").read())\n')
    return project


def check_run(project: Project) -> None:
    result = project.result()
    assert result["status"] == "passed"
    assert {name: step["status"] for name, step in result["steps"].items()} == {
        "make": "succeeded",
        "call": "succeeded",
        "read": "succeeded",
        "stop": "skipped",
    }
    assert result["rules"][0]["value"] == 0.75


@pytest.mark.e2e
@pytest.mark.slow
def test_the_local_cloud_calls_the_handler(tmp_path: Path) -> None:
    caller = project(tmp_path)
    assert "call  lambda invokes notify:live" in caller.mlci("plan").stdout.replace("   ", " ")
    done = caller.mlci("run")
    assert done.returncode == 0, done.stdout + done.stderr
    check_run(caller)
    assert '"name":"Ann"' in caller.latest("logs/read.log")
    assert "called for Ann" in caller.latest("logs/call.log")
    failed = caller.mlci("run", "--param", "name=nobody")
    assert failed.returncode == 3, failed.stdout + failed.stderr
    assert 'step "call" failed: ValueError: no such person' in failed.stdout + failed.stderr
    caller.write("flow.yaml", FLOW.replace("    local: functions/notify.py\n", ""))
    refused = caller.mlci("run")
    assert refused.returncode == 2
    assert "Name it: local: functions/notify.py:handler" in refused.stderr


@pytest.mark.e2e
@pytest.mark.slow
def test_the_aws_cloud_calls_the_function(tmp_path: Path) -> None:
    caller = project(tmp_path / "project")
    caller.write("flow.yaml", FLOW.replace("notify:live", "notify").replace("    local: functions/notify.py\n", ""))
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("notify.py", FUNCTION)
    with account(tmp_path / "served", "models") as served:
        served.client("iam").create_role(RoleName="f", AssumeRolePolicyDocument="{}")
        served.client("lambda").create_function(
            FunctionName="notify",
            Runtime="python3.11",
            Role="arn:aws:iam::000000000000:role/f",
            Handler="notify.handler",
            Code={"ZipFile": code.getvalue()},
        )
        done = caller.mlci("run", **served.environment)
        assert done.returncode == 0, done.stdout + done.stderr
        check_run(caller)
        called = list(calls_of_the_workflow(served, caller.result()["execution"]))
    flow = load(caller.root.joinpath("flow.yaml").read_bytes(), "flow.yaml")
    assert Call("lambda:InvokeFunction", arn("lambda", "function:notify")) in called
    assert denied(flow, called) == {"iam:PassRole"}  # the account's role is not the stack's
    other = load(FLOW.encode(), "flow.yaml")
    assert denied(other, called) == {"iam:PassRole", "lambda:InvokeFunction"}  # the same function, by an alias


def denied(flow: Flow, called: list[Call]) -> set[str]:
    """The actions among calls that the flow's policy of the state machine does not allow."""
    scope = AccountScope("aws", "us-east-1", "000000000000", "models", "c", dict.fromkeys(ROLES, "arn:role"))
    document = policies(access_requirements(flow, {}), scope)["workflow"]
    return {call.action for call in called if not decided(document, call)}


CELLS = """flow: cells
steps:
  base: {uses: lambda, function: score, payload: {x: "0.5"}, local: "score.py:main"}
  call:
    uses: lambda
    matrix: {x: ["0.1", "0.9"]}
    max_parallel: 1
    function: score
    payload: {x: "${{ matrix.x }}"}
    after: base
  stop:
    uses: fail
    matrix: {x: ["0.1", "0.9"]}
    message: "${{ matrix.x }} is above ${{ steps.base.metrics.auc }}"
    if: [{metric: call.auc, min: 0.8}]
gate: [{metric: call.auc, aggregate: mean, min: 0.4}]
"""


@pytest.mark.e2e
@pytest.mark.slow
def test_cells_call_and_end_the_run_where_nothing_was_uploaded(tmp_path: Path) -> None:
    cells = Project(tmp_path)
    cells.write("flow.yaml", CELLS)
    cells.write("score.py", 'def main(event, context):\n    return {"auc": float(event["x"])}\n')
    done = cells.mlci("run")
    assert done.returncode == 1, done.stdout + done.stderr
    result = cells.result()
    assert (result["status"], result["reason"]) == ("gate_missed", "0.9 is above 0.5")
    assert {name: step["status"] for name, step in result["steps"].items()} == {
        "base": "succeeded",
        "call(x=0.1)": "succeeded",
        "call(x=0.9)": "succeeded",
        "stop(x=0.1)": "skipped",
        "stop(x=0.9)": "failed",
    }
