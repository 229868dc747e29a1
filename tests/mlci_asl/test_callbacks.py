"""Tasks that are completed from outside: tokens, activities, heartbeats, and legacy Lambda tasks, with their events."""

from __future__ import annotations

import gc
import json
import threading
import time
from typing import Any

import pytest

from mlci_asl import Callback, Json, StopSignal, TaskCall, TaskError, load
from mlci_asl.errors import DefinitionError
from support.executions import Run, machine, run, task

SEND = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
ACTIVITY = "arn:aws:states:eu-west-1:123456789012:activity:label"
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:train"


def _token(call: TaskCall) -> Callback:
    assert call.callback is not None
    return call.callback


def _answered(say: Any, resource: str = SEND, **fields: Any) -> Run:
    """A run whose one task is answered by `say(callback)` in another thread, after the handler has returned."""
    threads: list[threading.Thread] = []

    def handle(call: TaskCall) -> Json:
        threads.append(threading.Thread(target=say, args=(_token(call),)))
        threads[0].start()
        return {"MessageId": "m"}

    found = run(machine(S=task(Resource=resource, **fields)), {"a": 1}, {"S": [handle]}, is_threads_checked=False)
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return found


def test_a_token_ends_the_task() -> None:
    parameters = {"Body": {"token.$": "$$.Task.Token"}}
    seen: list[str] = []

    def say(callback: Callback) -> None:
        seen.append(callback.token)
        assert callback.heartbeat()
        assert callback.succeed('{"b": 2}')
        assert not callback.succeed("3")
        assert not callback.heartbeat()
        assert not callback.fail("E")

    found = _answered(say, Parameters=parameters)
    assert found.output == {"b": 2}
    assert found.types[2:6] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]
    assert found.details("TaskScheduled")["parameters"] == json.dumps(
        {"Body": {"token": seen[0]}}, separators=(",", ":")
    )
    assert found.details("TaskSubmitted")["output"] == '{"MessageId":"m"}'


def test_a_token_fails_the_task() -> None:
    found = _answered(lambda callback: callback.fail("E", "c"))
    assert (found.outcome.error, found.outcome.cause) == ("E", "c")
    assert found.types[-2:] == ["TaskFailed", "ExecutionFailed"]


def test_without_an_error_name_the_execution_fails_with_none() -> None:
    found = _answered(lambda callback: callback.fail(None, None))
    assert found.details("ExecutionFailed") == {}


def test_a_callback_may_complete_before_the_handler_returns() -> None:
    def handle(call: TaskCall) -> Json:
        assert _token(call).succeed("7")
        return None

    assert run(machine(S=task(Resource=SEND)), {}, {"S": [handle]}).output == 7


def test_each_attempt_has_a_token_of_its_own() -> None:
    tokens: list[str] = []

    def handle(call: TaskCall) -> Json:
        tokens.append(_token(call).token)
        _token(call).fail("E") if len(tokens) == 1 else _token(call).succeed("1")
        return None

    retry = [{"ErrorEquals": ["E"]}]
    assert run(machine(S=task(Resource=SEND, Retry=retry)), {}, {"S": [handle]}).output == 1
    assert len(set(tokens)) == 2


def test_other_tasks_have_no_token() -> None:
    found = run(machine(S=task(Resource="arn:aws:states:::lambda:invoke", Parameters={"t.$": "$$.Task.Token"})))
    assert found.outcome.error == "States.Runtime"
    assert found.handlers.calls == []


@pytest.mark.parametrize("name", ["States.Timeout", "States.HeartbeatTimeout"])
def test_a_missed_heartbeat_is_a_timeout_that_both_names_catch(name: str) -> None:
    catch = [{"ErrorEquals": [name], "Next": "H"}]
    states: dict[str, Any] = {"S": task(Resource=SEND, HeartbeatSeconds=1, Catch=catch), "H": {"Type": "Succeed"}}
    found = run(machine(**states))
    assert found.details("TaskScheduled")["heartbeatInSeconds"] == 1
    assert found.details("TaskTimedOut") == {
        "resource": "sendMessage.waitForTaskToken",
        "resourceType": "sqs",
        "error": "States.Timeout",
    }
    assert found.output == {"Error": "States.Timeout", "Cause": ""}


def test_heartbeats_keep_a_task_alive() -> None:
    def say(callback: Callback) -> None:
        for _ in range(4):
            time.sleep(0.4)
            assert callback.heartbeat()
        callback.succeed("1")

    assert _answered(say, HeartbeatSecondsPath="$.a").output == 1


def test_a_task_times_out_while_it_waits() -> None:
    found = run(machine(S=task(Resource=SEND, TimeoutSeconds=1)))
    assert found.types[-2:] == ["TaskTimedOut", "ExecutionFailed"]
    assert found.outcome.error == "States.Timeout"


