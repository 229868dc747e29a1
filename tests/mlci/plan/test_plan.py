"""Flow and staged files → requests, uploads and limits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlci.flow import load
from mlci.plan import Plan, Target, plan
from mlci.stage.models import CodeUnit, DataUnit, Staged, StagedFile
from mlci.step_types.script_start import ScriptStart

FLOW = b"""
flow: small
defaults: {image: "mine.example/image:7"}
steps:
  prepare:
    uses: processing
    run: src/prepare.py
    args: ["--raw", "${{ inputs.raw }}", "--out=${{ outputs.table }}", "--folder", "${{ inputs.folder }}"]
    env: {MODE: "fast"}
    inputs: {raw: data/x.csv, folder: data/more}
    outputs: [table]
    timeout: 10m
    request:
      NetworkConfig: {EnableNetworkIsolation: true}
      AppSpecification: {ImageUri: other.example/image:8}
  train:
    uses: training
    run: src/train.py
    inputs: {train: "${{ steps.prepare.outputs.table }}", extra: "s3://elsewhere/data/"}
    hyperparameters: {depth: 4, name: "a b", rate: 0.5, flag: true}
    request:
      HyperParameters: {cut: "[1, 2]", sagemaker_container_log_level: "10"}
gate: []
"""


def file(path: str) -> StagedFile:
    return StagedFile(path, f"{hash(path):x}", 3, Path(path), b"abc")


def unit(script: str, paths: tuple[str, ...], import_roots: tuple[str, ...] = ()) -> CodeUnit:
    files = tuple(file(path) for path in paths)
    return CodeUnit(ScriptStart({"script": script}, import_roots), files, (file("mlci_start.py"), *files))


@pytest.fixture
def planned() -> Plan:
    flow = load(FLOW.replace(b"gate: []\n", b""), "flow.yaml", {}, {})
    staged = Staged(
        code={
            "prepare": unit("src/prepare.py", ("src/prepare.py",), ("src", "")),
            "train": unit("src/train.py", ("src/train.py", "src/lib.py")),
        },
        data={
            "data/x.csv": DataUnit("data/x.csv", (file("x.csv"),), is_folder=False),
            "data/more": DataUnit("data/more", (file("a.csv"), file("b/c.csv")), is_folder=True),
        },
        images={"prepare": "mine.example/image:7", "train": "mine.example/image:7"},
    )
    return plan(flow, staged, Target("bucket", "arn:aws:iam::000000000000:role/jobs", "20261123-101530-3f9c2a"))


def request(planned: Plan, step: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(planned.steps[step].request))
    return made


def test_arguments_name_paths_in_the_container_and_a_file_keeps_its_name(planned: Plan) -> None:
    assert request(planned, "prepare")["AppSpecification"]["ContainerArguments"] == [
        "--raw",
        "/opt/ml/processing/input/raw/x.csv",
        "--out=/opt/ml/processing/output/table",
        "--folder",
        "/opt/ml/processing/input/folder",
    ]


def test_request_is_merged_over_the_api_request(planned: Plan) -> None:
    made = request(planned, "prepare")
    assert made["NetworkConfig"] == {"EnableNetworkIsolation": True}
    assert made["AppSpecification"]["ImageUri"] == "other.example/image:8"
    assert made["AppSpecification"]["ContainerEntrypoint"] == [
        "python3",
        "/opt/ml/processing/input/code/mlci_start.py",
    ]


def test_imports_that_start_elsewhere_do_not_replace_the_image_s_pythonpath(planned: Plan) -> None:
    assert request(planned, "prepare")["Environment"] == {"MODE": "fast"}
    assert request(planned, "train")["Environment"] == {}


def test_hyperparameters_are_json_texts_and_travel_under_names_that_no_shell_changes(planned: Plan) -> None:
    sent = request(planned, "train")["HyperParameters"]
    assert sent.pop("sagemaker_submit_directory").endswith('/sourcedir.tar.gz"')
    assert sent == {
        "depth": "4",
        "sagemaker_mlci_value_name": '"a b"',
        "rate": "0.5",
        "flag": "true",
        "sagemaker_mlci_value_cut": "[1, 2]",
        "sagemaker_mlci_start": '{"args": []}',
        "sagemaker_program": '"mlci_start.py"',
        "sagemaker_container_log_level": "10",
    }


def test_an_output_is_read_where_it_was_written(planned: Plan) -> None:
    written = request(planned, "prepare")["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"]
    channels = {
        channel["ChannelName"]: channel["DataSource"]["S3DataSource"]["S3Uri"]
        for channel in request(planned, "train")["InputDataConfig"]
    }
    assert channels == {"train": written, "extra": "s3://elsewhere/data/"}
    assert written == "s3://bucket/mlci/small/runs/20261123-101530-3f9c2a/prepare/table/"


def test_all_that_is_read_is_uploaded_under_its_content(planned: Plan) -> None:
    uris = {upload.uri for upload in planned.uploads}
    inputs = {
        entry["InputName"]: entry["S3Input"]["S3Uri"] for entry in request(planned, "prepare")["ProcessingInputs"]
    }
    assert inputs["raw"] in uris
    assert {f"{inputs['folder']}a.csv", f"{inputs['folder']}b/c.csv", f"{inputs['code']}src/prepare.py"} <= uris
    archive = json.loads(request(planned, "train")["HyperParameters"]["sagemaker_submit_directory"])
    assert archive in uris


def test_requests_are_accepted_by_botocore_s_own_model(planned: Plan) -> None:
    import botocore.session
    from botocore.validate import ParamValidator

    service = botocore.session.get_session().get_service_model("sagemaker")
    for step, operation, name in (
        ("prepare", "CreateProcessingJob", "ProcessingJobName"),
        ("train", "CreateTrainingJob", "TrainingJobName"),
    ):
        made = {**request(planned, step), name: f"{planned.steps[step].job}-0-0"}
        report = ParamValidator().validate(made, service.operation_model(operation).input_shape)
        assert not report.has_errors(), report.generate_report()
