"""One attempt at a task: the call of its handler, the answer from outside where it waits for one, and its limits."""

from __future__ import annotations

import json
from typing import NamedTuple

from mlci_asl.branch import Deadline, Scope, deadline
from mlci_asl.callbacks import Callback, Failure, HeartbeatMissed, Success
from mlci_asl.errors import RUNTIME, TIMEOUT, EvaluationError, HeartbeatTimeout, StateError, TaskError, too_large
from mlci_asl.handlers import ParameterCheck, TaskCall
from mlci_asl.jsontext import MAX_DATA_BYTES, Json, Text, dump, parse, size_bytes, text_of
from mlci_asl.model import Task
from mlci_asl.task_events import Limits, TaskEvents, is_activity


class Work(NamedTuple):
    """What one attempt is to do; `token` is what the context object showed, where there is one."""

    parameters: Text
    limits: Limits
    token: str | None
    credentials: Json


def attempt(scope: Scope, task: Task, work: Work) -> Text:
    """The task's result.

    Raises: StateError, EvaluationError; Stopped.
    """
    text = dump(work.parameters.value)
    if size_bytes(text) > MAX_DATA_BYTES:
        raise too_large(task.name)
    _check(scope, task, work.parameters)
    events = TaskEvents(scope.trail, task.resource)
    scope.trail.history.check_room()
    events.scheduled(scope.context.region, text, work.limits, _role_arn(work.credentials))
    events.started()
    with deadline(scope.stop, work.limits.timeout_s) as until:
        result = _result(scope, task, work, parse(text), until, events)  # a copy: handlers may change what they get
    scope.check()
    if until.has_passed:
        result = StateError(TIMEOUT)
    return _settled(events, result)


def _check(scope: Scope, task: Task, parameters: Text) -> None:
    if isinstance(scope.handlers, ParameterCheck):
        try:
            wrong = scope.handlers.check(task.resource, parse(parameters.text))
        except TaskError as error:
            raise EvaluationError(error.error, error.cause) from error
        if wrong:
            what = f"The Parameters '{parameters.text}' could not be used to start the Task: [{', '.join(wrong)}]"
            raise EvaluationError(RUNTIME, what)


def _role_arn(credentials: Json) -> str | None:
    role = credentials.get("RoleArn") if isinstance(credentials, dict) else None
    return role if isinstance(role, str) else None


def _result(
    scope: Scope, task: Task, work: Work, parameters: Json, until: Deadline, events: TaskEvents
) -> Json | StateError:
    callback = None if work.token is None else Callback(work.token, work.limits.heartbeat_s)
    call = TaskCall(
        task.resource,
        task.name,
        parameters,
        until.signal,
        events.submitted,
        scope.context.execution_arn,
        callback,
        work.credentials,
        *work.limits,
    )
    try:
        answer = _clean(scope.handlers(call))
        if callback is None:
            return answer
        return _answered(callback, answer, until, events)
    except EvaluationError:
        raise
    except TaskError as error:
        return StateError(error.error, error.cause)
    except Exception as error:  # noqa: BLE001 - a handler's own fault fails the execution, and nothing more
        return StateError(RUNTIME, f"{type(error).__name__}: {error}")
    finally:
        if callback is not None:
            callback.close()


def _answered(callback: Callback, answer: Json, until: Deadline, events: TaskEvents) -> Json | StateError:
    """What the outside says; `answer` is the service's own, to having been asked."""
    by_worker = is_activity(events.resource)
    if not by_worker:
        events.submitted(answer)
    try:
        said = callback.wait(until.signal, events.taken if by_worker else None)
    except HeartbeatMissed:
        return HeartbeatTimeout()
    if isinstance(said, Success):
        return parse(said.output)
    return StateError(said.error or "", said.cause) if isinstance(said, Failure) else None


def _clean(result: Json) -> Json:
    """A copy of a handler's result that is JSON for certain."""
    return parse(json.dumps(result, allow_nan=False))


def _settled(events: TaskEvents, result: Json | StateError) -> Text:
    if not isinstance(result, StateError):
        found = text_of(result)
        if size_bytes(found.text) <= MAX_DATA_BYTES:
            events.succeeded(found.text)
            return found
        result = too_large(events.name, is_from_task=True)
    if result.error == TIMEOUT and result.cause is None:
        events.timed_out(result)
    else:
        events.failed(result)
    raise result
