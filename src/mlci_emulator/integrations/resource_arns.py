"""Parses a task's Resource into service, action and integration pattern.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple


class Pattern(str, Enum):
    """The ways in which a task waits for its service; the value is the resource's suffix."""

    REQUEST_RESPONSE = ""
    SYNC = ".sync"
    SYNC_2 = ".sync:2"
    TOKEN = ".waitForTaskToken"


class Integration(NamedTuple):
    """`arn:aws:states:::service:action.pattern`, or with `aws-sdk:` before the service."""

    service: str
    action: str
    pattern: Pattern = Pattern.REQUEST_RESPONSE
    is_sdk: bool = False

    @property
    def operation(self) -> str:
        """The name of the action in the service's API."""
        return self.action[:1].upper() + self.action[1:]


class FunctionArn(NamedTuple):
    """A Lambda function's own ARN."""

    arn: str


class ActivityArn(NamedTuple):
    """An activity's ARN."""

    arn: str


_INTEGRATION = re.compile(
    r"arn:[a-z-]+:states:::(?P<sdk>aws-sdk:)?(?P<service>[a-z0-9-]+):(?P<action>[a-zA-Z0-9]+)"
    r"(?P<pattern>\.sync:2|\.sync|\.waitForTaskToken)?"
)
_FUNCTION = re.compile(r"arn:[a-z-]+:lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9_-]+(:[$A-Za-z0-9_-]+)?")
_ACTIVITY = re.compile(r"arn:[a-z-]+:states:[a-z0-9-]+:\d{12}:activity:[^:\s]+")


def parse_resource(resource: str) -> Integration | FunctionArn | ActivityArn | None:
    """Return what a resource names; None if it has none of the forms that Step Functions knows.

    >>> parse_resource("arn:aws:states:::sagemaker:createTrainingJob.sync")
    Integration(service='sagemaker', action='createTrainingJob', pattern=<Pattern.SYNC: '.sync'>, is_sdk=False)
    >>> parse_resource("arn:aws:states:::aws-sdk:s3:getObject").is_sdk
    True
    """
    match = _INTEGRATION.fullmatch(resource)
    if match is not None:
        return Integration(match["service"], match["action"], Pattern(match["pattern"] or ""), bool(match["sdk"]))
    if _FUNCTION.fullmatch(resource):
        return FunctionArn(resource)
    return ActivityArn(resource) if _ACTIVITY.fullmatch(resource) else None
