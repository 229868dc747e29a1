"""Executions that are stopped, time out or run in parallel: how they end, what they leave, what their history says."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from mlci_asl import Event, Json, StopSignal, TaskCall, TaskError, execute, load
from support.executions import CONTEXT, JOB, Run, ScriptedHandlers, machine, run, task

PASS: dict[str, Any] = {"Type": "Pass", "End": True}


def until_stopped(call: TaskCall) -> Json:
    """A handler's answer that takes until it is stopped."""
    assert call.stop.wait(60), "never stopped"
    raise TaskError("Killed", "by the signal")


def parallel(*states: Any, **fields: Any) -> dict[str, Any]:
    """A Parallel with a branch for each state, named A, B, …"""
    names = "ABCDEFGH"
    branches = [{"StartAt": name, "States": {name: state}} for name, state in zip(names, states, strict=False)]
    return {"Type": "Parallel", "End": True, "Branches": branches, **fields}


def stopped_after(seconds: float, definition: str, answers: Any = None) -> Run:
    """A run that is stopped from another thread."""
    stop = StopSignal()
    timer = threading.Timer(seconds, stop.set, args=("Mlci.Stopped", "Ctrl-C"))
    timer.start()
    try:
        started = time.monotonic()
        found = run(definition, None, answers, stop=stop, is_quick=False)
        assert time.monotonic() - started < seconds + 30  # and no handler's 60
    finally:
        timer.join()
    return found


class TestStop:
    @pytest.mark.parametrize(
        "states",
        [
            {"S": {"Type": "Wait", "Seconds": 60, "End": True}},
            {"S": task()},
            {"S": task(TimeoutSeconds=60)},
            {"S": task(Retry=[{"ErrorEquals": ["States.ALL"]}])},
            {"S": task(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "P"}]), "P": PASS},
            {"S": parallel(task(), {"Type": "Wait", "Seconds": 60, "End": True})},
        ],
    )
    def test_at_any_moment(self, states: Any) -> None:
        found = stopped_after(0.1, machine(**states), {name: [until_stopped] for name in "SAB"})
        assert found.outcome.status == "ABORTED"
        assert (found.outcome.error, found.outcome.cause) == ("Mlci.Stopped", "Ctrl-C")
        assert (found.types[-1], found.events[-1].previous_id) == ("ExecutionAborted", 0)
        assert found.details("ExecutionAborted") == {"error": "Mlci.Stopped", "cause": "Ctrl-C"}

    def test_in_a_retry_interval(self) -> None:
        retry = [{"ErrorEquals": ["E"], "IntervalSeconds": 60}]
        found = stopped_after(0.1, machine(S=task(Retry=retry)), {"S": [{"error": "E"}]})
        assert found.outcome.status == "ABORTED"
        assert len(found.handlers.calls) == 1

    def test_before_the_start(self) -> None:
        stop = StopSignal()
        stop.set("E", "c")
        found = run(machine(S=task()), stop=stop)
        assert found.outcome.status == "ABORTED"
        assert found.types == ["ExecutionStarted", "ExecutionAborted"]
        assert not found.handlers.calls

    def test_too_late_changes_nothing(self) -> None:
        stop = StopSignal()

        def at_the_end(event: Event) -> None:
            if event.type == "ExecutionSucceeded":
                stop.set()

        assert run(machine(S=PASS), stop=stop, on_event=at_the_end).outcome.status == "SUCCEEDED"


