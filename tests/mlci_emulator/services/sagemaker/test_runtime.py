"""InvokeEndpoint, with the model's own script."""

from __future__ import annotations

import base64
import json
import re
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import pytest

from mlci_emulator.protocol.operations import ApiError
from support.local_jobs import sourcedir
from support.sagemaker import SageMakerHarness

#: Answers JSON with its size and with what the model was told; other types with an error.
SCRIPT = """
import json, os
def model_fn(model_dir): return os.environ["TOLD"]
def input_fn(data, content_type):
    if not content_type.startswith("application/json"): raise ValueError("no " + str(content_type))
    print("called")
    return json.loads(data)
def predict_fn(data, model): return [len(data), model]
def output_fn(prediction, accept): return json.dumps(prediction), "application/x-mine"
"""


#: Responds with the number of the invocation.
COUNTING = """
import itertools
def model_fn(model_dir): return itertools.count(1)
def transform_fn(model, data, content_type, accept): return str(next(model)), "text/plain"
"""
CAPTURE = {
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://b/captured/",
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
}


def deploy(sagemaker: SageMakerHarness, script: str = SCRIPT, status: str = "InService", **config: Any) -> Any:
    """Create the endpoint "e" of two variants, and return its description once it has the status."""
    sagemaker.harness.store.put_bytes(sourcedir({"code/inference.py": script}), "s3://b/model.tar.gz")
    variants = []
    for name, weight in (("first", 0.0), ("second", 1.0)):
        container = {"Image": "image", "ModelDataUrl": "s3://b/model.tar.gz", "Environment": {"TOLD": name}}
        sagemaker.call("CreateModel", ModelName=name, PrimaryContainer=container)
        variants.append(
            {
                "VariantName": name,
                "ModelName": name,
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
                "InitialVariantWeight": weight,
            }
        )
    sagemaker.call("CreateEndpointConfig", EndpointConfigName="config", ProductionVariants=variants, **config)
    sagemaker.call("CreateEndpoint", EndpointName="e", EndpointConfigName="config")
    return sagemaker.wait_until("Endpoint", "e", lambda described: described["EndpointStatus"] == status)


def http(sagemaker: SageMakerHarness, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """Return the status and the body of a response of the endpoint's own address."""
    address = sagemaker.service.endpoint_urls()["e"].removeprefix("http://")
    connection = HTTPConnection(address, timeout=20)
    with closing(connection):
        connection.request("GET" if body is None else "POST", path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()


def invoke(
    sagemaker: SageMakerHarness, body: bytes = b"[1, 2]", kind: str = "application/json", **more: Any
) -> dict[str, Any]:
    return sagemaker.call("InvokeEndpoint", EndpointName="e", Body=body, ContentType=kind, **more)


def test_an_endpoint_responds(sagemaker: SageMakerHarness) -> None:
    deploy(sagemaker)
    answer = invoke(sagemaker)
    expected = {"Body": b'[2, "second"]', "ContentType": "application/x-mine", "InvokedProductionVariant": "second"}
    assert answer == expected
    assert invoke(sagemaker, TargetVariant="first")["Body"] == b'[2, "first"]'
    (log,) = sagemaker.service.log_files()
    assert log.group == "/aws/sagemaker/Endpoints/e"
    assert log.path.read_text() == "called\n" * 2


def test_a_script_that_fails_is_a_models_error(sagemaker: SageMakerHarness) -> None:
    deploy(sagemaker)
    with pytest.raises(ApiError) as caught:
        invoke(sagemaker, kind="text/csv")
    assert (caught.value.code, caught.value.status) == ("ModelError", 424)
    message = caught.value.message
    assert 'Received server error (500) from primary with message "ValueError: no text/csv"' in message
    assert "group=/aws/sagemaker/Endpoints/e in account 000000000000" in message


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({"EndpointName": "none", "Body": b""}, "Endpoint none of account 000000000000 not found."),
        ({"EndpointName": "e", "Body": b"", "TargetVariant": "third"}, "Variant third not found"),
        ({"EndpointName": "e", "Body": b"", "TargetModel": "m"}, "does not do the TargetModel"),
        ({"EndpointName": "e"}, "a Body of bytes"),
    ],
)
def test_an_invocation_that_is_rejected(sagemaker: SageMakerHarness, request_: dict[str, Any], text: str) -> None:
    deploy(sagemaker)
    with pytest.raises(ApiError) as caught:
        sagemaker.call("InvokeEndpoint", **request_)
    assert caught.value.code == "ValidationError"
    assert text in caught.value.message


