"""The names that Step Functions has for services, actions, members and errors: those of the AWS SDK for Java 2.

Sources: https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html; NamingUtils and
DefaultNamingStrategy of aws/aws-sdk-java-v2.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlci_emulator.protocol import models

if TYPE_CHECKING:
    from botocore.model import OperationModel, ServiceModel

#: botocore's name of a service, where it is more than the SDK's name with hyphens.
_BOTOCORE_NAMES: Mapping[str, str] = MappingProxyType(
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


#: The capitals at the beginning of a name, without the one that begins the next word.
_LEADING_ACRONYM = re.compile(r"[A-Z]+(?![a-z])")
#: Names of members, somewhere in the models, that are keywords of Java or methods of every class of the SDK.
_RESERVED = frozenset(
    {"Boolean", "Build", "Builder", "Default", "Double", "Else", "Enum", "Equals", "Float", "Int", "Interface", "Long"}
    | {"Notify", "NotifyAll", "OverrideConfiguration", "Package", "Public", "Return", "Static", "Wait"}
)


def service_model(name: str) -> ServiceModel | None:
    """Return the model of a service by its name in aws-sdk resources; None if there is no such service."""
    botocore_name = _BOTOCORE_NAMES.get(name) or _hyphenated_names().get(name)
    return None if botocore_name is None else models.service_model(botocore_name)


def operation_model(service: str, action: str) -> OperationModel | None:
    """Return the model of an action such as `getObject`; None if AWS has no such action, or if it streams events."""
    model = service_model(service)
    name = action[:1].upper() + action[1:]
    if model is None or not action[:1].islower() or name not in model.operation_names:
        return None
    operation = model.operation_model(name)
    return None if operation.has_event_stream_input or operation.has_event_stream_output else operation


def error_prefix(service_id: str) -> str:
    """Return the beginning of a service's error names, from the service's id.

    >>> [error_prefix(name) for name in ("S3", "SFN", "DynamoDB", "SageMaker", "CloudWatch Logs")]
    ['S3', 'Sfn', 'DynamoDb', 'SageMaker', 'CloudWatchLogs']
    """
    return _pascal(service_id)


def exception_name(shape: str) -> str:
    """Return the SDK's name of the exception for an error's shape.

    >>> [exception_name(name) for name in ("NoSuchKey", "DBInstanceNotFoundFault", "NotFoundException")]
    ['NoSuchKeyException', 'DbInstanceNotFoundException', 'NotFoundException']
    """
    name = _pascal(shape)
    if name.endswith("Fault"):
        return f"{name.removesuffix('Fault')}Exception"
    return name if name.endswith("Exception") else f"{name}Exception"


def member_name(name: str) -> str:
    """Return an optimised integration's name of a member: in PascalCase, in whatever case the API has it.

    >>> [member_name(name) for name in ("stateMachineArn", "Bucket", "BOOL", "x-amz-id")]
    ['StateMachineArn', 'Bucket', 'BOOL', 'X-amz-id']
    """
    return name[:1].upper() + name[1:]


def sdk_member_name(name: str) -> str:
    """Return an aws-sdk integration's name of a member: that of the SDK for Java 2, in PascalCase.

    The SDK writes an acronym at the beginning in lower case, and adds "Value" to a name that Java does not take.

    Sources: `unCapitalize` in Utils and rewriteInvalidMemberName in DefaultNamingStrategy of aws/aws-sdk-java-v2;
    DynamoDB's customization.config there (NUL); https://github.com/aws/aws-sdk-js/issues/4294 (Bool).

    >>> [sdk_member_name(name) for name in ("SSEKMSKeyId", "ETag", "ChecksumCRC32", "BOOL", "NULL", "stateMachineArn")]
    ['SsekmsKeyId', 'ETag', 'ChecksumCRC32', 'Bool', 'Nul', 'StateMachineArn']
    """
    if name == "NULL":
        return "Nul"
    acronym = _LEADING_ACRONYM.match(name)
    start = acronym.group().capitalize() if acronym else name[:1].upper()
    pascal = start + name[len(start) :]
    return f"{pascal}Value" if pascal in _RESERVED else pascal


def _pascal(text: str) -> str:
    words = re.sub(r"[^A-Za-z0-9]+", " ", text)
    words = re.sub(r"([^a-z]{2,})v([0-9]+)", r"\1 v\2 ", words)
    words = re.sub(r"([^A-Z]{2,})V([0-9]+)", r"\1 V\2 ", words)
    words = re.sub(r"(?<=[a-z])(?=[A-Z][a-zA-Z0-9])", " ", words)
    words = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1 \2", words)
    words = re.sub(r"([0-9])([a-zA-Z])", r"\1 \2", words)
    return "".join(word[:1].upper() + word[1:].lower() for word in words.split())


@functools.cache
def _hyphenated_names() -> dict[str, str]:
    taken = set(_BOTOCORE_NAMES.values())
    return {name.replace("-", ""): name for name in models.service_names() if name not in taken}
