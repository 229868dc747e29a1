"""`mlci execute` of a definition with a Lambda function, S3, a training job and a message."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import pytest

from support.project import Project

pytestmark = pytest.mark.e2e

FUNCTION = """
def handler(event, context):
    print("rows", event["rows"])
    if event["rows"] > 3:
        raise ValueError("too many")
    return {"depth": str(event["rows"] + 1)}
"""
TRAIN = """
import json, os
depth = json.loads(os.environ["SM_HPS"])["depth"]
with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"), "w") as file:
    file.write(f"depth {depth}")
"""
MACHINE: Any = {
    "StartAt": "count",
    "States": {
        "count": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
            "Parameters": {"Bucket": "data", "Key": "rows.json"},
            "ResultSelector": {"rows.$": "States.StringToJson($.Body)"},
            "Next": "choose",
        },
        "choose": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": "choose", "Payload.$": "$"},
            "OutputPath": "$.Payload",
            "Catch": [{"ErrorEquals": ["ValueError"], "Next": "tell"}],
            "Next": "train",
        },
        "train": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync",
            "Parameters": {
                "TrainingJobName": "small",
                "RoleArn": "arn:aws:iam::000000000000:role/any-role",
                "AlgorithmSpecification": {"TrainingImage": "any/image:1", "TrainingInputMode": "File"},
                "HyperParameters": {
                    "sagemaker_program": '"train.py"',
                    "sagemaker_submit_directory": '"s3://data/code.tar.gz"',
                    "depth.$": "$.depth",
                },
                "OutputDataConfig": {"S3OutputPath": "s3://data/models"},
                "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1},
                "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            },
            "ResultSelector": {"model.$": "$.ModelArtifacts.S3ModelArtifacts"},
            "Next": "tell",
        },
        "tell": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage",
            "Parameters": {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/000000000000/done", "MessageBody.$": "$"},
            "ResultPath": None,
            "End": True,
        },
    },
}


@pytest.fixture
def ready(project: Project) -> Project:
    project.write("machine.json", json.dumps(MACHINE))
    project.write("choose.py", FUNCTION)
    project.write("store/data/rows.json", "3")
    with tarfile.open(project.root / "store/data/code.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo("train.py")
        member.size = len(TRAIN)
        tar.addfile(member, io.BytesIO(TRAIN.encode()))
    return project


def records(project: Project) -> list[Any]:
    text = (project.root / "store/.mlci/records/sqs.jsonl").read_text()
    return [json.loads(json.loads(line)["request"]["MessageBody"]) for line in text.splitlines()]


COMMAND = ("execute", "machine.json", "--store", "store", "--function", "choose=choose.py")


def test_a_function_an_object_a_job_and_a_message(ready: Project) -> None:
    done = ready.mlci(*COMMAND)
    assert done.returncode == 0, done.stderr
    output = json.loads(done.stdout)
    assert output == {"model": "s3://data/models/small/output/model.tar.gz"}
    assert records(ready) == [output]
    with tarfile.open(ready.root / "store/data/models/small/output/model.tar.gz") as tar:
        model = tar.extractfile("model.txt")
        assert model is not None
        assert model.read() == b"depth 4"
    assert "rows 3" in (ready.root / "store/.mlci-logs/lambda-choose.log").read_text()


def test_a_functions_exception_can_be_caught_by_its_name(ready: Project) -> None:
    ready.write("store/data/rows.json", "5")
    done = ready.mlci(*COMMAND)
    assert done.returncode == 0, done.stderr
    (message,) = records(ready)
    assert message["Error"] == "ValueError"
    assert json.loads(message["Cause"])["errorMessage"] == "too many"


def test_what_needs_step_functions_itself_is_refused(project: Project) -> None:
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::states:startExecution.sync",
        "Parameters": {"StateMachineArn": "a"},
        "End": True,
    }
    project.write("machine.json", json.dumps({"StartAt": "a", "States": {"a": state}}))
    done = project.mlci("execute", "machine.json", "--store", "store")
    assert done.returncode == 2
    assert "/States/a/Resource: " in done.stderr
    assert "needs Step Functions itself: run the machine in `mlci serve`" in done.stderr


def test_an_option_that_names_no_function_is_refused(project: Project) -> None:
    project.write("machine.json", json.dumps(MACHINE))
    done = project.mlci(*COMMAND)
    assert done.returncode == 2
    assert 'there is no Python file "choose.py"' in done.stderr
