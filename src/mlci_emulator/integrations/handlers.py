"""The local cloud's task handlers: what a state machine's Task states do here."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping
from typing import TYPE_CHECKING

from mlci_asl import Problem, TaskError
from mlci_emulator.integrations import aws_sdk, catalog, sagemaker, sdk_names
from mlci_emulator.integrations import lambda_invoke as functions
from mlci_emulator.integrations import messaging as messages
from mlci_emulator.integrations.parameters import Form, PlainShape, fits, is_computed
from mlci_emulator.integrations.parameters import problems as problems_of_value
from mlci_emulator.integrations.resource_arns import ActivityArn, FunctionArn, Integration, Pattern, read
from mlci_emulator.integrations.task_states import WrittenTask, tasks
from mlci_emulator.protocol.operations import Service

if TYPE_CHECKING:
    from mlci_asl import Json, Machine, TaskCall


class Integrations:
    """Handlers for all that is done here but `states:startExecution` and activities, which need Step Functions itself.

    `services` are further services by their aws-sdk spelling (`ssm`, `dynamodb`, `sfn`): tasks can call their actions.
    Where there is no `functions`, tasks that invoke functions are refused.
    """

    def __init__(
        self,
        s3: Service,
        sagemaker: sagemaker.JobService,
        functions: functions.FunctionService | None,
        messages: messages.Messages,
        services: Mapping[str, Service] | None = None,
    ) -> None:
        self._sagemaker, self._functions, self._messages = sagemaker, functions, messages
        own: dict[str, Service] = {"s3": s3, "sagemaker": sagemaker, "sagemakerruntime": sagemaker}
        self.services: dict[str, Service] = {**(services or {}), **own}
        if functions is not None:
            self.services.setdefault("lambda", functions)

    def supports(self, resource: str) -> bool:
        named = read(resource)
        if isinstance(named, Integration) and named.service == "states" and not named.is_sdk:
            return False
        return not isinstance(named, ActivityArn) and self._problem_of(resource) is None

    def __call__(self, task: TaskCall) -> Json:
        """The task's output.

        Raises:
            TaskError: as Step Functions reports it.
        """
        wrong = self.check(task.resource, task.parameters)
        if wrong:
            given = json.dumps(task.parameters, separators=(",", ":"), ensure_ascii=False)
            what = f"The Parameters '{given}' could not be used to start the Task: [{', '.join(wrong)}]"
            raise TaskError("States.Runtime", what)
        named = read(task.resource)
        if isinstance(named, FunctionArn) and self._functions is not None:
            return functions.invoke_arn(self._functions, task)
        if not isinstance(named, Integration):
            raise TaskError("States.Runtime", f"The provided ARN '{task.resource}' is invalid.")
        return self._do(named, task)

    def _do(self, named: Integration, task: TaskCall) -> Json:
        if named.is_sdk:
            return aws_sdk.call(self.services[named.service], named, task)
        match named.service:
            case "sagemaker":
                return sagemaker.call(self._sagemaker, named, task)
            case "lambda" if self._functions is not None:
                return functions.invoke(self._functions, task)
            case "sns" | "sqs" | "events":
                return messages.send(self._messages, named, task)
        return aws_sdk.forward(self.services[catalog.FORWARDED[named.service]], named, task)

    def check(self, resource: str, parameters: Json) -> tuple[str, ...]:
        """What is wrong with finished parameters, in AWS's words."""
        named = read(resource)
        return _wrong(named, parameters, Form.FINISHED) if isinstance(named, Integration) else ()

    def problems(self, machine: Machine) -> tuple[Problem, ...]:
        """What is wrong with the tasks of a machine that has been loaded, and what can't be done here."""
        return tuple(problem for task in tasks(machine.definition) for problem in self._problems_of(task))

    def _problems_of(self, task: WrittenTask) -> Iterator[Problem]:
        what = self._problem_of(task.resource)
        if what is not None:
            yield Problem(f"{task.place}/Resource", what)
            return
        named = read(task.resource)
        if not isinstance(named, Integration):
            return
        if task.field not in task.state:
            what = f"{task.field} field is required for resource ARN: {task.resource}"
            yield Problem(task.place, what)
        elif not (task.form is Form.JSONATA and is_computed(task.state[task.field])):
            for what in _wrong(named, task.state[task.field], task.form):
                yield Problem(f"{task.place}/{task.field}", what)

    def _problem_of(self, resource: str) -> str | None:
        """Why a task can't have this resource: AWS hasn't it, or this machine hasn't."""
        if not resource.startswith("arn:"):
            return "Value is not a valid resource ARN"
        named = read(resource)
        match named:
            case None:
                return catalog.not_recognized(resource)
            case Integration(is_sdk=True):
                return self._sdk_problem(resource, named)
            case Integration():
                if not catalog.exists(named):
                    return catalog.not_recognized(resource)
                is_done = named.action in catalog.DONE.get(named.service, ()) and self._has(named.service)
                is_forwarded = catalog.FORWARDED.get(named.service) in self.services
                return None if is_done or is_forwarded else catalog.not_here(resource, named.service)
            case FunctionArn() if not self._has("lambda"):
                return catalog.not_here(resource, "lambda")
        return None

    def _has(self, service: str) -> bool:
        return service != "lambda" or self._functions is not None

    def _sdk_problem(self, resource: str, named: Integration) -> str | None:
        if (named.service, named.action) in aws_sdk.PLAIN and named.pattern is Pattern.REQUEST_RESPONSE:
            return None
        is_known = sdk_names.operation_model(named.service, named.action) is not None
        if not is_known or named.pattern in (Pattern.SYNC, Pattern.SYNC_2):
            return catalog.not_recognized(resource)
        service = self.services.get(named.service)
        is_done = service is not None and _does(service, named.operation)
        return None if is_done else catalog.not_here(resource, named.service)


def _does(service: Service, operation: str) -> bool:
    """Whether a service has the operation, as far as it says what it has."""
    operations: Container[str] | None = getattr(service, "operations", None)
    return operations is None or operation in operations


def _wrong(named: Integration, parameters: Json, form: Form) -> tuple[str, ...]:
    plain = _plain_shape(named)
    if plain is not None and fits(plain, parameters, form):
        return ()
    service = named.service if named.is_sdk else catalog.SDK_NAMES.get(named.service, named.service)
    operation = sdk_names.operation_model(service, named.action)
    if operation is None or operation.input_shape is None:
        return ()
    return problems_of_value(operation.input_shape, parameters, form)


def _plain_shape(named: Integration) -> PlainShape:
    if named.is_sdk:
        return aws_sdk.PLAIN.get((named.service, named.action))
    return sagemaker.PLAIN.get(named.action) if named.service == "sagemaker" else None
