"""What tasks pass to SageMaker: only fields that Step Functions documents, and requests that botocore's model takes."""

from __future__ import annotations

import json
from pathlib import Path

import botocore.session
import pytest

from mlci.backends.aws.request_validation import check
from mlci.compile import compile_plan
from mlci.errors import InputError
from mlci.flow import load
from mlci.flow.models import Json
from mlci.plan import Plan, Target, plan
from mlci.stage.models import CodeUnit, DataUnit, Staged, StagedFile
from mlci.step_types import STEP_TYPES
from mlci.step_types.script_start import ScriptStart

SAGEMAKER = botocore.session.get_session().get_service_model("sagemaker")
FLOW = """
flow: wide
steps:
  prepare:
    uses: processing
    image: mine.example/image:7
    run: a.py
    args: [--fast, "${{ inputs.raw }}"]
    env: {MODE: fast}
    inputs: {raw: data.csv}
    outputs: [table]
    REQUEST
  train:
    uses: training
    image: mine.example/image:7
    run: a.py
    env: {MODE: fast}
    inputs: {train: "${{ steps.prepare.outputs.table }}"}
    hyperparameters: {depth: 4}
"""


def planned(request: str = "") -> Plan:
    flow = load(FLOW.replace("REQUEST", request).encode(), "flow.yaml", {}, {})
    file = StagedFile("a.py", "0" * 64, 0, Path("a.py"), b"")
    unit = DataUnit("data.csv", (file,), is_folder=False)
    code = {name: CodeUnit(ScriptStart({"script": "a.py"}, ("src",)), (file,), (file,)) for name in flow.steps}
    staged = Staged(code, {"data.csv": unit}, dict.fromkeys(flow.steps, "mine.example/image:7"))
    return plan(flow, staged, Target("models", "arn:aws:iam::123456789012:role/job", "20261123-101530-3f9c2a"))


def task_fields(uses: str) -> frozenset[str]:
    request = STEP_TYPES[uses].request
    assert request is not None
    return request.task_fields


def test_every_field_of_a_task_is_one_that_step_functions_documents() -> None:
    definition = json.loads(compile_plan(planned(), lambda key, make: make()).definition)
    for name, uses in (("prepare", "processing"), ("train", "training")):
        passed = {field.removesuffix(".$") for field in definition["States"][name]["Parameters"]}
        assert passed <= task_fields(uses)
        assert len(passed) >= 9


def test_each_documented_field_is_one_of_sagemaker_s() -> None:
    assert task_fields("processing") == set(SAGEMAKER.operation_model("CreateProcessingJob").input_shape.members)
    assert task_fields("training") <= set(SAGEMAKER.operation_model("CreateTrainingJob").input_shape.members)


def test_our_requests_are_taken() -> None:
    check(planned(), SAGEMAKER)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ("request: {NetwrkConfig: {}}", "NetwrkConfig"),
        ("request: {RoleArn: 7}", "RoleArn"),
        ("request: {ProcessingResources: {ClusterConfig: {InstanceCount: none}}}", "InstanceCount"),
    ],
)
def test_a_request_that_is_none_is_told_with_its_place(request_: str, words: str) -> None:
    with pytest.raises(InputError, match=rf'flow.yaml:12:\d+: step "prepare": .*{words}'):
        check(planned(request_), SAGEMAKER)


def test_a_field_that_step_functions_does_not_pass_on_is_refused() -> None:
    import dataclasses

    made = planned()
    train = made.steps["train"]
    request: dict[str, Json] = {**train.request, "SessionChainingConfig": {"EnableSessionTagChaining": True}}
    steps = {**made.steps, "train": dataclasses.replace(train, request=request)}
    with pytest.raises(InputError, match=r"SessionChainingConfig.*Step Functions"):
        check(dataclasses.replace(made, steps=steps), SAGEMAKER)
