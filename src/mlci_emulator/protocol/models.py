"""AWS's own models of its APIs, from botocore, which is imported when the first of them is needed.

Step Functions names services, parameters and errors as the AWS SDK for Java 2 does.
Sources: https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html; NamingUtils and
DefaultNamingStrategy of aws/aws-sdk-java-v2.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

#: The folder in botocore's data, where it is not the service's name without hyphens.
_FOLDERS: Mapping[str, str] = MappingProxyType(
    {
        "applicationdiscovery": "discovery",
        "cloudwatchlogs": "logs",
        "cognitoidentityprovider": "cognito-idp",
        "costandusagereport": "cur",
        "costexplorer": "ce",
        "databasemigration": "dms",
        "directory": "ds",
        "directoryservicedata": "ds-data",
        "elasticloadbalancing": "elb",
        "elasticloadbalancingv2": "elbv2",
        "elasticsearch": "es",
        "eventbridge": "events",
        "iotdataplane": "iot-data",
        "iotjobsdataplane": "iot-jobs-data",
        "lexmodelbuilding": "lex-models",
        "lexmodelsv2": "lexv2-models",
        "lexruntime": "lex-runtime",
        "lexruntimev2": "lexv2-runtime",
        "marketplaceentitlement": "marketplace-entitlement",
        "marketplacemetering": "meteringmarketplace",
        "migrationhub": "mgh",
        "pinpointsmsvoice": "sms-voice",
        "serverlessapplicationrepository": "serverlessrepo",
        "sfn": "stepfunctions",
        "simpledb": "sdb",
    }
)


@functools.cache
def service_model(name: str) -> Any | None:
    """botocore's model of the service that aws-sdk resources call so, or None where there is none."""
    import botocore.model

    folder = _FOLDERS.get(name) or _folders().get(name)
    if folder is None:
        return None
    return botocore.model.ServiceModel(_loader().load_service_model(folder, "service-2"), folder)


def operation_model(service: str, action: str) -> Any | None:
    """The model of an action such as `getObject`, or None where AWS has none, or one that streams events."""
    model = service_model(service)
    name = action[:1].upper() + action[1:]
    if model is None or not action[:1].islower() or name not in model.operation_names:
        return None
    operation = model.operation_model(name)
    return None if operation.has_event_stream_input or operation.has_event_stream_output else operation


def prefix(service_id: str) -> str:
    """What error names begin with, from the service's id.

    >>> [prefix(name) for name in ("S3", "SFN", "DynamoDB", "SageMaker", "CloudWatch Logs")]
    ['S3', 'Sfn', 'DynamoDb', 'SageMaker', 'CloudWatchLogs']
    """
    return _pascal(service_id)


def exception_name(shape: str) -> str:
    """How the SDK calls the exception of an error's shape.

    >>> [exception_name(name) for name in ("NoSuchKey", "DBInstanceNotFoundFault", "NotFoundException")]
    ['NoSuchKeyException', 'DbInstanceNotFoundException', 'NotFoundException']
    """
    name = _pascal(shape)
    if name.endswith("Fault"):
        return f"{name.removesuffix('Fault')}Exception"
    return name if name.endswith("Exception") else f"{name}Exception"


def member_name(name: str) -> str:
    """How Step Functions calls a member: in PascalCase, whatever the API's own case is.

    >>> [member_name(name) for name in ("stateMachineArn", "Bucket", "SSEKMSKeyId", "x-amz-id")]
    ['StateMachineArn', 'Bucket', 'SSEKMSKeyId', 'X-amz-id']
    """
    return name[:1].upper() + name[1:]


def _pascal(text: str) -> str:
    words = re.sub(r"[^A-Za-z0-9]+", " ", text)
    words = re.sub(r"([^a-z]{2,})v([0-9]+)", r"\1 v\2 ", words)
    words = re.sub(r"([^A-Z]{2,})V([0-9]+)", r"\1 V\2 ", words)
    words = re.sub(r"(?<=[a-z])(?=[A-Z][a-zA-Z0-9])", " ", words)
    words = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1 \2", words)
    words = re.sub(r"([0-9])([a-zA-Z])", r"\1 \2", words)
    return "".join(word[:1].upper() + word[1:].lower() for word in words.split())


@functools.lru_cache(maxsize=1)
def _loader() -> Any:
    import botocore.loaders

    return botocore.loaders.Loader()


@functools.lru_cache(maxsize=1)
def _folders() -> dict[str, str]:
    taken = set(_FOLDERS.values())
    folders = _loader().list_available_services("service-2")
    return {folder.replace("-", ""): folder for folder in folders if folder not in taken}
