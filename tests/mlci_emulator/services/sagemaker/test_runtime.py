"""InvokeEndpoint, with the model's own script."""

from __future__ import annotations

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
    if content_type != "application/json": raise ValueError("no " + str(content_type))
    print("called")
    return json.loads(data)
def predict_fn(data, model): return [len(data), model]
def output_fn(prediction, accept): return json.dumps(prediction), "application/x-mine"
"""


def deploy(sagemaker: SageMakerHarness, script: str = SCRIPT) -> None:
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
    sagemaker.call("CreateEndpointConfig", EndpointConfigName="config", ProductionVariants=variants)
    sagemaker.call("CreateEndpoint", EndpointName="e", EndpointConfigName="config")
    sagemaker.wait_until("Endpoint", "e", lambda described: described["EndpointStatus"] == "InService")


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


def test_what_the_service_has_is_known(sagemaker: SageMakerHarness) -> None:
    assert {"CreateTrainingJob", "ListModels", "InvokeEndpoint"} <= sagemaker.service.operations
    assert "CreateHyperParameterTuningJob" not in sagemaker.service.operations
