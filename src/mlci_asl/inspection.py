"""One state by itself, and what its data is on the way: what TestState runs and shows.

The steps are those of `interpret`, one after the other and without events. What is shown of which state is from answers
of AWS that are recorded in LocalStack's tests test_state.
Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_InspectionData.html
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

from mlci_asl import tasks
from mlci_asl.branch import Scope, Stopped, deadline
from mlci_asl.callbacks import new_token
from mlci_asl.dataflow import Left, PathFlow, QueryFlow
from mlci_asl.dynamic_fields import items, limit, text, whole_number
from mlci_asl.errors import TIMEOUT, StateError, is_matched
from mlci_asl.events import Event
from mlci_asl.interpret import choose, wait_seconds
from mlci_asl.jsontext import Json, Text, text_of
from mlci_asl.maps import selected_item
from mlci_asl.model import Choice, Fail, Map, Parallel, Pass, Retried, State, Succeed, Task, Wait
from mlci_asl.retries import delay
from mlci_asl.state_data import Data
from mlci_asl.task_events import Limits, has_token
from mlci_asl.templates import fill

#: Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_TestState.html ("up to five minutes")
MAX_TRIAL_S = 300


class Mock(NamedTuple):
    """What stands for the work of a Task, Map or Parallel: a result, or an error."""

    result: Text | None = None
    error: StateError | None = None

    def give(self) -> Text:
        """Raises: StateError."""
        if self.error is not None:
            raise self.error
        assert self.result is not None
        return self.result


class Trial(NamedTuple):
    """How the state ended. `shown` and `details` have the names of InspectionData and InspectionErrorDetails."""

    status: Literal["SUCCEEDED", "FAILED", "RETRIABLE", "CAUGHT_ERROR"]
    shown: dict[str, Text | int]
    next: str | None = None
    output: Text | None = None
    error: StateError | None = None
    details: dict[str, int] = {}  # noqa: RUF012 - never changed


class _Way(NamedTuple):
    """One trial on its way: the state, what it sees, what is to be shown, and texts that are known already."""

    state: State
    data: Data
    scope: Scope
    mock: Mock | None
    is_jsonata: bool
    shown: dict[str, Text | int]
    known: list[Text]

    def show(self, name: str, value: Json) -> Text:
        """Notes a value; as AWS, what nothing changed keeps its text."""
        found = next((text for text in self.known if text.value is value), None) or text_of(value)
        self.shown[name] = found
        return found


def try_state(
    state: State,
    given: Text,
    scope: Scope,
    *,
    mock: Mock | None = None,
    retries: int = 0,
    context: Json = None,
    is_jsonata: bool = False,
) -> Trial:
    """Runs one state. `scope` has the variables that it starts with; `retries` is how often it was tried before.

    `context` is to be taken for the context object.
    """
    token = new_token() if isinstance(state, Task) and has_token(state.resource) else None
    is_retried = isinstance(state, (Task, Map, Parallel))
    entered = Event(0, 0, scope.now(), "", {})
    if context is None:
        context = _without_redrives(scope.context_object(state.name, entered, retries if is_retried else None, token))
    way = _Way(
        state,
        Data(given.value, context, scope.variables.values, texts=(given,)),
        scope,
        mock,
        is_jsonata,
        {"input": given},
        [given],
    )
    with deadline(scope.stop, MAX_TRIAL_S) as until:
        way = way._replace(scope=replace(scope, stop=until.signal))
        try:
            left, following = _through(way, token)
            scope.variables.assign(left.assigned)
        except StateError as error:  # as AWS: without the words that say in which state of an execution it was
            return _failed(way, error, retries)
        except Stopped:
            return _failed(way, StateError(TIMEOUT), retries)
    return _ended(way, "SUCCEEDED", left, following)


def _without_redrives(context: dict[str, Json]) -> dict[str, Json]:
    """A trial counts as an express execution, which can't be redriven."""
    execution = context["Execution"]
    assert isinstance(execution, dict)
    kept = {name: value for name, value in execution.items() if name != "RedriveCount"}
    return {**context, "Execution": kept}


def _ended(way: _Way, status: Literal["SUCCEEDED", "CAUGHT_ERROR"], left: Left, following: str | None) -> Trial:
    if way.scope.variables.values:
        way.shown["variables"] = text_of(dict(way.scope.variables.values))
    output = next((text for text in way.known if text.value is left.output), None) or text_of(left.output)
    return Trial(status, way.shown, following, output)