def test_an_endpoint_has_an_address_of_its_own(sagemaker: SageMakerHarness) -> None:
    deploy(sagemaker)
    assert http(sagemaker, "/ping") == (200, b"")
    json_type = {"Content-Type": "application/json"}
    assert http(sagemaker, "/invocations", b"[1]", **json_type) == (200, b'[1, "second"]')
    assert http(sagemaker, "/invocations", b"[1]", **{"Content-Type": "text/csv"}) == (500, b"ValueError: no text/csv")
    assert http(sagemaker, "/other", b"")[0] == 404
    assert http(sagemaker, "/invocations", b"[1]", **json_type, Host="elsewhere.example:80")[0] == 403
    sagemaker.call("DeleteEndpoint", EndpointName="e")
    assert sagemaker.service.endpoint_urls() == {}


def test_a_model_is_loaded_once(sagemaker: SageMakerHarness) -> None:
    deploy(sagemaker, COUNTING)
    assert [invoke(sagemaker)["Body"] for _ in range(3)] == [b"1", b"2", b"3"]


def test_invocations_are_captured(sagemaker: SageMakerHarness) -> None:
    deploy(sagemaker, DataCaptureConfig=CAPTURE)
    invoke(sagemaker, b"[1, 2]", InferenceId="mine")
    http(sagemaker, "/invocations", b"[3]", **{"Content-Type": "application/json; charset=utf-8"})
    (uri,) = sagemaker.harness.store.list("s3://b/captured/")
    assert re.fullmatch(r"s3://b/captured/e/second/\d{4}/\d\d/\d\d/\d\d/\d\d-\d\d-\d{3}-[0-9a-f-]{36}\.jsonl", uri)
    first, second, *rest = sagemaker.harness.store.read_bytes(uri).decode().split("\n")
    captured = json.loads(first)
    assert captured["captureData"] == {
        "endpointInput": {
            "observedContentType": "application/json",
            "mode": "INPUT",
            "data": "[1, 2]",
            "encoding": "JSON",
        },
        "endpointOutput": {
            "observedContentType": "application/x-mine",
            "mode": "OUTPUT",
            "data": base64.b64encode(b'[2, "second"]').decode(),
            "encoding": "BASE64",
        },
    }
    assert captured["eventMetadata"]["inferenceId"] == "mine"
    assert captured["eventVersion"] == "0"
    assert json.loads(second)["captureData"]["endpointInput"]["encoding"] == "JSON"
    assert rest == [""]


def test_what_is_not_sampled_is_not_captured(sagemaker: SageMakerHarness) -> None:
    deploy(sagemaker, DataCaptureConfig={**CAPTURE, "InitialSamplingPercentage": 0})
    invoke(sagemaker)
    assert list(sagemaker.harness.store.list("s3://b/captured/")) == []


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("def model_fn(model_dir): open(model_dir + '/none')", "FileNotFoundError"),
        ("import os; os._exit(3)", "AlgorithmError"),
    ],
)
def test_a_container_that_never_responds_fails_its_endpoint(
    sagemaker: SageMakerHarness, script: str, reason: str
) -> None:
    described = deploy(sagemaker, script, "Failed")
    assert "variant first did not pass the ping health check" in described["FailureReason"]
    assert reason in described["FailureReason"]
    assert sagemaker.service.endpoint_urls() == {}


def test_an_update_that_fails_leaves_the_endpoint_as_it_was(sagemaker: SageMakerHarness) -> None:
    deploy(sagemaker)
    sagemaker.harness.store.put_bytes(sourcedir({"code/inference.py": "import nowhere"}), "s3://b/bad.tar.gz")
    container = {"Image": "image", "ModelDataUrl": "s3://b/bad.tar.gz"}
    sagemaker.call("CreateModel", ModelName="bad", PrimaryContainer=container)
    variant = {"VariantName": "all", "ModelName": "bad", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.call("CreateEndpointConfig", EndpointConfigName="bad", ProductionVariants=[variant])
    sagemaker.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="bad")
    described = sagemaker.wait_until("Endpoint", "e", lambda found: found["EndpointStatus"] != "Updating")
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", "config")
    assert "No module named 'nowhere'" in described["FailureReason"]
    assert invoke(sagemaker)["Body"] == b'[2, "second"]'


def test_what_the_service_has_is_known(sagemaker: SageMakerHarness) -> None:
    assert {"CreateTrainingJob", "ListModels", "InvokeEndpoint"} <= sagemaker.service.operations
    assert "CreateLabelingJob" not in sagemaker.service.operations
