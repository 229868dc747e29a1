"""The handlers of a state machine's Task states."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping
from typing import TYPE_CHECKING

from mlci_asl import Problem, TaskError
from mlci_emulator.integrations import aws_sdk, catalog, glue, sagemaker, sdk_names
from mlci_emulator.integrations import lambda_invoke as functions
from mlci_emulator.integrations import messaging as messages
from mlci_emulator.integrations.parameters import Form, PlainShape, fits, is_computed
from mlci_emulator.integrations.parameters import problems as problems_of_value
from mlci_emulator.integrations.resource_arns import ActivityArn, FunctionArn, Integration, Pattern, parse_resource
from mlci_emulator.integrations.task_states import TaskState, task_states
from mlci_emulator.protocol.operations import Service

if TYPE_CHECKING:
    from mlci_asl import Json, Machine, TaskCall


class Integrations:
    """Handlers of all supported tasks but `states:startExecution` and activities, which need Step Functions itself.

    `services` are further services by their aws-sdk names (`ssm`, `dynamodb`, `sfn`): tasks can call their actions.
    Without `functions`, tasks that invoke functions are rejected, and without `glue_jobs` those that run Glue jobs.
    """

    def __init__(
        self,
        s3: Service,
        sagemaker: sagemaker.JobService,
        functions: functions.FunctionService | None,
        messages: messages.MessageService,
        services: Mapping[str, Service] | None = None,
        glue_jobs: glue.JobRunService | None = None,
    ) -> None:
        self._sagemaker, self._functions, self._messages = sagemaker, functions, messages
        own: dict[str, Service] = {"s3": s3, "sagemaker": sagemaker, "sagemakerruntime": sagemaker}
        self.services: dict[str, Service] = {**(services or {}), **own}
        if functions is not None:
            self.services.setdefault("lambda", functions)
        self._glue = glue_jobs
        if glue_jobs is not None:
            self.services["glue"] = glue_jobs

    def supports(self, resource: str) -> bool:
        integration = parse_resource(resource)
        if isinstance(integration, Integration) and integration.service == "states" and not integration.is_sdk:
            return False
        return not isinstance(integration, ActivityArn) and self._resource_problem(resource) is None

    def __call__(self, task: TaskCall) -> Json:
        """Return the task's output.

        Raises:
            TaskError: as Step Functions reports it.
        """
        wrong = self.check(task.resource, task.parameters)
        if wrong:
            text = json.dumps(task.parameters, separators=(",", ":"), ensure_ascii=False)
            what = f"The Parameters '{text}' could not be used to start the Task: [{', '.join(wrong)}]"
            raise TaskError("States.Runtime", what)
        integration = parse_resource(task.resource)
        if isinstance(integration, FunctionArn) and self._functions is not None:
            return functions.invoke_arn(self._functions, task)
        if not isinstance(integration, Integration):
            raise TaskError("States.Runtime", f"The provided ARN '{task.resource}' is invalid.")
        return self._run(integration, task)

    def _run(self, integration: Integration, task: TaskCall) -> Json:
        if integration.is_sdk:
            return aws_sdk.call(self.services[integration.service], integration, task)
        match integration.service:
            case "sagemaker":
                return sagemaker.call(self._sagemaker, integration, task)
            case "lambda" if self._functions is not None:
                return functions.invoke(self._functions, task)
            case "glue" if self._glue is not None:
                return glue.call(self._glue, integration, task)
            case "sns" | "sqs" | "events":
                return messages.send(self._messages, integration, task)
        return aws_sdk.forward(self.services[catalog.FORWARDED[integration.service]], integration, task)

    def check(self, resource: str, parameters: Json) -> tuple[str, ...]:
        """Return what is wrong with finished parameters, in AWS's words."""
        integration = parse_resource(resource)
        return (
            _parameter_problems(integration, parameters, Form.FINISHED) if isinstance(integration, Integration) else ()
        )

    def problems(self, machine: Machine) -> tuple[Problem, ...]:
        """Return what is wrong with the tasks of a loaded machine, and what is not supported here."""
        return tuple(problem for task in task_states(machine.definition) for problem in self._problems_of(task))

    def _problems_of(self, task: TaskState) -> Iterator[Problem]:
        what = self._resource_problem(task.resource)
        if what is not None:
            yield Problem(f"{task.path}/Resource", what)
            return
        integration = parse_resource(task.resource)
        if not isinstance(integration, Integration):
            return
        if task.field not in task.state:
            what = f"{task.field} field is required for resource ARN: {task.resource}"
            yield Problem(task.path, what)
        elif not (task.form is Form.JSONATA and is_computed(task.state[task.field])):
            for what in _parameter_problems(integration, task.state[task.field], task.form):
                yield Problem(f"{task.path}/{task.field}", what)

    def _resource_problem(self, resource: str) -> str | None:
        """Return why a task cannot have this resource: AWS lacks it, or the emulator does."""
        if not resource.startswith("arn:"):
            return "Value is not a valid resource ARN"
        integration = parse_resource(resource)
        match integration:
            case None:
                return catalog.not_recognized(resource)
            case Integration(is_sdk=True):
                return self._sdk_problem(resource, integration)
            case Integration():
                if not catalog.exists(integration):
                    return catalog.not_recognized(resource)
                is_supported = catalog.is_supported(integration) and self._has(integration.service)
                is_forwarded = catalog.FORWARDED.get(integration.service) in self.services
                return None if is_supported or is_forwarded else catalog.unsupported(resource, integration.service)
            case FunctionArn() if not self._has("lambda"):
                return catalog.unsupported(resource, "lambda")
        return None

    def _has(self, service: str) -> bool:
        needed = {"lambda": self._functions, "glue": self._glue}
        return service not in needed or needed[service] is not None

    def _sdk_problem(self, resource: str, integration: Integration) -> str | None:
        if (
            integration.service,
            integration.action,
        ) in aws_sdk.PLAIN and integration.pattern is Pattern.REQUEST_RESPONSE:
            return None
        is_known = sdk_names.operation_model(integration.service, integration.action) is not None
        if not is_known or integration.pattern in (Pattern.SYNC, Pattern.SYNC_2):
            return catalog.not_recognized(resource)
        service = self.services.get(integration.service)
        is_done = service is not None and _has_operation(service, integration.operation)
        return None if is_done else catalog.unsupported(resource, integration.service)


def _has_operation(service: Service, operation: str) -> bool:
    """Return whether a service has the operation; one that lists none has all."""
    operations: Container[str] | None = getattr(service, "operations", None)
    return operations is None or operation in operations


def _parameter_problems(integration: Integration, parameters: Json, form: Form) -> tuple[str, ...]:
    plain = _plain_shape(integration)
    if plain is not None and fits(plain, parameters, form):
        return ()
    service = catalog.sdk_name(integration)
    operation = sdk_names.operation_model(service, integration.action)
    if operation is None or operation.input_shape is None:
        return ()
    names = sdk_names.sdk_member_name if integration.is_sdk else sdk_names.member_name
    return problems_of_value(operation.input_shape, parameters, form, names)


def _plain_shape(integration: Integration) -> PlainShape:
    if integration.is_sdk:
        return aws_sdk.PLAIN.get((integration.service, integration.action))
    return sagemaker.PLAIN.get(integration.action) if integration.service == "sagemaker" else None