def test_a_stop_ends_the_wait_and_the_callback() -> None:
    stop, callbacks = StopSignal(), []

    def handle(call: TaskCall) -> Json:
        callbacks.append(_token(call))
        stop.set("E", "c")
        return None

    found = run(machine(S=task(Resource=SEND)), {}, {"S": [handle]}, stop=stop)
    assert found.outcome.status == "ABORTED"
    assert not callbacks[0].succeed("1")


def test_the_interpreter_alone_keeps_a_callback() -> None:
    import weakref

    tokens: weakref.WeakValueDictionary[str, Callback] = weakref.WeakValueDictionary()

    def handle(call: TaskCall) -> Json:
        tokens[_token(call).token] = _token(call)
        _token(call).succeed("1")
        return None

    found = run(machine(S=task(Resource=SEND)), {}, {"S": [handle]})
    found.handlers.calls.clear()
    gc.collect()
    assert not tokens


def test_an_activity_is_started_when_a_worker_takes_it() -> None:
    def say(callback: Callback) -> None:
        assert callback.started("worker-1")
        assert not callback.started("worker-2")
        callback.succeed('"done"')

    found = _answered(say, ACTIVITY, HeartbeatSeconds=1, TimeoutSeconds=9)
    assert found.types[2:5] == ["ActivityScheduled", "ActivityStarted", "ActivitySucceeded"]
    assert found.details("ActivityScheduled") == {
        "resource": ACTIVITY,
        "input": '{"a":1}',
        "inputDetails": {"truncated": False},
        "timeoutInSeconds": 9,
        "heartbeatInSeconds": 1,
    }
    assert found.details("ActivityStarted") == {"workerName": "worker-1"}
    assert found.details("ActivitySucceeded") == {"output": '"done"', "outputDetails": {"truncated": False}}
    assert found.output == "done"


def test_an_activity_fails_and_times_out() -> None:
    def fail(callback: Callback) -> None:
        callback.started()
        callback.fail("E", "c")

    assert _answered(fail, ACTIVITY).details("ActivityFailed") == {"error": "E", "cause": "c"}
    timed_out = run(machine(S=task(Resource=ACTIVITY, HeartbeatSeconds=1, TimeoutSeconds=2)))
    assert timed_out.details("ActivityTimedOut") == {"error": "States.Timeout"}
    assert "ActivityStarted" not in timed_out.types  # no heartbeat is due before a worker has the task


def test_a_function_by_its_arn_has_events_of_its_own() -> None:
    found = run(machine(S=task(Resource=FUNCTION, TimeoutSeconds=5)), {"a": 1})
    assert found.types[2:5] == ["LambdaFunctionScheduled", "LambdaFunctionStarted", "LambdaFunctionSucceeded"]
    assert found.details("LambdaFunctionScheduled") == {
        "resource": FUNCTION,
        "input": '{"a":1}',
        "inputDetails": {"truncated": False},
        "timeoutInSeconds": 5,
    }
    failed = run(machine(S=task(Resource=FUNCTION)), {}, {"S": [{"error": "E", "cause": "c"}]})
    assert failed.details("LambdaFunctionFailed") == {"error": "E", "cause": "c"}


def test_credentials_are_evaluated_and_shown() -> None:
    role = "arn:aws:iam::123456789012:role/other"
    found = run(machine(S=task(Credentials={"RoleArn.$": "$.role"})), {"role": role})
    assert found.handlers.calls[0].credentials == {"RoleArn": role}
    assert found.details("TaskScheduled")["taskCredentials"] == {"roleArn": role}


def test_invalid_parameters_end_the_execution_before_the_task_is_scheduled() -> None:
    from support.executions import ScriptedHandlers

    class Checking(ScriptedHandlers):
        def check(self, resource: str, parameters: Json) -> list[str]:
            raise TaskError("States.Runtime", "The activity X does not exist.")

    found = run(machine(S=task(Resource=ACTIVITY)), handlers=Checking())
    assert found.types[-2:] == ["TaskStateEntered", "ExecutionFailed"]
    assert found.outcome.cause == (
        "An error occurred while executing the state 'S' (entered at the event id #2). The activity X does not exist."
    )


@pytest.mark.parametrize("resource", [SEND, ACTIVITY, "arn:aws:states:::sagemaker:createTrainingJob.sync"])
def test_an_express_workflow_waits_for_no_callback(resource: str) -> None:
    definition = machine(S=task(Resource=resource))
    with pytest.raises(DefinitionError, match="Express state machine does not support"):
        load(definition, is_express=True)
    load(definition)
    load(machine(S=task(Resource=FUNCTION)), is_express=True)
