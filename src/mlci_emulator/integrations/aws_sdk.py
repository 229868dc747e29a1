"""`aws-sdk:service:action`, and the optimised integrations that do no more: one call of a service, in its own model.

S3 and SageMaker have PascalCase models, which the local services keep to, so that their commonest calls need no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlci_emulator.integrations import json_values, sdk_names
from mlci_emulator.integrations.errors import new_sdk_error, old_sdk_error
from mlci_emulator.integrations.parameters import PlainShape
from mlci_emulator.integrations.resource_arns import Integration
from mlci_emulator.integrations.response_metadata import with_metadata
from mlci_emulator.integrations.task_context import fields, where
from mlci_emulator.protocol.operations import ApiError, Service

if TYPE_CHECKING:
    from mlci_asl import Json, TaskCall

#: What the calls of a usual flow take: enough to know that they are right, and that nothing has to be converted.
PLAIN: Mapping[tuple[str, str], PlainShape] = {
    ("s3", "getObject"): {"Bucket!": str, "Key!": str},
    ("s3", "headObject"): {"Bucket!": str, "Key!": str},
    ("s3", "copyObject"): {"Bucket!": str, "CopySource!": str, "Key!": str},
    ("s3", "listObjectsV2"): {"Bucket!": str, "Prefix": str, "Delimiter": str, "MaxKeys": int},
    ("s3", "deleteObject"): {"Bucket!": str, "Key!": str},
    ("sagemaker", "describeTrainingJob"): {"TrainingJobName!": str},
    ("sagemaker", "describeProcessingJob"): {"ProcessingJobName!": str},
    ("sagemaker", "stopTrainingJob"): {"TrainingJobName!": str},
    ("sagemaker", "stopProcessingJob"): {"ProcessingJobName!": str},
}


#: What the SDK for Java 2 sends unasked, as is seen in what it stores: recorded for a body that is a text.
_UNASKED: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("s3", "putObject"): {"ContentType": "text/plain; charset=UTF-8", "ChecksumAlgorithm": "CRC32"},
}


def call(service: Service, integration: Integration, task: TaskCall) -> Json:
    """The output of an aws-sdk task.

    Raises: TaskError.
    """
    name, action = integration.service, integration.action
    given = fields(task.parameters)
    is_plain = (name, action) in PLAIN and set(given) <= _names(PLAIN[name, action])
    operation = None if is_plain else sdk_names.operation_model(name, action)
    sent = given if operation is None else json_values.request(operation.input_shape, given)
    try:
        answer = service.call(integration.operation, {**_UNASKED.get((name, action), {}), **sent}, where(task).region)
    except ApiError as error:
        raise new_sdk_error(name, error) from error
    return json_values.answer(operation.output_shape if operation is not None else None, answer)


def forward(service: Service, integration: Integration, task: TaskCall) -> Json:
    """The output of an optimised integration that only calls its API.

    Raises: TaskError.
    """
    operation = sdk_names.operation_model(integration.service, integration.action)
    assert operation is not None, f"{integration.service} has no {integration.action}"
    sent = json_values.request(operation.input_shape, fields(task.parameters))
    try:
        answer = service.call(integration.operation, sent, where(task).region)
    except ApiError as error:
        raise old_sdk_error(integration.service, error) from error
    output = json_values.answer(operation.output_shape, answer)
    return with_metadata(integration.service, fields(output))


def _names(shape: PlainShape) -> set[str]:
    return {name.removesuffix("!") for name in shape} if isinstance(shape, dict) else set()
