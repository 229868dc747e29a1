"""One state by itself, and its data at each step: what TestState runs and returns.

The steps are those of `interpret`, one after the other and without events. Answers of AWS that are recorded in
LocalStack's tests test_state tell which state returns which data.
Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_InspectionData.html
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

from mlci_asl import tasks
from mlci_asl.branch import BranchExecution, Stopped, deadline
from mlci_asl.callbacks import new_token
from mlci_asl.dataflow import JsonataDataFlow, JsonPathDataFlow, StateOutput
from mlci_asl.dynamic_fields import integer, items, string, timeout
from mlci_asl.errors import TIMEOUT, StateError, matches
from mlci_asl.events import Event
from mlci_asl.interpret import choose, wait_seconds
from mlci_asl.jsontext import Json, JsonText, text_of
from mlci_asl.maps import selected_item
from mlci_asl.model import Choice, Fail, Map, Parallel, Pass, RetryableState, State, Succeed, Task, Wait
from mlci_asl.retries import delay
from mlci_asl.state_data import StateData
from mlci_asl.task_events import TaskTimeouts, has_token
from mlci_asl.templates import fill

#: Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_TestState.html ("up to five minutes")
MAX_INSPECTION_S = 300


class Mock(NamedTuple):
    """The result or the error that replaces the work of a Task, Map or Parallel."""

    result: JsonText | None = None
    error: StateError | None = None

    def result_or_raise(self) -> JsonText:
        """Raises: StateError."""
        if self.error is not None:
            raise self.error
        assert self.result is not None
        return self.result


class StateInspection(NamedTuple):
    """The result of a state. `data` and `error_details` have the names of InspectionData and InspectionErrorDetails."""

    status: Literal["SUCCEEDED", "FAILED", "RETRIABLE", "CAUGHT_ERROR"]
    data: dict[str, JsonText | int]
    next: str | None = None
    output: JsonText | None = None
    error: StateError | None = None
    error_details: dict[str, int] = {}  # noqa: RUF012 - never changed


class _Inspector(NamedTuple):
    """A state that is being inspected: what it reads, the data to return, and the values whose text is known."""

    state: State
    state_data: StateData
    execution: BranchExecution
    mock: Mock | None
    is_jsonata: bool
    data: dict[str, JsonText | int]
    known: list[JsonText]

    def add(self, name: str, value: Json) -> JsonText:
        """Adds a value to the data."""
        text = self.text_of(value)
        self.data[name] = text
        return text

    def text_of(self, value: Json) -> JsonText:
        """The value with its text. As in AWS, data that a state does not change keeps its text."""
        return next((text for text in self.known if text.value is value), None) or text_of(value)


def inspect_state(
    state: State,
    input: JsonText,
    execution: BranchExecution,
    *,
    mock: Mock | None = None,
    retries: int = 0,
    context: Json = None,
    is_jsonata: bool = False,
) -> StateInspection:
    """Runs one state. `execution` has the variables that it starts with; `retries` is the number of earlier attempts.

    `context` replaces the context object.
    """
    token = new_token() if isinstance(state, Task) and has_token(state.resource) else None
    retry_count = retries if isinstance(state, (Task, Map, Parallel)) else None
    entered = Event(0, 0, execution.now(), "", {})
    if context is None:
        context = _without_redrives(execution.context_object(state.name, entered, retry_count, token))
    state_data = StateData(input.value, context, execution.variables.values, texts=(input,))
    inspector = _Inspector(state, state_data, execution, mock, is_jsonata, {"input": input}, [input])
    with deadline(execution.stop, MAX_INSPECTION_S) as limit:
        inspector = inspector._replace(execution=replace(execution, stop=limit.signal))
        try:
            state_output, next_state = _run(inspector, token)
            execution.variables.assign(state_output.assigned)
        except StateError as error:  # as AWS: without the words that name the state and its event
            return _failed(inspector, error, retries)
        except Stopped:
            return _failed(inspector, StateError(TIMEOUT), retries)
    return _succeeded(inspector, "SUCCEEDED", state_output, next_state)


def _without_redrives(context: dict[str, Json]) -> dict[str, Json]:
    """The context object of an express execution, which can't be redriven."""
    execution = context["Execution"]
    assert isinstance(execution, dict)
    return {**context, "Execution": {name: value for name, value in execution.items() if name != "RedriveCount"}}


def _succeeded(
    inspector: _Inspector,
    status: Literal["SUCCEEDED", "CAUGHT_ERROR"],
    state_output: StateOutput,
    next_state: str | None,
) -> StateInspection:
    if inspector.execution.variables.values:
        inspector.data["variables"] = text_of(dict(inspector.execution.variables.values))
    return StateInspection(status, inspector.data, next_state, inspector.text_of(state_output.output))


def _failed(inspector: _Inspector, error: StateError, retries: int) -> StateInspection:
    """The first retrier that matches decides, as in an execution; without attempts left, the catchers do."""
    state = inspector.state
    if not isinstance(state, (Task, Map, Parallel)):
        return StateInspection("FAILED", inspector.data, error=error)
    for index, retrier in enumerate(state.retry):
        if matches(error, retrier.error_equals):
            if retries >= retrier.max_attempts:
                return _caught(inspector, state, error, {"retryIndex": index})
            details = {"retryIndex": index, "retryBackoffIntervalSeconds": int(delay(retrier, retries))}
            return StateInspection("RETRIABLE", inspector.data, error=error, error_details=details)
    return _caught(inspector, state, error, {})


