"""The names and texts of a task's error when an API rejects its request.

An optimised integration uses the AWS SDK for Java 1, an aws-sdk integration uses version 2. Each has a class for every
exception in the API's model, and a base class for all others. Recorded for Lambda, SNS, SQS, DynamoDB,
Step Functions, S3 and Secrets Manager; SageMaker's ValidationException is in no model, as DynamoDB's.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from mlci_asl import TaskError
from mlci_emulator.integrations import sdk_names
from mlci_emulator.integrations.catalog import SDK_NAMES
from mlci_emulator.protocol.operations import ApiError


class SdkV1Names(NamedTuple):
    """Version 1's names of a service: before an error's name, in its text, and of its base class."""

    prefix: str
    service: str
    base: str


SDK_V1: Mapping[str, SdkV1Names] = MappingProxyType(
    {
        "sagemaker": SdkV1Names("SageMaker", "AmazonSageMaker", "AmazonSageMakerException"),
        "lambda": SdkV1Names("Lambda", "AWSLambda", "AWSLambdaException"),
        "glue": SdkV1Names("Glue", "AWSGlue", "AWSGlueException"),
        "sns": SdkV1Names("SNS", "AmazonSNS", "AmazonSNSException"),
        "sqs": SdkV1Names("SQS", "AmazonSQS", "AmazonSQSException"),
        "dynamodb": SdkV1Names("DynamoDB", "AmazonDynamoDBv2", "AmazonDynamoDBException"),
        "events": SdkV1Names("EventBridge", "AmazonCloudWatchEvents", "AmazonCloudWatchEventsException"),
    }
)

#: All exceptions in the models of the two services that every flow uses: their errors need no model.
#: Source: botocore's models of 2026.
_MODELLED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "sagemaker": frozenset(
            {
                "ConflictException",
                "ResourceAlreadyExists",
                "ResourceInUse",
                "ResourceLimitExceeded",
                "ResourceNotFound",
            }
        ),
        "s3": frozenset(
            {
                "BucketAlreadyExists",
                "BucketAlreadyOwnedByYou",
                "EncryptionTypeMismatch",
                "IdempotencyParameterMismatch",
                "InvalidObjectState",
                "InvalidRequest",
                "InvalidWriteOffset",
                "NoSuchBucket",
                "NoSuchKey",
                "NoSuchUpload",
                "ObjectAlreadyInActiveTierError",
                "ObjectNotInActiveTierError",
                "TooManyParts",
            }
        ),
    }
)
#: Error codes in responses that differ from the exception's name in the model.
#: Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_SENT_AS: Mapping[str, str] = MappingProxyType({"AWS.SimpleQueueService.NonExistentQueue": "QueueDoesNotExist"})
_IDS: Mapping[str, str] = MappingProxyType({"sagemaker": "SageMaker", "s3": "S3"})


def sdk_v1_error(service: str, error: ApiError) -> TaskError:
    """Return the task's error for an error of an optimised integration."""
    sdk = SDK_V1[service]
    is_modelled, code = _in_model(SDK_NAMES.get(service, service), error.code)
    name = sdk_names.exception_name(_SENT_AS.get(error.code, error.code)) if is_modelled else sdk.base
    cause = (
        f"{error.message} (Service: {sdk.service}; Status Code: {error.status}; Error Code: {code}; "
        f"Request ID: {uuid.uuid4()}; Proxy: null)"
    )
    return TaskError(f"{sdk.prefix}.{name}", cause)


def sdk_v2_error(service: str, error: ApiError) -> TaskError:
    """Return the task's error for an error of an aws-sdk integration."""
    known = _IDS.get(service)
    prefix = sdk_names.error_prefix(known if known is not None else _model(service).service_id)
    is_modelled, _ = _in_model(service, error.code)
    name = sdk_names.exception_name(_SENT_AS.get(error.code, error.code)) if is_modelled else f"{prefix}Exception"
    more = f", Extended Request ID: {uuid.uuid4().hex}" if service == "s3" else ""
    cause = (
        f"{error.message} (Service: {prefix}, Status Code: {error.status}, Request ID: {uuid.uuid4()}{more}) "
        "(SDK Attempt Count: 1)"
    )
    return TaskError(f"{prefix}.{name}", cause)


def _in_model(service: str, code: str) -> tuple[bool, str]:
    """Return whether the exception is in the model, and the error code of its response."""
    if service in _MODELLED:
        return code in _MODELLED[service], code
    for shape in _model(service).error_shapes:
        if code in (shape.name, shape.error_code):
            return True, shape.error_code
        if _SENT_AS.get(code) == shape.name:
            return True, code
    return False, code


def _model(service: str) -> Any:
    model = sdk_names.service_model(service)
    assert model is not None, f"botocore has no model of {service}"
    return model
