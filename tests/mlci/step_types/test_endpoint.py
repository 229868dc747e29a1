"""`uses: endpoint`: from flow.yaml to the state machine, to its rights and to a run."""

from __future__ import annotations

import json
import signal
import urllib.request
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import botocore.session
import pytest

import mlci_asl as asl
from mlci.backends.aws import request_validation
from mlci.backends.events import Event
from mlci.backends.progress import initial_progress
from mlci.compile import compile_plan
from mlci.compile.check_states import answer_output
from mlci.errors import InputError
from mlci.flow import load
from mlci.plan import Plan, Target, plan
from mlci.provision.access_requirements import access_requirements
from mlci.provision.iam_policies import policies
from mlci.provision.policy_statements import AccountScope
from mlci.provision.stack_names import ROLES, Role
from mlci.stage.models import CodeUnit, Staged
from mlci.step_types import closing_titles
from mlci.step_types.base import ResolvedStep
from mlci.step_types.endpoint_requests import capture_config, smoke_items
from mlci.step_types.keys import Json
from mlci.step_types.script_start import ScriptStart
from mlci.step_types.states import CHECK_FAILED
from support.aws_account import Account, account
from support.compiled_flows import compiled, planned
from support.iam_calls import Call, arn
from support.iam_decisions import decided
from support.iam_derived import calls_of_the_workflow
from support.project import Project
from support.waiting import wait_for

FLOW = """flow: served
steps:
  train: {uses: training, image: "mine.example/image:7", run: train.py}
  deploy:
    uses: endpoint
    model: ${{ steps.train.outputs.model }}
    image: mine.example/serve:7
    instance: ml.m5.large
    timeout: 10m
    capture: {percent: 100}
    smoke:
      - {body: "1,2", expect: {equals: "3"}}
      - {body: {values: [1, 2, 4]}, expect: {json: {sum: 7}}}
"""
NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)
NAME = "mlci-served--deploy-20261123-101530-3f9c2a"
RUN = "s3://bucket/mlci/served/runs/20261123-101530-3f9c2a"
#: Writes the script that serves it into the model: it adds up numbers.
TRAIN = """
import os
os.mkdir("/opt/ml/model/code")
open("/opt/ml/model/code/inference.py", "w").write('''
import json
def model_fn(folder): return None
def transform_fn(model, data, content_type, accept):
    if content_type == "text/csv":
        return str(sum(map(int, data.split(",")))), "text/csv"
    return json.dumps({"sum": sum(json.loads(data)["values"])}, indent=1), "application/json"
''')
"""


def protected(text: str) -> Plan:
    """The plan of a run of merged code."""
    flow = load(text.encode(), "flow.yaml")
    unit = CodeUnit(ScriptStart({"script": "a.py"}), (), ())
    staged = Staged({"train": unit}, {}, {"train": "mine.example/image:7", "deploy": "mine.example/serve:7"})
    target = Target(
        "bucket", "arn:aws:iam::000000000000:role/r", "20261123-101530-3f9c2a", is_protected=True, poll_s=30
    )
    return plan(flow, staged, target)


def test_the_endpoint_of_a_run_is_its_own_and_is_deleted() -> None:
    definition, execution_input = compiled(FLOW)
    step = execution_input["steps"]["deploy"]
    assert step["endpoint"]["name"] == step["config"]["name"] == step["model"]["name"] == NAME
    assert execution_input["cleaner"]["names"] == {"endpoint": [NAME], "endpoint_config": [NAME], "model": [NAME]}
    assert step["request"]["ProductionVariants"] == [
        {
            "VariantName": "AllTraffic",
            "ModelName": NAME,
            "InitialVariantWeight": 1.0,
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
        }
    ]
    capture = step["request"]["DataCaptureConfig"]
    assert capture["DestinationS3Uri"] == f"{RUN}/deploy/smoke/capture"
    assert capture["InitialSamplingPercentage"] == 100
    assert step["poll"] == {"left": 600}
    states = definition["States"]
    assert states["deploy"]["Resource"] == "arn:aws:states:::sagemaker:createModel"
    assert states["deploy: create the endpoint"]["Next"] == "deploy: wait for the endpoint"
    assert not [name for name in states if "update" in name]
    assert compiled(FLOW.replace("percent: 100", "percent: 5"))[0] == definition