class TestTimeouts:
    def test_of_a_task(self) -> None:
        found = run(machine(S=task(TimeoutSeconds=1)), None, {"S": [until_stopped]})
        assert (found.outcome.status, found.outcome.error) == ("FAILED", "States.Timeout")
        assert found.types[-2:] == ["TaskTimedOut", "ExecutionFailed"]
        timed_out = {"resourceType": "sagemaker", "resource": "createTrainingJob.sync", "error": "States.Timeout"}
        assert found.details("TaskTimedOut") == timed_out
        assert found.details("TaskScheduled")["timeoutInSeconds"] == 1

    def test_of_a_task_caught_and_tried_again(self) -> None:
        state = task(
            TimeoutSecondsPath="$.t",
            Retry=[{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 1}],
            Catch=[{"ErrorEquals": ["States.Timeout"], "Next": "P"}],
        )
        found = run(machine(S=state, P=PASS), {"t": 1}, {"S": [until_stopped]})
        assert found.output == {"Error": "States.Timeout", "Cause": ""}
        assert len(found.handlers.calls) == 2

    def test_of_the_machine(self) -> None:
        state = parallel(task(), {"Type": "Wait", "Seconds": 60, "End": True})
        found = run(machine(timeout_s=1, S=state), None, {"A": [until_stopped]}, is_quick=False)
        assert found.outcome.status == "TIMED_OUT"
        assert found.types[-1] == "ExecutionTimedOut"

    def test_that_is_not_reached_leaves_no_timer(self) -> None:
        assert run(machine(timeout_s=60, S=task(TimeoutSeconds=60))).outcome.status == "SUCCEEDED"


class TestParallel:
    def test_a_failed_branch_stops_its_siblings_before_it_goes_on(self) -> None:
        ended: list[str] = []

        def slow_to_end(call: TaskCall) -> Json:
            assert call.stop.wait(60)
            time.sleep(0.2)
            ended.append(call.state)
            raise TaskError("Killed")

        def fail(call: TaskCall) -> Json:
            time.sleep(0.05)
            raise TaskError("E", "c")

        def after(call: TaskCall) -> Json:
            return [*sorted(ended)]

        state = parallel(task(), task(), task(), Catch=[{"ErrorEquals": ["E"], "Next": "H", "ResultPath": "$.e"}])
        answers = {"A": [slow_to_end], "B": [fail], "C": [slow_to_end], "H": [after]}
        found = run(machine(S=state, H=task(ResultPath="$.ended")), None, answers)
        assert found.output == {"e": {"Error": "E", "Cause": "c"}, "ended": ["A", "C"]}
        assert found.types.count("TaskStateAborted") == 3  # as AWS: also of the one that failed

    def test_siblings_that_only_wait(self) -> None:
        started = time.monotonic()
        wait = {"Type": "Wait", "Seconds": 60, "End": True}
        branch = {"StartAt": "I", "States": {"I": {"Type": "Fail", "Error": "E"}}}
        inner = {"Type": "Parallel", "End": True, "Branches": [{"StartAt": "W", "States": {"W": wait}}, branch]}
        found = run(machine(S=parallel(wait, inner)), is_quick=False)
        assert found.outcome.error == "E"
        assert time.monotonic() - started < 30

    def test_branches_run_at_the_same_time(self) -> None:
        barrier = threading.Barrier(3)

        def meet(call: TaskCall) -> Json:
            return barrier.wait(60) >= 0

        found = run(machine(S=parallel(task(), task(), task())), None, {name: [meet] for name in "ABC"})
        assert found.output == [True, True, True]

    def test_a_failure_of_the_caller_stops_the_branches(self) -> None:
        def refuse(event: Event) -> None:
            if event.type == "FailStateEntered":
                raise RuntimeError("disk full")

        threads = threading.active_count()
        with pytest.raises(RuntimeError, match="disk full"):
            run(machine(S=parallel(task(), {"Type": "Fail"})), None, {"A": [until_stopped]}, on_event=refuse)
        assert threading.active_count() == threads

    def test_many_branches(self) -> None:
        branches = [{"StartAt": f"B{at}", "States": {f"B{at}": {**PASS, "Result": at}}} for at in range(100)]
        assert run(machine(S={"Type": "Parallel", "End": True, "Branches": branches})).output == list(range(100))


