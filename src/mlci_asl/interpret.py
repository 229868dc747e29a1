"""Executing a state machine: one state after the other, to an outcome.

Everything happens in the thread that calls `execute`, but for branches and iterations, which have one each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Literal, NamedTuple

from mlci_asl import maps, parallel, tasks
from mlci_asl.branch import BranchExecution, Stopped, deadline
from mlci_asl.callbacks import new_token
from mlci_asl.choices import holds
from mlci_asl.context import Context
from mlci_asl.dataflow import StateOutput
from mlci_asl.dynamic_fields import seconds, string, timeout, timestamp
from mlci_asl.errors import (
    NO_CHOICE_MATCHED,
    RUNTIME,
    TIMEOUT,
    EvaluationError,
    QueryError,
    StateError,
    matches,
    too_large,
)
from mlci_asl.events import Event, EventChain, History, error_details
from mlci_asl.handlers import Handlers
from mlci_asl.jsontext import MAX_DATA_BYTES, Json, JsonText, TooDeep, parse, size_bytes, text_of
from mlci_asl.model import (
    Branch,
    Choice,
    Fail,
    Machine,
    Map,
    Parallel,
    Pass,
    RetryableState,
    State,
    Succeed,
    Task,
    Wait,
)
from mlci_asl.redrive import BranchHistory, Resume
from mlci_asl.retries import Retries
from mlci_asl.state_data import StateData
from mlci_asl.stop_signal import StopSignal
from mlci_asl.task_events import TaskTimeouts, has_token
from mlci_asl.templates import fill
from mlci_dataclasses import dataclass

#: The longest that a Wait can wait for a time: 24,855 days and a bit.
#: Source: the recorded test `test_timestamp_too_far_in_future_boundary` of LocalStack's Step Functions tests.
MAX_WAIT_S = 2**31 - 1

Status = Literal["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]


@dataclass(frozen=True)
class Outcome:
    """The result of an execution: its `output` (compact JSON) if it succeeded, else error and cause, if any."""

    status: Status
    output: str | None = None
    error: str | None = None
    cause: str | None = None


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


def execute(
    machine: Machine,
    input: str,
    *,
    context: Context,
    handlers: Handlers,
    stop: StopSignal,
    on_event: Callable[[Event], None],
    now: Callable[[], datetime] = utc_now,
    pause: Callable[[StopSignal, float], bool] = StopSignal.wait,
    resume: Resume | None = None,
) -> Outcome:
    """Runs a machine on an input (JSON text) to its end; no thread of it is left then.

    `pause` waits for a Wait state or a retry interval; tests make it short. With `resume`, an execution that did not
    succeed goes on from where it ended (redrive): the other arguments are those of its start, and `on_event` gets the
    new events only.

    Raises: ValueError if the input is not JSON or is larger than 256 KiB, which AWS refuses to start.
    """
    value = parse(input)
    if size_bytes(input) > MAX_DATA_BYTES:
        raise ValueError(f"the execution's input is larger than {MAX_DATA_BYTES} bytes")
    if resume is None:
        history, chain = None, _start_history(History(on_event, now), context, input)
    else:
        history, chain = BranchHistory(machine.root, resume.events), _resume_history(resume, on_event, now)
        context = replace(context, redrive_count=resume.redrive_count, redriven=now())
    with deadline(stop, machine.timeout_s) as limit:
        execution = BranchExecution(context, value, handlers, now, pause, chain, limit.signal)
        try:
            output = _execute_branch(machine.root, JsonText(input, value), execution, history)
            outcome = Outcome("SUCCEEDED", output.text)
        except Stopped:
            chain.last_id = 0  # as AWS: no event of the execution leads to its end
            is_timeout = limit.has_passed and not stop.is_set()
            outcome = Outcome("TIMED_OUT") if is_timeout else Outcome("ABORTED", None, stop.error, stop.cause)
        except StateError as error:
            outcome = Outcome("FAILED", None, error.error, error.cause)
    _add_completion_event(chain, outcome)
    return outcome


def _start_history(history: History, context: Context, input: str) -> EventChain:
    chain = EventChain(history)
    details: dict[str, Json] = {"input": input, "inputDetails": {"truncated": False}, "roleArn": context.role_arn}
    if context.alias_arn is not None:
        details["stateMachineAliasArn"] = context.alias_arn
    if context.version_arn is not None:
        details["stateMachineVersionArn"] = context.version_arn
    chain.add("ExecutionStarted", "executionStartedEventDetails", details)
    chain.last_id = 0  # as AWS: the first state's event follows none
    return chain


def _resume_history(resume: Resume, on_event: Callable[[Event], None], now: Callable[[], datetime]) -> EventChain:
    last_id = max((event.id for event in resume.events), default=0)
    chain = EventChain(History(on_event, now, last_id), last_id)
    chain.add("ExecutionRedriven", "executionRedrivenEventDetails", {"redriveCount": resume.redrive_count})
    return chain


def _add_completion_event(chain: EventChain, outcome: Outcome) -> None:
    if outcome.output is not None:
        details: dict[str, Json] = {"output": outcome.output, "outputDetails": {"truncated": False}}
        chain.add("ExecutionSucceeded", "executionSucceededEventDetails", details)
        return
    name = {"FAILED": "Failed", "TIMED_OUT": "TimedOut", "ABORTED": "Aborted"}[outcome.status]
    error = TIMEOUT if outcome.status == "TIMED_OUT" else outcome.error
    chain.add(f"Execution{name}", f"execution{name}EventDetails", error_details(error, outcome.cause))


def _execute_branch(
    branch: Branch, input: JsonText, execution: BranchExecution, history: BranchHistory | None = None
) -> JsonText:
    """The output of a machine or branch. With a `history`, it goes on from there.

    Raises: StateError; Stopped.
    """
    execution.raise_if_stopped()
    name: str | None = branch.start_at
    point = history.resume_point() if history else None
    if history and point is not None:
        execution.variables.assign(history.variables())
        entry = _StateEntry(execution, point.input, point.entered, point.past_events)
        input, name = _execute_state(branch.states[point.name], entry)
    while name is not None:
        state = branch.states[name]
        entry = _StateEntry(execution, input, execution.chain.state_entered(state.type, state.name, input.text))
        input, name = _execute_state(state, entry)
    return input


class _StateEntry(NamedTuple):
    """One entry into a state: its input, and the Entered event.

    `past_events` happened in the state before the execution was redriven.
    """

    execution: BranchExecution
    input: JsonText
    entered: Event
    past_events: Sequence[Event] = ()

    def data(self, state: str, retry_count: int | None = None, token: str | None = None) -> StateData:
        context = self.execution.context_object(state, self.entered, retry_count, token)
        return StateData(self.input.value, context, self.execution.variables.values, texts=(self.input,))


class Transition(NamedTuple):
    """The output of a state, and the name of the next one, if any."""

    state_output: StateOutput
    next: str | None
    output: JsonText | None = None  # with its text, if that is known already


def _execute_state(state: State, entry: _StateEntry) -> tuple[JsonText, str | None]:
    """A state's output, and the name of the next state."""
    execution, is_completed = entry.execution, False
    try:
        execution.raise_if_stopped()  # in the state, so that a stopped execution has one to go on from
        transition = _transition(state, entry)
        state_output = transition.state_output
        output = transition.output or _output_text(state.name, state_output.output, entry.input)
        execution.variables.assign(state_output.assigned)
        is_completed = True
    except EvaluationError as error:
        raise _located(entry, state, error) from error
    except (RecursionError, TooDeep) as error:
        cause = "The data is nested too deeply."
        raise EvaluationError(RUNTIME, cause).located(state.name, entry.entered.id) from error
    finally:
        if not is_completed and isinstance(state, (Task, Parallel, Map, Wait)):
            execution.open_state_types.append(state.type)
    execution.chain.state_exited(state.type, state.name, output.text, state_output.assigned)
    return output, transition.next


