"""Step Functions: the executions of a state machine: start, history, stop.

Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html and its neighbours
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mlci.backends.aws.api_calls import Api, AwsError
from mlci.backends.events import Event
from mlci.backends.protocol import ExecutionArn, RunningExecution, VersionArn
from mlci.compile.names import is_cleaner
from mlci_dataclasses import dataclass

#: The most events that GetExecutionHistory returns at a time.
PAGE_EVENTS = 1_000
#: The executions among which a run is looked for; the others are cleaners.
_NEWEST = 20
#: CreateStateMachine is eventually consistent: StartExecution may not find a new state machine yet.
_NEW_MACHINE_WAITS_S = (1.0, 2.0, 4.0, 8.0)
#: The longest error and cause that StopExecution and SendTaskFailure accept.
_MAX_ERROR_CHARS, _MAX_CAUSE_CHARS = 256, 32_768


@dataclass(frozen=True)
class Executions:
    api: Api

    def start(self, version: VersionArn, name: str, execution_input: str, arn: ExecutionArn) -> None:
        """Start an execution. One with the same name and input may exist already, with the ARN `arn`: from an attempt
        whose response was lost, or from an earlier process of the same build.

        StartExecution is idempotent while that execution runs; after it ended, it raises ExecutionAlreadyExists.
        """
        for wait_s in (*_NEW_MACHINE_WAITS_S, None):
            try:
                self.api.call("start_execution", stateMachineArn=version, name=name, input=execution_input)
                return
            except AwsError as error:
                if error.code == "ExecutionAlreadyExists" and self._has_input(arn, execution_input):
                    return
                if error.code != "StateMachineDoesNotExist" or wait_s is None:
                    raise
            self.api.retry_policy.clock.sleep(wait_s)

    def _has_input(self, arn: ExecutionArn, execution_input: str) -> bool:
        try:
            return bool(json.loads(self.input_of(arn)) == json.loads(execution_input))
        except AwsError as error:
            if error.code == "ExecutionDoesNotExist":
                return False
            raise

    def input_of(self, arn: str) -> str:
        """Return the input of an execution, as JSON."""
        return str(self.api.call("describe_execution", executionArn=arn).get("input", "{}"))

    def is_running(self, arn: ExecutionArn) -> bool | None:
        """Return whether an execution runs; None if there is none."""
        try:
            return bool(self.api.call("describe_execution", executionArn=arn)["status"] == "RUNNING")
        except AwsError as error:
            if error.code == "ExecutionDoesNotExist":
                return None
            raise

    def succeed(self, token: str, output: str) -> bool:
        """Complete a task by its token; return False if it does not wait any more.

        Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html
        """
        return self._answer("send_task_success", taskToken=token, output=output)

    def fail(self, token: str, error: str, cause: str) -> bool:
        """Fail a task by its token; return False if it does not wait any more.

        Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskFailure.html
        """
        error, cause = error[:_MAX_ERROR_CHARS], cause[:_MAX_CAUSE_CHARS]
        return self._answer("send_task_failure", taskToken=token, error=error, cause=cause)

    def heartbeat(self, token: str) -> bool:
        """Tell that the work for a task goes on; return False if it does not wait any more.

        Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskHeartbeat.html
        """
        return self._answer("send_task_heartbeat", taskToken=token)

    def _answer(self, operation: str, **request: str) -> bool:
        try:
            self.api.call(operation, **request)
        except AwsError as error:
            if error.code in ("TaskDoesNotExist", "TaskTimedOut", "InvalidToken"):
                return False
            raise
        return True

    def running(self, machine: str) -> Iterator[RunningExecution]:
        """Yield the running executions of a state machine, with their input."""
        try:
            pages = self.api.pages(
                "list_executions", ("nextToken", "nextToken"), stateMachineArn=machine, statusFilter="RUNNING"
            )
            for page in pages:
                for entry in page["executions"]:
                    yield RunningExecution(entry["name"], self.input_of(entry["executionArn"]))
        except AwsError as error:
            if error.code != "StateMachineDoesNotExist":
                raise

    def newest_succeeded(self, machine: str) -> ExecutionArn | None:
        """Return the newest run of a state machine that succeeded, as far as the newest executions have one."""
        request = {"stateMachineArn": machine, "statusFilter": "SUCCEEDED", "maxResults": _NEWEST}
        try:
            found = self.api.call("list_executions", **request)["executions"]
        except AwsError as error:
            if error.code == "StateMachineDoesNotExist":
                return None
            raise
        runs = (entry["executionArn"] for entry in found if not is_cleaner(entry["name"]))
        return next((ExecutionArn(arn) for arn in runs), None)

    def events_after(self, arn: ExecutionArn, last_id: int) -> list[Event]:
        """Return the events after the one with this ID, in order. Errors are not retried: the caller polls again.

        The API lists the newest first, and reading ends at a known one: a poll costs one call, however long the
        history.
        """
        found: list[Event] = []
        request: dict[str, Any] = {
            "executionArn": arn,
            "reverseOrder": True,
            "maxResults": PAGE_EVENTS,
            "includeExecutionData": True,
        }
        while True:
            page = self.api.call_once("get_execution_history", **request)
            new = [_event(entry) for entry in page["events"] if entry["id"] > last_id]
            found += new
            if len(new) < len(page["events"]) or not page.get("nextToken"):
                return _without_gaps(found, last_id)
            request["nextToken"] = page["nextToken"]

    def stop(self, arn: ExecutionArn, error: str, cause: str) -> bool:
        """Stop an execution and the tasks that it waits for; return False if there is none."""
        try:
            self.api.call(
                "stop_execution", executionArn=arn, error=error[:_MAX_ERROR_CHARS], cause=cause[:_MAX_CAUSE_CHARS]
            )
        except AwsError as failure:
            if failure.code == "ExecutionDoesNotExist":
                return False
            raise
        return True


def _without_gaps(events: list[Event], last_id: int) -> list[Event]:
    """Return the events in order, up to the first gap: events are numbered one by one, and the API may lag behind."""
    ordered = sorted(events, key=lambda event: event.id)
    return [event for number, event in enumerate(ordered, last_id + 1) if event.id == number]


def _event(entry: Mapping[str, Any]) -> Event:
    """Convert an event of the API. The names are the same."""
    details = {name: value for name, value in entry.items() if name.endswith("EventDetails")}
    return Event(entry["id"], entry.get("previousEventId", 0), entry["timestamp"], entry["type"], details)