def test_a_run_of_merged_code_keeps_and_updates_its_endpoint() -> None:
    result = compile_plan(protected(FLOW), lambda key, compute: compute())
    values, states = json.loads(result.execution_input), json.loads(result.definition)["States"]
    assert "cleaner" not in values
    step = values["steps"]["deploy"]
    assert step["endpoint"]["name"] == "mlcip-served--deploy"
    assert step["config"]["name"] == "mlcip-served--deploy-20261123-101530-3f9c2a"
    assert step["poll"] == {"left": 20}
    choice = states["deploy: is there an endpoint?"]
    assert choice["Choices"] == [
        {"Variable": "$.trained.deploy.before", "IsPresent": True, "Next": "deploy: look for its configuration"}
    ]
    assert choice["Default"] == "deploy: create the endpoint"
    assert states["deploy: look for its configuration"]["Next"] == "deploy: update the endpoint"
    text = FLOW.replace("    timeout", "    name: sums\n    timeout")
    assert "endpoint sums on 1 × ml.m5.large, 2 smoke requests, kept" in protected(text).steps["deploy"].summary
    assert planned(text).steps["deploy"].deletions[0] == ("endpoint", NAME)


def test_requests_are_what_sagemaker_takes() -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    request_validation.check(planned(FLOW), model)
    request_validation.check(protected(FLOW), model)
    serverless = "    serverless: {memory_mb: 2048, max_concurrency: 5}\n    timeout"
    on_none = FLOW.replace("    capture: {percent: 100}\n", "").replace("    instance: ml.m5.large\n", "")
    request_validation.check(planned(on_none.replace("    timeout", serverless)), model)
    wrong = "    request: {ProductionVariants: [{ModelName: 7}]}\n    timeout"
    with pytest.raises(InputError, match="ProductionVariants"):
        request_validation.check(planned(FLOW.replace("    timeout", wrong)), model)


@pytest.mark.parametrize(
    ("expect", "answer", "is_right"),
    [
        ({"contains": "lo"}, "barolo", True),
        ({"contains": "la"}, "barolo", False),
        ({"equals": "barolo"}, " barolo\n", True),
        ({"equals": "barolo"}, "barolo,barolo", False),
        ({"json": {"a": 1, "b": [2]}}, '{"b": [2], "a": 1.0}', True),
        ({"json": [0.5]}, "[0.5]", True),
        ({"json": [0.5]}, "[0.5, 1]", False),
        ({"within": [0, 1]}, "0.25\n1e-3\n", True),
        ({"within": [0, 1]}, '{"predictions": [0.2, 1.5]}', False),
        ({"within": [-1, 1]}, "-0.5", True),
        ({"within": [0, 1]}, "none", False),
        (None, "whatever", True),
    ],
)
def test_answers_are_compared_as_asked(expect: Any, answer: str, is_right: bool) -> None:
    request = {"body": "x", **({"expect": expect} if expect else {})}
    (item,) = smoke_items(ResolvedStep("s", "j", "r", {}, values={"smoke": [request]}))
    output = asked(item, answer)
    assert output["answer"] == answer
    assert ("wrong" not in output) == is_right
    if not is_right:
        assert output["wrong"].startswith("smoke request 1: expected an answer that ")
        assert output["wrong"].endswith(f"and got {answer}")


ASK = "arn:aws:states:::aws-sdk:sagemakerruntime:invokeEndpoint"