def _caught(
    inspector: _Inspector, state: RetryableState, error: StateError, details: dict[str, int]
) -> StateInspection:
    for index, catcher in enumerate(state.catch):
        if matches(error, catcher.error_equals):
            try:
                state_output = catcher.flow.caught_output(inspector.state_data, dict(error.as_output()))
                inspector.execution.variables.assign(state_output.assigned)
            except StateError as catcher_error:
                return StateInspection("FAILED", inspector.data, error=catcher_error)
            inspection = _succeeded(inspector, "CAUGHT_ERROR", state_output, catcher.next)
            return inspection._replace(error=error, error_details={**details, "catchIndex": index})
    return StateInspection("FAILED", inspector.data, error=error, error_details=details)


def _run(inspector: _Inspector, token: str | None) -> tuple[StateOutput, str | None]:
    """The state's output, and the name of the next state.

    Raises: StateError.
    """
    state, data = inspector.state, inspector.state_data
    if isinstance(state, Fail):
        if not inspector.is_jsonata:
            inspector.add("afterInputPath", data.input)
        raise StateError(string(state.error, data) or "", string(state.cause, data))
    filtered = state.flow.filtered_input(data)
    if isinstance(state, Pass):
        return _pass(inspector, state, filtered), state.next
    if not isinstance(state, Parallel):
        _add_input_path(inspector, filtered)
    if isinstance(state, Choice):
        transition = choose(state, data, filtered)
        return transition.state_output, transition.next
    if isinstance(state, (Task, Map, Parallel)):
        return _state_output(inspector, _result(inspector, state, filtered, token)), state.next
    if isinstance(state, Wait):
        inspector.execution.wait(wait_seconds(state, filtered, inspector.execution.now))
    state_output = state.flow.state_output(data, filtered.input, is_result=False)
    return state_output, None if isinstance(state, Succeed) else state.next


def _add_input_path(inspector: _Inspector, filtered: StateData) -> None:
    if not inspector.is_jsonata:
        inspector.add("afterInputPath", filtered.input)


def _pass(inspector: _Inspector, state: Pass, filtered: StateData) -> StateOutput:
    """With a Result, AWS returns no data of the input processing."""
    if state.has_result:
        inspector.add("result", state.result)
        return _state_output(inspector, text_of(state.result), is_result=False)
    _add_input_path(inspector, filtered)
    return _state_output(inspector, _effective_input(inspector, state, filtered), is_result=False)


def _effective_input(inspector: _Inspector, state: Pass | Task | Parallel, filtered: StateData) -> JsonText:
    value = state.flow.effective_input(filtered)
    if isinstance(state, Parallel) or (isinstance(state.flow, JsonataDataFlow) and state.flow.arguments is None):
        return text_of(value)
    return inspector.add("afterArguments" if inspector.is_jsonata else "afterParameters", value)


def _result(inspector: _Inspector, state: RetryableState, filtered: StateData, token: str | None) -> JsonText:
    """The result of the state's work, or of its mock.

    Raises: StateError.
    """
    if isinstance(state, Map):
        return _map_result(inspector, state, filtered)
    input = _effective_input(inspector, state, filtered)
    if isinstance(state, Parallel):
        return _required_mock(inspector).result_or_raise()
    if inspector.mock is not None:
        result = inspector.mock.result_or_raise()
    else:
        timeouts = TaskTimeouts(timeout(state.timeout, filtered), timeout(state.heartbeat, filtered))
        credentials = None if state.credentials is None else fill(state.credentials, filtered)
        result = tasks.attempt(inspector.execution, state, tasks.TaskInput(input, timeouts, token, credentials))
    inspector.known.append(result)
    inspector.add("result", result.value)
    return result


def _map_result(inspector: _Inspector, state: Map, filtered: StateData) -> JsonText:
    values = items(state.items, filtered)
    if not inspector.is_jsonata:
        inspector.add("afterItemsPath", list(values))
    if state.selector is not None:
        selected = [selected_item(state, filtered, index, item) for index, item in enumerate(values)]
        inspector.add("afterItemSelector", selected)
    inspector.data["maxConcurrency"] = integer(state.max_concurrency, filtered, 0)
    return _required_mock(inspector).result_or_raise()


def _required_mock(inspector: _Inspector) -> Mock:
    assert inspector.mock is not None, "a Map or Parallel is inspected with a mock only"
    return inspector.mock


def _state_output(inspector: _Inspector, result: JsonText, *, is_result: bool = True) -> StateOutput:
    """The state's output; in JSONPath its steps are added to the data."""
    assert not isinstance(inspector.state, Fail)
    inspector.known.append(result)
    data = inspector.state_data._replace(texts=tuple(inspector.known))
    flow = inspector.state.flow
    if not isinstance(flow, JsonPathDataFlow):
        return flow.state_output(data, result.value, is_result=is_result)
    selected = inspector.add("afterResultSelector", flow.apply_result_selector(data, result.value)).value
    combined = inspector.add("afterResultPath", flow.apply_result_path(data, selected)).value
    return flow.apply_output_path(data, selected, combined)
