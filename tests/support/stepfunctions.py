"""Handlers that echo and a client, for the tests of Step Functions."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlci_asl as asl
from mlci_emulator.services.stepfunctions import StepFunctions

REGION = "eu-west-1"
ECHO = "arn:aws:states:::echo:do"
PASS: dict[str, Any] = {"Type": "Pass", "End": True}


class Echo:
    """Tasks return their parameters; `{"fail": …}` fails with that error name."""

    def supports(self, resource: str) -> bool:
        return resource.startswith(ECHO)

    def __call__(self, task: asl.TaskCall) -> asl.Json:
        if isinstance(task.parameters, dict) and "fail" in task.parameters:
            raise asl.TaskError(str(task.parameters["fail"]), "as told")
        return task.parameters


def machine(**states: Mapping[str, Any]) -> str:
    return json.dumps({"StartAt": next(iter(states)), "States": states})


class Client:
    """Calls Step Functions by operation."""

    def __init__(self, home: Path | None = None, handlers: asl.Handlers | None = None) -> None:
        self.service = StepFunctions(home, handlers or Echo())

    def __call__(self, operation: str, **request: Any) -> dict[str, Any]:
        return self.service.call(operation, request, REGION)

    def create(self, definition: str, name: str = "m", **more: Any) -> str:
        arn = "arn:aws:iam::000000000000:role/r"
        answer = self("CreateStateMachine", name=name, definition=definition, roleArn=arn, **more)
        return str(answer["stateMachineArn"])

    def start(self, arn: str, given: Any = None, **more: Any) -> str:
        return str(self("StartExecution", stateMachineArn=arn, input=json.dumps(given), **more)["executionArn"])

    def ended(self, arn: str) -> dict[str, Any]:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            found = self("DescribeExecution", executionArn=arn)
            if found["status"] != "RUNNING":
                return found
            time.sleep(0.005)
        raise AssertionError(f"{arn} still runs")

    def run(self, definition: str, given: Any = None) -> dict[str, Any]:
        return self.ended(self.start(self.create(definition), given))

    def history(self, arn: str, **more: Any) -> list[dict[str, Any]]:
        return list(self("GetExecutionHistory", executionArn=arn, **more)["events"])
