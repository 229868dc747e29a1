"""Executions, activities, tokens and nested executions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlci_emulator.protocol.operations import ApiError
from support.stepfunctions import ECHO, PASS, Client, machine

WAIT = machine(W={"Type": "Wait", "Seconds": 60, "End": True})
NESTED = "arn:aws:states:::states:startExecution"


@pytest.fixture
def sfn() -> Client:
    return Client()


def _refused(code: str, ask: Callable[[], Any]) -> None:
    with pytest.raises(ApiError) as refusal:
        ask()
    assert refusal.value.code == code


def test_an_execution_from_start_to_history(sfn: Client) -> None:
    ended = sfn.run(machine(S=PASS), {"a": 1})
    assert (ended["status"], ended["output"], ended["redriveStatus"]) == ("SUCCEEDED", '{"a": 1}', "NOT_REDRIVABLE")
    events = sfn.history(ended["executionArn"])
    assert [(event["id"], event["previousEventId"]) for event in events] == [(1, 0), (2, 0), (3, 2), (4, 3)]
    backwards = sfn.history(ended["executionArn"], reverseOrder=True, maxResults=1)
    assert backwards[0]["type"] == "ExecutionSucceeded"
    bare = sfn.history(ended["executionArn"], includeExecutionData=False)
    assert bare[1]["stateEnteredEventDetails"] == {"name": "S"}


def test_a_name_starts_once(sfn: Client) -> None:
    arn = sfn.create(WAIT)
    first = sfn("StartExecution", stateMachineArn=arn, name="e", input="1")
    assert sfn("StartExecution", stateMachineArn=arn, name="e", input="1") == first
    _refused("ExecutionAlreadyExists", lambda: sfn("StartExecution", stateMachineArn=arn, name="e", input="2"))
    sfn("StopExecution", executionArn=first["executionArn"])
    _refused("ExecutionAlreadyExists", lambda: sfn("StartExecution", stateMachineArn=arn, name="e", input="1"))


@pytest.mark.parametrize("given", ["", "not json", "{'a': 1}", "NaN", "[" * 10_000])
def test_an_input_that_is_not_json_is_rejected(sfn: Client, given: str) -> None:
    arn = sfn.create(machine(S=PASS))
    _refused("InvalidExecutionInput", lambda: sfn("StartExecution", stateMachineArn=arn, input=given))


def test_stop_ends_an_execution_with_error_and_cause(sfn: Client) -> None:
    arn = sfn.start(sfn.create(WAIT))
    sfn("StopExecution", executionArn=arn, error="E", cause="C")
    ended = sfn("DescribeExecution", executionArn=arn)
    assert (ended["status"], ended["error"], ended["cause"]) == ("ABORTED", "E", "C")
    sfn("StopExecution", executionArn=arn, error="other")
    assert sfn("DescribeExecution", executionArn=arn)["error"] == "E"


def test_lists_are_newest_first_and_by_status(sfn: Client) -> None:
    arn = sfn.create(machine(T={"Type": "Task", "Resource": ECHO, "End": True}))
    good = [sfn.start(arn, index) for index in range(3)]
    bad = sfn.start(arn, {"fail": "E"})
    for one in (*good, bad):
        sfn.ended(one)
    listed = sfn("ListExecutions", stateMachineArn=arn)["executions"]
    assert [one["executionArn"] for one in listed] == [bad, *reversed(good)]
    failed = sfn("ListExecutions", stateMachineArn=arn, statusFilter="FAILED")["executions"]
    assert [one["executionArn"] for one in failed] == [bad]


def test_pages_of_executions_stay_together_while_others_are_started(sfn: Client) -> None:
    arn = sfn.create(machine(P=PASS))
    names = [f"e{number}" for number in range(5)]
    for name in names:
        sfn.start(arn, name=name)
    first = sfn("ListExecutions", stateMachineArn=arn, maxResults=2)
    sfn.start(arn, name="later")
    second = sfn("ListExecutions", stateMachineArn=arn, maxResults=2, nextToken=first["nextToken"])
    third = sfn("ListExecutions", stateMachineArn=arn, maxResults=2, nextToken=second["nextToken"])
    assert [one["name"] for page in (first, second, third) for one in page["executions"]] == names[::-1]
    assert "nextToken" not in third


def test_lists_are_of_a_version_and_of_what_was_redriven(sfn: Client) -> None:
    arn = sfn.create(machine(P=PASS))
    version = sfn("PublishStateMachineVersion", stateMachineArn=arn)["stateMachineVersionArn"]
    sfn.start(arn, name="plain")
    sfn.start(version, name="versioned")

    def names(**asked: Any) -> list[str]:
        return [one["name"] for one in sfn("ListExecutions", **asked)["executions"]]

    assert names(stateMachineArn=version) == ["versioned"]
    assert names(stateMachineArn=arn, redriveFilter="REDRIVEN") == []
    assert names(stateMachineArn=arn, redriveFilter="NOT_REDRIVEN") == ["versioned", "plain"]
    token = sfn("ListExecutions", stateMachineArn=arn, maxResults=1)["nextToken"]
    _refused("InvalidToken", lambda: names(stateMachineArn=arn, redriveFilter="REDRIVEN", nextToken=token))


def test_redrive_goes_on_where_it_ended() -> None:
    answers = iter(["E", None])

    class Fickle:
        def supports(self, resource: str) -> bool:
            return True

        def __call__(self, task: Any) -> Any:
            from mlci_asl import TaskError

            error = next(answers)
            if error:
                raise TaskError(error)
            return "done"

    sfn = Client(None, Fickle())
    definition = machine(A={"Type": "Pass", "Next": "T"}, T={"Type": "Task", "Resource": ECHO, "End": True})
    ended = sfn.run(definition)
    assert (ended["status"], ended["redriveStatus"]) == ("FAILED", "REDRIVABLE")
    sfn("RedriveExecution", executionArn=ended["executionArn"])
    again = sfn.ended(ended["executionArn"])
    assert (again["status"], again["output"], again["redriveCount"]) == ("SUCCEEDED", '"done"', 1)
    types = [event["type"] for event in sfn.history(ended["executionArn"])]
    assert types.count("PassStateEntered") == 1
    assert "ExecutionRedriven" in types
    _refused("ExecutionNotRedrivable", lambda: sfn("RedriveExecution", executionArn=ended["executionArn"]))


def test_an_express_execution_responds_at_once_and_is_not_stored(sfn: Client) -> None:
    arn = sfn.create(machine(S={**PASS, "Result": 1}), type="EXPRESS")
    answer = sfn("StartSyncExecution", stateMachineArn=arn, input="{}")
    assert (answer["status"], answer["output"]) == ("SUCCEEDED", "1")
    started = sfn("StartExecution", stateMachineArn=arn, input="{}")
    _refused("InvalidArn", lambda: sfn("DescribeExecution", executionArn=started["executionArn"]))
    _refused("StateMachineTypeNotSupported", lambda: sfn("ListExecutions", stateMachineArn=arn))
    standard = sfn.create(machine(S=PASS), name="standard")
    _refused("StateMachineTypeNotSupported", lambda: sfn("StartSyncExecution", stateMachineArn=standard))


def _work(sfn: Client, activity: str, do: Callable[[dict[str, Any]], Any]) -> threading.Thread:
    thread = threading.Thread(target=lambda: do(sfn("GetActivityTask", activityArn=activity, workerName="w")))
    thread.start()
    return thread


def test_a_worker_does_an_activity(sfn: Client) -> None:
    activity = sfn("CreateActivity", name="a")["activityArn"]
    worker = _work(
        sfn, activity, lambda task: sfn("SendTaskSuccess", taskToken=task["taskToken"], output=task["input"])
    )
    ended = sfn.run(machine(T={"Type": "Task", "Resource": activity, "End": True}), {"x": 1})
    worker.join()
    assert ended["output"] == '{"x":1}'
    types = [event["type"] for event in sfn.history(ended["executionArn"])]
    assert types[2:5] == ["ActivityScheduled", "ActivityStarted", "ActivitySucceeded"]


def test_a_token_is_good_once(sfn: Client) -> None:
    activity = sfn("CreateActivity", name="a")["activityArn"]
    tokens: list[str] = []

    def fail(task: dict[str, Any]) -> None:
        tokens.append(task["taskToken"])
        _refused("InvalidOutput", lambda: sfn("SendTaskSuccess", taskToken=tokens[0], output="{"))
        sfn("SendTaskHeartbeat", taskToken=tokens[0])
        sfn("SendTaskFailure", taskToken=tokens[0], error="E", cause="C")

    worker = _work(sfn, activity, fail)
    ended = sfn.run(machine(T={"Type": "Task", "Resource": activity, "End": True}))
    worker.join()
    assert (ended["error"], ended["cause"]) == ("E", "C")
    _refused("TaskTimedOut", lambda: sfn("SendTaskSuccess", taskToken=tokens[0], output="1"))
    _refused("InvalidToken", lambda: sfn("SendTaskSuccess", taskToken="nonsense", output="1"))


def test_an_activity_that_is_not_there_fails_the_execution(sfn: Client) -> None:
    activity = "arn:aws:states:eu-west-1:000000000000:activity:nope"
    ended = sfn.run(machine(T={"Type": "Task", "Resource": activity, "End": True}))
    assert (ended["error"], f"The activity {activity} does not exist." in ended["cause"]) == ("States.Runtime", True)
    _refused("ActivityDoesNotExist", lambda: sfn("GetActivityTask", activityArn=activity))


@pytest.mark.parametrize(("pattern", "output"), [(".sync", '{"n":1}'), (".sync:2", {"n": 1})])
def test_a_task_waits_for_another_execution(sfn: Client, pattern: str, output: Any) -> None:
    inner = sfn.create(machine(S=PASS), name="inner")
    task = {"Type": "Task", "Resource": NESTED + pattern, "End": True}
    ended = sfn.run(machine(T={**task, "Parameters": {"StateMachineArn": inner, "Input": {"n": 1}, "Name": "e"}}))
    told = json.loads(ended["output"])
    assert (told["Status"], told["Output"], told["Name"]) == ("SUCCEEDED", output, "e")


@pytest.mark.parametrize("pattern", [".sync", ".sync:2"])
def test_the_history_of_a_nested_execution_names_its_pattern(sfn: Client, pattern: str) -> None:
    """As in the recorded tests test_start_execution_sync and test_start_execution_sync2 of LocalStack."""
    inner = sfn.create(machine(S=PASS), name="inner")
    task = {"Type": "Task", "Resource": NESTED + pattern, "Parameters": {"StateMachineArn": inner}, "End": True}
    execution = sfn.run(machine(T=task))["executionArn"]
    names = [
        (details["resourceType"], details["resource"])
        for event in sfn.history(execution)
        for details in event.values()
        if isinstance(details, dict) and "resource" in details
    ]
    assert names == [("states", f"startExecution{pattern}")] * 4


def test_a_token_completes_a_task_that_waits_for_an_execution(sfn: Client) -> None:
    """As in the recorded test test_sync_with_task_token of LocalStack."""
    inner = sfn.create(WAIT, name="inner")
    task = {"Type": "Task", "Resource": NESTED + ".sync", "End": True}
    parameters = {"StateMachineArn": inner, "Name": "e", "Input": {"token.$": "$$.Task.Token"}}
    arn = sfn.start(sfn.create(machine(T={**task, "Parameters": parameters})))
    until = time.monotonic() + 60
    while not sfn("ListExecutions", stateMachineArn=inner)["executions"] and time.monotonic() < until:
        time.sleep(0.01)
    nested = sfn("ListExecutions", stateMachineArn=inner)["executions"][0]["executionArn"]
    token = json.loads(sfn("DescribeExecution", executionArn=nested)["input"])["token"]
    sfn("SendTaskSuccess", taskToken=token, output='"by token"')
    assert sfn.ended(arn)["output"] == '"by token"'
    assert [event["type"] for event in sfn.history(arn)][-4:-2] == ["TaskSubmitted", "TaskSucceeded"]
    assert sfn("DescribeExecution", executionArn=nested)["status"] == "RUNNING"
    sfn("StopExecution", executionArn=nested)


@pytest.mark.parametrize("is_nested", [False, True])
@pytest.mark.parametrize("failure", [{}, {"error": "E"}, {"error": "E", "cause": ""}])
def test_a_catch_gets_null_for_what_send_task_failure_left_out(
    sfn: Client, failure: dict[str, str], is_nested: bool
) -> None:
    """As in the recorded test test_sqs_failure_in_wait_for_task_tok_no_error_field of LocalStack."""
    activity = sfn("CreateActivity", name="label")["activityArn"]
    catch = {"Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "S"}]}
    task: Any = {"Type": "Task", "Resource": activity, "End": True}
    branches = {"Type": "Parallel", "Branches": [{"StartAt": "T", "States": {"T": task}}], "End": True}
    arn = sfn.start(sfn.create(machine(A={**(branches if is_nested else task), **catch}, S=PASS)), {})
    sfn("SendTaskFailure", taskToken=sfn("GetActivityTask", activityArn=activity)["taskToken"], **failure)
    output = json.loads(sfn.ended(arn)["output"])["e"]
    assert output == {"Error": failure.get("error"), "Cause": failure.get("cause")}


def test_a_task_fails_with_the_execution_that_it_waits_for(sfn: Client) -> None:
    inner = sfn.create(machine(S={"Type": "Fail", "Error": "E"}), name="inner")
    parameters = {"StateMachineArn": inner}
    ended = sfn.run(machine(T={"Type": "Task", "Resource": NESTED + ".sync", "Parameters": parameters, "End": True}))
    assert (ended["error"], json.loads(ended["cause"])["Error"]) == ("States.TaskFailed", "E")


def test_stopping_stops_nested_executions(sfn: Client) -> None:
    inner = sfn.create(WAIT, name="inner")
    parameters = {"StateMachineArn": inner, "Name": "e"}
    outer = sfn.create(machine(T={"Type": "Task", "Resource": NESTED + ".sync", "Parameters": parameters, "End": True}))
    arn = sfn.start(outer)
    until = time.monotonic() + 60
    while not sfn("ListExecutions", stateMachineArn=inner)["executions"] and time.monotonic() < until:
        time.sleep(0.01)
    sfn("StopExecution", executionArn=arn)
    nested = sfn("ListExecutions", stateMachineArn=inner)["executions"][0]["executionArn"]
    assert sfn.ended(nested)["status"] == "ABORTED"


def test_closing_aborts_what_runs_and_everything_is_there_afterwards(tmp_path: Path) -> None:
    sfn = Client(tmp_path)
    running = sfn.start(sfn.create(WAIT))
    done = sfn.ended(sfn.start(sfn.create(machine(S=PASS), name="done"), 5))
    sfn.service.close("bye")
    again = Client(tmp_path)
    ended = again("DescribeExecution", executionArn=running)
    assert (ended["status"], ended["cause"]) == ("ABORTED", "bye")
    assert again("DescribeExecution", executionArn=done["executionArn"]) == done


_KILLED = """
import os, sys
from pathlib import Path
from support.stepfunctions import Client, machine
sfn = Client(Path(sys.argv[1]))
print(sfn.start(sfn.create(machine(W={"Type": "Wait", "Seconds": 60, "End": True}))), flush=True)
os.kill(os.getpid(), 9)
"""


def test_what_ran_when_the_process_was_killed_is_aborted(tmp_path: Path) -> None:
    path = os.pathsep.join(sys.path)
    command = [sys.executable, "-c", _KILLED, str(tmp_path)]
    killed = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    assert killed.returncode == -9, killed.stderr
    again = Client(tmp_path)
    ended = again("DescribeExecution", executionArn=killed.stdout.strip())
    assert (ended["status"], ended["cause"]) == ("ABORTED", "the process that ran this execution was killed")
    assert again.history(killed.stdout.strip())[-1]["type"] == "ExecutionAborted"


def test_a_thousand_passes_take_seconds_and_leave_no_thread(sfn: Client) -> None:
    chain = {f"S{index}": {"Type": "Pass", "Next": f"S{index + 1}"} for index in range(999)}
    before = threading.active_count()
    start = time.monotonic()
    ended = sfn.run(machine(**chain, S999=PASS))
    assert (ended["status"], time.monotonic() - start < 30) == ("SUCCEEDED", True)
    assert len(sfn.history(ended["executionArn"], maxResults=1000)) == 1000
    time.sleep(0.05)
    assert threading.active_count() <= before
