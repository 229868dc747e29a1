"""One loader of botocore's models, which spares a local run the import of botocore."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mlci_emulator.protocol import models

LOCAL_RUN = """
import sys
from mlci.backends import local
from mlci_emulator.integrations import Integrations, MessageRecords
from mlci_emulator.jobs import requests
from mlci_emulator.protocol import sagemaker_validation
from mlci_emulator.services.s3 import S3
from mlci_emulator.services.sagemaker import SageMaker
from support.local_jobs import processing_request, training_request

requests.processing(processing_request())
requests.training(training_request())
sagemaker_validation.check("CreateTrainingJob", training_request())
sagemaker_validation.problems("CreateTransformJob", {})
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"boto3", "botocore", "moto", "waitress"}))
"""


def test_a_local_run_imports_no_sdk() -> None:
    result = subprocess.run(
        [sys.executable, "-c", LOCAL_RUN], capture_output=True, text=True, env={"PYTHONPATH": "tests"}, check=False
    )
    assert (result.stdout, result.stderr) == ("\n", "")


@pytest.mark.parametrize("service", ["sagemaker", "stepfunctions", "rds"])
def test_a_model_is_botocore_s_own(service: str) -> None:
    """`rds` has additions beside its model's file."""
    from botocore.loaders import Loader

    assert models.model_data(service) == Loader().load_service_model(service, "service-2")


def test_services_are_botocore_s() -> None:
    from botocore.loaders import Loader

    assert models.service_names() == set(Loader().list_available_services("service-2"))


@pytest.mark.parametrize("operation", ["CreateTrainingJob", "CreateModel", "CreateTransformJob"])
def test_a_json_shape_is_botocore_s_shape(operation: str) -> None:
    def described(shape: models.Shape, depth: int) -> object:
        limits = {name: shape.metadata.get(name) for name in ("min", "max", "pattern", "enum")}
        inner: object = None
        if depth == 0:
            pass
        elif shape.type_name == "structure":
            inner = {name: described(member, depth - 1) for name, member in shape.members.items()}
            inner = (inner, list(shape.required_members))
        elif shape.type_name == "list":
            inner = described(shape.member, depth - 1)
        elif shape.type_name == "map":
            inner = (described(shape.key, depth - 1), described(shape.value, depth - 1))
        return shape.name, shape.type_name, limits, inner

    theirs = models.service_model("sagemaker").operation_model(operation).input_shape
    assert described(models.input_shape("sagemaker", operation), 4) == described(theirs, 4)
