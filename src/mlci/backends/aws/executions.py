"""Step Functions: the executions of a state machine: started once, read event by event, stopped.

Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html and its neighbours
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlci.backends.aws.api_calls import Api, AwsError
from mlci.backends.events import Event
from mlci.backends.protocol import ExecutionArn, Live, VersionArn

#: The most that GetExecutionHistory gives at a time.
PAGE_EVENTS = 1_000
#: A state machine that was just made may not be known everywhere yet: CreateStateMachine is eventually consistent.
_NEW_MACHINE_WAITS_S = (1.0, 2.0, 4.0, 8.0)
#: StopExecution takes so many characters.
_MAX_ERROR_CHARS, _MAX_CAUSE_CHARS = 256, 32_768


@dataclass(frozen=True)
class Executions:
    api: Api

    def start(self, version: VersionArn, name: str, given: str, arn: ExecutionArn) -> None:
        """Starts an execution, or finds it started: by an attempt whose answer got lost, or by an earlier process of
        the same build. `arn` is what it is then called.

        While it runs, the same name and input are answered with it; once it has ended, with ExecutionAlreadyExists.
        """
        for wait_s in (*_NEW_MACHINE_WAITS_S, None):
            try:
                self.api.call("start_execution", stateMachineArn=version, name=name, input=given)
                return
            except AwsError as error:
                if error.code == "ExecutionAlreadyExists" and self._has_input(arn, given):
                    return
                if error.code != "StateMachineDoesNotExist" or wait_s is None:
                    raise
            self.api.patience.clock.sleep(wait_s)

    def _has_input(self, arn: ExecutionArn, given: str) -> bool:
        try:
            return bool(json.loads(self.given(arn)) == json.loads(given))
        except AwsError as error:
            if error.code == "ExecutionDoesNotExist":
                return False
            raise

    def given(self, arn: str) -> str:
        """The input that an execution was started with."""
        return str(self.api.call("describe_execution", executionArn=arn).get("input", "{}"))

    def running(self, machine: str) -> Iterator[Live]:
        """The executions of a state machine that run, with their input."""
        try:
            pages = self.api.pages(
                "list_executions", ("nextToken", "nextToken"), stateMachineArn=machine, statusFilter="RUNNING"
            )
            for page in pages:
                for entry in page["executions"]:
                    yield Live(entry["name"], self.given(entry["executionArn"]))
        except AwsError as error:
            if error.code != "StateMachineDoesNotExist":
                raise

    def events_after(self, arn: ExecutionArn, last_id: int) -> list[Event]:
        """The events behind the one with this id, in order. Asks once, without patience: whoever watches asks again.

        The newest come first, and reading ends at what is known: a poll costs one call, however long the history is.
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
        """Stops an execution and what it waits for; False where there is none."""
        try:
            self.api.call(
                "stop_execution", executionArn=arn, error=error[:_MAX_ERROR_CHARS], cause=cause[:_MAX_CAUSE_CHARS]
            )
        except AwsError as refused:
            if refused.code == "ExecutionDoesNotExist":
                return False
            raise
        return True


def _without_gaps(events: list[Event], last_id: int) -> list[Event]:
    """The events in order, up to the first that the API does not show yet: they are numbered one by one."""
    ordered = sorted(events, key=lambda event: event.id)
    return [event for number, event in enumerate(ordered, last_id + 1) if event.id == number]


def _event(entry: Mapping[str, Any]) -> Event:
    """An event of the API's as mlci's: the same names."""
    details = {name: value for name, value in entry.items() if name.endswith("EventDetails")}
    return Event(entry["id"], entry.get("previousEventId", 0), entry["timestamp"], entry["type"], details)
