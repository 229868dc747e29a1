"""Histories of Map, Parallel, variables and failed expressions: types, ids and what each event follows.

Source: the recorded histories of AWS in LocalStack's Step Functions tests.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from mlci_asl import Json, StopSignal, TaskCall, TaskError, load, variable_references
from mlci_asl.maps import MAX_CONCURRENT_ITERATIONS
from support.executions import Run, machine, run, task

PASS: dict[str, Any] = {"Type": "Pass", "End": True}


def told(found: Run) -> list[tuple[int, int, str]]:
    return [(event.id, event.previous_id, event.type) for event in found.events]


def mapped(state: Any, **fields: Any) -> dict[str, Any]:
    return {"Type": "Map", "ItemProcessor": {"StartAt": "I", "States": {"I": state}}, "End": True, **fields}


def test_of_a_map_that_goes_one_by_one() -> None:
    found = run(machine(S=mapped(PASS, MaxConcurrency=1)), ["a", "b"])
    assert told(found) == [
        (1, 0, "ExecutionStarted"),
        (2, 0, "MapStateEntered"),
        (3, 2, "MapStateStarted"),
        (4, 3, "MapIterationStarted"),
        (5, 4, "PassStateEntered"),
        (6, 5, "PassStateExited"),
        (7, 6, "MapIterationSucceeded"),
        (8, 6, "MapIterationStarted"),
        (9, 8, "PassStateEntered"),
        (10, 9, "PassStateExited"),
        (11, 10, "MapIterationSucceeded"),
        (12, 11, "MapStateSucceeded"),
        (13, 11, "MapStateExited"),
        (14, 13, "ExecutionSucceeded"),
    ]
    assert found.details("MapStateStarted") == {"length": 2}
    assert found.details("MapIterationStarted") == {"name": "S", "index": 0}


def test_of_a_map_that_fails_after_its_retry() -> None:
    failing = {"Type": "Fail", "Error": "E"}
    found = run(machine(S=mapped(failing, Retry=[{"ErrorEquals": ["E"], "MaxAttempts": 1}])), [1])
    assert told(found)[2:] == [
        (3, 2, "MapStateStarted"),
        (4, 3, "MapIterationStarted"),
        (5, 4, "FailStateEntered"),
        (6, 5, "MapIterationFailed"),
        (7, 5, "MapStateStarted"),
        (8, 7, "MapIterationStarted"),
        (9, 8, "FailStateEntered"),
        (10, 9, "MapIterationFailed"),
        (11, 9, "MapStateFailed"),
        (12, 11, "ExecutionFailed"),
    ]


def test_events_of_stopped_iterations_follow_the_failed_one() -> None:
    def answer(call: TaskCall) -> Json:
        if call.parameters == 0:
            time.sleep(0.1)
            raise TaskError("E")
        assert call.stop.wait(60)
        return None

    found = run(machine(S=mapped(task())), [0, 1], {"I": [answer]})
    failed = next(event for event in found.events if event.type == "TaskFailed")
    after = [(event.previous_id, event.type) for event in found.events[failed.id :]]
    assert after == [
        (failed.id, "MapIterationFailed"),
        (failed.id, "TaskStateAborted"),
        (failed.id, "MapIterationAborted"),
        (failed.id, "TaskStateAborted"),
        (failed.id, "MapStateFailed"),
        (failed.id + 5, "ExecutionFailed"),
    ]


def test_a_fault_inside_fails_the_parallel_and_one_of_its_own_only_the_execution() -> None:
    inner = {"StartAt": "A", "States": {"A": {**PASS, "InputPath": "$.nope"}}}
    inside = run(machine(S={"Type": "Parallel", "Branches": [inner], "End": True}))
    assert inside.types[-2:] == ["ParallelStateFailed", "ExecutionFailed"]
    own = run(machine(S=mapped(PASS, MaxConcurrencyPath="$.n", ItemsPath="$.l")), {"n": "x", "l": [1]})
    assert own.types[-2:] == ["MapStateEntered", "ExecutionFailed"]


def test_of_a_parallel_whose_task_fails() -> None:
    state = {"Type": "Parallel", "Branches": [{"StartAt": "A", "States": {"A": task()}}], "End": True}
    found = run(machine(S=state), {}, {"A": [{"error": "E"}]})
    assert told(found)[-4:] == [
        (7, 6, "TaskFailed"),
        (8, 7, "TaskStateAborted"),
        (9, 7, "ParallelStateFailed"),
        (10, 9, "ExecutionFailed"),
    ]


def test_of_an_expression_that_fails() -> None:
    states: dict[str, Any] = {
        "A": {"Type": "Pass", "Next": "S"},
        "S": {**PASS, "QueryLanguage": "JSONata", "Output": {"v": "{% $nope %}"}},
    }
    found = run(machine(start="A", **states))
    assert told(found)[3:] == [(4, 3, "PassStateEntered"), (5, 3, "EvaluationFailed"), (6, 5, "ExecutionFailed")]
    assert found.details("EvaluationFailed") == {
        "state": "S",
        "location": "Output/v",
        "error": "States.QueryEvaluationError",
        "cause": found.outcome.cause,
    }


def test_of_a_map_without_a_list() -> None:
    found = run(machine(S=mapped(PASS, QueryLanguage="JSONata")), {"a": 1})
    assert told(found)[2:] == [(3, 0, "EvaluationFailed"), (4, 3, "MapStateFailed"), (5, 4, "ExecutionFailed")]
    assert "location" not in found.details("EvaluationFailed")


def test_assigned_variables_are_in_the_exited_event_as_texts() -> None:
    found = run(machine(S={**PASS, "Assign": {"b": "x", "a.$": "$.n", "c": {"d": 1}}}), {"n": 1})
    assert found.details("PassStateExited")["assignedVariables"] == {"b": '"x"', "a": "1", "c": '{"d":1}'}
    assert found.details("PassStateExited")["assignedVariablesDetails"] == {"truncated": False}


@pytest.mark.parametrize(("fields", "most"), [({}, MAX_CONCURRENT_ITERATIONS), ({"MaxConcurrency": 3}, 3)])
def test_iterations_at_once_are_bounded(fields: dict[str, Any], most: int) -> None:
    lock, running, seen = threading.Lock(), [0], [0]
    together = threading.Barrier(most)  # passed only where so many run at the same time

    def answer(call: TaskCall) -> Json:
        with lock:
            running[0] += 1
            seen[0] = max(seen[0], running[0])
        together.wait(60)
        with lock:
            running[0] -= 1
        return call.parameters

    items: Any = list(range(most * 2))
    found = run(machine(S=mapped(task(), **fields)), items, {"I": [answer]})
    assert found.output == items
    assert seen[0] == most


def test_a_stopped_map_leaves_no_iteration() -> None:
    stop = StopSignal()

    def answer(call: TaskCall) -> Json:
        stop.set("E", "c")
        assert call.stop.wait(60)
        return None

    found = run(machine(S=mapped(task())), [1, 2, 3], {"I": [answer]}, stop=stop)
    assert found.outcome.status == "ABORTED"
    assert found.types[-1] == "ExecutionAborted"
    assert found.types.count("MapIterationAborted") == 3


def test_variable_references_of_each_state() -> None:
    states: dict[str, Any] = {
        "A": {"Type": "Pass", "Assign": {"x": 1, "y": 2}, "Next": "C"},
        "C": {"Type": "Choice", "Choices": [{"Variable": "$y", "NumericEqualsPath": "$x.a", "Next": "M"}]},
        "M": {
            **mapped({**PASS, "QueryLanguage": "JSONata", "Output": "{% $x + $count($y) %}"}),
            "ItemsPath": "$y",
            "Next": "W",
        },
        "W": {"Type": "Wait", "SecondsPath": "$x", "End": True},
    }
    del states["M"]["End"]
    found = variable_references(load(machine(start="A", **states)))
    assert found == {"C": ["x", "y"], "M": ["y"], "I": ["x", "y"], "W": ["x"]}
    assert json.dumps(found)