class TestHandlers:
    def test_get_what_the_definition_says(self) -> None:
        found = run(machine(S=task(Parameters={"n.$": "$.n"})), {"n": 1})
        (call,) = found.handlers.calls
        assert (call.resource, call.state, call.parameters) == (JOB, "S", {"n": 1})
        assert not call.stop.is_set()

    def test_cannot_change_the_machine(self) -> None:
        def spoil(call: TaskCall) -> Json:
            assert isinstance(call.parameters, dict)
            call.parameters["fixed"] = "spoilt"
            return call.parameters

        definition = load(machine(S=task(Parameters={"fixed": 1})))
        for _ in range(2):
            handlers = ScriptedHandlers({"S": [spoil]})
            execute(definition, "{}", context=CONTEXT, handlers=handlers, stop=StopSignal(), on_event=lambda _: None)
            (call,) = handlers.calls
            assert call.parameters == {"fixed": "spoilt"}  # its own copy
        assert run(definition.definition).output == {"fixed": 1}

    def test_own_faults_fail_the_execution_and_no_more(self) -> None:
        def broken(call: TaskCall) -> Json:
            raise KeyError("ImageUri")

        state = task(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "P"}])
        found = run(machine(S=state, P=PASS), None, {"S": [broken]})
        assert (found.outcome.status, found.outcome.error) == ("FAILED", "States.Runtime")
        assert found.outcome.cause == "KeyError: 'ImageUri'"

    @pytest.mark.parametrize("result", [float("nan"), {1, 2}, object()])
    def test_results_that_are_no_json(self, result: Any) -> None:
        assert run(machine(S=task()), None, {"S": [lambda call: result]}).outcome.error == "States.Runtime"

    def test_interrupts_pass_through(self) -> None:
        def interrupted(call: TaskCall) -> Json:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(machine(S=task(TimeoutSeconds=60)), None, {"S": [interrupted]})


class TestHistory:
    def test_of_a_submitted_task(self) -> None:
        def submit(call: TaskCall) -> Json:
            call.submitted({"JobArn": "arn"})
            return {"Status": "Completed"}

        found = run(machine(S=task(Parameters={"n.$": "$.n"})), {"n": 1}, {"S": [submit]})
        names = {"resourceType": "sagemaker", "resource": "createTrainingJob.sync"}
        whole = {"truncated": False}
        output = {"output": '{"Status":"Completed"}', "outputDetails": whole}
        assert [(event.id, event.previous_id, event.type, dict(event.details)) for event in found.events] == [
            (
                1,
                0,
                "ExecutionStarted",
                {
                    "executionStartedEventDetails": {
                        "input": '{"n": 1}',
                        "inputDetails": whole,
                        "roleArn": "arn:aws:iam::123456789012:role/flow",
                    }
                },
            ),
            (
                2,
                0,
                "TaskStateEntered",
                {"stateEnteredEventDetails": {"name": "S", "input": '{"n": 1}', "inputDetails": whole}},
            ),
            (
                3,
                2,
                "TaskScheduled",
                {"taskScheduledEventDetails": {**names, "region": "eu-west-1", "parameters": '{"n":1}'}},
            ),
            (4, 3, "TaskStarted", {"taskStartedEventDetails": names}),
            (
                5,
                4,
                "TaskSubmitted",
                {"taskSubmittedEventDetails": {**names, "output": '{"JobArn":"arn"}', "outputDetails": whole}},
            ),
            (6, 5, "TaskSucceeded", {"taskSucceededEventDetails": {**names, **output}}),
            (7, 6, "TaskStateExited", {"stateExitedEventDetails": {"name": "S", **output}}),
            (8, 7, "ExecutionSucceeded", {"executionSucceededEventDetails": output}),
        ]

    def test_of_a_failed_task(self) -> None:
        found = run(machine(S=task()), None, {"S": [{"error": "E", "cause": "c"}]})
        assert found.types[-3:] == ["TaskStarted", "TaskFailed", "ExecutionFailed"]
        assert found.details("TaskFailed")["error"] == "E"
        assert found.details("ExecutionFailed") == {"error": "E", "cause": "c"}

    def test_of_a_parallel(self) -> None:
        """Recorded from AWS: the exit follows the branches' last event, not ParallelStateSucceeded."""
        found = run(machine(S=parallel(PASS)))
        assert [(event.id, event.previous_id, event.type) for event in found.events] == [
            (1, 0, "ExecutionStarted"),
            (2, 0, "ParallelStateEntered"),
            (3, 2, "ParallelStateStarted"),
            (4, 3, "PassStateEntered"),
            (5, 4, "PassStateExited"),
            (6, 5, "ParallelStateSucceeded"),
            (7, 5, "ParallelStateExited"),
            (8, 7, "ExecutionSucceeded"),
        ]

    def test_of_a_failed_parallel(self) -> None:
        found = run(machine(S=parallel({"Type": "Fail", "Error": "E"})))
        assert found.types[3:] == ["FailStateEntered", "ParallelStateFailed", "ExecutionFailed"]
        assert found.details("ExecutionFailed") == {"error": "E"}

    def test_of_choice_and_succeed(self) -> None:
        rule = {"Variable": "$", "IsPresent": True, "Next": "T"}
        found = run(machine(S={"Type": "Choice", "Choices": [rule]}, T={"Type": "Succeed"}))
        states = ["ChoiceStateEntered", "ChoiceStateExited", "SucceedStateEntered", "SucceedStateExited"]
        assert found.types == ["ExecutionStarted", *states, "ExecutionSucceeded"]

    def test_an_endless_loop_ends_at_25000_events(self) -> None:
        rule = {"Variable": "$$.State.Name", "StringEquals": "never", "Next": "P"}
        found = run(machine(S={"Type": "Choice", "Choices": [rule], "Default": "S"}, P=PASS))
        assert found.outcome.error == "States.Runtime"
        assert found.outcome.cause == "The execution reached the maximum number of history events (25000)."
        assert found.events[-1].id == 25_000


