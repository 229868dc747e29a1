"""Executing a state machine: one state after the other, to an outcome.

Everything happens in the thread that calls `execute`, but for branches and iterations, which have one each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Literal, NamedTuple

from mlci_asl import maps, parallel, tasks
from mlci_asl.branch import Scope, Stopped, deadline
from mlci_asl.callbacks import new_token
from mlci_asl.choices import holds
from mlci_asl.context import Context
from mlci_asl.dataflow import Left
from mlci_asl.dynamic_fields import limit, moment, seconds, text
from mlci_asl.errors import (
    NO_CHOICE_MATCHED,
    RUNTIME,
    TIMEOUT,
    EvaluationError,
    QueryError,
    StateError,
    is_matched,
    too_large,
)
from mlci_asl.events import Event, History, Trail, error_details
from mlci_asl.handlers import Handlers
from mlci_asl.jsontext import MAX_DATA_BYTES, Json, Text, TooDeep, parse, size_bytes, text_of
from mlci_asl.model import Branch, Choice, Fail, Machine, Map, Parallel, Pass, Retried, State, Succeed, Task, Wait
from mlci_asl.redrive import Past, Resume
from mlci_asl.retries import Retries
from mlci_asl.state_data import Data
from mlci_asl.stop_signal import StopSignal
from mlci_asl.task_events import Limits, has_token
from mlci_asl.templates import fill

#: The longest that a Wait can wait for a time: 24,855 days and a bit.
#: Source: the recorded test `test_timestamp_too_far_in_future_boundary` of LocalStack's Step Functions tests.
MAX_WAIT_S = 2**31 - 1

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
    resume: Resume | None = None,
) -> Outcome:
    """Runs a machine on an input (JSON text) until it has ended; no thread of its is left then.

    `pause` is how waits and retry intervals pass; tests make them short. With `resume`, an execution that did not
    succeed goes on from where it ended (redrive): the rest is given as at its start, and only new events are told.

    Raises: ValueError where the input is not JSON or is larger than 256 KiB, which AWS refuses to start.
    """
    value = parse(given)
    if size_bytes(given) > MAX_DATA_BYTES:
        raise ValueError(f"the execution's input is larger than {MAX_DATA_BYTES} bytes")
    if resume is None:
        past, trail = None, _started(History(on_event, now), context, given)
    else:
        past, trail = Past(machine.root, resume.events), _redriven(resume, on_event, now)
        context = replace(context, redrive_count=resume.redrive_count, redriven=now())
    with deadline(stop, machine.timeout_s) as until:
        scope = Scope(context, value, handlers, now, pause, trail, until.signal)
        try:
            outcome = Outcome("SUCCEEDED", _run(machine.root, Text(given, value), scope, past).text)
        except Stopped:
            trail.last_id = 0  # as AWS: what ended it is no event of the execution
            is_timeout = until.has_passed and not stop.is_set()
            outcome = Outcome("TIMED_OUT") if is_timeout else Outcome("ABORTED", None, stop.error, stop.cause)
        except StateError as error:
            outcome = Outcome("FAILED", None, error.error, error.cause)
    _tell(trail, outcome)
    return outcome


def _started(history: History, context: Context, given: str) -> Trail:
    trail = Trail(history)
    details: dict[str, Json] = {"input": given, "inputDetails": {"truncated": False}, "roleArn": context.role_arn}
    if context.alias_arn is not None:
        details["stateMachineAliasArn"] = context.alias_arn
    if context.version_arn is not None:
        details["stateMachineVersionArn"] = context.version_arn
    trail.add("ExecutionStarted", "executionStartedEventDetails", details)
    trail.last_id = 0  # as AWS: the first state's event follows none
    return trail


def _redriven(resume: Resume, on_event: Callable[[Event], None], now: Callable[[], datetime]) -> Trail:
    last_id = max((event.id for event in resume.events), default=0)
    trail = Trail(History(on_event, now, last_id), last_id)
    trail.add("ExecutionRedriven", "executionRedrivenEventDetails", {"redriveCount": resume.redrive_count})
    return trail


def _tell(trail: Trail, outcome: Outcome) -> None:
    if outcome.output is not None:
        details: dict[str, Json] = {"output": outcome.output, "outputDetails": {"truncated": False}}
        trail.add("ExecutionSucceeded", "executionSucceededEventDetails", details)
        return
    name = {"FAILED": "Failed", "TIMED_OUT": "TimedOut", "ABORTED": "Aborted"}[outcome.status]
    error = TIMEOUT if outcome.status == "TIMED_OUT" else outcome.error
    trail.add(f"Execution{name}", f"execution{name}EventDetails", error_details(error, outcome.cause))


def _run(branch: Branch, given: Text, scope: Scope, past: Past | None = None) -> Text:
    """The output of a machine or branch, which goes on where its `past` ended.

    Raises: StateError; Stopped.
    """
    scope.check()
    name: str | None = branch.start_at
    point = past.point() if past else None
    if past and point is not None:
        scope.variables.assign(past.variables())
        given, name = _visit(branch.states[point.name], _Visit(scope, point.given, point.entered, point.inside))
    while name is not None:
        state = branch.states[name]
        visit = _Visit(scope, given, scope.trail.entered(state.type, state.name, given.text))
        given, name = _visit(state, visit)
    return given


class _Visit(NamedTuple):
    """One stay in a state: what it was given, and the event by which it was entered.

    `inside` is what happened there before the execution was redriven.
    """

    scope: Scope
    given: Text
    entered: Event
    inside: Sequence[Event] = ()

    def data(self, state: str, retry_count: int | None = None, token: str | None = None) -> Data:
        context = self.scope.context_object(state, self.entered, retry_count, token)
        return Data(self.given.value, context, self.scope.variables.values, texts=(self.given,))


class Step(NamedTuple):
    """How a state was left, and for which."""

    left: Left
    next: str | None
    output: Text | None = None  # what was left, where its text is known already


def _visit(state: State, visit: _Visit) -> tuple[Text, str | None]:
    """A state's output, and the name of the state that follows."""
    scope, is_done = visit.scope, False
    try:
        scope.check()  # in the state, so that a stopped execution has one to go on from
        step = _work(state, visit)
        output = step.output or _checked(state.name, step.left.output, visit.given)
        scope.variables.assign(step.left.assigned)
        is_done = True
    except EvaluationError as error:
        raise _told(visit, state, error) from error
    except (RecursionError, TooDeep) as error:
        what = "The data is nested too deeply."
        raise EvaluationError(RUNTIME, what).located(state.name, visit.entered.id) from error
    finally:
        if not is_done and isinstance(state, (Task, Parallel, Map, Wait)):
            scope.open.append(state.type)
    scope.trail.exited(state.type, state.name, output.text, step.left.assigned)
    return output, step.next


