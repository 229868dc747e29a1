"""`uses: model`: from flow.yaml to the state machine, to its rights and to a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlci.backends.local_checks import check_jobs
from mlci.errors import InputError
from mlci.flow import dependencies
from mlci.provision.access_requirements import access_requirements
from mlci.provision.iam_policies import policies
from mlci.provision.policy_statements import AccountScope
from mlci.provision.stack_names import ROLES
from support.compiled_flows import compiled, planned
from support.project import Project

FLOW = """flow: served
params: {level: 1}
steps:
  train: {uses: training, image: "mine.example/image:7", run: train.py}
  package:
    uses: model
    model: ${{ steps.train.outputs.model }}
    image: mine.example/serve:7
    env: {LEVEL: "${{ params.level }}"}
"""
RUN = "mlci/served/runs/20261123-101530-3f9c2a"
NAME = "mlci-served--package-20261123-101530-3f9c2a"


def test_the_model_is_the_trained_one_and_is_served_by_its_script() -> None:
    definition, execution_input = compiled(FLOW)
    step = execution_input["steps"]["package"]
    assert step["model"]["name"] == NAME
    assert execution_input["cleaner"]["names"] == {"model": [NAME]}
    assert step["request"]["PrimaryContainer"] == {
        "Image": "mine.example/image:7",
        "ModelDataUrl": f"s3://bucket/{RUN}/train/model/model.tar.gz",
        "Environment": {
            "SAGEMAKER_PROGRAM": "inference.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
            "LEVEL": "1",
        },
    }
    assert step["description"] == {"ModelName": NAME, "PrimaryContainer": step["request"]["PrimaryContainer"]}
    assert step["result"]["key"] == f"{RUN}/package/resource/model.json"
    states = definition["States"]
    assert states["package"]["Resource"] == "arn:aws:states:::sagemaker:createModel"
    assert states["package"]["Parameters"]["ModelName.$"] == "$.steps.package.model.name"
    assert states["package"]["Next"] == "package: keep the description"
    assert compiled(FLOW.replace("level: 1", "level: 2"))[0] == definition


def test_a_model_whose_creation_was_not_answered_is_found() -> None:
    """The name is the same in each attempt, so the second is refused if the first was done."""
    definition, _ = compiled(FLOW)
    choice = definition["States"]["package: try again?"]["Choices"][0]
    assert "*Cannot create already existing model*" in json.dumps(choice)
    found = definition["States"][choice["Next"]]
    assert found["Resource"] == "arn:aws:states:::aws-sdk:sagemaker:describeModel"
    assert found["ResultSelector"] == {"ModelArn.$": "$.ModelArn"}
    assert found["Next"] == "package: keep the description"


def test_a_model_may_have_no_network() -> None:
    for key in ("network_isolation: true", "request: {EnableNetworkIsolation: true}"):
        definition, execution_input = compiled(FLOW.replace("    env:", f"    {key}\n    env:"))
        assert execution_input["steps"]["package"]["request"]["EnableNetworkIsolation"] is True
        parameters = definition["States"]["package"]["Parameters"]
        assert parameters["EnableNetworkIsolation.$"] == "$.steps.package.request.EnableNetworkIsolation"


def test_an_image_that_serves_by_itself_gets_no_script() -> None:
    _, execution_input = compiled(FLOW.replace("    env:", "    program: none\n    env:"))
    assert execution_input["steps"]["package"]["request"]["PrimaryContainer"]["Environment"] == {"LEVEL": "1"}


@pytest.mark.parametrize(
    ("source", "uri"),
    [
        ("s3://acme/churn/model.tar.gz", "s3://acme/churn/model.tar.gz"),
        ("${{ steps.train.outputs.model }}", f"s3://bucket/{RUN}/train/model/model.tar.gz"),
    ],
)
def test_each_form_of_a_model_is_accepted(source: str, uri: str) -> None:
    plan = planned(FLOW.replace("${{ steps.train.outputs.model }}", source))
    assert plan.steps["package"].summary == f"model {NAME} of {uri}"
    assert dependencies(plan.flow)["package"] == ({"train"} if "steps" in source else set())
    assert access_requirements(plan.flow, {}).outside == (() if "steps" in source else (uri,))
    check_jobs(plan)


MATRIX = FLOW.replace("run: train.py}", "run: train.py, matrix: {seed: [1, 2]}}")
SECRET = FLOW.replace("steps:\n", "secrets: {hub: 'ssm:/hub'}\nsteps:\n", 1)


@pytest.mark.parametrize(
    ("flow", "old", "new", "expected"),
    [
        (FLOW, "    model: ${{ steps.train.outputs.model }}\n", "", 'step "package" lacks "model". Add model: ${{'),
        (
            FLOW,
            "${{ steps.train.outputs.model }}",
            "s3://acme/churn/",
            '7:12: "s3://acme/churn/" is no .tar.gz archive',
        ),
        (FLOW, "steps.train.outputs.model }}", "steps.train.outputs.modle }}", 'Its only output is "model"'),
        (FLOW, "outputs.model }}", "outputs.model }}/x", '"model" adds a text to a reference'),
        (FLOW, "    env:", "    program: ../serve.py\n    env:", '"../serve.py" is no Python file'),
        (
            FLOW,
            "    env:",
            "    run: a.py\n    env:",
            'served by the script that "inference" of its training step names',
        ),
        (FLOW, "    env:", "    request: {ModelName: mine}\n    env:", "mlci names models by their run"),
        (MATRIX, "zzz", "", '7:12: "model" is one, and "train" has an output "model" for each of its cells'),
        (SECRET, '"${{ params.level }}"', '"${{ secrets.hub }}"', "which only the script of a step can read"),
    ],
)
def test_what_is_wrong_is_refused(flow: str, old: str, new: str, expected: str) -> None:
    with pytest.raises(InputError) as raised:
        planned(flow.replace(old, new))
    assert expected in str(raised.value)


def test_a_model_of_one_cell_and_secrets_of_other_steps_are_accepted() -> None:
    plan = planned(MATRIX.replace("    env:", "    matrix: {seed: [1, 2]}\n    env:"))
    assert "/train/model/seed=2/model.tar.gz" in plan.steps["package(seed=2)"].summary
    given = SECRET.replace("steps:\n", 'defaults: {env: {HUB: "${{ secrets.hub }}"}}\nsteps:\n', 1)
    flow = planned(given).flow
    assert list(flow.steps["train"].secrets) == ["HUB"]
    assert list(flow.steps["package"].env) == ["LEVEL"]
    assert not flow.steps["package"].secrets


def test_what_the_local_cloud_cannot_run_is_refused_before_it_starts() -> None:
    request = "    request: {PrimaryContainer: {Mode: MultiModel}}\n    env:"
    with pytest.raises(
        InputError, match=r"flow.yaml:9:14: .*has the mode MultiModel; the local cloud runs SingleModel"
    ):
        check_jobs(planned(FLOW.replace("    env:", request)))


def test_the_state_machine_may_create_models_of_the_flow_alone() -> None:
    scope = AccountScope("aws", "us-east-1", "000000000000", "bucket", "c", dict.fromkeys(ROLES, "arn:role"))
    documents = policies(access_requirements(planned(FLOW).flow, {}), scope)
    for role, written in documents.items():
        statements = {statement["Sid"]: statement for statement in written["Statement"]}  # type: ignore[attr-defined]
        if role not in ("workflow", "protected_workflow"):
            assert "CreateModels" not in statements
            continue
        prefix = "mlcip" if role == "protected_workflow" else "mlci"
        assert statements["CreateModels"]["Resource"] == [
            f"arn:aws:sagemaker:us-east-1:000000000000:model/{prefix}-served--*"
        ]
        assert statements["CreateModels"]["Action"] == [
            "sagemaker:AddTags",
            "sagemaker:CreateModel",
            "sagemaker:DescribeModel",
        ]
        assert ("CleanUp" in statements) == (role == "workflow")


@pytest.mark.slow
@pytest.mark.e2e
def test_the_local_cloud_creates_the_model(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("flow.yaml", FLOW)
    project.write("train.py", 'open("/opt/ml/model/weights.txt", "w").write("2")\n')
    done = project.mlci("run")
    assert done.returncode == 0, done.stdout + done.stderr
    (written,) = (tmp_path / ".mlci" / "store").rglob("model.json")
    described = json.loads(written.read_text())
    assert described["ModelArn"].endswith(f":model/{described['ModelName']}")
    assert described["PrimaryContainer"]["Image"] == "mine.example/serve:7"