class TestInput:
    @pytest.mark.parametrize("given", ["", "{", "NaN", "[1e999]", json.dumps("x" * 262_143)])
    def test_that_cannot_be_started_with(self, given: str) -> None:
        with pytest.raises(ValueError, match=r"."):
            _execute(given)

    @pytest.mark.parametrize("given", ["null", " 1 ", json.dumps("x" * 262_142)])
    def test_that_can(self, given: str) -> None:
        assert _execute(given) == given

    @pytest.mark.parametrize(("depth", "is_fine"), [(149, True), (151, False), (900, False), (100_000, False)])
    def test_that_is_nested_deeply_is_no_crash(self, depth: int, is_fine: bool) -> None:
        given = "[" * depth + "]" * depth
        if is_fine:
            assert _execute(given) == given
        else:
            with pytest.raises(ValueError, match="nested"):
                _execute(given)

    @pytest.mark.slow
    def test_that_grows_deeper_in_a_loop_is_no_crash(self) -> None:
        loop = {"Type": "Pass", "Parameters": {"a.$": "$"}, "Next": "C"}
        rule = {"Variable": "$.b", "IsPresent": True, "Next": "E"}
        found = run(machine(S=loop, C={"Type": "Choice", "Choices": [rule], "Default": "S"}, E=PASS))
        assert found.outcome.error == "States.Runtime"
        assert "nested too deeply" in str(found.outcome.cause)

    def test_numbers_come_out_as_java_prints_them(self) -> None:
        given = '{"a":1.50,"b":1e7,"c":1E-5,"d":-0.0,"e":100}'
        assert _execute(given, Parameters={"x.$": "$"}) == '{"x":{"a":1.5,"b":1.0E7,"c":1.0E-5,"d":-0.0,"e":100}}'

    def test_what_no_state_changes_keeps_its_text(self) -> None:
        assert _execute('{"a": [1.50 , 2]}') == '{"a": [1.50 , 2]}'
        inner = {"StartAt": "B", "States": {"B": PASS}}
        assert _execute("[1,  2]", Type="Parallel", Branches=[inner]) == "[[1,  2]]"


