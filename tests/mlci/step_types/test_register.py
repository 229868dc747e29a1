"""`uses: register`: from flow.yaml to the state machine, to its rights and to a version in a registry."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlci.compile import compile_plan
from mlci.errors import InputError
from mlci.flow import dependencies, load
from mlci.flow.models import Flow
from mlci.plan import Plan, Target, plan
from mlci.provision.access_requirements import access_requirements
from mlci.provision.iam_policies import policies
from mlci.provision.policy_statements import AccountScope
from mlci.provision.stack_names import ROLES
from mlci.stage.models import CodeUnit, Staged
from mlci.step_types.script_start import ScriptStart
from support.aws_account import Account, account
from support.iam_decisions import decided
from support.iam_derived import calls_of_the_workflow
from support.project import Project

FLOW = """flow: churn
params: {depth: 6, note: "a, b"}
defaults: {image: "mine.example/image:7"}
steps:
  train: {uses: training, run: train.py}
  evaluate:
    uses: processing
    run: evaluate.py
    inputs: {model: "${{ steps.train.outputs.model }}"}
    outputs: [evaluation]
    metrics: evaluation/metrics.json
  register:
    uses: register
    group: churn-models
    model: ${{ steps.train.outputs.model }}
    model_metrics: evaluate
    approval: approved
    env: {LEVEL: 3}
    metadata: {team: growth}
    description: the model
    after: gate
  read: {uses: processing, run: read.py, inputs: {package: "${{ steps.register.outputs.package }}"}}