def _failed(way: _Way, error: StateError, retries: int) -> Trial:
    """As the interpreter: a retrier that applies decides, and where it has no attempt left, the catchers do."""
    state = way.state
    if not isinstance(state, (Task, Map, Parallel)):
        return Trial("FAILED", way.shown, error=error)
    for index, retrier in enumerate(state.retry):
        if is_matched(error, retrier.error_equals):
            if retries >= retrier.max_attempts:
                return _caught(way, state, error, {"retryIndex": index})
            details = {"retryIndex": index, "retryBackoffIntervalSeconds": int(delay(retrier, retries))}
            return Trial("RETRIABLE", way.shown, error=error, details=details)
    return _caught(way, state, error, {})


def _caught(way: _Way, state: Retried, error: StateError, details: dict[str, int]) -> Trial:
    for index, catcher in enumerate(state.catch):
        if is_matched(error, catcher.error_equals):
            try:
                left = catcher.flow.caught(way.data, dict(error.as_output()))
                way.scope.variables.assign(left.assigned)
            except StateError as further:
                return Trial("FAILED", way.shown, error=further)
            ended = _ended(way, "CAUGHT_ERROR", left, catcher.next)
            return ended._replace(error=error, details={**details, "catchIndex": index})
    return Trial("FAILED", way.shown, error=error, details=details)


def _through(way: _Way, token: str | None) -> tuple[Left, str | None]:
    """What the state leaves behind, and the state that follows.

    Raises: StateError.
    """
    state = way.state
    if isinstance(state, Fail):
        if not way.is_jsonata:
            way.show("afterInputPath", way.data.given)
        raise StateError(text(state.error, way.data) or "", text(state.cause, way.data))
    seen = state.flow.seen(way.data)
    if isinstance(state, Pass):
        return _pass(way, state, seen), state.next
    if not isinstance(state, Parallel):
        _show_input_path(way, seen)
    if isinstance(state, Choice):
        chosen = choose(state, way.data, seen)
        return chosen.left, chosen.next
    if isinstance(state, (Task, Map, Parallel)):
        return _leave(way, _work(way, state, seen, token)), state.next
    if isinstance(state, Wait):
        way.scope.wait(wait_seconds(state, seen, way.scope.now))
    left = state.flow.leave(way.data, seen.given, is_result=False)
    return left, None if isinstance(state, Succeed) else state.next


def _show_input_path(way: _Way, seen: Data) -> None:
    if not way.is_jsonata:
        way.show("afterInputPath", seen.given)


def _pass(way: _Way, state: Pass, seen: Data) -> Left:
    """With a Result, AWS shows nothing of the way in."""
    if state.has_result:
        way.show("result", state.result)
        return _leave(way, text_of(state.result), is_result=False)
    _show_input_path(way, seen)
    return _leave(way, _work_input(way, state, seen), is_result=False)


def _work_input(way: _Way, state: Pass | Task | Parallel, seen: Data) -> Text:
    value = state.flow.work_input(seen)
    if isinstance(state, Parallel) or (isinstance(state.flow, QueryFlow) and state.flow.arguments is None):
        return text_of(value)
    return way.show("afterArguments" if way.is_jsonata else "afterParameters", value)


def _work(way: _Way, state: Retried, seen: Data, token: str | None) -> Text:
    """What the work gave, or what is to be taken for it.

    Raises: StateError.
    """
    if isinstance(state, Map):
        return _map(way, state, seen)
    given = _work_input(way, state, seen)
    if isinstance(state, Parallel):
        return _mock(way).give()
    if way.mock is not None:
        found = way.mock.give()
    else:
        limits = Limits(limit(state.timeout, seen), limit(state.heartbeat, seen))
        credentials = None if state.credentials is None else fill(state.credentials, seen)
        found = tasks.attempt(way.scope, state, tasks.Work(given, limits, token, credentials))
    way.known.append(found)
    way.show("result", found.value)
    return found


def _map(way: _Way, state: Map, seen: Data) -> Text:
    found = items(state.items, seen)
    if not way.is_jsonata:
        way.show("afterItemsPath", list(found))
    if state.selector is not None:
        way.show("afterItemSelector", [selected_item(state, seen, index, item) for index, item in enumerate(found)])
    way.shown["maxConcurrency"] = whole_number(state.max_concurrency, seen, 0)
    return _mock(way).give()


def _mock(way: _Way) -> Mock:
    assert way.mock is not None, "a Map or Parallel is tried with a mock only"
    return way.mock


def _leave(way: _Way, result: Text, *, is_result: bool = True) -> Left:
    """The way out, shown step by step in JSONPath."""
    assert not isinstance(way.state, Fail)
    way.known.append(result)
    data = way.data._replace(texts=tuple(way.known))
    flow = way.state.flow
    if not isinstance(flow, PathFlow):
        return flow.leave(data, result.value, is_result=is_result)
    selected = way.show("afterResultSelector", flow.selected(data, result.value)).value
    placed = way.show("afterResultPath", flow.placed(data, selected)).value
    return flow.left(data, selected, placed)
