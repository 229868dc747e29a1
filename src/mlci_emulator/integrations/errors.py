"""How Step Functions names and words an API's refusal.

An optimised integration speaks through the AWS SDK for Java 1, an aws-sdk one through version 2; each has a class for
an exception that is in the API's model, and its base class for any other. Recorded for Lambda, SNS, SQS, DynamoDB,
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


class OldSdk(NamedTuple):
    """What version 1 of the SDK calls a service: before an error's name, in its text, and its base class."""

    prefix: str
    service: str
    base: str


OLD_SDK: Mapping[str, OldSdk] = MappingProxyType(
    {
        "sagemaker": OldSdk("SageMaker", "AmazonSageMaker", "AmazonSageMakerException"),
        "lambda": OldSdk("Lambda", "AWSLambda", "AWSLambdaException"),
        "sns": OldSdk("SNS", "AmazonSNS", "AmazonSNSException"),
        "sqs": OldSdk("SQS", "AmazonSQS", "AmazonSQSException"),
        "dynamodb": OldSdk("DynamoDB", "AmazonDynamoDBv2", "AmazonDynamoDBException"),
        "events": OldSdk("EventBridge", "AmazonCloudWatchEvents", "AmazonCloudWatchEventsException"),
    }
)

#: All exceptions of the two models that every flow uses, so that no failure of one needs to read a model.
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
#: Codes that a service sends for an exception that its model has by another name.
#: Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_SENT_AS: Mapping[str, str] = MappingProxyType({"AWS.SimpleQueueService.NonExistentQueue": "QueueDoesNotExist"})
_IDS: Mapping[str, str] = MappingProxyType({"sagemaker": "SageMaker", "s3": "S3"})


def old_sdk_error(service: str, error: ApiError) -> TaskError:
    """The task's error where an optimised integration was refused."""
    sdk = OLD_SDK[service]
    is_modelled, code = _in_model(SDK_NAMES.get(service, service), error.code)
    name = sdk_names.exception_name(_SENT_AS.get(error.code, error.code)) if is_modelled else sdk.base
    cause = (
        f"{error.message} (Service: {sdk.service}; Status Code: {error.status}; Error Code: {code}; "
        f"Request ID: {uuid.uuid4()}; Proxy: null)"
    )
    return TaskError(f"{sdk.prefix}.{name}", cause)


def new_sdk_error(service: str, error: ApiError) -> TaskError:
    """The task's error where an aws-sdk integration was refused."""
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
    """Whether the exception is in the model, and the error code that goes over the wire."""
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
