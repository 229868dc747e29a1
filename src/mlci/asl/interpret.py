"""Executing a state machine: one state after the other, to an outcome.

Everything happens in the thread that calls `execute`, but for the branches of a Parallel, which have one each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal

from mlci.asl import parallel, tasks
from mlci.asl.callbacks import new_token
from mlci.asl.choices import holds
from mlci.asl.context import Context
from mlci.asl.dataflow import effective_input, pick, place, state_output, whole_number
from mlci.asl.errors import NO_CHOICE_MATCHED, RUNTIME, EvaluationError, StateError, is_matched, too_large
from mlci.asl.events import Event, History, Trail, error_details
from mlci.asl.fields import MAX_COUNT
from mlci.asl.handlers import Handlers
from mlci.asl.jsontext import MAX_DATA_BYTES, Json, TooDeep, dump, parse, size_bytes
from mlci.asl.model import Branch, Choice, Fail, Machine, Parallel, Pass, State, Succeed, Task, Wait
from mlci.asl.paths import Path
from mlci.asl.retries import Retries
from mlci.asl.scope import Scope, Stopped, deadline
from mlci.asl.signals import StopSignal
from mlci.asl.taskevents import Limits, has_token
from mlci.asl.templates import Expression, evaluate, fill
from mlci.asl.timestamps import parse_timestamp

Status = Literal["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]


@dataclass(frozen=True)
class Outcome:
    """How an execution ended: with `output` (compact JSON) where it succeeded, else with error and cause, if any."""

    status: Status
    output: str | None = None
    error: str | None = None
    cause: str | None = None


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


def execute(
    machine: Machine,
    given: str,
    *,
    context: Context,
    handlers: Handlers,
    stop: StopSignal,
    on_event: Callable[[Event], None],
    now: Callable[[], datetime] = utc_now,
    pause: Callable[[StopSignal, float], bool] = StopSignal.wait,
) -> Outcome:
    """Runs a machine on an input (JSON text) until it has ended; no thread of its is left then.

    `pause` is how waits and retry intervals pass; tests make them short.

    Raises: ValueError where the input is not JSON or is larger than 256 KiB, which AWS refuses to start.
    """
    value = parse(given)
    if size_bytes(given) > MAX_DATA_BYTES:
        raise ValueError(f"the execution's input is larger than {MAX_DATA_BYTES} bytes")
    trail = Trail(History(on_event, now))
    started: dict[str, Json] = {"input": given, "inputDetails": {"truncated": False}, "roleArn": context.role_arn}
    trail.add("ExecutionStarted", "executionStartedEventDetails", started)
    trail.last_id = 0  # as AWS: the first state's event follows none
    with deadline(stop, machine.timeout_s) as until:
        scope = Scope(context, value, handlers, now, pause, trail, until.signal)
        try:
            outcome = Outcome("SUCCEEDED", dump(_run(machine.root, value, scope)))
        except Stopped:
            is_timeout = until.has_passed and not stop.is_set()
            outcome = Outcome("TIMED_OUT") if is_timeout else Outcome("ABORTED", None, stop.error, stop.cause)
        except StateError as error:
            outcome = Outcome("FAILED", None, error.error, error.cause)
    _tell(trail, outcome)
    return outcome


def _tell(trail: Trail, outcome: Outcome) -> None:
    if outcome.output is not None:
        details: dict[str, Json] = {"output": outcome.output, "outputDetails": {"truncated": False}}
        trail.add("ExecutionSucceeded", "executionSucceededEventDetails", details)
        return
    name = {"FAILED": "Failed", "TIMED_OUT": "TimedOut", "ABORTED": "Aborted"}[outcome.status]
    trail.add(f"Execution{name}", f"execution{name}EventDetails", error_details(outcome.error, outcome.cause))


def _run(branch: Branch, given: Json, scope: Scope) -> Json:
    """The output of a machine or branch.

    Raises: StateError; Stopped.
    """
    name: str | None = branch.start_at
    while name is not None:
        scope.check()
        given, name = _visit(branch.states[name], given, scope)
    return given


@dataclass(frozen=True)
class _Visit:
    """One stay in a state: what it was given, and the event by which it was entered."""

    scope: Scope
    given: Json
    entered: Event


def _visit(state: State, given: Json, scope: Scope) -> tuple[Json, str | None]:
    """A state's output, and the name of the state that follows."""
    visit = _Visit(scope, given, scope.trail.entered(state.type, state.name, dump(given)))
    try:
        output, next_state = _work(state, visit)
        text = _checked(state.name, output)
    except EvaluationError as error:
        raise error.located(state.name, visit.entered.id) from error
    except (RecursionError, TooDeep) as error:
        what = "The data is nested too deeply."
        raise EvaluationError(RUNTIME, what).located(state.name, visit.entered.id) from error
    except Stopped:
        if isinstance(state, (Task, Parallel, Wait)):
            scope.trail.add(f"{state.type}StateAborted")
        raise
    scope.trail.exited(state.type, state.name, text)
    return output, next_state


