"""Dispatches Step Functions' operations by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import mlci_asl as asl
from mlci_emulator.identity import ACCOUNT
from mlci_emulator.protocol.operations import ApiError, Request, Response
from mlci_emulator.services.stepfunctions import arns
from mlci_emulator.services.stepfunctions.activities import Activities, TaskTokens
from mlci_emulator.services.stepfunctions.definitions import Definitions
from mlci_emulator.services.stepfunctions.execution_threads import ExecutionThreads
from mlci_emulator.services.stepfunctions.executions import Executions
from mlci_emulator.services.stepfunctions.map_runs import MapRuns
from mlci_emulator.services.stepfunctions.records import StepFunctionsRecords
from mlci_emulator.services.stepfunctions.state_machines import INITIAL, StateMachines
from mlci_emulator.services.stepfunctions.task_handlers import TaskHandlers
from mlci_emulator.services.stepfunctions.teststate import TestState
from mlci_emulator.services.stepfunctions.versions import Versions
from mlci_emulator.services.timestamps import Clock, from_epoch, utc_now

_Operation: TypeAlias = Callable[[Request, str], Response]
_KILLED_CAUSE = "the process that ran this execution was killed"


class StepFunctions:
    """Step Functions. `home` is the folder of its records; None keeps them in memory.

    `handlers` run all tasks except activities and nested executions, which this service runs itself.
    `on_status_change` gets the detail of each status-change event of a standard execution, in the execution's thread.
    """

    def __init__(
        self,
        home: Path | None,
        handlers: asl.Handlers,
        account: str = ACCOUNT,
        now: Clock = utc_now,
        on_status_change: Callable[[Response], None] = lambda detail: None,
        has_log_group: Callable[[str], bool] = lambda arn: True,
    ) -> None:
        self._records = StepFunctionsRecords(home)
        tokens = TaskTokens()
        self._activities = Activities(self._records, account, now)
        tasks = TaskHandlers(handlers, self._activities, tokens)
        definitions = Definitions(tasks)
        self._state_machines = StateMachines(self._records, definitions, account, now, has_log_group)
        self._versions = Versions(self._records, self._state_machines, now)
        self._threads = ExecutionThreads(self._records, tasks, now, on_status_change)
        self._executions = Executions(
            self._records, definitions, self._state_machines, self._versions, self._threads, now
        )
        tasks.executions = self._executions
        self._executions.abort_abandoned(_KILLED_CAUSE)
        trials = TestState(definitions, tasks, account, now)
        self._operations = {**self._table(definitions, tokens), "TestState": trials.test}

    def _table(self, definitions: Definitions, tokens: TaskTokens) -> dict[str, _Operation]:
        state_machines, versions, executions, activities = (
            self._state_machines,
            self._versions,
            self._executions,
            self._activities,
        )
        map_runs = MapRuns(executions)
        with_region: dict[str, _Operation] = {
            "CreateStateMachine": self._create,
            "ListStateMachines": state_machines.list,
            "CreateActivity": activities.create,
            "ListActivities": activities.list,
        }
        others: dict[str, Callable[[Request], Response]] = {
            "UpdateStateMachine": self._update,
            "DescribeStateMachine": self._describe,
            "DeleteStateMachine": self._delete,
            "ValidateStateMachineDefinition": definitions.validate,
            "TagResource": state_machines.tag,
            "UntagResource": state_machines.untag,
            "ListTagsForResource": state_machines.tags,
            "PublishStateMachineVersion": self._publish,
            "ListStateMachineVersions": versions.list_versions,
            "DeleteStateMachineVersion": versions.delete_version,
            "CreateStateMachineAlias": versions.create_alias,
            "UpdateStateMachineAlias": versions.update_alias,
            "DescribeStateMachineAlias": versions.describe_alias,
            "DeleteStateMachineAlias": versions.delete_alias,
            "ListStateMachineAliases": versions.list_aliases,
            "StartExecution": executions.start,
            "StartSyncExecution": executions.start_sync,
            "DescribeExecution": executions.describe,
            "DescribeStateMachineForExecution": executions.describe_machine,
            "GetExecutionHistory": executions.history,
            "ListExecutions": executions.list,
            "StopExecution": executions.stop,
            "RedriveExecution": executions.redrive,
            "ListMapRuns": map_runs.list,
            "DescribeMapRun": map_runs.find,
            "UpdateMapRun": map_runs.find,
            "DescribeActivity": activities.describe,
            "DeleteActivity": activities.delete,
            "GetActivityTask": activities.take,
            "SendTaskSuccess": tokens.succeed,
            "SendTaskFailure": tokens.fail,
            "SendTaskHeartbeat": tokens.heartbeat,
        }
        return {**with_region, **{name: _without_region(operation) for name, operation in others.items()}}

    def call(self, operation: str, request: Request, region: str) -> Response:
        """Return an operation's output.

        Raises: ApiError.
        """
        handler = self._operations.get(operation)
        if handler is None:
            raise ApiError("UnsupportedOperation", f"the local cloud does not do Step Functions' {operation}", 501)
        return handler(request, region)

    def close(self, cause: str = "the server stopped") -> None:
        """Stop all executions, and wait for their ends."""
        self._activities.close()
        self._threads.close(cause)
        self._records.close()

    def _create(self, request: Request, region: str) -> Response:
        with self._state_machines.lock:  # so that nobody updates it before it is published
            return self._create_locked(request, region)

    def _create_locked(self, request: Request, region: str) -> Response:
        doc, _ = self._state_machines.create(request, region)
        response = {"stateMachineArn": doc["arn"], "creationDate": from_epoch(doc["created"])}
        return {**response, **self._publish_response(doc["arn"], request)}

    def _update(self, request: Request) -> Response:
        with self._state_machines.lock:  # as in `_create`
            return self._update_locked(request)

    def _update_locked(self, request: Request) -> Response:
        doc = self._state_machines.update(request)
        response: Response = {"updateDate": from_epoch(doc["updated"] if "updated" in doc else doc["created"])}
        if doc["revision"] != INITIAL:
            response["revisionId"] = doc["revision"]
        return {**response, **self._publish_response(doc["arn"], request)}

    def _publish_response(self, arn: str, request: Request) -> Response:
        """Publish a version if the request asks for one, and return its member of the response."""
        if not request.get("publish"):
            return {}
        return {"stateMachineVersionArn": self._versions.publish(arn, request.get("versionDescription"))["arn"]}

    def _describe(self, request: Request) -> Response:
        return self._state_machines.describe(self._versions.target(str(request["stateMachineArn"])).doc)

    def _delete(self, request: Request) -> Response:
        arn, _ = arns.split_machine_arn(str(request["stateMachineArn"]))
        self._state_machines.delete(arn)
        return {}

    def _publish(self, request: Request) -> Response:
        arn, _ = arns.split_machine_arn(str(request["stateMachineArn"]))
        doc = self._versions.publish(arn, request.get("description"), request.get("revisionId"))
        return {"stateMachineVersionArn": doc["arn"], "creationDate": from_epoch(doc["created"])}


def _without_region(operation: Callable[[Request], Response]) -> _Operation:
    return lambda request, region: operation(request)