def _located(entry: _StateEntry, state: State, error: EvaluationError) -> StateError:
    """The error in AWS's words. The failure of a JSONata expression has an event of its own."""
    located = error.located(state.name, entry.entered.id)
    if isinstance(error, QueryError):
        entry.execution.chain.evaluation_failed(entry.entered, state.name, error, located)
    return located


def _transition(state: State, entry: _StateEntry) -> Transition:
    if isinstance(state, (Task, Parallel, Map)):
        return _with_retries(state, entry)
    data = entry.data(state.name)
    if isinstance(state, Fail):
        raise StateError(string(state.error, data) or "", string(state.cause, data))
    filtered = state.flow.filtered_input(data)
    if isinstance(state, Choice):
        return choose(state, data, filtered)
    if isinstance(state, Pass):
        effective_input = state.flow.effective_input(filtered)
        result = state.result if state.has_result else effective_input
        return Transition(state.flow.state_output(data, result, is_result=False), state.next)
    if isinstance(state, Wait):
        entry.execution.wait(wait_seconds(state, filtered, entry.execution.now))
    state_output = state.flow.state_output(data, filtered.input, is_result=False)
    return Transition(state_output, None if isinstance(state, Succeed) else state.next)


def _output_text(state: str, output: Json, *known: JsonText) -> JsonText:
    """The output with its text. As in AWS, data that a state does not change keeps its text.

    Raises: StateError if the text is larger than AWS allows.
    """
    text = next((text for text in known if output is text.value), None) or text_of(output)
    if size_bytes(text.text) > MAX_DATA_BYTES:
        raise too_large(state)
    return text


