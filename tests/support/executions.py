"""Executions in tests: a machine with scripted handlers, and its outcome, events and pauses."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from mlci_asl import Context, Event, Json, Outcome, Resume, StopSignal, TaskCall, TaskError, execute, load

JOB = "arn:aws:states:::sagemaker:createTrainingJob.sync"

CONTEXT = Context(
    execution_arn="arn:aws:states:eu-west-1:123456789012:execution:flow:run-1",
    execution_name="run-1",
    role_arn="arn:aws:iam::123456789012:role/flow",
    started=datetime(2024, 5, 6, 7, 8, 9, 10_000, timezone.utc),
    machine_arn="arn:aws:states:eu-west-1:123456789012:stateMachine:flow",
    machine_name="flow",
)

Answer = Callable[[TaskCall], Json]


@dataclass
class ScriptedHandlers:
    """Answers a state's calls with its answers in turn, the last one again and again; without any, with the parameters.

    An answer is a result, `{"error": …, "cause": …}`, `{"bytes": n}` (a string of that size), or a function.
    """

    answers: Mapping[str, Sequence[Json | Answer]] = field(default_factory=dict)
    calls: list[TaskCall] = field(default_factory=list)

    def supports(self, resource: str) -> bool:
        return resource == JOB

    def __call__(self, task: TaskCall) -> Json:
        self.calls.append(task)
        answers = self.answers.get(task.state)
        if not answers:
            return task.parameters
        before = sum(call.state == task.state for call in self.calls) - 1
        answer = answers[min(before, len(answers) - 1)]
        if callable(answer):
            return answer(task)
        if isinstance(answer, dict) and "error" in answer:
            raise TaskError(str(answer["error"]), str(answer.get("cause", "")))
        if isinstance(answer, dict) and "bytes" in answer:
            return "x" * (int(str(answer["bytes"])) - 2)
        return answer


@dataclass
class Run:
    """One finished execution."""

    outcome: Outcome
    events: list[Event]
    handlers: ScriptedHandlers
    pauses: list[float]

    @property
    def output(self) -> Json:
        assert self.outcome.output is not None, self.outcome
        value: Json = json.loads(self.outcome.output)
        return value

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    def details(self, kind: str) -> Mapping[str, Json]:
        """The details of the first event of this type."""
        event = next(event for event in self.events if event.type == kind)
        (member,) = event.details.values()
        assert isinstance(member, dict)
        return member


def machine(*, start: str = "S", timeout_s: int | None = None, **states: Any) -> str:
    """A definition made of these states."""
    limit = {} if timeout_s is None else {"TimeoutSeconds": timeout_s}
    return json.dumps({"StartAt": start, "States": states, **limit})


def task(**fields: Any) -> dict[str, Any]:
    """A Task state that ends, unless `fields` say otherwise."""
    end: dict[str, Any] = {} if "Next" in fields else {"End": True}
    return {"Type": "Task", "Resource": JOB, **end, **fields}


def run(
    definition: str,
    input: Json = None,
    answers: Mapping[str, Sequence[Json | Answer]] | None = None,
    *,
    stop: StopSignal | None = None,
    on_event: Callable[[Event], None] = lambda event: None,
    is_quick: bool = True,
    handlers: ScriptedHandlers | None = None,
    is_threads_checked: bool = True,
) -> Run:
    """Executes a definition. If `is_quick`, waits and retry intervals take no time; `pauses` has them."""
    result = Run(Outcome("FAILED"), [], handlers or ScriptedHandlers(answers or {}), [])

    def pause(signal: StopSignal, seconds: float) -> bool:
        result.pauses.append(seconds)
        return signal.wait(0 if is_quick else seconds)

    def note(event: Event) -> None:
        result.events.append(event)
        on_event(event)

    threads = threading.active_count()
    result.outcome = execute(
        load(definition),
        json.dumps({} if input is None else input),
        context=CONTEXT,
        handlers=result.handlers,
        stop=stop or StopSignal(),
        on_event=note,
        pause=pause,
    )
    if is_threads_checked:
        assert threading.active_count() <= threads, "the execution left a thread behind"
    return result


def redriven(before: Run, definition: str, input: Any, answers: Any, count: int = 1) -> Run:
    """The run after a redrive with other answers; its events are all of the execution's."""
    result = Run(Outcome("FAILED"), list(before.events), ScriptedHandlers(answers), [])
    result.outcome = execute(
        load(definition),
        json.dumps(input),
        context=CONTEXT,
        handlers=result.handlers,
        stop=StopSignal(),
        on_event=result.events.append,
        pause=lambda signal, seconds: signal.wait(0),
        resume=Resume(before.events, count),
    )
    assert [event.id for event in result.events] == list(range(1, len(result.events) + 1))
    return result
