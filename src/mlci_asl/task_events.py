"""The events of one attempt at a task. They differ for services, Lambda functions and activities.

Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html, and the recorded histories
of LocalStack's Step Functions tests.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mlci_asl.errors import StateError
from mlci_asl.events import EventChain, error_details
from mlci_asl.jsontext import Json, dump

_ACTIVITY = re.compile(r"arn:aws[a-z-]*:states:[a-z0-9-]+:\d+:activity:\S+")
_FUNCTION = re.compile(r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d*:function:\S+")


def is_activity(resource: str) -> bool:
    """True if the resource is an activity, whose workers do the task.

    >>> is_activity("arn:aws:states:eu-west-1:123456789012:activity:label")
    True
    """
    return _ACTIVITY.fullmatch(resource) is not None


def is_function(resource: str) -> bool:
    """True if the resource is the ARN of a Lambda function."""
    return _FUNCTION.fullmatch(resource) is not None


def has_token(resource: str) -> bool:
    """True if the task can be completed from outside, with a token.

    Recorded: the context object of a `.sync` task has a token as well, and whoever gets it can complete the task.
    Source: the test `test_sync_with_task_token` of LocalStack's Step Functions tests.
    """
    return resource.endswith(".waitForTaskToken") or is_sync(resource) or is_activity(resource)


def is_sync(resource: str) -> bool:
    """True if the task ends with the job that it starts."""
    return resource.endswith((".sync", ".sync:2"))


def resource_names(resource: str) -> tuple[str, str]:
    """The resource type and the resource, as events show them.

    >>> resource_names("arn:aws:states:::sagemaker:createTrainingJob.sync")
    ('sagemaker', 'createTrainingJob.sync')
    >>> resource_names("arn:aws:states:::aws-sdk:s3:getObject")
    ('aws-sdk:s3', 'getObject')
    >>> resource_names("arn:aws:states:::states:startExecution.sync:2")
    ('states', 'startExecution.sync:2')
    """
    parts = resource.split(":", 5)
    if parts[2] != "states":
        return parts[2], parts[5]
    names = parts[5].split(":")
    service = 2 if names[0] == "aws-sdk" else 1
    return ":".join(names[:service]), ":".join(names[service:])


class TaskTimeouts(NamedTuple):
    """The seconds that an attempt may take as a whole, and between heartbeats; None for no limit."""

    timeout_s: int | None = None
    heartbeat_s: int | None = None


class TaskEvents:
    """Adds the events of an attempt to a chain."""

    def __init__(self, chain: EventChain, resource: str) -> None:
        self.chain, self.resource = chain, resource
        self._prefix = "Activity" if is_activity(resource) else "LambdaFunction" if is_function(resource) else "Task"
        names = resource_names(resource)
        is_service = self._prefix == "Task"
        self._resource_details: dict[str, Json] = {"resourceType": names[0], "resource": names[1]} if is_service else {}

    @property
    def name(self) -> str:
        """The service, as causes call it."""
        return str(self._resource_details.get("resourceType", self.resource))

    def scheduled(self, region: str, parameters: str, timeouts: TaskTimeouts, role_arn: str | None) -> None:
        details: dict[str, Json] = dict(self._resource_details)
        if self._prefix == "Task":
            details |= {"region": region, "parameters": parameters}
        else:
            details |= {"resource": self.resource, "input": parameters, "inputDetails": {"truncated": False}}
        if timeouts.timeout_s is not None:
            details["timeoutInSeconds"] = timeouts.timeout_s
        if timeouts.heartbeat_s is not None and self._prefix != "LambdaFunction":
            details["heartbeatInSeconds"] = timeouts.heartbeat_s
        if role_arn is not None and self._prefix != "Activity":
            details["taskCredentials"] = {"roleArn": role_arn}
        self._add_event("Scheduled", details)

    def started(self) -> None:
        """A service or function has the call; an activity's worker takes it later (`started_by_worker`)."""
        if self._prefix == "Task":
            self._add_event("Started", {})
        elif self._prefix == "LambdaFunction":
            self.chain.add("LambdaFunctionStarted")

    def started_by_worker(self, worker: str | None) -> None:
        self._add_event("Started", {} if worker is None else {"workerName": worker})

    def submitted(self, output: Json) -> None:
        self._add_event("Submitted", _output(dump(output)))

    def succeeded(self, text: str) -> None:
        self._add_event("Succeeded", _output(text))

    def failed(self, error: StateError) -> None:
        self._add_event("Failed", error_details(error.error, error.cause))

    def timed_out(self, error: StateError) -> None:
        self._add_event("TimedOut", error_details(error.error, error.cause))

    def _add_event(self, event_name: str, details: dict[str, Json]) -> None:
        event_type = f"{self._prefix}{event_name}"
        member = f"{event_type[0].lower()}{event_type[1:]}EventDetails"
        self.chain.add(event_type, member, {**self._resource_details, **details})


def _output(text: str) -> dict[str, Json]:
    return {"output": text, "outputDetails": {"truncated": False}}
