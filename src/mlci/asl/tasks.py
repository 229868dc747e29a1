"""One attempt at a task: the call of its handler, its timeout, and its events."""

from __future__ import annotations

import json

from mlci.asl.dataflow import whole_number
from mlci.asl.errors import RUNTIME, TIMEOUT, EvaluationError, StateError, TaskError, too_large
from mlci.asl.events import error_details
from mlci.asl.handlers import ParameterCheck, TaskCall
from mlci.asl.jsontext import MAX_DATA_BYTES, Json, dump, parse, size_bytes
from mlci.asl.model import Task
from mlci.asl.paths import Path
from mlci.asl.scope import Deadline, Scope, deadline


def resource_names(resource: str) -> tuple[str, str]:
    """The resource type and resource that events show.

    >>> resource_names("arn:aws:states:::sagemaker:createTrainingJob.sync")
    ('sagemaker', 'createTrainingJob.sync')
    >>> resource_names("arn:aws:states:::aws-sdk:s3:getObject")
    ('aws-sdk:s3', 'getObject')
    >>> resource_names("arn:aws:lambda:us-east-1:123456789012:function:train")
    ('lambda', 'function:train')
    """
    parts = resource.split(":", 5)
    if parts[2] != "states":
        return parts[2], parts[5]
    kind, _, name = parts[5].rpartition(":")
    return kind, name


def timeout_seconds(task: Task, given: Json, context: Json) -> int | None:
    """The state's time limit, where it has one.

    Raises: EvaluationError.
    """
    if not isinstance(task.timeout, Path):
        return task.timeout
    seconds = whole_number(task.timeout, "TimeoutSecondsPath", given, context)
    if seconds < 1:
        what = f'The TimeoutSecondsPath field refers to value "{seconds}" which must be positive: {task.timeout.text}'
        raise EvaluationError(RUNTIME, what)
    return seconds


def attempt(scope: Scope, task: Task, parameters: Json, timeout_s: int | None) -> Json:
    """The task's result.

    Raises: StateError, EvaluationError; Stopped.
    """
    text = dump(parameters)
    if size_bytes(text) > MAX_DATA_BYTES:
        raise too_large(task.name)
    _check(scope, task, text)
    kind, name = resource_names(task.resource)
    about: dict[str, Json] = {"resourceType": kind, "resource": name}
    limit: dict[str, Json] = {} if timeout_s is None else {"timeoutInSeconds": timeout_s}
    scheduled = {**about, "region": scope.context.region, "parameters": text, **limit}
    scope.trail.history.check_room()
    scope.trail.add("TaskScheduled", "taskScheduledEventDetails", scheduled)
    scope.trail.add("TaskStarted", "taskStartedEventDetails", about)
    with deadline(scope.stop, timeout_s) as until:
        result = _call(scope, task, parse(text), until, about)  # a copy: handlers may change what they are given
    scope.check()
    if until.has_passed:
        scope.trail.add("TaskTimedOut", "taskTimedOutEventDetails", {**about, "error": TIMEOUT})
        raise StateError(TIMEOUT)
    return _settled(scope, about, result)


def _check(scope: Scope, task: Task, parameters: str) -> None:
    if isinstance(scope.handlers, ParameterCheck):
        wrong = scope.handlers.check(task.resource, parse(parameters))
        if wrong:
            what = f"The Parameters '{parameters}' could not be used to start the Task: [{', '.join(wrong)}]"
            raise EvaluationError(RUNTIME, what)


def _call(scope: Scope, task: Task, parameters: Json, until: Deadline, about: dict[str, Json]) -> Json | StateError:
    def submitted(output: Json) -> None:
        scope.trail.add("TaskSubmitted", "taskSubmittedEventDetails", {**about, **_output_details(dump(output))})

    try:
        arn = scope.context.execution_arn
        return _clean(scope.handlers(TaskCall(task.resource, task.name, parameters, until.signal, submitted, arn)))
    except TaskError as error:
        return StateError(error.error, error.cause)
    except Exception as error:  # noqa: BLE001 - a handler's own fault fails the execution, and nothing more
        return StateError(RUNTIME, f"{type(error).__name__}: {error}")


def _clean(result: Json) -> Json:
    """A copy of a handler's result that is JSON for certain."""
    return parse(json.dumps(result, allow_nan=False))


def _settled(scope: Scope, about: dict[str, Json], result: Json | StateError) -> Json:
    if not isinstance(result, StateError):
        text = dump(result)
        if size_bytes(text) <= MAX_DATA_BYTES:
            scope.trail.add("TaskSucceeded", "taskSucceededEventDetails", {**about, **_output_details(text)})
            return result
        result = too_large(str(about["resourceType"]))
    scope.trail.add("TaskFailed", "taskFailedEventDetails", {**about, **error_details(result.error, result.cause)})
    raise result


def _output_details(text: str) -> dict[str, Json]:
    return {"output": text, "outputDetails": {"truncated": False}}
