"""The executions that a run starts of its own state machine, each in a thread: Step Functions for one machine.

A run's cleaner is such an execution. It is known by the ARN that StartExecution gets, and can ask for the status of the
run and of itself. Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import field
from datetime import datetime, timezone

import mlci_asl as asl
from mlci_dataclasses import dataclass
from mlci_emulator.identity import WORKFLOW_ROLE
from mlci_emulator.integrations import Integrations
from mlci_emulator.integrations.response_metadata import with_metadata
from mlci_emulator.protocol.operations import ApiError, Request, Response
from mlci_emulator.task_results import TaskResults

#: The resource of a task that starts an execution, and does not wait for it.
START = "arn:aws:states:::states:startExecution"
#: The time that the others have to end by themselves once the run has ended.
LAST_WAIT_S = 15.0


@dataclass(frozen=True)
class OwnMachine:
    """The machine of a run. Its version is the only one that there is."""

    machine: asl.Machine
    arn: str

    @property
    def version(self) -> str:
        return f"{self.arn}:1"

    def execution(self, name: str) -> str:
        """Return the ARN of an execution."""
        return f"{self.arn.replace(':stateMachine:', ':execution:')}:{name}"


@dataclass
class _Execution:
    """An execution, and the time of its start. It is RUNNING until `ended` is set."""

    owner: OwnMachine
    name: str
    input: str
    started: datetime
    status: str = "RUNNING"
    stop: asl.StopSignal = field(default_factory=asl.StopSignal)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def arn(self) -> str:
        return self.owner.execution(self.name)


class OwnExecutions:
    """The executions of a run's machine: the run, in the caller's thread, and those that it starts.

    It is the handler of all their tasks, and the service `sfn` of their aws-sdk tasks. `results` takes the results of
    tasks that wait for a token.
    """

    operations = frozenset({"DescribeExecution"})

    def __init__(self, tasks: Integrations, results: TaskResults | None = None) -> None:
        self._tasks, self._results, self._lock = tasks, results, threading.Lock()
        self._executions: dict[str, _Execution] = {}
        tasks.services["sfn"] = self

    def run(
        self,
        owner: OwnMachine,
        execution_input: str,
        name: str,
        on_event: Callable[[asl.Event], None],
        stop: asl.StopSignal,
    ) -> asl.Outcome:
        """Run a machine to its end, in this thread. For the others, it goes on until `finish`."""
        execution = self._add(_Execution(owner, name, execution_input, _now()))
        outcome = self._execute(execution, on_event, stop)
        execution.status = outcome.status
        return outcome

    def finish(self) -> None:
        """Let the others see the run's end, wait for their ends, and stop those that go on."""
        while True:
            with self._lock:
                running = [each for each in self._executions.values() if not each.ended.is_set()]
            for each in running:
                if each.status != "RUNNING":  # the run itself
                    each.ended.set()
            others = [each for each in running if not each.ended.is_set()]
            if not others:
                return
            for each in others:
                if not each.ended.wait(LAST_WAIT_S):
                    each.stop.set("", "the run has ended")
                    each.ended.wait(LAST_WAIT_S)
                    each.ended.set()

    # --- Handlers of tasks ---

    def supports(self, resource: str) -> bool:
        return resource == START or self._tasks.supports(resource)

    def check(self, resource: str, parameters: asl.Json) -> tuple[str, ...]:
        return self._tasks.check(resource, parameters)

    def __call__(self, task: asl.TaskCall) -> asl.Json:
        """Return the task's output.

        Raises: asl.TaskError.
        """
        if task.resource == START:
            return self._start(task.execution_arn, task.parameters)
        if self._results is not None:
            self._results.expect_result(task)
        return self._tasks(task)

    def call(self, operation: str, request: Request, region: str) -> Response:
        """Return the description of an execution.

        Raises: ApiError
        """
        execution = self._find(request.get("executionArn"))
        return {
            "executionArn": execution.arn,
            "stateMachineArn": execution.owner.arn,
            "stateMachineVersionArn": execution.owner.version,
            "name": execution.name,
            "status": execution.status if execution.ended.is_set() else "RUNNING",
            "startDate": execution.started,
            "input": execution.input,
        }

    def _start(self, starter: str, parameters: asl.Json) -> asl.Json:
        request = parameters if isinstance(parameters, dict) else {}
        owner, version = self._find(starter).owner, request.get("StateMachineArn")
        if version != owner.version:
            what = (
                f"State Machine Does Not Exist: '{version}'. A run by itself has no machine but its own: run this one "
                "in `mlci serve`."
            )
            raise asl.TaskError("StepFunctions.StateMachineDoesNotExistException", what)
        value = request.get("Input", {})
        text = value if isinstance(value, str) else json.dumps(value)
        execution = self._add(_Execution(owner, str(request.get("Name")), text, _now()))
        threading.Thread(target=self._run_other, args=(execution,), name=execution.arn, daemon=True).start()
        started = int(execution.started.timestamp() * 1000)
        return with_metadata("states", {"ExecutionArn": execution.arn, "StartDate": started})

    def _run_other(self, execution: _Execution) -> None:
        try:
            execution.status = self._execute(execution, lambda event: None, execution.stop).status
        finally:
            execution.ended.set()

    def _execute(
        self, execution: _Execution, on_event: Callable[[asl.Event], None], stop: asl.StopSignal
    ) -> asl.Outcome:
        context = asl.Context(
            execution_arn=execution.arn,
            execution_name=execution.name,
            role_arn=WORKFLOW_ROLE,
            started=execution.started,
            machine_arn=execution.owner.arn,
            machine_name=execution.owner.arn.rpartition(":")[2],
        )
        machine = execution.owner.machine
        return asl.execute(machine, execution.input, context=context, handlers=self, stop=stop, on_event=on_event)

    def _add(self, execution: _Execution) -> _Execution:
        with self._lock:
            self._executions[execution.arn] = execution
        return execution

    def _find(self, arn: object) -> _Execution:
        with self._lock:
            execution = self._executions.get(str(arn))
        if execution is None:
            raise ApiError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        return execution


def _now() -> datetime:
    return datetime.now(timezone.utc)