gate: [{metric: evaluate.auc, min: 0.7}]
"""
TARGET = Target("bucket", "arn:aws:iam::000000000000:role/r", "20261123-101530-3f9c2a", commit="c" * 40)
PROTECTED = replace(TARGET, is_protected=True)
RUN = "s3://bucket/mlci/churn/runs/20261123-101530-3f9c2a"


def planned(text: str = FLOW, target: Target = TARGET) -> Plan:
    flow = load(text.encode(), "flow.yaml")
    scripts = [step.name for step in flow.steps.values() if step.run]
    images = {step.name: step.image for step in flow.steps.values() if isinstance(step.image, str)}
    unit = CodeUnit(ScriptStart({"script": "a.py"}), (), ())
    return plan(flow, Staged(dict.fromkeys(scripts, unit), {}, images), target)


def compiled(text: str = FLOW, target: Target = TARGET) -> tuple[dict[str, Any], dict[str, Any]]:
    result = compile_plan(planned(text, target), lambda key, compute: compute())
    return json.loads(result.definition), json.loads(result.execution_input)


def test_the_request_has_the_model_its_metrics_and_its_origin() -> None:
    request = planned().steps["register"].request
    assert request == {
        "ClientToken": request["ClientToken"],
        "CustomerMetadataProperties": {
            "mlci:flow": "churn",
            "mlci:run": "20261123-101530-3f9c2a",
            "mlci:step": "register",
            "mlci:commit": "c" * 40,
            "team": "growth",
            "mlci:param:depth": "6",
            "mlci:param:note": "a_ b",
        },
        "InferenceSpecification": {
            "Containers": [
                {
                    "Image": "mine.example/image:7",
                    "ModelDataUrl": f"{RUN}/train/model/model.tar.gz",
                    "Environment": {
                        "LEVEL": "3",
                        "SAGEMAKER_PROGRAM": "inference.py",
                        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                    },
                }
            ],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
        "ModelApprovalStatus": "PendingManualApproval",
        "ModelMetrics": {
            "ModelQuality": {
                "Statistics": {"ContentType": "application/json", "S3Uri": f"{RUN}/evaluate/evaluation/metrics.json"}
            }
        },
        "ModelPackageDescription": "the model",
    }
    assert len(str(request["ClientToken"])) <= 36


def test_only_merged_code_registers_in_the_flows_group_and_approves() -> None:
    step = compiled(target=PROTECTED)[1]["steps"]["register"]
    assert (step["group"], step["request"]["ModelApprovalStatus"]) == ("churn-models", "Approved")
    pending = compiled(FLOW.replace("    approval: approved\n", ""), PROTECTED)[1]["steps"]["register"]
    assert pending["request"]["ModelApprovalStatus"] == "PendingManualApproval"
    other = compiled()[1]["steps"]["register"]
    assert other["group"] == "mlci-churn--register-20261123-101530-3f9c2a"
    assert other["request"]["ModelApprovalStatus"] == "PendingManualApproval"
    local = compiled(target=replace(TARGET, cores=2))[1]["steps"]["register"]
    assert (local["group"], local["request"]["ModelApprovalStatus"]) == ("churn-models", "PendingManualApproval")
    assert compiled(target=PROTECTED)[0] == compiled(target=replace(TARGET, cores=2))[0]


def test_what_must_not_outlive_its_run_is_left_to_the_cleaner() -> None:
    group = "mlci-churn--register-20261123-101530-3f9c2a"
    assert compiled()[1]["cleaner"]["names"] == {"model_package": [group], "model_package_group": [group]}
    for target in (PROTECTED, replace(TARGET, cores=2)):
        assert "cleaner" not in compiled(target=target)[1]


def test_a_group_that_is_there_is_no_failure() -> None:
    states = compiled()[0]["States"]
    assert states["register"]["Resource"] == "arn:aws:states:::aws-sdk:sagemaker:createModelPackageGroup"
    assert states["register"]["Next"] == "register: register the model"
    [caught] = states["register"]["Catch"]
    choice = states[caught["Next"]]
    assert "*already exists*" in json.dumps(choice)
    assert "register: register the model" in [branch["Next"] for branch in choice["Choices"]]
    assert states["register: register the model"]["Parameters"]["ModelPackageGroupName.$"] == "$.steps.register.group"
    assert states["register: keep the package"]["Parameters"]["Body.$"] == "$.trained.register"


def test_it_waits_for_its_model_and_its_metrics() -> None:
    flow = load(FLOW.replace("    after: gate\n", "").encode(), "flow.yaml")
    assert dependencies(flow)["register"] == {"train", "evaluate"}
    assert dependencies(flow)["read"] == {"register"}


def test_many_params_fill_the_registrys_places_and_no_more() -> None:
    params = ", ".join(f"p{number}: {number}" for number in range(60))
    metadata = (
        planned(FLOW.replace("params: {", f"params: {{{params}, "))
        .steps["register"]
        .request["CustomerMetadataProperties"]
    )
    assert isinstance(metadata, dict)
    assert len(metadata) == 50
    assert {"mlci:run", "mlci:commit", "team", "mlci:param:p0"} <= metadata.keys()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    group: churn-models\n", "", 'step "register" lacks "group"'),
        ("churn-models", "churn--models", '14:12: "churn--models" is not a name for a model package group'),
        ("churn-models", "c" * 64, "at most 63 characters"),
        ("model: ${{ steps.train.outputs.model }}\n", "model: s3://buckets/m.pkl\n", "is no .tar.gz archive"),
        ("outputs.model }}\n", "outputs.model }}/m.tar.gz\n", "adds a text to a reference"),
        ("model_metrics: evaluate", "model_metrics: evalate", 'step "evalate", which does not exist. Did you mean'),
        ("model_metrics: evaluate", "model_metrics: train", 'step "train", which writes none'),
        ("model_metrics: evaluate", "model_metrics: register", "the metrics of itself"),
        (
            "model_metrics: evaluate",
            "metrics: evaluate",
            'metrics the model has as "model_metrics"',
        ),
        ("approval: approved", "approval: [approved]", '"approval" must be'),
        ("approval: approved", "approval: granted", '"granted" is no approval. Write pending or approved'),
        ("{team: growth}", '{"mlci:run": x}', "a name of mlci's own"),
        ("{team: growth}", '{team: "a, b"}', "is no value of metadata"),
        ("{team: growth}", '{"a,b": x}', "is no name of metadata"),
        ("    after: gate", "    content_types: [csv]\n    after: gate", '"csv" is not a MIME type'),
        ("    after: gate", "    inference_instances: [m5.xlarge]\n    after: gate", "is not an instance type"),
        ("outputs.package", "outputs.model", 'Its only output is "package"'),
    ],
)
def test_what_is_wrong_is_refused(old: str, new: str, expected: str) -> None:
    with pytest.raises(InputError) as raised:
        planned(FLOW.replace(old, new))
    assert expected in str(raised.value)


def test_metrics_of_cells_are_refused() -> None:
    text = FLOW.replace("    outputs: [evaluation]", "    matrix: {fold: [0, 1]}\n    outputs: [evaluation]")
    with pytest.raises(InputError, match='step "evaluate", which has a matrix'):
        planned(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("churn-models", "c" * 63),
        ("model: ${{ steps.train.outputs.model }}\n", "model: s3://buckets/m.tar.gz\n"),
        ("    model_metrics: evaluate\n", ""),
        ("approval: approved", "approval: pending"),
        ("    after: gate", "    content_types: [application/x-npy]\n    after: gate"),
        ("    after: gate", "    inference_instances: [ml.m5.xlarge]\n    after: gate"),
        ("    after: gate", "    request: {Domain: MACHINE_LEARNING}\n    after: gate"),
    ],
)
def test_what_is_right_is_accepted(old: str, new: str) -> None:
    from mlci.backends.local_checks import check_jobs

    check_jobs(planned(FLOW.replace(old, new)))


def test_a_request_that_the_registry_would_refuse_is_refused_before_the_run() -> None:
    from mlci.backends.local_checks import check_jobs

    text = FLOW.replace("    after: gate", "    request: {SkipModelValidation: Al}\n    after: gate")
    with pytest.raises(InputError, match="Al"):
        check_jobs(planned(text))


def test_each_side_may_register_in_its_own_groups() -> None:
    flow = planned().flow
    scope = AccountScope("aws", "us-east-1", "000000000000", "bucket", "c", dict.fromkeys(ROLES, "arn:role"))
    images = {"register": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"}
    documents = policies(access_requirements(flow, images), scope)
    arn = "arn:aws:sagemaker:us-east-1:000000000000"
    expected = {
        "workflow": ([f"{arn}:model-package-group/mlci-churn--*", f"{arn}:model-package/mlci-churn--*/*"], True),
        "protected_workflow": (
            [f"{arn}:model-package-group/churn-models", f"{arn}:model-package/churn-models/*"],
            False,
        ),
    }
    for role, document in documents.items():
        statements = {statement["Sid"]: statement for statement in document["Statement"]}  # type: ignore[attr-defined]
        assert ("RegisterModels" in statements) == (role in expected), role
        assert ("CleanUp" in statements) == (role == "workflow"), role
        assert not any(
            "Update" in action for each in statements.values() for action in each["Action"] if "Model" in action
        )
        if role in expected:
            resources, is_pending = expected[role]
            assert statements["RegisterModels"]["Resource"] == resources
            assert ("Condition" in statements["RegisterModels"]) == is_pending
            assert statements["DescribeImages"]["Action"] == ["ecr:BatchGetImage", "ecr:DescribeImages"]


def project(folder: Path) -> Project:
    project = Project(folder)
    project.write("flow.yaml", FLOW)
    project.write("train.py", 'open("/opt/ml/model/m", "w").write("x")\n')
    project.write(
        "evaluate.py",
        'open("/opt/ml/processing/output/evaluation/metrics.json", "w").write(\'{"auc": 0.75}\')\n',
    )
    project.write("read.py", 'print(open("/opt/ml/processing/input/package/package.json").read())\n')
    return project


@pytest.mark.e2e
@pytest.mark.slow
def test_the_local_cloud_keeps_what_runs_register(tmp_path: Path) -> None:
    churn = project(tmp_path)
    for version in (1, 2):
        done = churn.mlci("run")
        assert done.returncode == 0, done.stdout + done.stderr
        assert f'"version":{version}' in churn.latest("logs/read.log").replace(" ", "")
    shown = json.loads(churn.mlci("models", "churn-models", "2", "--json").stdout)
    assert (shown["flow"], shown["metrics"]) == ("churn", {"auc": 0.75})
    assert shown["approval_status"] == "PendingManualApproval"
    assert shown["run_id"] == churn.result()["run_id"]
    assert shown["params"] == {"depth": "6", "note": "a_ b"}
    decided = churn.mlci("models", "churn-models", "2", "--approve", "--reason", "better")
    assert decided.stdout.rstrip().endswith(": better")
    cleaned = churn.mlci("clean", "--yes")
    assert cleaned.returncode == 0, cleaned.stderr
    assert (tmp_path / ".mlci/store" / shown["model"].removeprefix("s3://")).is_file()


@pytest.mark.e2e
@pytest.mark.slow
def test_the_aws_cloud_registers_with_just_the_rights_of_its_side(tmp_path: Path) -> None:
    churn = project(tmp_path / "project")
    with account(tmp_path / "served", "models") as served:
        done = churn.mlci("run", **served.environment)
        assert done.returncode == 0, done.stdout + done.stderr
        called = list(calls_of_the_workflow(served, churn.result()["execution"]))
        flow = load(FLOW.encode(), "flow.yaml")
        assert denied(flow, called) == set()
        assert cleaned(served), "the group of a run of code that is not merged is still there"
        done = churn.mlci("run", "--protected", **served.environment)
        assert done.returncode == 0, done.stdout + done.stderr
        shown = json.loads(churn.mlci("models", "churn-models", "1", "--json", **served.environment).stdout)
        assert (shown["approval_status"], shown["metrics"]) == ("Approved", {"auc": 0.75})
        rejected = churn.mlci("models", "churn-models", "1", "--reject", **served.environment)
        assert "churn-models/1: rejected by arn:aws:" in rejected.stdout, rejected.stderr
        called = list(calls_of_the_workflow(served, churn.result()["execution"]))
        register = {"sagemaker:AddTags", "sagemaker:CreateModelPackage", "sagemaker:CreateModelPackageGroup"}
        assert register <= denied(flow, called)  # a pull request's role can't do what merged code's does
        assert not register & denied(flow, called, "protected_workflow")


def denied(flow: Flow, called: list[Any], role: Any = "workflow") -> set[str]:
    """The actions of S3 and SageMaker among calls that the flow's policy of a state machine does not allow."""
    scope = AccountScope("aws", "us-east-1", "000000000000", "models", "c", dict.fromkeys(ROLES, "arn:role"))
    document = policies(access_requirements(flow, {}), scope)[role]
    own = [call for call in called if call.action.startswith(("s3:", "sagemaker:"))]
    return {call.action for call in own if not decided(document, call)}


def cleaned(served: Account, timeout_s: float = 30) -> bool:
    """Return True once no model package group is left."""
    sagemaker, end = served.client("sagemaker"), time.monotonic() + timeout_s
    while sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]:
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True
