"""`aws-sdk:service:action`, and the optimised integrations that do the same: one call of a service, in its own model.

The models of S3 and SageMaker are in PascalCase, and so are the local services: their most common calls need no model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mlci_emulator.integrations import sdk_names, task_values
from mlci_emulator.integrations.errors import sdk_v1_error, sdk_v2_error
from mlci_emulator.integrations.parameters import PlainShape
from mlci_emulator.integrations.resource_arns import Integration
from mlci_emulator.integrations.response_metadata import with_metadata
from mlci_emulator.integrations.task_context import fields, task_context
from mlci_emulator.protocol import validation_errors
from mlci_emulator.protocol.models import Shape
from mlci_emulator.protocol.operations import ApiError, Request, Service

if TYPE_CHECKING:
    from mlci_asl import Json, TaskCall

#: The parameters of a usual flow's calls: a call that fits them is valid and needs no conversion, hence no model.
PLAIN: Mapping[tuple[str, str], PlainShape] = {
    ("s3", "getObject"): {"Bucket!": str, "Key!": str},
    ("s3", "headObject"): {"Bucket!": str, "Key!": str},
    ("s3", "copyObject"): {
        "Bucket!": str,
        "CopySource!": str,
        "Key!": str,
        "ServerSideEncryption": str,
        "SsekmsKeyId": str,
    },
    ("s3", "createMultipartUpload"): {
        "Bucket!": str,
        "Key!": str,
        "ChecksumAlgorithm": str,
        "ServerSideEncryption": str,
        "SsekmsKeyId": str,
    },
    ("s3", "uploadPartCopy"): {
        "Bucket!": str,
        "CopySource!": str,
        "CopySourceRange": str,
        "Key!": str,
        "PartNumber!": int,
        "UploadId!": str,
    },
    ("s3", "completeMultipartUpload"): {
        "Bucket!": str,
        "Key!": str,
        "UploadId!": str,
        "MultipartUpload": {"Parts": [{"PartNumber": int, "ETag": str, "ChecksumCRC32": str}]},
    },
    ("s3", "abortMultipartUpload"): {"Bucket!": str, "Key!": str, "UploadId!": str},
    ("s3", "listObjectsV2"): {"Bucket!": str, "Prefix": str, "Delimiter": str, "MaxKeys": int},
    ("s3", "deleteObject"): {"Bucket!": str, "Key!": str},
    ("sagemaker", "describeTrainingJob"): {"TrainingJobName!": str},
    ("sagemaker", "describeProcessingJob"): {"ProcessingJobName!": str},
    ("sagemaker", "stopTrainingJob"): {"TrainingJobName!": str},
    ("sagemaker", "stopProcessingJob"): {"ProcessingJobName!": str},
}


#: The API's names of members in PLAIN that the SDK for Java 2 spells otherwise.
#: Sources: `ssekmsKeyId` in https://docs.aws.amazon.com/sdk-for-kotlin/api/latest/s3/ (CopyObjectResponse), which
#: spells members as the SDK for Java does; https://github.com/boto/boto3/issues/4253 (Step Functions has its names).
API_NAMES: Mapping[str, str] = {"SsekmsKeyId": "SSEKMSKeyId"}

#: The members that the SDK for Java 2 adds to a request. Recorded, for a body that is a text.
_SDK_DEFAULTS: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("s3", "putObject"): {"ContentType": "text/plain; charset=UTF-8", "ChecksumAlgorithm": "CRC32"},
}


#: The checks of a request for services whose endpoint checks it; the other services do that themselves.
_CHECKS: Mapping[str, Callable[[Shape, Request], None]] = {
    "s3": validation_errors.check_required,
    "sfn": validation_errors.check,
}


def call(service: Service, integration: Integration, task: TaskCall) -> Json:
    """Return the output of an aws-sdk task.

    Raises: TaskError.
    """
    name, action = integration.service, integration.action
    parameters = fields(task.parameters)
    is_plain = (name, action) in PLAIN and set(parameters) <= _names(PLAIN[name, action])
    operation = None if is_plain else sdk_names.operation_model(name, action)
    if operation is None:
        sent = {API_NAMES.get(member, member): value for member, value in parameters.items()}
    else:
        sent = task_values.to_api(operation.input_shape, parameters, sdk_names.sdk_member_name)
    try:
        if operation is not None and name in _CHECKS:
            _CHECKS[name](operation.input_shape, sent)
        request = {**_SDK_DEFAULTS.get((name, action), {}), **sent}
        output = service.call(integration.operation, request, task_context(task).region)
    except ApiError as error:
        raise sdk_v2_error(name, error) from error
    if operation is None:
        return task_values.to_task(None, {sdk_names.sdk_member_name(key): item for key, item in output.items()})
    return task_values.to_task(operation.output_shape, output, names=sdk_names.sdk_member_name)


def forward(service: Service, integration: Integration, task: TaskCall) -> Json:
    """Return the output of an optimised integration that only calls its API.

    Raises: TaskError.
    """
    operation = sdk_names.operation_model(integration.service, integration.action)
    assert operation is not None, f"{integration.service} has no {integration.action}"
    sent = task_values.to_api(operation.input_shape, fields(task.parameters))
    try:
        response = service.call(integration.operation, sent, task_context(task).region)
    except ApiError as error:
        raise sdk_v1_error(integration.service, error) from error
    output = task_values.to_task(operation.output_shape, response)
    return with_metadata(integration.service, fields(output))


def _names(shape: PlainShape) -> set[str]:
    return {name.removesuffix("!") for name in shape} if isinstance(shape, dict) else set()
