"""Redrive: an execution goes on in the state that did not succeed, and what succeeded is not done again."""

from __future__ import annotations

from typing import Any, cast

from mlci_asl import Json, StopSignal, TaskCall
from support.executions import Run, machine, redriven, run, task

FAIL: Json = {"error": "E", "cause": "c"}


def calls(found: Run) -> list[str]:
    return [call.state for call in found.handlers.calls]


def branch(name: str, state: Any) -> dict[str, Any]:
    return {"StartAt": name, "States": {name: state}}


def test_it_goes_on_in_the_state_that_failed_with_its_input_and_the_variables_of_then() -> None:
    states: dict[str, Any] = {
        "A": task(Assign={"x.$": "$.n"}, Next="B"),
        "B": task(Parameters={"x.$": "$x", "given.$": "$"}, Next="C"),
        "C": task(),
    }
    definition = machine(start="A", **states)
    first = run(definition, {}, {"A": [{"n": 1}], "B": [FAIL]})
    assert first.outcome.status == "FAILED"
    found = redriven(first, definition, {}, {})
    assert found.output == {"x": 1, "given": {"n": 1}}
    assert calls(found) == ["B", "C"]
    after = found.types[len(first.events) :]
    assert after[:2] == ["ExecutionRedriven", "TaskScheduled"]
    assert found.details("ExecutionRedriven") == {"redriveCount": 1}


def test_the_context_object_has_the_redrive() -> None:
    definition = machine(S=task(Parameters={"e.$": "$$.Execution", "n.$": "$$.State.RetryCount"}))
    first = run(definition, {}, {"S": [FAIL]})
    output = redriven(first, definition, {}, {}).output
    assert isinstance(output, dict)
    assert isinstance(output["e"], dict)
    assert output["e"]["RedriveCount"] == 1
    assert str(output["e"]["RedriveTime"]).endswith("Z")
    assert output["n"] == 0


def test_only_the_branches_that_did_not_succeed_run_again() -> None:
    inner = [branch("A", task()), branch("B", task(Next="B2")), branch("C", task())]
    inner[1]["States"]["B2"] = task()
    definition = machine(S={"Type": "Parallel", "Branches": inner, "End": True})

    def fail(call: TaskCall) -> Any:
        call.stop.wait(0.2)
        return None

    first = run(definition, {}, {"A": ["a"], "B": ["b"], "B2": [FAIL], "C": ["c"]})
    assert first.outcome.status == "FAILED"
    found = redriven(first, definition, {}, {"A": ["a2"], "B2": ["b2"], "C": ["c2"]})
    assert isinstance(found.output, list)
    assert found.output[1] == "b2"
    assert set(calls(found)) >= {"B2"}
    assert "B" not in calls(found)
    exits = {str(e.details) for e in first.events if e.type == "TaskStateExited"}
    for name, index in (("A", 0), ("C", 2)):
        was_done = any(f"'name': '{name}'" in text for text in exits)
        assert (name in calls(found)) is not was_done
        assert found.output[index] == (name.lower() if was_done else f"{name.lower()}2")


def test_only_the_iterations_that_did_not_succeed_run_again_also_the_second_time() -> None:
    processor = branch("T", task(Next="U"))
    processor["States"]["U"] = task(Parameters={"i.$": "$$.Map.Item.Index", "v.$": "$"})
    state = {"Type": "Map", "MaxConcurrency": 1, "ItemProcessor": processor, "End": True}
    definition, given = machine(S=state), cast("Json", [10, 11, 12, 13])

    def u_fails_at(*indexes: int) -> Any:
        def answer(call: TaskCall) -> Any:
            assert isinstance(call.parameters, dict)
            if call.parameters["i"] in indexes:
                raise ZeroDivisionError
            return call.parameters

        return {"U": [answer]}

    first = run(definition, given, u_fails_at(1))
    assert calls(first) == ["T", "U", "T", "U"]
    second = redriven(first, definition, given, u_fails_at(2))
    assert calls(second) == ["U", "T", "U"]
    third = redriven(second, definition, given, {}, 2)
    assert calls(third) == ["U", "T", "U"]
    assert third.output == [{"i": index, "v": value} for index, value in enumerate([10, 11, 12, 13])]
    assert third.types.count("MapStateStarted") == 1
    assert third.types.count("MapIterationStarted") == 4
    assert third.types[-3:] == ["MapStateSucceeded", "MapStateExited", "ExecutionSucceeded"]


def test_the_last_attempt_of_a_retried_parallel_counts() -> None:
    inner = [branch("A", task()), branch("B", task())]
    retry = [{"ErrorEquals": ["E"], "MaxAttempts": 1}]
    definition = machine(S={"Type": "Parallel", "Branches": inner, "Retry": retry, "End": True})
    first = run(definition, {}, {"A": ["a1", "a2"], "B": [FAIL]})
    found = redriven(first, definition, {}, {"A": ["a3"], "B": ["b3"]})
    assert isinstance(found.output, list)
    assert found.output[0] in ("a2", "a3")
    assert found.output[1] == "b3"


def test_a_stopped_execution_goes_on() -> None:
    definition = machine(start="A", A={"Type": "Wait", "Seconds": 5, "Next": "B"}, B=task())
    stop = StopSignal()
    first = run(
        definition, {"a": 1}, stop=stop, on_event=lambda event: stop.set() if event.type == "WaitStateEntered" else None
    )
    assert first.outcome.status == "ABORTED"
    found = redriven(first, definition, {"a": 1}, {})
    assert found.output == {"a": 1}
    assert found.types[len(first.events) :][:2] == ["ExecutionRedriven", "WaitStateExited"]


def test_stopped_before_anything_began_it_begins() -> None:
    definition, stop = machine(S=task()), StopSignal()
    stop.set()
    first = run(definition, {"a": 1}, stop=stop)
    assert redriven(first, definition, {"a": 1}, {}).output == {"a": 1}


def test_variables_of_branches_are_their_own() -> None:
    inner = branch("A", {"Type": "Pass", "Assign": {"y": 2}, "Next": "B"})
    inner["States"]["B"] = task(Parameters={"x.$": "$x", "y.$": "$y"})
    states: dict[str, Any] = {
        "P": {"Type": "Pass", "Assign": {"x": 1}, "Next": "S"},
        "S": {"Type": "Parallel", "Branches": [inner], "End": True},
    }
    definition = machine(start="P", **states)
    first = run(definition, {}, {"B": [FAIL]})
    assert redriven(first, definition, {}, {}).output == [{"x": 1, "y": 2}]
