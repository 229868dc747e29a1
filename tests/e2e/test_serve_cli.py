"""The AWS CLI, a client that we did not write: a training job from create to logs, a machine that waits for a job."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.project import clean_environment
from support.serving import Serving, serving

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("aws") is None, reason="there is no AWS CLI on the PATH"),
]

ROLE = "arn:aws:iam::000000000000:role/any"
TRAIN = """
import argparse, os, pathlib
rows = (pathlib.Path(os.environ["SM_CHANNEL_TRAIN"]) / "rows.csv").read_text().split()
print("rows:", len(rows))
(pathlib.Path(os.environ["SM_MODEL_DIR"]) / "model.txt").write_text(str(len(rows)))
"""
COUNT = """
import pathlib
text = pathlib.Path("/opt/ml/processing/input/rows/rows.csv").read_text()
pathlib.Path("/opt/ml/processing/output/count/count.txt").write_text(str(len(text.split())))
"""


class Cli:
    """`aws`, which knows nothing but what the server printed."""

    def __init__(self, served: Serving, folder: Path) -> None:
        self._environment = clean_environment({**served.exports, "AWS_CONFIG_FILE": "/dev/null", "AWS_PAGER": ""})
        self.folder = folder

    def __call__(self, *arguments: str) -> Any:
        done = subprocess.run(
            ["aws", *arguments, "--output", "json"],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.startswith(("{", "[", '"')) else done.stdout


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Cli]:
    with serving(tmp_path / "data") as served:
        cli = Cli(served, tmp_path)
        (tmp_path / "rows.csv").write_text("a\nb\nc\n")
        (tmp_path / "count.py").write_text(COUNT)
        with tarfile.open(tmp_path / "sourcedir.tar.gz", "w:gz") as archive:
            entry = tarfile.TarInfo("train.py")
            entry.size = len(TRAIN)
            archive.addfile(entry, io.BytesIO(TRAIN.encode()))
        cli("s3", "mb", "s3://data")
        for name in ("rows.csv", "count.py", "sourcedir.tar.gz"):
            cli("s3", "cp", name, f"s3://data/in/{name}")
        yield cli


def test_a_training_job_from_create_to_logs(aws: Cli) -> None:
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://data/in/rows.csv"}
    job = {
        "TrainingJobName": "by-cli",
        "RoleArn": ROLE,
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "HyperParameters": {
            "sagemaker_program": '"train.py"',
            "sagemaker_submit_directory": '"s3://data/in/sourcedir.tar.gz"',
        },
        "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        "OutputDataConfig": {"S3OutputPath": "s3://data/models"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }
    aws("sagemaker", "create-training-job", "--cli-input-json", json.dumps(job))
    aws("sagemaker", "wait", "training-job-completed-or-stopped", "--training-job-name", "by-cli")
    described = aws("sagemaker", "describe-training-job", "--training-job-name", "by-cli")
    assert described["TrainingJobStatus"] == "Completed", described
    group = ("--log-group-name", "/aws/sagemaker/TrainingJobs")
    stream = aws("logs", "describe-log-streams", *group, "--log-stream-name-prefix", "by-cli/")["logStreams"][0]
    events = aws("logs", "get-log-events", *group, "--log-stream-name", stream["logStreamName"])["events"]
    assert [event["message"] for event in events] == ["rows: 3"]
    aws("s3", "cp", described["ModelArtifacts"]["S3ModelArtifacts"], "model.tar.gz")
    with tarfile.open(aws.folder / "model.tar.gz") as model:
        assert model.getnames() == ["model.txt"]


def test_a_machine_waits_for_a_processing_job(aws: Cli) -> None:
    place = "/opt/ml/processing"
    plain = {"S3DataType": "S3Prefix", "S3InputMode": "File"}
    inputs = [
        {"InputName": name, "S3Input": {**plain, "S3Uri": f"s3://data/in/{file}", "LocalPath": f"{place}/input/{name}"}}
        for name, file in (("code", "count.py"), ("rows", "rows.csv"))
    ]
    target = {"S3Uri": "s3://data/out", "LocalPath": f"{place}/output/count", "S3UploadMode": "EndOfJob"}
    parameters = {
        "ProcessingJobName.$": "$$.Execution.Name",
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": "image", "ContainerEntrypoint": ["python3", f"{place}/input/code/count.py"]},
        "ProcessingInputs": inputs,
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "count", "S3Output": target}]},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
        },
    }
    resource = "arn:aws:states:::sagemaker:createProcessingJob.sync"
    task = {"Type": "Task", "Resource": resource, "Parameters": parameters, "OutputPath": "$.ProcessingJobStatus"}
    definition = json.dumps({"StartAt": "Count", "States": {"Count": {**task, "End": True}}})
    made = ("--name", "count", "--role-arn", ROLE, "--definition", definition)
    machine = aws("stepfunctions", "create-state-machine", *made)["stateMachineArn"]
    started = aws("stepfunctions", "start-execution", "--state-machine-arn", machine, "--name", "count-1")
    execution = ("--execution-arn", started["executionArn"])
    until = time.monotonic() + 60
    while (found := aws("stepfunctions", "describe-execution", *execution))["status"] == "RUNNING":
        assert time.monotonic() < until, found
    assert (found["status"], found.get("output")) == ("SUCCEEDED", '"Completed"'), found
    assert aws("s3", "cp", "s3://data/out/count.txt", "-").strip() == "3"
    types = [event["type"] for event in aws("stepfunctions", "get-execution-history", *execution)["events"]]
    assert types[-4:] == ["TaskSubmitted", "TaskSucceeded", "TaskStateExited", "ExecutionSucceeded"]
