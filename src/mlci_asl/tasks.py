"""One attempt at a task: the call of its handler, the callback that it may wait for, and its timeouts."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import NamedTuple

from mlci_asl.branch import BranchExecution, Deadline, deadline
from mlci_asl.callbacks import Callback, HeartbeatMissed, TaskFailure, TaskSuccess
from mlci_asl.errors import (
    RUNTIME,
    TIMEOUT,
    CallbackFailure,
    EvaluationError,
    HeartbeatTimeout,
    StateError,
    TaskError,
    too_large,
)
from mlci_asl.handlers import Handlers, ParameterCheck, TaskCall
from mlci_asl.jsontext import MAX_DATA_BYTES, Json, JsonText, dump, parse, size_bytes, text_of
from mlci_asl.model import Task
from mlci_asl.task_events import TaskEvents, TaskTimeouts, is_activity, is_sync


class TaskInput(NamedTuple):
    """The evaluated fields of one attempt. `token` is the one that the context object showed, if any."""

    parameters: JsonText
    timeouts: TaskTimeouts
    token: str | None
    credentials: Json


def attempt(execution: BranchExecution, task: Task, input: TaskInput) -> JsonText:
    """The task's result.

    Raises: StateError, EvaluationError; Stopped.
    """
    parameters = dump(input.parameters.value)
    if size_bytes(parameters) > MAX_DATA_BYTES:
        raise too_large(task.name)
    _check_parameters(execution, task, input.parameters)
    events = TaskEvents(execution.chain, task.resource)
    execution.chain.history.raise_if_full()
    events.scheduled(execution.context.region, parameters, input.timeouts, _role_arn(input.credentials))
    events.started()
    with deadline(execution.stop, input.timeouts.timeout_s) as limit:
        # Parsed again, for handlers may change what they get.
        result = _result(execution, task, input, parse(parameters), limit, events)
    execution.raise_if_stopped()
    if limit.has_passed:
        result = StateError(TIMEOUT)
    return _report(events, result)


def _check_parameters(execution: BranchExecution, task: Task, parameters: JsonText) -> None:
    if not isinstance(execution.handlers, ParameterCheck):
        return
    try:
        problems = execution.handlers.check(task.resource, parse(parameters.text))
    except TaskError as error:
        raise EvaluationError(error.error, error.cause) from error
    if problems:
        cause = f"The Parameters '{parameters.text}' could not be used to start the Task: [{', '.join(problems)}]"
        raise EvaluationError(RUNTIME, cause)


def _role_arn(credentials: Json) -> str | None:
    role = credentials.get("RoleArn") if isinstance(credentials, dict) else None
    return role if isinstance(role, str) else None


def _result(
    execution: BranchExecution, task: Task, input: TaskInput, parameters: Json, limit: Deadline, events: TaskEvents
) -> Json | StateError:
    callback = _callback(task, input)
    call = TaskCall(
        task.resource,
        task.name,
        parameters,
        limit.signal,
        events.submitted,
        execution.context.execution_arn,
        callback,
        input.credentials,
        *input.timeouts,
    )
    try:
        if callback is not None and is_sync(task.resource):
            return _sync_result(execution.handlers, call, callback)
        response = _response(execution.handlers, call)
        if callback is None or isinstance(response, StateError):
            return response
        return _callback_result(callback, response, limit, events)
    except EvaluationError:
        raise
    except Exception as error:  # noqa: BLE001 - an output that cannot be read fails the execution, and nothing more
        return _own_fault(error)
    finally:
        if callback is not None:
            callback.close()


def _callback(task: Task, input: TaskInput) -> Callback | None:
    """The callback of a task with a token; of a `.sync` task only if its parameters hand on the token."""
    if input.token is None:
        return None
    if is_sync(task.resource):
        return Callback(input.token) if input.token in input.parameters.text else None
    return Callback(input.token, input.timeouts.heartbeat_s)


def _response(handlers: Handlers, call: TaskCall) -> Json | StateError:
    """The handler's result, or the error that it raises."""
    try:
        return _json_copy(handlers(call))
    except TaskError as error:
        return StateError(error.error, error.cause)
    except Exception as error:  # noqa: BLE001 - a handler's own fault fails the execution, and nothing more
        return _own_fault(error)


def _own_fault(error: Exception) -> StateError:
    return StateError(RUNTIME, f"{type(error).__name__}: {error}")


def _sync_result(handlers: Handlers, call: TaskCall, callback: Callback) -> Json | StateError:
    """The result of the job or of the token, whichever comes first; the job goes on without its task."""
    is_submitted = threading.Event()
    responses: list[Json | StateError] = []
    is_done = call.stop.child()

    def submitted(output: Json) -> None:
        call.submitted(output)
        is_submitted.set()

    def work() -> None:
        responses.append(_response(handlers, replace(call, submitted=submitted)))
        is_submitted.set()
        is_done.set()

    thread = threading.Thread(target=work, name=f"task {call.state}", daemon=True)
    thread.start()
    result = callback.wait(is_done)
    if result is None:
        thread.join()
        return responses[0]
    is_submitted.wait()  # the history has the job before its result
    return _outside_result(result)


def _callback_result(callback: Callback, response: Json, limit: Deadline, events: TaskEvents) -> Json | StateError:
    """Waits for the callback; `response` is the service's own, to the call that hands on the token."""
    is_worker_task = is_activity(events.resource)
    if not is_worker_task:
        events.submitted(response)
    try:
        result = callback.wait(limit.signal, events.started_by_worker if is_worker_task else None)
    except HeartbeatMissed:
        return HeartbeatTimeout()
    return None if result is None else _outside_result(result)


def _outside_result(result: TaskSuccess | TaskFailure) -> Json | StateError:
    if isinstance(result, TaskSuccess):
        return parse(result.output)
    return CallbackFailure(result.error, result.cause)


def _json_copy(result: Json) -> Json:
    """A copy of a handler's result.

    Raises: ValueError or TypeError if it is not JSON.
    """
    return parse(json.dumps(result, allow_nan=False))


def _report(events: TaskEvents, result: Json | StateError) -> JsonText:
    """Adds the event of a result, and returns it.

    Raises: StateError if the task failed, or returned too much.
    """
    if not isinstance(result, StateError):
        output = text_of(result)
        if size_bytes(output.text) <= MAX_DATA_BYTES:
            events.succeeded(output.text)
            return output
        result = too_large(events.name, is_from_task=True)
    if result.error == TIMEOUT and result.cause is None:
        events.timed_out(result)
    else:
        events.failed(result)
    raise result
