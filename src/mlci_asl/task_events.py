"""The events of one attempt at a task, which differ by what does it: a service, a Lambda function, an activity.

Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html, and the recorded histories
of LocalStack's Step Functions tests.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mlci_asl.errors import StateError
from mlci_asl.events import Trail, error_details
from mlci_asl.jsontext import Json, dump

_ACTIVITY = re.compile(r"arn:aws[a-z-]*:states:[a-z0-9-]+:\d+:activity:\S+")
_FUNCTION = re.compile(r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d*:function:\S+")


def is_activity(resource: str) -> bool:
    """Whether a worker does the task.

    >>> is_activity("arn:aws:states:eu-west-1:123456789012:activity:label")
    True
    """
    return _ACTIVITY.fullmatch(resource) is not None


def is_function(resource: str) -> bool:
    """Whether the task is a Lambda function, named by its ARN."""
    return _FUNCTION.fullmatch(resource) is not None


def has_token(resource: str) -> bool:
    """Whether the outside ends the task."""
    return resource.endswith(".waitForTaskToken") or is_activity(resource)


def resource_names(resource: str) -> tuple[str, str]:
    """The resource type and resource that events show.

    >>> resource_names("arn:aws:states:::sagemaker:createTrainingJob.sync")
    ('sagemaker', 'createTrainingJob.sync')
    >>> resource_names("arn:aws:states:::aws-sdk:s3:getObject")
    ('aws-sdk:s3', 'getObject')
    """
    parts = resource.split(":", 5)
    if parts[2] != "states":
        return parts[2], parts[5]
    kind, _, name = parts[5].rpartition(":")
    return kind, name


class Limits(NamedTuple):
    """What an attempt may take: seconds as a whole, and between heartbeats; None where there is no limit."""

    timeout_s: int | None = None
    heartbeat_s: int | None = None


class TaskEvents:
    """Tells a trail what becomes of an attempt."""

    def __init__(self, trail: Trail, resource: str) -> None:
        self.trail, self.resource = trail, resource
        self._prefix = "Activity" if is_activity(resource) else "LambdaFunction" if is_function(resource) else "Task"
        names = resource_names(resource)
        is_service = self._prefix == "Task"
        self._about: dict[str, Json] = {"resourceType": names[0], "resource": names[1]} if is_service else {}

    @property
    def name(self) -> str:
        """What a cause calls the service."""
        return str(self._about.get("resourceType", self.resource))

    def scheduled(self, region: str, parameters: str, limits: Limits, role_arn: str | None) -> None:
        details: dict[str, Json] = dict(self._about)
        if self._prefix == "Task":
            details |= {"region": region, "parameters": parameters}
        else:
            details |= {"resource": self.resource, "input": parameters, "inputDetails": {"truncated": False}}
        if limits.timeout_s is not None:
            details["timeoutInSeconds"] = limits.timeout_s
        if limits.heartbeat_s is not None and self._prefix != "LambdaFunction":
            details["heartbeatInSeconds"] = limits.heartbeat_s
        if role_arn is not None and self._prefix != "Activity":
            details["taskCredentials"] = {"roleArn": role_arn}
        self._add("Scheduled", details)

    def started(self) -> None:
        """A service or function has the call; an activity's worker takes it later (`taken`)."""
        if self._prefix == "Task":
            self._add("Started", {})
        elif self._prefix == "LambdaFunction":
            self.trail.add("LambdaFunctionStarted")

    def taken(self, worker: str | None) -> None:
        self._add("Started", {} if worker is None else {"workerName": worker})

    def submitted(self, output: Json) -> None:
        self._add("Submitted", _output(dump(output)))

    def succeeded(self, text: str) -> None:
        self._add("Succeeded", _output(text))

    def failed(self, error: StateError) -> None:
        self._add("Failed", error_details(error.error, error.cause))

    def timed_out(self, error: StateError) -> None:
        self._add("TimedOut", error_details(error.error, error.cause))

    def _add(self, what: str, details: dict[str, Json]) -> None:
        kind = f"{self._prefix}{what}"
        member = f"{kind[0].lower()}{kind[1:]}EventDetails"
        self.trail.add(kind, member, {**self._about, **details})


def _output(text: str) -> dict[str, Json]:
    return {"output": text, "outputDetails": {"truncated": False}}
