"""Rejects the messages that SNS, SQS and EventBridge reject before they look for a topic, a queue or a bus.

Sources: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html,
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html and
https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html; the texts of an empty body, of a FIFO
topic without a group and of an invalid queue URL are recorded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from mlci_asl import TaskError
from mlci_emulator.protocol.operations import ApiError, Request

MAX_ENTRIES = 10


def check_message(service: str, request: Request) -> None:
    """Raises: ApiError, as the service rejects it; TaskError, if the SDK cannot reach the service."""
    _CHECKS[service](request)


def is_ordered(request: Request) -> bool:
    """Return whether a message goes to a FIFO topic or queue; a MessageGroupId alone does not tell."""
    return any(str(request.get(name, "")).endswith(".fifo") for name in ("TopicArn", "TargetArn", "QueueUrl"))


def entry_error(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return the error with which EventBridge answers an entry of PutEvents; empty if the entry is right.

    Source: the recorded tests test_put_events_no_source and test_put_events_malformed_detail of LocalStack.
    """
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            what = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": what}
    try:
        is_object = isinstance(json.loads(entry["Detail"]), dict)
    except ValueError:
        is_object = False
    return {} if is_object else {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}


def _publish(request: Request) -> None:
    if not any(request.get(name) for name in ("TopicArn", "TargetArn", "PhoneNumber")):
        what = "Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter"
        raise ApiError("InvalidParameterException", what)
    if not request.get("Message"):
        raise ApiError("InvalidParameterException", "Invalid parameter: Empty message")
    if is_ordered(request) and not request.get("MessageGroupId"):
        what = "Invalid parameter: The MessageGroupId parameter is required for FIFO topics"
        raise ApiError("InvalidParameterException", what)


def _send(request: Request) -> None:
    address = urlsplit(str(request.get("QueueUrl", "")))
    if not address.netloc or not address.path.strip("/"):  # no host, or one that is not SQS's, which has /account/queue
        host = address.netloc or address.path
        raise TaskError("SQS.SdkClientException", f"Unable to execute HTTP request: {host}: Name or service not known")
    for name in ("MessageBody", "MessageGroupId") if is_ordered(request) else ("MessageBody",):
        if not request.get(name):
            raise ApiError("MissingParameter", f"The request must contain the parameter {name}.")


def _put(request: Request) -> None:
    if not 1 <= len(request.get("Entries", ())) <= MAX_ENTRIES:
        what = "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length "
        limit = "greater than or equal to 1" if not request.get("Entries") else f"less than or equal to {MAX_ENTRIES}"
        raise ApiError("ValidationException", what + limit)


_CHECKS: Mapping[str, Callable[[Request], None]] = MappingProxyType({"sns": _publish, "sqs": _send, "events": _put})