def choose(state: Choice, data: StateData, filtered: StateData) -> Transition:
    """The transition of a Choice: by the first rule that holds, else to its Default.

    Raises: EvaluationError.
    """
    for rule in state.choices:
        if holds(rule.condition, filtered):
            return Transition(rule.flow.state_output(data, filtered.input, is_result=False), rule.next)
    if state.default is not None:
        return Transition(state.flow.state_output(data, filtered.input, is_result=False), state.default)
    cause = "Failed to transition out of the state. The state does not point to a next state."
    raise EvaluationError(NO_CHOICE_MATCHED, cause)


def wait_seconds(state: Wait, filtered: StateData, now: Callable[[], datetime]) -> float:
    """The seconds that a Wait still has to wait; not positive if its time has come.

    Raises: EvaluationError.
    """
    if state.timestamp is not None:
        remaining_s = (timestamp(state.timestamp, filtered) - now()).total_seconds()
        if remaining_s > MAX_WAIT_S:
            raise EvaluationError(RUNTIME, "Wait state delay is too long.")
        return remaining_s
    return 0 if state.seconds is None else seconds(state.seconds, filtered)


def _with_retries(state: RetryableState, entry: _StateEntry) -> Transition:
    """The transition of a state that has retriers and catchers."""
    retries = Retries(state.retry)
    while True:
        token = new_token() if isinstance(state, Task) and has_token(state.resource) else None
        data = entry.data(state.name, retries.count, token)
        try:
            result = _attempt(state, entry, data, token)
            state_output = state.flow.state_output(data._replace(texts=(entry.input, result)), result.value)
            output = _output_text(state.name, state_output.output, entry.input, result)
            return Transition(state_output, state.next, output)
        except StateError as raised:
            error = _located(entry, state, raised) if isinstance(raised, EvaluationError) else raised
        pause_s = retries.delay_after(error)
        if pause_s is None:
            return _catch(state, entry, data, error)
        entry.execution.wait(pause_s)
        entry = entry._replace(past_events=())  # a further attempt starts anew


def _attempt(state: RetryableState, entry: _StateEntry, data: StateData, token: str | None) -> JsonText:
    """The result of one attempt.

    Raises: StateError; Stopped.
    """
    filtered = state.flow.filtered_input(data)
    if isinstance(state, Map):
        return maps.attempt(entry.execution, state, filtered, _execute_branch, entry.past_events)
    value = state.flow.effective_input(filtered)
    input = entry.input if value is entry.input.value else text_of(value)
    if isinstance(state, Parallel):
        return parallel.attempt(entry.execution, state, input, _execute_branch, entry.past_events)
    timeouts = TaskTimeouts(timeout(state.timeout, filtered), timeout(state.heartbeat, filtered))
    credentials = None if state.credentials is None else fill(state.credentials, filtered)
    return tasks.attempt(entry.execution, state, tasks.TaskInput(input, timeouts, token, credentials))


def _catch(state: RetryableState, entry: _StateEntry, data: StateData, error: StateError) -> Transition:
    """The transition to the state of the first catcher that matches.

    Raises: StateError if no catcher matches.
    """
    if isinstance(state, (Map, Parallel)) and (error.is_from_branch or error.error != RUNTIME):
        entry.execution.chain.add(f"{state.type}StateFailed")
    for catcher in state.catch:
        if matches(error, catcher.error_equals):
            return Transition(catcher.flow.caught_output(data, dict(error.as_output())), catcher.next)
    raise error