def _work(state: State, visit: _Visit) -> tuple[Json, str | None]:
    if isinstance(state, (Task, Parallel)):
        return _with_retries(state, visit)
    context = visit.scope.context_object(state.name, visit.entered)
    if isinstance(state, Pass):
        value = effective_input(state.flow, visit.given, context)
        result = state.result if state.has_result else value
        return state_output(state.flow, visit.given, result, context), state.next
    if isinstance(state, Fail):
        raise _failure(state, visit.given, context)
    value = effective_input(state.flow, visit.given, context)
    if isinstance(state, Succeed):
        return pick(state.flow.output_path, value, context), None
    if isinstance(state, Wait):
        visit.scope.wait(_wait_seconds(state, value, context, visit.scope.now))
        return pick(state.flow.output_path, value, context), state.next
    return _choose(state, value, context)


def _checked(name: str, output: Json) -> str:
    """The output's text, within the limit."""
    text = dump(output)
    if size_bytes(text) > MAX_DATA_BYTES:
        raise too_large(name)
    return text


def _failure(state: Fail, given: Json, context: Json) -> StateError:
    error = _text_of(state.error, "ErrorPath", given, context)
    return StateError(error or "", _text_of(state.cause, "CausePath", given, context))


def _text_of(source: str | Expression | None, field: str, given: Json, context: Json) -> str | None:
    if source is None or isinstance(source, str):
        return source
    value = evaluate(source, field, given, context)
    if not isinstance(value, str):
        what = f"The {field} field must refer to a string, but was: {dump(value)}"
        raise EvaluationError(RUNTIME, what)
    return value


def _choose(state: Choice, given: Json, context: Json) -> tuple[Json, str]:
    output = pick(state.flow.output_path, given, context)
    for choice in state.choices:
        if holds(choice.rule, given, context):
            return output, choice.next
    if state.default is not None:
        return output, state.default
    what = "Failed to transition out of the state. The state does not point to a next state."
    raise EvaluationError(NO_CHOICE_MATCHED, what)


def _wait_seconds(state: Wait, given: Json, context: Json, now: Callable[[], datetime]) -> float:
    if state.timestamp is not None:
        return (_moment(state.timestamp, given, context) - now()).total_seconds()
    if not isinstance(state.seconds, Path):
        return state.seconds or 0
    seconds = whole_number(state.seconds, "SecondsPath", given, context)
    if seconds < 0:
        what = f"The SecondsPath parameter references a negative value: {state.seconds.text} == {seconds}"
        raise EvaluationError(RUNTIME, what)
    if seconds > MAX_COUNT:
        raise EvaluationError(RUNTIME, "Wait state delay is too long.")
    return seconds


def _moment(timestamp: datetime | Path, given: Json, context: Json) -> datetime:
    if isinstance(timestamp, datetime):
        return timestamp
    value = pick(timestamp, given, context)
    moment = parse_timestamp(value) if isinstance(value, str) else None
    if moment is None:
        shown = value if isinstance(value, str) else dump(value)
        what = "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string"
        raise EvaluationError(RUNTIME, f"{what}: {timestamp.text} == {shown}")
    return moment


def _with_retries(state: Task | Parallel, visit: _Visit) -> tuple[Json, str | None]:
    """The work of a state that can be tried again, and whose errors can be caught."""
    retries = Retries(state.retry)
    while True:
        token = new_token() if isinstance(state, Task) and has_token(state.resource) else None
        context = visit.scope.context_object(state.name, visit.entered, retries.count, token)
        try:
            output = _attempt(state, visit, context, token)
            _checked(state.name, output)
            return output, state.next
        except StateError as raised:
            error = raised.located(state.name, visit.entered.id) if isinstance(raised, EvaluationError) else raised
        pause_s = retries.delay_after(error)
        if pause_s is None:
            return _caught(state, error, visit.given)
        visit.scope.wait(pause_s)


def _attempt(state: Task | Parallel, visit: _Visit, context: Json, token: str | None) -> Json:
    value = effective_input(state.flow, visit.given, context)
    if isinstance(state, Parallel):
        result = parallel.attempt(visit.scope, state, value, _run)
    else:
        result = tasks.attempt(visit.scope, state, _task_work(state, visit.given, value, context, token))
    return state_output(state.flow, visit.given, result, context)


def _task_work(state: Task, given: Json, parameters: Json, context: Json, token: str | None) -> tasks.Work:
    picked = pick(state.flow.input_path, given, context)
    timeout = _limit(state.timeout, "TimeoutSecondsPath", picked, context)
    heartbeat = _limit(state.heartbeat, "HeartbeatSecondsPath", picked, context)
    credentials = None if state.credentials is None else fill(state.credentials, picked, context)
    return tasks.Work(parameters, Limits(timeout, heartbeat), token, credentials)


def _limit(source: int | Path | None, field: str, given: Json, context: Json) -> int | None:
    if not isinstance(source, Path):
        return source
    seconds = whole_number(source, field, given, context)
    if seconds < 1:
        what = f'The {field} field refers to value "{seconds}" which must be positive: {source.text}'
        raise EvaluationError(RUNTIME, what)
    return seconds


def _caught(state: Task | Parallel, error: StateError, given: Json) -> tuple[Json, str]:
    for catcher in state.catch:
        if is_matched(error, catcher.error_equals):
            return place(catcher.result_path, given, dict(error.as_output())), catcher.next
    raise error
