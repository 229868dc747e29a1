"""Runs the tasks that only Step Functions itself can run: activities, task tokens and nested executions.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html, and the recorded responses of
LocalStack's tests services/test_sfn_task_service and callback.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from typing import Any, Protocol

import mlci_asl as asl
from mlci_emulator.protocol.operations import ApiError, Request, Response
from mlci_emulator.protocol.timestamps import epoch_seconds
from mlci_emulator.services.stepfunctions.activities import Activities, TaskTokens

_START = "arn:aws:states:::states:startExecution"
_NESTED = re.compile(re.escape(_START) + r"(\.sync:2|\.sync|\.waitForTaskToken)?")
_ACTIVITY = re.compile(r"arn:[^:]*:states:[^:]*:[^:]*:activity:.+")


class NestedExecutions(Protocol):
    """The operations on executions that a task needs to start one."""

    def start(self, request: Request, /) -> Response: ...

    def wait(self, arn: str, stop: asl.StopSignal, /) -> None: ...

    def describe(self, request: Request, /) -> Response: ...


class TaskHandlers:
    """Handlers of all tasks: the caller's, and those that need this service.

    `executions` is set afterwards, because executions need the handlers.
    """

    executions: NestedExecutions | None = None

    def __init__(self, handlers: asl.Handlers, activities: Activities, tokens: TaskTokens) -> None:
        self._handlers, self._activities, self._tokens = handlers, activities, tokens

    def supports(self, resource: str) -> bool:
        return bool(_ACTIVITY.fullmatch(resource) or _NESTED.fullmatch(resource)) or self._handlers.supports(resource)

    def check(self, resource: str, parameters: asl.Json) -> Sequence[str]:
        """Return the problems of a task's parameters; the interpreter calls this before it schedules the task."""
        if _ACTIVITY.fullmatch(resource):
            if not self._activities.exists(resource):
                raise asl.TaskError("States.Runtime", f"The activity {resource} does not exist.")
            return ()
        check = getattr(self._handlers, "check", None)
        return tuple(check(resource, parameters)) if check is not None else ()

    def problems(self, machine: asl.Machine) -> tuple[asl.Problem, ...]:
        """Return the problems of a state machine's tasks."""
        problems = getattr(self._handlers, "problems", None)
        if problems is not None:
            return tuple(problems(machine))
        return tuple(asl.unsupported_resources(machine, self))

    def __call__(self, task: asl.TaskCall) -> asl.Json:
        """Run a task, and return its output.

        Raises: asl.TaskError.
        """
        if task.callback is not None:
            self._tokens.add(task.callback)
        if _ACTIVITY.fullmatch(task.resource):
            if task.callback is not None:
                self._activities.queue(task.resource, _text(task.parameters), task.callback)
            return None
        nested = _NESTED.fullmatch(task.resource)
        return self._nested(task, nested.group(1) or "") if nested else self._handlers(task)

    def _nested(self, task: asl.TaskCall, pattern: str) -> asl.Json:
        executions, parameters = self.executions, task.parameters
        if executions is None or not isinstance(parameters, dict):
            raise asl.TaskError("States.Runtime", "The Parameters of states:startExecution must be an object")
        request: dict[str, Any] = {
            "stateMachineArn": parameters.get("StateMachineArn"),
            "input": _input(parameters.get("Input")),
        }
        if parameters.get("Name"):
            request["name"] = parameters["Name"]
        try:
            started = executions.start(request)
        except ApiError as error:
            code = f"StepFunctions.{error.code}" + ("" if error.code.endswith("Exception") else "Exception")
            raise asl.TaskError(code, _sdk_message(error)) from error
        arn = started["executionArn"]
        response = _with_metadata({"ExecutionArn": arn, "StartDate": _millis(started["startDate"])})
        if not pattern.startswith(".sync"):
            return response
        task.submitted(response)
        return self._wait_for_result(executions, arn, task, is_parsed=pattern.endswith(":2"))

    def _wait_for_result(
        self, executions: NestedExecutions, arn: str, task: asl.TaskCall, *, is_parsed: bool
    ) -> asl.Json:
        executions.wait(arn, task.stop)
        response = _integration_response(executions.describe({"executionArn": arn}))
        if response["Status"] != "SUCCEEDED":
            raise asl.TaskError("States.TaskFailed", json.dumps(response, separators=(",", ":"), ensure_ascii=False))
        if is_parsed:
            for member in ("Input", "Output"):
                response[member] = json.loads(response[member])
        return response


def _text(value: asl.Json) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _input(value: asl.Json) -> str:
    return value if isinstance(value, str) else "{}" if value is None else _text(value)


def _millis(moment: Any) -> float | int:
    seconds = epoch_seconds(moment)
    return int(seconds * 1000)


def _sdk_message(error: ApiError) -> str:
    details = f"Service: AWSStepFunctions; Status Code: {error.status}; Error Code: {error.code}"
    return f"{error.message} ({details}; Request ID: {uuid.uuid4()}; Proxy: null)"


def _integration_response(response: Response) -> dict[str, Any]:
    """Return a description as the integration has it: capitalised, sorted members, and times in milliseconds."""
    found: dict[str, Any] = {}
    for name, value in sorted(response.items()):
        if name in ("startDate", "stopDate", "redriveDate"):
            value = _millis(value)
        elif isinstance(value, dict):
            value = {inner[:1].upper() + inner[1:]: item for inner, item in value.items()}
        found[name[:1].upper() + name[1:]] = value
    return found


def _with_metadata(response: dict[str, Any]) -> dict[str, Any]:
    from mlci_emulator.integrations.response_metadata import with_metadata

    return with_metadata("states", response)
