"""Training steps whose `request:` names keys, or takes the network away."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlci.backends.local_checks import check_jobs
from mlci.compile import compile_plan
from mlci.flow import load
from mlci.plan import Plan, Target, plan
from mlci.stage.models import CodeUnit, DataUnit, ImageContext, Staged, StagedFile
from mlci.step_types.script_start import ScriptStart
from support.local_jobs import sourcedir

FLOW = """flow: keyed
defaults: {image: "mine.example/image:7"}
steps:
  train:
    uses: training
    run: a.py
    inputs: {INPUT: data.csv}
    request: REQUEST
"""
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd"


def planned(request: str, channel: str = "train") -> Plan:
    flow = load(FLOW.replace("REQUEST", request).replace("INPUT", channel).encode(), "flow.yaml", {}, {})
    files = (StagedFile("a.py", "0" * 64, 0, Path("a.py"), b""),)
    data = {"data.csv": DataUnit("data.csv", files, is_folder=False)}
    staged = Staged(
        {"train": CodeUnit(ScriptStart({"script": "a.py"}), files, files)}, data, {"train": "mine.example/image:7"}
    )
    return plan(flow, staged, Target("bucket", "arn:aws:iam::123456789012:role/r", "20261123-101530-3f9c2a"))


def copy_of(planned: Plan) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters of the model's copy, and the step's input."""
    compiled = compile_plan(planned, lambda key, compute: compute())
    states = json.loads(compiled.definition)["States"]
    return states["train: keep the model"]["Parameters"], json.loads(compiled.execution_input)["steps"]["train"]


def test_a_copied_model_keeps_the_key_of_the_jobs_output() -> None:
    parameters, values = copy_of(planned(f"{{OutputDataConfig: {{KmsKeyId: '{KEY}'}}}}"))
    assert parameters["ServerSideEncryption"] == "aws:kms"
    assert parameters["SsekmsKeyId.$"] == "$.steps.train.model_key"
    assert values["model_key"] == KEY


@pytest.mark.parametrize(
    "request_", ["{}", "{OutputDataConfig: {KmsKeyId: ''}}", "{ResourceConfig: {VolumeKmsKeyId: k}}"]
)
def test_a_copied_model_without_a_key_has_the_buckets_encryption(request_: str) -> None:
    parameters, _ = copy_of(planned(request_))
    assert set(parameters) == {"Bucket.$", "Key.$", "CopySource.$"}


@pytest.mark.parametrize(("taken", "channel"), [("train", "code"), ("code", "code-2")])
def test_an_isolated_container_gets_its_code_by_a_channel(taken: str, channel: str) -> None:
    isolated = planned("{EnableNetworkIsolation: true}", taken)
    request: Any = isolated.steps["train"].request
    archive = next(upload.uri for upload in isolated.uploads if upload.is_archive)
    code = next(entry for entry in request["InputDataConfig"] if entry["ChannelName"] == channel)
    assert code["DataSource"]["S3DataSource"]["S3Uri"] == archive
    path = f"/opt/ml/input/data/{channel}/sourcedir.tar.gz"
    assert json.loads(request["HyperParameters"]["sagemaker_submit_directory"]) == path
    check_jobs(isolated)


def test_any_other_container_fetches_its_code_itself() -> None:
    request: Any = planned("{EnableNetworkIsolation: false}").steps["train"].request
    assert [entry["ChannelName"] for entry in request["InputDataConfig"]] == ["train"]
    assert json.loads(request["HyperParameters"]["sagemaker_submit_directory"]).startswith("s3://bucket/")


def built(text: str) -> dict[str, Any]:
    """Return the request of a training step whose image the flow builds."""
    flow = load(text.encode(), "flow.yaml", {}, {})
    files = (StagedFile("a.py", "0" * 64, 0, Path("a.py"), b""),)
    staged = Staged(
        {"train": CodeUnit(ScriptStart({"script": "a.py"}), files, files)},
        {"data.csv": DataUnit("data.csv", files, is_folder=False)},
        {},
        {"train": ImageContext("docker", "Dockerfile", {}, files)},
    )
    made = plan(flow, staged, Target("bucket", "arn:aws:iam::123456789012:role/r", "20261123-101530-3f9c2a"))
    check_jobs(made)
    assert [image.uri for image in made.images] == [made.steps["train"].image]
    return dict(made.steps["train"].request)


def test_a_built_image_needs_no_toolkit() -> None:
    request = built(
        FLOW.replace("REQUEST", "{}").replace("INPUT", "code").replace('"mine.example/image:7"', "{build: docker}")
    )
    algorithm = request["AlgorithmSpecification"]
    assert algorithm["TrainingImage"].startswith("localhost/mlci-keyed:")
    assert algorithm["ContainerEntrypoint"][:3] == ["python3", "-Wignore", "-c"]
    # API_AlgorithmSpecification: each text has at most 256 characters.
    assert max(map(len, algorithm["ContainerEntrypoint"])) <= 256
    assert algorithm["ContainerArguments"] == ["/opt/ml/input/data/code-2/sourcedir.tar.gz", "/opt/ml/code"]
    assert [channel["ChannelName"] for channel in request["InputDataConfig"]] == ["code", "code-2"]
    assert request["HyperParameters"] == {"sagemaker_mlci_start": '{"args": []}'}


def test_a_request_may_have_an_entry_point_of_its_own() -> None:
    own = "{AlgorithmSpecification: {ContainerEntrypoint: [/opt/start]}}"
    text = FLOW.replace("REQUEST", own).replace("INPUT", "train").replace('"mine.example/image:7"', "{build: docker}")
    assert built(text)["AlgorithmSpecification"]["ContainerEntrypoint"] == ["/opt/start"]


def test_the_entry_point_unpacks_the_code_and_starts_it(tmp_path: Path) -> None:
    request = built(
        FLOW.replace("REQUEST", "{}").replace("INPUT", "x").replace('"mine.example/image:7"', "{build: docker}")
    )
    archive, code = tmp_path / "sourcedir.tar.gz", tmp_path / "code"
    archive.write_bytes(sourcedir({"mlci_start.py": "import sys; print(sys.argv[1:])"}))
    command = request["AlgorithmSpecification"]["ContainerEntrypoint"][1:]
    done = subprocess.run(
        [sys.executable, *command, str(archive), str(code)], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == (f"['{archive}']\n", "")
