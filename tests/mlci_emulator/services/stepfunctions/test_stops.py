"""Stops at any moment: one outcome, which the history ends with, and no thread left."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from mlci_emulator.identity import ACCOUNT
from mlci_emulator.services.stepfunctions.activities import Activities, TaskTokens
from mlci_emulator.services.stepfunctions.definitions import Definitions
from mlci_emulator.services.stepfunctions.execution_threads import ExecutionThreads
from mlci_emulator.services.stepfunctions.executions import Executions
from mlci_emulator.services.stepfunctions.records import Kind, StepFunctionsRecords
from mlci_emulator.services.stepfunctions.state_machines import StateMachines
from mlci_emulator.services.stepfunctions.task_handlers import TaskHandlers
from mlci_emulator.services.stepfunctions.versions import Versions
from mlci_emulator.services.timestamps import utc_now
from support.stepfunctions import PASS, REGION, Client, Echo, machine

WAIT = machine(W={"Type": "Wait", "Seconds": 60, "End": True})


class StoppedAtOnce(StepFunctionsRecords):
    """An execution is stopped by another thread as soon as it can be found."""

    stop: Callable[[str], object]
    stopping: threading.Thread | None = None

    def put(self, kind: Kind, arn: str, parent: str, doc: Mapping[str, Any]) -> None:
        super().put(kind, arn, parent, doc)
        if kind == "execution" and self.stopping is None:
            self.stopping = threading.Thread(target=self.stop, args=(arn,))
            self.stopping.start()
            self.stopping.join(0.2)


def test_a_stop_before_the_response_to_the_start_counts() -> None:
    records = StoppedAtOnce(None)
    tasks = TaskHandlers(Echo(), Activities(records, ACCOUNT, utc_now), TaskTokens())
    definitions = Definitions(tasks)
    state_machines = StateMachines(records, definitions, ACCOUNT, utc_now)
    runner = ExecutionThreads(records, tasks, utc_now)
    executions = Executions(
        records, definitions, state_machines, Versions(records, state_machines, utc_now), runner, utc_now
    )
    records.stop = lambda arn: executions.stop({"executionArn": arn})
    role = "arn:aws:iam::000000000000:role/r"
    doc, _ = state_machines.create({"name": "m", "definition": WAIT, "roleArn": role}, REGION)
    arn = executions.start({"stateMachineArn": doc["arn"]})["executionArn"]
    assert records.stopping is not None
    records.stopping.join(10)
    status = executions.describe({"executionArn": arn})["status"]
    runner.close("the test is over")
    assert status == "ABORTED"


@pytest.mark.parametrize("seed", range(3))
def test_a_stop_at_the_end_has_one_outcome(seed: int) -> None:
    sfn, chance = Client(), random.Random(seed)
    states = {f"s{i}": {"Type": "Pass", "Next": f"s{i + 1}"} for i in range(20)}
    machine_arn = sfn.create(machine(**states, s20=PASS))
    before = threading.active_count()
    for _ in range(20):
        arn = sfn.start(machine_arn)
        time.sleep(chance.random() * 0.01)
        sfn("StopExecution", executionArn=arn)
        status = sfn("DescribeExecution", executionArn=arn)["status"]
        events = [event["type"] for event in sfn.history(arn)]
        assert events[-1] == {"ABORTED": "ExecutionAborted", "SUCCEEDED": "ExecutionSucceeded"}[status]
        assert sum(event in ("ExecutionAborted", "ExecutionSucceeded") for event in events) == 1
    until = time.monotonic() + 60
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before  # that which looks for the isolation may have ended
