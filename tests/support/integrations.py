"""Services that only record their requests, for the tests of the integrations."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlci_asl as asl
from mlci_asl import StopSignal, TaskCall
from mlci_emulator.integrations import Integrations, MessageRecords
from mlci_emulator.protocol.operations import ApiError, Request, Response
from mlci_emulator.services.lambda_functions import FunctionCode, FunctionFiles, FunctionInvoker, LambdaService

if TYPE_CHECKING:
    from mlci_asl import Json

EXECUTION = "arn:aws:states:us-east-1:000000000000:execution:machine:run-1"


@dataclass
class FakeService:
    """Returns a fixed response, or raises a fixed error."""

    answer: Response | ApiError = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def call(self, operation: str, request: Request, region: str) -> Response:
        self.asked.append((operation, request))
        if isinstance(self.answer, ApiError):
            raise self.answer
        return self.answer

    def runs_in_image(self, image: str) -> bool:
        return False

    def run_to_end(
        self, operation: str, request: Request, region: str, stop: StopSignal, submitted: Callable[[Response], None]
    ) -> Response:
        kind = operation.removeprefix("Create")
        submitted({f"{kind}Arn": f"arn:aws:sagemaker:{region}:000000000000:{request[f'{kind}Name']}"})
        return self.call(operation, request, region)


@dataclass
class Local:
    """Integrations on fake services."""

    root: Path
    functions: tuple[FunctionCode, ...] = ()
    s3: FakeService = field(default_factory=FakeService)
    sagemaker: FakeService = field(default_factory=FakeService)
    services: dict[str, FakeService] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.records = MessageRecords(self.root)
        lambdas = FunctionInvoker(self.root / "work", lambda name: self.root / "logs" / f"{name}.log", dict(os.environ))
        self.lambdas = LambdaService(FunctionFiles(self.functions), lambdas)
        self.handlers = Integrations(self.s3, self.sagemaker, self.lambdas, self.records, self.services)

    def run(self, resource: str, parameters: Json, submitted: list[Json] | None = None) -> Json:
        into: list[Json] = [] if submitted is None else submitted
        task = TaskCall(f"arn:aws:states:::{resource}", "State", parameters, StopSignal(), into.append, EXECUTION)
        return self.handlers(task)

    def execute(
        self, state: dict[str, Json], given: Json = None, handlers: asl.Handlers | None = None
    ) -> tuple[asl.Outcome, list[asl.Event]]:
        """Execute a state machine with one state."""
        context = asl.Context(EXECUTION, "run-1", "role", datetime.now(timezone.utc), "machine-arn", "machine")
        events: list[asl.Event] = []
        loaded = asl.load(json.dumps({"StartAt": "A", "States": {"A": state}}))
        outcome = asl.execute(
            loaded,
            json.dumps(given),
            context=context,
            handlers=handlers or self.handlers,
            stop=StopSignal(),
            on_event=events.append,
        )
        return outcome, events

    def problems(self, resource: str, parameters: Json = None, **members: Json) -> list[tuple[str, str]]:
        """Return the problems of a state machine with one task."""
        given = {} if parameters is None else {"Parameters": parameters}
        task = {"Type": "Task", "Resource": resource, "End": True, **given, **members}
        machine = asl.Machine(json.dumps({"StartAt": "A", "States": {"A": task}}), asl.load(PASS).root)
        return [(problem.location, problem.message) for problem in self.handlers.problems(machine)]


PASS = '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'


def function(folder: Path, text: str, name: str = "train") -> FunctionCode:
    """Create a function whose module has this text."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(text)
    return FunctionCode(name, folder, f"{name}.handler")