def asked(item: Any, answer: str) -> Any:
    """The output of the task that sends a request, for an answer."""
    task = {"Type": "Task", "Resource": ASK, "Arguments": {}, "Output": answer_output(), "End": True}
    machine = asl.load(json.dumps({"QueryLanguage": "JSONata", "StartAt": "ask", "States": {"ask": task}}))

    class Handlers:
        def supports(self, resource: str) -> bool:
            return True

        def __call__(self, task: asl.TaskCall) -> asl.Json:
            return {"Body": answer}

    context = asl.Context("arn", "name", "role", datetime.now(timezone.utc), "machine", "name")
    outcome = asl.execute(
        machine,
        json.dumps({"request": item}),
        context=context,
        handlers=Handlers(),
        stop=asl.StopSignal(),
        on_event=lambda event: None,
    )
    assert outcome.output is not None, outcome
    return json.loads(outcome.output)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("{percent: 100}", "{percent: 0}", "the share of the requests that are captured"),
        ("{percent: 100}", "{percent: 50, to: here}", "captured data goes to S3"),
        ("{percent: 100}", "{percents: 50}", 'unknown key "percents"'),
        ("equals:", "is:", "an expectation is one of contains, equals, json and within"),
        ('{equals: "3"}', "{equals: 3}", 'Put it in quotes: {equals: "3"}'),
        ('{equals: "3"}', "{within: [3, 1]}", "Write {within: [0.9, 1.0]}"),
        ('body: "1,2", ', "", 'a smoke request needs a "body"'),
        ("    timeout", "    name: mlci-served--x\n    timeout", "is a name like those of runs"),
        ("    timeout", "    name: a_b\n    timeout", "is no name of an endpoint"),
        ("    timeout", "    serverless: {memory_mb: 100}\n    timeout", "Write one of 1024, 2048"),
        (
            "    timeout",
            "    serverless: {memory_mb: 2048}\n    timeout",
            'flow.yaml:11:5: step "deploy": a serverless endpoint has no "capture". Remove it, or "serverless"',
        ),
        ("    timeout", "    serverless: {memory_mb: 2048}\n    timeout", 'has no "instance"'),
        (
            "    timeout",
            "    serverless: {memory_mb: 2048}\n    network_isolation: true\n    timeout",
            'has no "network_',
        ),
        (
            "steps:",
            "defaults: {network_isolation: true}\nsteps:\n  other: {uses: endpoint, serverless: {memory_mb: 2048}}",
            "or move it from defaults to other steps",
        ),
        ("timeout: 10m", "timeout: 5h", "4h"),
        ("    timeout", "    run: a.py\n    timeout", 'the script that "inference" of its training step names'),
    ],
)
def test_what_is_wrong_is_refused(old: str, new: str, expected: str) -> None:
    assert old in FLOW
    with pytest.raises(InputError) as raised:
        planned(FLOW.replace(old, new))
    assert expected in str(raised.value)


SCOPE = AccountScope("aws", "us-east-1", "000000000000", "bucket", "c", dict.fromkeys(ROLES, "arn:role"))


def test_a_pull_request_has_no_right_on_what_merged_code_keeps() -> None:
    flow = planned(FLOW.replace("    timeout", "    name: Sums\n    timeout")).flow
    written = policies(access_requirements(flow, {}), SCOPE)

    def may(role: Any, action: str, resource: str) -> bool:
        return decided(written[role], Call(f"sagemaker:{action}", arn("sagemaker", resource)))

    kept = "mlcip-served--deploy"
    for name in ("Sums", "sums", kept):
        for action in ("CreateEndpoint", "UpdateEndpoint", "DeleteEndpoint", "InvokeEndpoint"):
            assert may("protected_workflow", action, f"endpoint/{name}"), (name, action)
            assert not may("workflow", action, f"endpoint/{name}"), (name, action)
    assert may("workflow", "DeleteEndpoint", f"endpoint/{NAME}")
    assert not may("workflow", "UpdateEndpoint", f"endpoint/{NAME}")
    assert not may("protected_workflow", "DeleteEndpoint", f"endpoint/{NAME}")
    starts = Call("states:StartExecution", arn("states", "stateMachine:mlci-served:7"))
    assert decided(written["workflow"], starts)
    other = replace(starts, resource=arn("states", "stateMachine:mlci-served_protected:7"))
    assert not decided(written["protected_workflow"], other)


def test_each_side_configures_endpoints_for_its_own_models() -> None:
    """An endpoint acts with the role of its model, and writes what it captures where its configuration says."""
    written = policies(access_requirements(planned(FLOW).flow, {}), SCOPE)
    protected = NAME.replace("mlci-", "mlcip-", 1)

    def may(role: Any, config: str, model: str) -> bool:
        model_arn = ("sagemaker:ModelArn", arn("sagemaker", f"model/{model}"))
        named = arn("sagemaker", f"endpoint-config/{config}")
        return decided(written[role], Call("sagemaker:CreateEndpointConfig", named, (model_arn,)))

    assert may("workflow", NAME, NAME)
    assert may("protected_workflow", protected, protected)
    for other in (protected, "mlci-served-2--deploy", "anything"):
        assert not may("workflow", NAME, other), other
    assert not may("protected_workflow", protected, NAME)


