"""Both backends reject values that SageMaker does not list, before anything is started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import botocore.session
import pytest

from mlci.backends.aws import request_validation
from mlci.backends.local_checks import check_jobs
from mlci.errors import InputError
from mlci.flow import load
from mlci.plan import Plan, Target, plan
from mlci.stage.models import CodeUnit, Staged, StagedFile
from mlci.step_types.script_start import ScriptStart

SAGEMAKER = botocore.session.get_session().get_service_model("sagemaker")
CHECKS = {"local": check_jobs, "aws": lambda planned: request_validation.check(planned, SAGEMAKER)}
FLOW = """flow: wide
defaults: {image: "mine.example/image:7", instance: ml.m5.large}
steps:
  prepare:
    uses: processing
    run: a.py
    outputs: [table]
  train:
    uses: training
    run: a.py
    inputs: {train: "${{ steps.prepare.outputs.table }}"}
"""


def planned(prepare: str = "", train: str = "", instance: str = "ml.m5.large") -> Plan:
    text = FLOW.replace("ml.m5.large", instance).replace("    outputs:", f"{prepare}    outputs:") + train
    flow = load(text.encode(), "flow.yaml", {}, {})
    files = (StagedFile("a.py", "0" * 64, 0, Path("a.py"), b""),)
    code = dict.fromkeys(flow.steps, CodeUnit(ScriptStart({"script": "a.py"}), files, files))
    staged = Staged(code, {}, dict.fromkeys(flow.steps, "mine.example/image:7"))
    return plan(flow, staged, Target("models", "arn:aws:iam::123456789012:role/job", "20261123-101530-3f9c2a"))


@pytest.fixture(params=CHECKS)
def check(request: pytest.FixtureRequest) -> Callable[[Plan], None]:
    chosen: Callable[[Plan], None] = CHECKS[request.param]
    return chosen


def problems(check: Callable[[Plan], None], wrong: Plan) -> list[str]:
    with pytest.raises(InputError) as raised:
        check(wrong)
    return str(raised.value).splitlines()


def test_what_is_listed_is_taken(check: Callable[[Plan], None]) -> None:
    check(planned(train="    instance: ml.p3.2xlarge\n"))


def test_an_unknown_instance_type_is_rejected_where_it_stands(check: Callable[[Plan], None]) -> None:
    assert problems(check, planned(prepare="    instance: ml.m5.xlrge\n")) == [
        (
            'flow.yaml:7:15: step "prepare": "ml.m5.xlrge" is no InstanceType of SageMaker '
            '(ProcessingResources.ClusterConfig.InstanceType). Did you mean "ml.m5.xlarge"?'
        )
    ]


def test_an_unknown_instance_type_in_defaults_is_rejected_there_for_each_step(check: Callable[[Plan], None]) -> None:
    found = problems(check, planned(instance="ml.q9.enormous"))
    assert [problem.partition(" ")[0] for problem in found] == ["flow.yaml:2:53:"] * 2
    assert all(problem.endswith("If it is newer than this version, upgrade") for problem in found)


def test_every_enumeration_of_a_request_is_checked(check: Callable[[Plan], None]) -> None:
    channel = (
        "{ChannelName: a, CompressionType: Zip, DataSource: {S3DataSource: {S3Uri: s3://b/k, S3DataType: Prefix}}}"
    )
    found = problems(check, planned(train=f"    request: {{InputDataConfig: [{channel}]}}\n"))
    assert sorted(found) == [
        (
            'flow.yaml:12:14: step "train": "Prefix" is no S3DataType of SageMaker '
            '(InputDataConfig[0].DataSource.S3DataSource.S3DataType). Did you mean "S3Prefix"?'
        ),
        (
            'flow.yaml:12:14: step "train": "Zip" is no CompressionType of SageMaker '
            '(InputDataConfig[0].CompressionType). Did you mean "Gzip"?'
        ),
    ]