def _told(visit: _Visit, state: State, error: EvaluationError) -> StateError:
    """The error in AWS's words; that an expression failed is an event of its own."""
    found = error.located(state.name, visit.entered.id)
    if isinstance(error, QueryError):
        visit.scope.trail.evaluation_failed(visit.entered, state.name, error, found)
    return found


def _work(state: State, visit: _Visit) -> Step:
    if isinstance(state, (Task, Parallel, Map)):
        return _with_retries(state, visit)
    data = visit.data(state.name)
    if isinstance(state, Fail):
        raise StateError(text(state.error, data) or "", text(state.cause, data))
    seen = state.flow.seen(data)
    if isinstance(state, Choice):
        return choose(state, data, seen)
    if isinstance(state, Pass):
        result = state.flow.work_input(seen)
        left = state.flow.leave(data, state.result if state.has_result else result, is_result=False)
        return Step(left, state.next)
    if isinstance(state, Wait):
        visit.scope.wait(wait_seconds(state, seen, visit.scope.now))
    left = state.flow.leave(data, seen.given, is_result=False)
    return Step(left, None if isinstance(state, Succeed) else state.next)


def _checked(name: str, output: Json, *known: Text) -> Text:
    """The output with its text, within the limit; as AWS, what goes through a state unchanged keeps its text."""
    found = next((text for text in known if output is text.value), None) or text_of(output)
    if size_bytes(found.text) > MAX_DATA_BYTES:
        raise too_large(name)
    return found


def choose(state: Choice, data: Data, seen: Data) -> Step:
    """Raises: EvaluationError."""
    for choice in state.choices:
        if holds(choice.rule, seen):
            return Step(choice.flow.leave(data, seen.given, is_result=False), choice.next)
    if state.default is not None:
        return Step(state.flow.leave(data, seen.given, is_result=False), state.default)
    what = "Failed to transition out of the state. The state does not point to a next state."
    raise EvaluationError(NO_CHOICE_MATCHED, what)


def wait_seconds(state: Wait, seen: Data, now: Callable[[], datetime]) -> float:
    """Raises: EvaluationError."""
    if state.timestamp is not None:
        left = (moment(state.timestamp, seen) - now()).total_seconds()
        if left > MAX_WAIT_S:
            raise EvaluationError(RUNTIME, "Wait state delay is too long.")
        return left
    return 0 if state.seconds is None else seconds(state.seconds, seen)


def _with_retries(state: Retried, visit: _Visit) -> Step:
    """The work of a state that can be tried again, and whose errors can be caught."""
    retries = Retries(state.retry)
    while True:
        token = new_token() if isinstance(state, Task) and has_token(state.resource) else None
        data = visit.data(state.name, retries.count, token)
        try:
            result = _attempt(state, visit, data, token)
            left = state.flow.leave(data._replace(texts=(visit.given, result)), result.value)
            return Step(left, state.next, _checked(state.name, left.output, visit.given, result))
        except StateError as raised:
            error = _told(visit, state, raised) if isinstance(raised, EvaluationError) else raised
        pause_s = retries.delay_after(error)
        if pause_s is None:
            return _caught(state, visit, data, error)
        visit.scope.wait(pause_s)
        visit = visit._replace(inside=())  # a further attempt begins anew


def _attempt(state: Retried, visit: _Visit, data: Data, token: str | None) -> Text:
    seen = state.flow.seen(data)
    if isinstance(state, Map):
        return maps.attempt(visit.scope, state, seen, _run, visit.inside)
    value = state.flow.work_input(seen)
    given = visit.given if value is visit.given.value else text_of(value)
    if isinstance(state, Parallel):
        return parallel.attempt(visit.scope, state, given, _run, visit.inside)
    limits = Limits(limit(state.timeout, seen), limit(state.heartbeat, seen))
    credentials = None if state.credentials is None else fill(state.credentials, seen)
    return tasks.attempt(visit.scope, state, tasks.Work(given, limits, token, credentials))


def _caught(state: Retried, visit: _Visit, data: Data, error: StateError) -> Step:
    if isinstance(state, (Map, Parallel)) and (error.is_from_branch or error.error != RUNTIME):
        visit.scope.trail.add(f"{state.type}StateFailed")
    for catcher in state.catch:
        if is_matched(error, catcher.error_equals):
            return Step(catcher.flow.caught(data, dict(error.as_output())), catcher.next)
    raise error