def test_merged_code_alone_captures_where_the_flow_says() -> None:
    elsewhere = FLOW.replace("{percent: 100}", "{percent: 100, to: s3://lake/captured/}")
    put = Call("s3:PutObject", "arn:aws:s3:::lake/captured/e/AllTraffic/2026/12/01/09/x.jsonl")

    def writers(text: str) -> list[Role]:
        written = policies(access_requirements(planned(text).flow, {}), SCOPE)
        return [role for role in ROLES if decided(written[role], put)]

    assert writers(elsewhere) == ["protected_job"]
    assert writers(FLOW) == []
    step = ResolvedStep("deploy", NAME, "r", {}, values={"capture": {"to": "s3://lake/captured/"}})
    for keeps, place in ((True, "s3://lake/captured"), (False, "s3://own/folder")):
        config = capture_config(replace(step, keeps_resources=keeps), "s3://own/folder")["DataCaptureConfig"]
        assert isinstance(config, dict)
        assert config["DestinationS3Uri"] == place
    wild = planned(elsewhere.replace("captured", "*")).flow
    with pytest.raises(InputError, match=r'"s3://lake/\*/" is not a valid S3 URI'):
        access_requirements(wild, {})


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / "project")
    project.write("flow.yaml", FLOW)
    project.write("train.py", TRAIN)
    return project


@pytest.mark.slow
@pytest.mark.e2e
def test_the_local_cloud_serves_the_model_and_captures(project: Project) -> None:
    done = project.mlci("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is served at http://127.0.0.1:" in done.stdout
    (answers,) = project.root.rglob("answers.json")
    document = json.loads(answers.read_text())
    assert [each["answer"] for each in document["answers"]] == ["3", '{\n "sum": 7\n}']
    assert document["answers"][0]["value"] == 3
    (captured,) = project.root.joinpath(".mlci", "store").rglob("*.jsonl")
    lines = [json.loads(line)["captureData"] for line in captured.read_text().splitlines()]
    assert [each["endpointInput"]["data"] for each in lines] == ["1,2", '{"values":[1,2,4]}']
    assert "/deploy/smoke/capture/mlci-served--deploy-" in captured.as_posix()
    assert "/AllTraffic/" in captured.as_posix()


@pytest.mark.e2e
@pytest.mark.slow
def test_a_wrong_answer_and_a_script_that_fails_are_the_steps_failure(project: Project) -> None:
    project.write("flow.yaml", FLOW.replace('{equals: "3"}', '{equals: "4"}'))
    done = project.mlci("run")
    assert done.returncode == 3, done.stdout + done.stderr
    message = 'step "deploy" failed: smoke request 1: expected an answer that equals "4", and got 3'
    assert message in done.stdout + done.stderr
    project.write("flow.yaml", FLOW)
    project.write("train.py", TRAIN.replace("def model_fn(folder): return None", "import nowhere"))
    done = project.mlci("run")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "the endpoint did not come into service" in done.stdout + done.stderr
    assert "No module named 'nowhere'" in done.stdout + done.stderr


@pytest.mark.e2e
@pytest.mark.slow
def test_an_endpoint_is_kept_until_a_signal(project: Project) -> None:
    running = project.start("run", "--keep-endpoint")
    assert running.stdout is not None
    line = next(line for line in running.stdout if "curl http://127.0.0.1:" in line)
    url = line.split()[1]
    request = urllib.request.Request(url, b"20,22", {"Content-Type": "text/csv"})
    with urllib.request.urlopen(request, timeout=20) as response:
        assert response.read() == b"42"
    running.send_signal(signal.SIGTERM)
    assert running.communicate(timeout=30)[1] == ""
    assert running.returncode == 0
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(request, timeout=5)
    refused = project.mlci("run", "--keep-endpoint", "--cloud", "aws")
    assert refused.returncode == 2
    assert "--keep-endpoint is for the local cloud" in refused.stderr


def left(served: Account) -> list[str]:
    """Return the names of the endpoints, configurations and models that are there."""
    sagemaker = served.client("sagemaker")
    endpoints = [each["EndpointName"] for each in sagemaker.list_endpoints()["Endpoints"]]
    configs = [each["EndpointConfigName"] for each in sagemaker.list_endpoint_configs()["EndpointConfigs"]]
    return endpoints + configs + [each["ModelName"] for each in sagemaker.list_models()["Models"]]


@pytest.mark.e2e
@pytest.mark.slow
def test_runs_on_aws_leave_nothing_however_they_end(project: Project, tmp_path: Path) -> None:
    with account(tmp_path / "served", "models") as served:
        done = project.mlci("run", **served.environment)
        assert done.returncode == 0, done.stdout + done.stderr
        arn_of_run = project.result()["execution"]
        wait_for(lambda: not left(served))
        states = served.client("stepfunctions")
        called = list(calls_of_the_workflow(served, arn_of_run))
        cleaner = f"{arn_of_run}-cleaner-1"
        wait_for(lambda: states.describe_execution(executionArn=cleaner)["status"] == "SUCCEEDED")
        called += calls_of_the_workflow(served, cleaner)

        project.write("train.py", TRAIN.replace("return None", "__import__('time').sleep(4)"))
        build = project.start("run", **served.environment)
        wait_for(lambda: any("--deploy-" in name for name in left(served)))
        build.kill()
        build.communicate()
        machine = arn_of_run.replace(":execution:", ":stateMachine:").rpartition(":")[0]
        running = states.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]
        (run,) = [each for each in running if "-cleaner-" not in each["name"]]
        states.stop_execution(executionArn=run["executionArn"])
        assert left(served)
        wait_for(lambda: not left(served))
    flow = load(FLOW.encode(), "flow.yaml")
    written = policies(access_requirements(flow, {}), replace(SCOPE, bucket="models"))["workflow"]
    assert {call.action for call in called if not decided(written, call)} == {"iam:PassRole"}
    needed = {call.action for call in called}
    for statement in written["Statement"]:  # type: ignore[attr-defined]
        if statement["Sid"] in ("CreateConfigs", "CreateEndpoints", "UseEndpoints", "StartCleaner", "CleanUp"):
            assert set(statement["Action"]) <= needed, statement