class TestCauses:
    """Causes quote the input as it was given, white space included; what is part of it, or new, is compact."""

    GIVEN = '{\n  "a" : [ 1 ],\n  "b": {"c" :2}\n}'

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"Parameters": {"v.$": "$.x"}}, "in the input '{given}'"),
            ({"Parameters": {"v.$": "States.Format('{}', $.x)"}}, "in the input '{given}'"),
            ({"Parameters": {"v.$": "$.x"}, "InputPath": "$.b"}, "in the input '{\"c\":2}'"),
            ({"ResultPath": "$.a.x", "Result": 1}, 'Unable to apply step "x" to input [1]'),
            ({"ResultPath": "$[0]", "Result": 1}, 'Unable to apply step "0" to input {given}'),
            ({"Type": "Wait", "SecondsPath": "$"}, "parsed as a long value: $ == {given}"),
            ({"Type": "Wait", "SecondsPath": "$.b"}, 'parsed as a long value: $.b == {"c":2}'),
            ({"Type": "Wait", "TimestampPath": "$"}, "date-time format string: $ == {given}"),
        ],
    )
    def test_of_a_state(self, fields: Any, words: str) -> None:
        assert words.replace("{given}", self.GIVEN) in _failure(self.GIVEN, S={**PASS, **fields})

    def test_of_a_state_behind_another(self) -> None:
        second = {**PASS, "Parameters": {"v.$": "$.x"}}
        cause = _failure(self.GIVEN, S={"Type": "Pass", "Next": "T"}, T=second)
        assert cause.endswith(f"could not be found in the input '{self.GIVEN}'")

    def test_of_a_state_in_a_branch(self) -> None:
        state = parallel({**PASS, "Parameters": {"v.$": "$.x"}})
        assert _failure(self.GIVEN, S=state).endswith(f"could not be found in the input '{self.GIVEN}'")

    def test_of_a_result(self) -> None:
        state = parallel(PASS, ResultSelector={"v.$": "$.x"})
        assert _failure(self.GIVEN, S=state).endswith(f"could not be found in the input '[{self.GIVEN}]'")

    def test_of_a_fail_state(self) -> None:
        cause = _failure(self.GIVEN, S={"Type": "Fail", "ErrorPath": "$"})
        assert cause.endswith(f"The ErrorPath field must refer to a string, but was: {self.GIVEN}")

    def test_of_a_map_without_items(self) -> None:
        inner = {"StartAt": "I", "States": {"I": PASS}}
        state = {"Type": "Map", "QueryLanguage": "JSONata", "ItemProcessor": inner, "End": True}
        assert _failure(self.GIVEN, S=state).endswith(f"Map state input must be an array but was: {self.GIVEN}")

    def test_of_parameters_that_are_the_input(self) -> None:
        handlers = CheckingHandlers()
        cause = _failure(self.GIVEN, handlers, S=task())
        assert f"The Parameters '{self.GIVEN}' could not be used to start the Task: [no]" in cause


class CheckingHandlers(ScriptedHandlers):
    """Handlers to which no parameters are right."""

    def check(self, resource: str, parameters: Json) -> list[str]:
        return ["no"]


def _failure(given: str, handlers: ScriptedHandlers | None = None, **states: Any) -> str:
    """The cause of an execution that fails."""
    outcome = execute(
        load(machine(**states)),
        given,
        context=CONTEXT,
        handlers=handlers or ScriptedHandlers(),
        stop=StopSignal(),
        on_event=lambda event: None,
    )
    assert outcome.status == "FAILED", outcome
    return outcome.cause or ""


def _execute(given: str, **fields: Any) -> str | None:
    outcome = execute(
        load(machine(S={**PASS, **fields})),
        given,
        context=CONTEXT,
        handlers=ScriptedHandlers(),
        stop=StopSignal(),
        on_event=lambda event: None,
    )
    return outcome.output


def test_1000_states_take_less_than_a_second() -> None:
    states: Any = {f"S{at}": {"Type": "Pass", "Next": f"S{at + 1}"} for at in range(1000)}
    definition = machine(start="S0", **states, S1000=PASS)
    started = time.process_time()
    assert run(definition).outcome.status == "SUCCEEDED"
    assert time.process_time() - started < 1


def test_importing_the_interpreter_imports_little() -> None:
    """Only modules of its own, the decorator of dataclasses and the standard library, and none of the slow ones."""
    code = "import sys; before = set(sys.modules); import mlci_asl; print(*sorted(set(sys.modules) - before))"
    listed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert {name.partition(".")[0] for name in listed} - sys.stdlib_module_names == {"mlci_asl", "mlci_dataclasses"}
    assert not {"asyncio", "random", "uuid", "hashlib", "difflib"} & set(listed)
