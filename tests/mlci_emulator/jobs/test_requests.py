"""API requests that can run here, and those that are rejected."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from mlci_emulator.jobs import requests
from mlci_emulator.jobs.requests import InvalidRequest, MalformedRequest, S3Transfer, UnsupportedRequest
from support.local_jobs import processing_request, training_request

if TYPE_CHECKING:
    from mlci_asl import Json


def changed(request: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    result = copy.deepcopy(request)
    change(result)
    return result


def test_the_plans_requests_are_taken() -> None:
    processing = requests.processing(processing_request("p", Tags=[{"Key": "k", "Value": "v"}]))
    assert processing.command == ("python3", "/opt/ml/processing/input/code/script.py")
    assert processing.outputs == (requests.S3Transfer("out", "s3://b/out", "/opt/ml/processing/output/out"),)
    training = requests.training(training_request("t", StoppingCondition={}))
    assert (training.program, training.code_uri) == ("train.py", "s3://b/sourcedir.tar.gz")
    assert training.max_runtime_s == 86_400


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda r: r.pop("RoleArn"), '"RoleArn" is required but was missing'),
        (lambda r: r.update(Entrypoint=["x"]), '"Entrypoint" is not supported by Step Functions'),
        (lambda r: r["AppSpecification"].update(Image="x"), '"AppSpecification.Image" is not supported'),
        (lambda r: r["ProcessingInputs"][0].pop("InputName"), r'"ProcessingInputs\[0\].InputName" is required'),
        (lambda r: r["StoppingCondition"].update(MaxRuntimeInSeconds="60"), "must be a whole number"),
        (lambda r: r["StoppingCondition"].update(MaxRuntimeInSeconds=True), "must be a whole number"),
        (lambda r: r.update(Environment={"N": 1}), '"Environment.N" must be a text'),
        (lambda r: r.update(ProcessingInputs={}), '"ProcessingInputs" must be a list'),
    ],
)
def test_a_request_that_step_functions_rejects(change: Callable[[dict[str, Any]], object], problem: str) -> None:
    with pytest.raises(MalformedRequest, match=problem):
        requests.processing(changed(processing_request(), change))


def test_parameters_that_are_no_object_are_rejected() -> None:
    with pytest.raises(MalformedRequest, match="must be an object"):
        requests.training(["x"])


@pytest.mark.parametrize("name", ["a_b", "-a", "a" * 64, "", "a-"])
def test_a_name_that_sagemaker_rejects(name: str) -> None:
    with pytest.raises(InvalidRequest, match="failed to satisfy constraint"):
        requests.processing(processing_request(name))


@pytest.mark.parametrize("name", ["a", "a-b", "a--b", "a" * 63])
def test_a_name_that_sagemaker_takes(name: str) -> None:
    assert requests.processing(processing_request(name)).name == name


@pytest.mark.parametrize("path", ["/opt/ml/model", "/etc", "/opt/ml/processing/../x", "x", None])
def test_a_local_path_outside_of_processing_is_invalid(path: str | None) -> None:
    with pytest.raises(InvalidRequest, match="under /opt/ml/processing"):
        requests.processing(
            changed(processing_request(), lambda r: r["ProcessingInputs"][0]["S3Input"].update(LocalPath=path or ""))
        )


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        (lambda r: r["AppSpecification"].pop("ContainerEntrypoint"), "Give the step a script by `run:`"),
        (lambda r: r["ProcessingInputs"][0]["S3Input"].update(S3InputMode="Pipe"), "S3InputMode File only"),
        (lambda r: r["ProcessingInputs"][0]["S3Input"].update(S3DataType="ManifestFile"), "S3DataType S3Prefix only"),
        (lambda r: r["ProcessingInputs"][0]["S3Input"].update(S3CompressionType="Gzip"), "S3CompressionType None"),
        (lambda r: r["ProcessingInputs"][0].update(DatasetDefinition={"InputMode": "File"}), "S3Input only"),
    ],
)
def test_a_processing_job_that_cannot_run_here(change: Callable[[dict[str, Any]], object], advice: str) -> None:
    with pytest.raises(UnsupportedRequest, match=advice):
        requests.processing(changed(processing_request(), change))


GROUP = {"InstanceGroupName": "a", "InstanceType": "ml.m5.large", "InstanceCount": 2}


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        (lambda r: r["HyperParameters"].pop("sagemaker_program"), "Give the step a script by `run:`"),
        (lambda r: r["HyperParameters"].pop("sagemaker_submit_directory"), "not in script mode"),
        (lambda r: r["ResourceConfig"].update(InstanceCount=101), "starts 1 to 100. Use fewer"),
        (lambda r: r["ResourceConfig"].update(InstanceGroups=[GROUP]), "Use instances of one type"),
        (lambda r: r.update(CheckpointConfig={"S3Uri": "s3://b/c", "LocalPath": "/tmp/c"}), "below /opt/ml"),
        (lambda r: r.update(CheckpointConfig={"S3Uri": "s3://b/c", "LocalPath": "/opt/ml"}), "below /opt/ml"),
        (lambda r: r.update(CheckpointConfig={"S3Uri": "s3://b/c", "LocalPath": "/opt/ml/../x"}), "below /opt/ml"),
    ],
)
def test_a_training_job_that_cannot_run_here(change: Callable[[dict[str, Any]], object], advice: str) -> None:
    with pytest.raises(UnsupportedRequest, match=advice):
        requests.training(changed(training_request(), change))


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"S3Uri": "s3://b/c"}, "/opt/ml/checkpoints/"),
        ({"S3Uri": "https://s3.us-east-1.amazonaws.com/b/c", "LocalPath": "/opt/ml/own"}, "/opt/ml/own"),
    ],
)
def test_checkpoints_have_a_place_in_s3_and_in_the_container(config: Json, path: str) -> None:
    checkpoints = requests.training(training_request(CheckpointConfig=config)).checkpoints
    assert checkpoints == S3Transfer("checkpoints", "s3://b/c", path, is_continuous=True)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"AlgorithmSpecification": {"TrainingInputMode": "File"}}, "one of TrainingImage and AlgorithmName"),
        ({"ResourceConfig": {"VolumeSizeInGB": 1}}, "an InstanceType and an InstanceCount"),
        ({"EnableManagedSpotTraining": True}, "needs a MaxWaitTimeInSeconds"),
        (
            {"EnableManagedSpotTraining": True, "StoppingCondition": {"MaxWaitTimeInSeconds": 9}},
            "at least MaxRuntimeInSeconds",
        ),
    ],
)
def test_a_training_job_that_sagemaker_rejects(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidRequest, match=text):
        requests.training(training_request(**changes))


def test_managed_spot_training_with_time_to_wait_is_taken() -> None:
    condition = {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60}
    requests.training(training_request(EnableManagedSpotTraining=True, StoppingCondition=condition))  # type: ignore[arg-type]


def test_two_inputs_at_one_path_are_rejected() -> None:
    def twice(request: dict[str, Any]) -> None:
        request["ProcessingInputs"] *= 2

    with pytest.raises(InvalidRequest, match='two inputs have the LocalPath "/opt/ml/processing/input/code"'):
        requests.processing(changed(processing_request(), twice))
    source: Json = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/d/"}}
    channels: Json = [{"ChannelName": "train", "DataSource": source}] * 2
    with pytest.raises(InvalidRequest, match='two channels have the ChannelName "train"'):
        requests.training(training_request(InputDataConfig=channels))


@pytest.mark.parametrize(("mode", "is_taken"), [("File", True), ("FastFile", True), ("Pipe", False)])
def test_a_channels_mode(mode: str, is_taken: bool) -> None:
    source: Json = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/d/"}}
    request = training_request(InputDataConfig=[{"ChannelName": "train", "DataSource": source, "InputMode": mode}])
    if is_taken:
        assert requests.training(request).channels[0].config["TrainingInputMode"] == mode
    else:
        with pytest.raises(UnsupportedRequest, match="Pipe mode"):
            requests.training(request)


@pytest.mark.parametrize(
    ("one", "other", "is_taken"),
    [
        ("output/train", "output/train", False),
        ("output/train/", "output//train", False),
        ("output", "output/train", False),
        ("output/train", "output", False),
        ("output/train", "output/train2", True),
    ],
)
def test_outputs_that_overlap_are_rejected(one: str, other: str, is_taken: bool) -> None:
    outputs = [
        {"OutputName": name, "S3Output": {"S3Uri": f"s3://b/{name}", "LocalPath": path, "S3UploadMode": "EndOfJob"}}
        for name, path in (("a", f"/opt/ml/processing/{one}"), ("b", f"/opt/ml/processing/{other}"))
    ]
    request = processing_request(ProcessingOutputConfig={"Outputs": outputs})  # type: ignore[dict-item]
    if is_taken:
        assert len(requests.processing(request).outputs) == 2
    else:
        with pytest.raises(UnsupportedRequest, match="Give each output a folder of its own"):
            requests.processing(request)


def test_a_url_of_something_else_than_s3_is_rejected() -> None:
    request = processing_request()
    request["ProcessingInputs"][0]["S3Input"]["S3Uri"] = "https://example.com/data"  # type: ignore[index, call-overload]
    with pytest.raises(InvalidRequest, match="is no S3 URI"):
        requests.processing(request)


def test_an_isolated_container_gets_its_code_by_a_channel() -> None:
    """It has no network, so a job that fetches its code from S3 fails on AWS."""
    request = training_request("t", EnableNetworkIsolation=True)
    with pytest.raises(UnsupportedRequest, match=r"EnableNetworkIsolation.*Pass the archive as a channel"):
        requests.training(request)

    def by_channel(fields: dict[str, Any]) -> None:
        source = {"S3Uri": "s3://b/sourcedir.tar.gz", "S3DataType": "S3Prefix"}
        fields.setdefault("InputDataConfig", []).append({"ChannelName": "code", "DataSource": {"S3DataSource": source}})
        path = '"/opt/ml/input/data/code/sourcedir.tar.gz"'
        fields["HyperParameters"]["sagemaker_submit_directory"] = path

    read = requests.training(changed(request, by_channel))
    assert read.code_uri == "s3://b/sourcedir.tar.gz"
    assert [channel.name for channel in read.channels][-1] == "code"


def test_a_training_job_may_have_an_entry_point_in_place_of_a_script() -> None:
    algorithm: dict[str, Json] = {
        "TrainingImage": "image",
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["python3"],
        "ContainerArguments": ["/x.py", "a"],
    }
    training = requests.training(training_request(AlgorithmSpecification=algorithm, HyperParameters={}))
    assert (training.entrypoint, training.program) == (("python3", "/x.py", "a"), "")
    assert requests.training(training_request()).entrypoint == ()