@pytest.mark.e2e
@pytest.mark.slow
def test_merged_code_keeps_one_endpoint_and_updates_it(project: Project, tmp_path: Path) -> None:
    with account(tmp_path / "served", "models") as served:
        own = ""
        for number in (1, 2):
            done = project.mlci("run", "--protected", **served.environment)
            assert done.returncode == 0, done.stdout + done.stderr
            run = project.runs[-1]
            own = f"mlcip-served--deploy-{run}"
            assert left(served) == ["mlcip-served--deploy", own, own], number
        called = list(calls_of_the_workflow(served, project.result()["execution"]))
        project.write("train.py", TRAIN.replace("def model_fn(folder): return None", "import nowhere"))
        failed = project.mlci("run", "--protected", **served.environment)
        assert failed.returncode == 3, failed.stdout + failed.stderr
        assert "No module named 'nowhere'" in failed.stdout + failed.stderr
        assert left(served) == ["mlcip-served--deploy", own, own]
        body = served.client("sagemaker-runtime").invoke_endpoint(
            EndpointName="mlcip-served--deploy", ContentType="text/csv", Body=b"1,1"
        )["Body"]
        assert body.read() == b"2"
    flow = load(FLOW.encode(), "flow.yaml")
    written = policies(access_requirements(flow, {}), replace(SCOPE, bucket="models"))["protected_workflow"]
    assert {call.action for call in called if not decided(written, call)} == {"iam:PassRole"}


def test_a_failure_that_the_state_machine_found_is_the_steps_reason() -> None:
    progress = initial_progress(["deploy"], {"deploy": closing_titles("endpoint")})

    def exited(number: int, name: str, failure: dict[str, str]) -> Event:
        details: Json = {"name": name, "output": json.dumps({"failure": failure})}
        return Event(number, number - 1, NOW, "PassStateExited", {"stateExitedEventDetails": details})

    def entered(number: int, kind: str, name: str) -> Event:
        return Event(number, number - 1, NOW, f"{kind}StateEntered", {"stateEnteredEventDetails": {"name": name}})

    name = "deploy: not in service, its reason"
    progress = progress.after(entered(1, "Task", "deploy")).after(entered(2, "Pass", name))
    assert progress.steps["deploy"].status == "running"
    other = progress.after(exited(3, name, {"Error": "States.Timeout", "Cause": "an earlier one"}))
    assert other.steps["deploy"].status == "running"
    failed = progress.after(exited(3, name, {"Error": CHECK_FAILED, "Cause": "no ping"}))
    assert (failed.steps["deploy"].status, failed.steps["deploy"].reason) == ("failed", "no ping")
    succeeded = Event(3, 2, NOW, "TaskSucceeded", {"taskSucceededEventDetails": {}})
    assert progress.after(succeeded).steps["deploy"].status == "running", "no state but the last ends the step"
    last = progress.after(entered(3, "Task", "deploy: keep the answers")).after(replace(succeeded, id=4, previous_id=3))
    assert last.steps["deploy"].status == "succeeded"
