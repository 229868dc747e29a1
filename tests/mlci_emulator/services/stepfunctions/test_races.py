"""Concurrent calls, and events between two steps of a start, an end or a kill."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import mlci_asl as asl
from mlci_emulator.identity import ACCOUNT
from mlci_emulator.protocol.operations import ApiError
from mlci_emulator.services.stepfunctions.activities import Activities, TaskTokens
from mlci_emulator.services.stepfunctions.definitions import Definitions
from mlci_emulator.services.stepfunctions.execution_threads import ExecutionThreads
from mlci_emulator.services.stepfunctions.executions import Executions
from mlci_emulator.services.stepfunctions.records import Kind, StepFunctionsRecords
from mlci_emulator.services.stepfunctions.state_machines import StateMachines
from mlci_emulator.services.stepfunctions.task_handlers import TaskHandlers
from mlci_emulator.services.stepfunctions.versions import Versions
from mlci_emulator.services.timestamps import utc_now
from support.stepfunctions import ECHO, PASS, REGION, Client, Echo, machine

ROLE = "arn:aws:iam::000000000000:role/r"
WAIT = machine(W={"Type": "Wait", "Seconds": 60, "End": True})
TASK = machine(T={"Type": "Task", "Resource": ECHO, "End": True})


class Watched(StepFunctionsRecords):
    """Calls back when an execution's record has been kept as FAILED."""

    on_failed: Callable[[str], object] | None = None

    def put(self, kind: Kind, arn: str, parent: str, doc: Mapping[str, Any]) -> None:
        super().put(kind, arn, parent, doc)
        if kind == "execution" and doc["status"] == "FAILED" and self.on_failed is not None:
            self.on_failed(arn)


class FailsThenWaits(Echo):
    """The first task fails, each later one waits until it is stopped."""

    calls = 0

    def __call__(self, task: asl.TaskCall) -> asl.Json:
        self.calls += 1
        if self.calls > 1:
            task.stop.wait(20)
        raise asl.TaskError("E", "as told")


class Parts:
    """Executions by themselves, over records that a test can watch; and a machine."""

    def __init__(self, records: StepFunctionsRecords, handlers: asl.Handlers, definition: str) -> None:
        tasks = TaskHandlers(handlers, Activities(records, ACCOUNT, utc_now), TaskTokens())
        definitions = Definitions(tasks)
        state_machines = StateMachines(records, definitions, ACCOUNT, utc_now)
        versions = Versions(records, state_machines, utc_now)
        self.runner = ExecutionThreads(records, tasks, utc_now)
        self.executions = Executions(records, definitions, state_machines, versions, self.runner, utc_now)
        doc, _ = state_machines.create({"name": "m", "definition": definition, "roleArn": ROLE}, REGION)
        self.machine = str(doc["arn"])


def test_an_execution_redriven_as_soon_as_it_failed_can_be_stopped() -> None:
    records = Watched(None)
    parts = Parts(records, FailsThenWaits(), TASK)
    failed: list[threading.Thread] = []

    def redrive(arn: str) -> None:
        records.on_failed = None
        failed.append(threading.current_thread())
        parts.executions.redrive({"executionArn": arn})

    records.on_failed = redrive
    arn = parts.executions.start({"stateMachineArn": parts.machine})["executionArn"]
    until = time.monotonic() + 60
    while not failed and time.monotonic() < until:
        time.sleep(0.005)
    failed[0].join(60)
    parts.executions.stop({"executionArn": arn})
    status = parts.executions.describe({"executionArn": arn})["status"]
    parts.runner.close("the test is over")
    assert status == "ABORTED"


def test_what_can_no_longer_start_is_not_on_record() -> None:
    parts = Parts(StepFunctionsRecords(None), Echo(), WAIT)
    parts.runner.close("the server stopped")
    with pytest.raises(ApiError) as refusal:
        parts.executions.start({"stateMachineArn": parts.machine, "name": "late"})
    assert refusal.value.status == 503
    assert parts.executions.list({"stateMachineArn": parts.machine})["executions"] == []


@pytest.mark.parametrize("fails", [False, True])
def test_a_kill_after_the_last_event_leaves_the_outcome_that_the_history_tells(tmp_path: Path, fails: bool) -> None:
    first = Client(tmp_path)
    arn = first.start(first.create(TASK), {"fail": "E"} if fails else "given")
    ended = first.ended(arn)
    first.service.close()
    records = StepFunctionsRecords(tmp_path)
    doc = records.get("execution", arn)
    assert doc is not None
    lost = ("stopped", "output", "error", "cause")
    kept = {name: value for name, value in doc.items() if name not in lost}
    records.put("execution", arn, doc["machine"], {**kept, "status": "RUNNING"})
    records.close()

    again = Client(tmp_path)
    found = again("DescribeExecution", executionArn=arn)
    ends = [event["type"] for event in again.history(arn) if event["type"].startswith("Execution")]
    again.service.close()
    told = ("status", "output", "error", "cause")
    assert [found.get(name) for name in told] == [ended.get(name) for name in told]
    assert ends == ["ExecutionStarted", "ExecutionFailed" if fails else "ExecutionSucceeded"]


def test_closing_ends_express_executions_and_who_waits_for_one() -> None:
    sfn, before = Client(), threading.active_count()
    arn = sfn.create(WAIT, type="EXPRESS")
    sfn.start(arn)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(sfn, "StartSyncExecution", stateMachineArn=arn)
        time.sleep(0.2)
        sfn.service.close()
        error = waiting.exception(5)
    assert isinstance(error, ApiError)
    assert error.status == 503
    until = time.monotonic() + 60
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before  # that which looks for the isolation may have ended


def test_twenty_that_start_the_same_execution_start_one() -> None:
    sfn = Client()
    arn = sfn.create(WAIT)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: sfn("StartExecution", stateMachineArn=arn, name="e", input="1"), range(20)))
    assert all(response == answers[0] for response in answers)
    assert len(sfn("ListExecutions", stateMachineArn=arn)["executions"]) == 1
    assert [event["type"] for event in sfn.history(answers[0]["executionArn"])].count("ExecutionStarted") == 1
    sfn.service.close()


def test_fifty_at_once_each_end_with_their_own_output() -> None:
    sfn = Client()
    arn = sfn.create(machine(W={"Type": "Wait", "Seconds": 1, "Next": "P"}, P=PASS))
    started = [sfn.start(arn, number) for number in range(50)]
    outputs = [sfn.ended(one)["output"] for one in started]
    assert outputs == [str(number) for number in range(50)]


def test_a_stop_that_races_the_end_a_hundred_times() -> None:
    sfn = Client()
    arn = sfn.create(machine(S=PASS))
    ends = {"ABORTED": "ExecutionAborted", "SUCCEEDED": "ExecutionSucceeded"}
    for _ in range(100):
        one = sfn.start(arn)
        sfn("StopExecution", executionArn=one)
        types = [event["type"] for event in sfn.history(one)]
        assert types[-1] == ends[sfn("DescribeExecution", executionArn=one)["status"]]
        assert len({*types} & {*ends.values()}) == 1
