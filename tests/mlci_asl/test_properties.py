"""Random machines: they never hang, leave no thread, and end in a status that their history explains."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import mlci_asl.jsonata.jsonata_python  # noqa: F401 - sets the recursion limit, which Hypothesis wants to stay as it is
from mlci_asl import StopSignal, TaskCall, TaskError
from support.examples import examples
from support.executions import Run, redriven, run, task

VALUES = st.sampled_from([None, True, 0, 1.5, "x", [1, {"a": 2}], {"a": {"b": 1}}, {"l": [1, [2, 3], {}]}, {}])
PATHS = st.sampled_from(["$", "$.a", "$.a.b", "$.l[0]", "$$.Execution.Input"])
EXPRESSIONS = st.sampled_from(["{% $states.input %}", "{% $states.context.State.Name %}", "{% 1 + 1 %}", "{% $nope %}"])
QUERIED = {"Output": st.recursive(EXPRESSIONS | VALUES, lambda inner: st.lists(inner, max_size=2), max_leaves=3)}
NAMES = st.sampled_from(["E", "States.ALL", "States.TaskFailed", "States.Timeout", "States.Runtime"])
PAYLOADS = st.fixed_dictionaries({"v.$": PATHS | st.sampled_from(["States.UUID()", "States.MathAdd($.a, 1)"])})
FLOW = {"InputPath": PATHS | st.none(), "OutputPath": PATHS | st.none()}
RESULT = {"Parameters": PAYLOADS, "ResultPath": st.sampled_from(["$", "$.a", "$.r.s", None])}


def _handled(after: str) -> dict[str, st.SearchStrategy[Any]]:
    retry = st.fixed_dictionaries({"ErrorEquals": st.lists(NAMES, min_size=1, max_size=1), "MaxAttempts": st.just(1)})
    catch = st.fixed_dictionaries({"ErrorEquals": st.lists(NAMES, min_size=1, max_size=1), "Next": st.just(after)})
    return {"Retry": st.lists(retry, max_size=1), "Catch": st.lists(catch, max_size=1)}


def _machine(names: Iterator[str], draw: Any, depth: int) -> dict[str, Any]:
    """States in a row, each of which may jump to any later one; the last is reached from all."""
    own = [next(names) for _ in range(draw(st.integers(1, 3)))]
    states = {}
    for at, name in enumerate(own):
        after = own[at + 1] if at + 1 < len(own) else None
        states[name] = _state(names, draw, after, depth)
    return {"StartAt": own[0], "States": states}


def _state(names: Iterator[str], draw: Any, after: str | None, depth: int) -> dict[str, Any]:
    kinds = ["Pass", "Task", "Query", "Token", "Wait", *(["Choice"] if after else ["Succeed", "Fail"])]
    kinds += ["Parallel", "Map"] if depth else []
    kind = draw(st.sampled_from(kinds))
    step: dict[str, Any] = {"Next": after} if after else {"End": True}
    optional: dict[str, st.SearchStrategy[Any]] = dict(FLOW)
    fixed: dict[str, Any] = {"Type": kind, **step}
    if kind == "Pass":
        optional |= {**RESULT, "Result": VALUES, "Assign": st.fixed_dictionaries({f"x{depth}.$": PATHS})}
    elif kind == "Query":
        optional, fixed = dict(QUERIED), {"Type": "Pass", "QueryLanguage": "JSONata", **step}
    elif kind == "Token":
        optional |= _handled(after) if after else {}
        fixed = {**task(**step), "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "TimeoutSeconds": 30}
    elif kind == "Task":
        optional |= {**RESULT, **(_handled(after) if after else {})}
        fixed = {**task(**step), "TimeoutSeconds": 30}
    elif kind == "Wait":
        fixed |= draw(st.sampled_from([{"Seconds": 1}, {"SecondsPath": "$.a"}, {"Timestamp": "2016-03-14T01:59:00Z"}]))
    elif kind == "Choice":
        rule = {"Variable": draw(PATHS), "IsPresent": draw(st.booleans()), "Next": after}
        fixed = {"Type": kind, "Choices": [rule], **({"Default": after} if draw(st.booleans()) else {})}
    elif kind == "Parallel":
        optional |= {**RESULT, **(_handled(after) if after else {})}
        fixed["Branches"] = [_machine(names, draw, depth - 1) for _ in range(draw(st.integers(1, 3)))]
    elif kind == "Map":
        optional |= {"ResultPath": RESULT["ResultPath"], **(_handled(after) if after else {})}
        fixed |= {"ItemsPath": draw(st.sampled_from(["$", "$.l", "$.a.l"])), "MaxConcurrency": draw(st.integers(0, 2))}
        fixed["ItemProcessor"] = _machine(names, draw, depth - 1)
    elif kind == "Fail":
        optional, fixed = {"Error": st.just("E"), "CausePath": PATHS}, {"Type": kind}
    else:
        fixed = {"Type": kind}
    return {**fixed, **draw(st.fixed_dictionaries({}, optional=optional))}


@st.composite
def machines(draw: Any) -> str:
    names = (f"s{count}" for count in itertools.count())
    found = _machine(names, draw, depth=2)
    if draw(st.booleans()):
        found["TimeoutSeconds"] = 30
    return json.dumps(found)


ANSWERS = st.sampled_from([1, {"a": 1}, {"error": "E", "cause": "c"}, {"error": "States.Timeout"}, "broken"])


def _said(kind: Any) -> Any:
    """The answer; a task with a token gets it from another thread, sometimes before the handler has returned."""

    def say(call: TaskCall) -> Any:
        is_error = isinstance(kind, dict) and "error" in kind
        if call.callback is None:
            if is_error:
                raise TaskError(kind["error"], kind.get("cause", ""))
            return kind
        callback = call.callback
        args = (kind["error"], kind.get("cause")) if is_error else (json.dumps(kind),)
        thread = threading.Thread(target=callback.fail if is_error else callback.succeed, args=args)
        thread.start()
        thread.join()
        return {}

    return say


def _answer(kind: Any) -> Any:
    if kind != "broken":
        return _said(kind)

    def broken(call: TaskCall) -> Any:
        raise ZeroDivisionError

    return broken


@settings(max_examples=examples(150), deadline=None)
@given(machines(), VALUES, st.lists(ANSWERS, min_size=1, max_size=3))
def test_random_machines_end_in_a_status_that_the_history_explains(
    definition: str, value: Any, kinds: list[Any]
) -> None:
    answers = {f"s{at}": [_answer(kind) for kind in kinds[at % len(kinds) :]] for at in range(400)}
    _check(run(definition, value, answers))


@settings(max_examples=examples(60), deadline=None)
@given(machines(), st.integers(1, 12))
def test_stopped_at_any_event_they_end_aborted_or_as_they_would_have(definition: str, at: int) -> None:
    stop = StopSignal()
    stopped = threading.Event()

    def wait_or_go(call: TaskCall) -> Any:
        if call.stop.wait(0.002):
            raise TaskError("Killed")
        if call.callback is not None and at % 2:
            call.callback.succeed("1")
        elif call.callback is not None:
            stop.set("Stopped", "while a token is out")
            stopped.set()
        return 1

    def watch(event: Any) -> None:
        if event.id == at:
            stopped.set()
            stop.set("Stopped", "by a test")

    found = run(definition, {"a": 1}, {f"s{n}": [wait_or_go] for n in range(400)}, stop=stop, on_event=watch)
    _check(found)
    if not stopped.is_set():
        assert found.outcome.status != "ABORTED"


@settings(max_examples=examples(60), deadline=None)
@given(machines(), VALUES, st.lists(ANSWERS, min_size=1, max_size=3))
def test_redriven_they_end_and_nothing_that_succeeded_is_done_again(
    definition: str, value: Any, kinds: list[Any]
) -> None:
    answers = {f"s{at}": [_answer(kind) for kind in kinds[at % len(kinds) :]] for at in range(400)}
    first = run(definition, value, answers)
    if first.outcome.status != "SUCCEEDED":
        good = {f"s{at}": [_said(1)] for at in range(400)}
        again = redriven(first, definition, {} if value is None else value, good)
        _check(again)
        assert [event.id for event in again.events] == list(range(1, len(again.events) + 1))


def _check(found: Run) -> None:
    """`run` itself fails where a thread is left."""
    outcome, events = found.outcome, found.events
    last = {"SUCCEEDED": "Succeeded", "FAILED": "Failed", "ABORTED": "Aborted", "TIMED_OUT": "TimedOut"}[outcome.status]
    assert events[-1].type == f"Execution{last}"
    (details,) = events[-1].details.values()
    assert isinstance(details, dict)
    told = (details.get("output"), details.get("error"), details.get("cause"))
    assert told == (outcome.output, outcome.error or None, outcome.cause or None)
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert all(event.previous_id < event.id for event in events)
    ended = sum(event.type.endswith("StateExited") for event in events)
    entered = sum(event.type.endswith("StateEntered") for event in events)
    assert ended <= entered
    if outcome.status == "SUCCEEDED":
        assert json.loads(outcome.output or "") is not NotImplemented
        assert events[-2].type.endswith("StateExited")
