"""Tasks of state machines that call moto's services, in a process of its own, because importing moto is for ever."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

_PROGRAM = """\
import json, pathlib, sys, time
from datetime import datetime, timezone
import mlci_asl as asl
from mlci_emulator.server.data_folder import DataFolder
from mlci_emulator.server.service_assembly import EmulatorServices, ServerContext

parts = EmulatorServices(DataFolder(pathlib.Path(sys.argv[1])), ServerContext({}, {}, sys.executable, "auto", print))
moto = parts.handlers.services
REGION, ARN = "eu-west-1", "arn:aws:states:eu-west-1:000000000000"

def run(resource, parameters):
    task = {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Parameters": parameters, "End": True}
    machine = asl.load(json.dumps({"StartAt": "T", "States": {"T": task}}))
    context = asl.Context(
        execution_arn=f"{ARN}:execution:m:e", execution_name="e", role_arn="r", started=datetime.now(timezone.utc),
        machine_arn=f"{ARN}:stateMachine:m", machine_name="m",
    )
    ended = asl.execute(machine, "{}", context=context, handlers=parts.handlers, stop=asl.StopSignal(),
                        on_event=lambda event: None)
    return {"status": ended.status, "output": json.loads(ended.output or "null"), "error": ended.error,
            "cause": ended.cause}

"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    data = tmp_path_factory.mktemp("data")
    steps = """
queue = moto["sqs"].call("CreateQueue", {"QueueName": "q"}, REGION)["QueueUrl"]
moto["ssm"].call("PutParameter", {"Name": "/a", "Value": "b", "Type": "String"}, REGION)
def status_changes():
    queue = moto["sqs"].call("CreateQueue", {"QueueName": "events"}, REGION)["QueueUrl"]
    moto["eventbridge"].call("PutRule", {"Name": "r", "EventPattern": json.dumps({"source": ["aws.states"]})}, REGION)
    target = {"Id": "1", "Arn": f"arn:aws:sqs:{REGION}:000000000000:events"}
    moto["eventbridge"].call("PutTargets", {"Rule": "r", "Targets": [target]}, REGION)
    definition = json.dumps({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}})
    arn = moto["sfn"].call("CreateStateMachine", {"name": "m", "definition": definition,
        "roleArn": "arn:aws:iam::000000000000:role/r"}, REGION)["stateMachineArn"]
    moto["sfn"].call("StartExecution", {"stateMachineArn": arn, "name": "e", "input": "{}"}, REGION)
    received, until = [], time.monotonic() + 60
    while len(received) < 2 and time.monotonic() < until:
        answer = moto["sqs"].call("ReceiveMessage", {"QueueUrl": queue, "MaxNumberOfMessages": 10}, REGION)
        received += [json.loads(message["Body"]) for message in answer.get("Messages", [])]
        time.sleep(0.05)
    return received

told = {
    "sent": run("sqs:sendMessage", {"QueueUrl": queue, "MessageBody": {"x": 1}}),
    "received": moto["sqs"].call("ReceiveMessage", {"QueueUrl": queue}, REGION)["Messages"][0]["Body"],
    "no queue": run("sqs:sendMessage", {"QueueUrl": queue + "x", "MessageBody": "m"}),
    "details": run("events:putEvents", {"Entries": [
        {"Source": "s", "DetailType": "t", "Detail": detail} for detail in ({"a": 1}, "text", [1], "1")]}),
    "status changes": status_changes(),
    "no topic": run("sns:publish", {"TopicArn": f"arn:aws:sns:{REGION}:000000000000:no", "Message": "m"}),
    "read": run("aws-sdk:ssm:getParameter", {"Name": "/a"}),
    "not there": run("aws-sdk:ssm:getParameter", {"Name": "/none"}),
    "elsewhere": moto["ssm"].call("DescribeParameters", {}, "us-east-1")["Parameters"],
}
parts.close()
print(json.dumps(told))
"""
    command = [sys.executable, "-c", _PROGRAM + steps, str(data)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    told["records"] = [json.loads(line) for line in (data / "records" / "sqs.jsonl").read_text().splitlines()]
    return told


def test_a_queue_gets_what_a_state_machine_sends(told: dict[str, Any]) -> None:
    assert told["sent"]["status"] == "SUCCEEDED"
    assert json.loads(told["received"]) == {"x": 1}


def test_messages_are_recorded_as_they_were_answered(told: dict[str, Any]) -> None:
    (record,) = told["records"]
    assert (record["operation"], record["region"]) == ("SendMessage", "eu-west-1")
    assert record["answer"]["MessageId"] == told["sent"]["output"]["MessageId"]


def test_a_queue_that_is_not_there_fails_the_task(told: dict[str, Any]) -> None:
    """Its error code is that of an exception in SQS's model, which names the task's."""
    assert (told["no queue"]["status"], told["no queue"]["error"]) == ("FAILED", "SQS.QueueDoesNotExistException")
    assert "queue does not exist" in told["no queue"]["cause"]


def test_a_detail_that_is_no_object_fails_its_entry(told: dict[str, Any]) -> None:
    """As in the recorded test test_put_events_mixed_malformed_detail of LocalStack."""
    assert told["details"]["error"] == "EventBridge.FailedEntry"
    answer = json.loads(told["details"]["cause"])
    assert [entry.get("ErrorCode") for entry in answer["Entries"]] == [None, *["MalformedDetail"] * 3]
    assert answer["FailedEntryCount"] == 3


def test_an_execution_sends_its_changes_of_status(told: dict[str, Any]) -> None:
    """As in the recorded test test_event_bridge_events_base of LocalStack."""
    events = told["status changes"]
    assert [event["detail"]["status"] for event in events] == ["RUNNING", "SUCCEEDED"]
    arn = "arn:aws:states:eu-west-1:000000000000:execution:m:e"
    for event in events:
        assert (event["source"], event["detail-type"]) == ("aws.states", "Step Functions Execution Status Change")
        assert (event["account"], event["region"], event["version"]) == ("000000000000", "eu-west-1", "0")
        assert event["resources"] == [arn] == [event["detail"]["executionArn"]]
        assert isinstance(event["detail"]["startDate"], int)
    assert (events[0]["detail"]["output"], events[0]["detail"]["stopDate"]) == (None, None)
    assert events[1]["detail"]["output"] == "{}"


def test_a_topic_that_is_not_there_fails_the_task(told: dict[str, Any]) -> None:
    """As in the recorded test test_publish_base_error_topic_arn of LocalStack."""
    assert told["no topic"]["error"] == "SNS.NotFoundException"
    assert told["no topic"]["cause"].startswith("Topic does not exist (Service: AmazonSNS; Status Code: 404; ")


def test_sdk_integrations_ask_moto_in_the_execution_s_region(told: dict[str, Any]) -> None:
    assert told["read"]["output"]["Parameter"]["Value"] == "b"
    assert told["elsewhere"] == []
    assert told["not there"]["error"] == "Ssm.ParameterNotFoundException"
