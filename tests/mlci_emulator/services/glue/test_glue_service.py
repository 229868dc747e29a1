"""Glue's jobs and their runs: what a script gets, and how a run ends."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mlci_asl as asl
from mlci_emulator.embedded import EmbeddedEmulator, open_emulator
from mlci_emulator.identity import REGION
from mlci_emulator.jobs.job import JobSettings
from mlci_emulator.protocol.operations import ApiError
from mlci_emulator.services.glue import GlueService

SCRIPT = """
import sys
import boto3
from awsglue.utils import getResolvedOptions

options = getResolvedOptions(sys.argv, ["source", "target"])
bucket, _, key = options["source"][len("s3://"):].partition("/")
s3 = boto3.client("s3")
text = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
print("read", text)
if text == "bad":
    raise ValueError("no such data")
bucket, _, key = options["target"][len("s3://"):].partition("/")
s3.put_object(Bucket=bucket, Key=key, Body=text.upper().encode())
"""
COMMAND = {"Name": "pythonshell", "ScriptLocation": "s3://bucket/code/job.py", "PythonVersion": "3.9"}
MACHINE = {
    "StartAt": "run",
    "States": {
        "run": {
            "Type": "Task",
            "Resource": "arn:aws:states:::glue:startJobRun.sync",
            "Parameters": {"JobName": "upper", "Arguments.$": "$.arguments"},
            "End": True,
        }
    },
}


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[EmbeddedEmulator]:
    settings = JobSettings(tmp_path / "work", lambda name: tmp_path / f"{name}.log", sys.executable, {})
    with open_emulator(tmp_path / "store", settings) as emulator:
        emulator.store.put_bytes(SCRIPT.encode(), "s3://bucket/code/job.py")
        emulator.store.put_bytes(b"good", "s3://bucket/good.txt")
        emulator.store.put_bytes(b"bad", "s3://bucket/bad.txt")
        yield emulator


def glue(emulator: EmbeddedEmulator) -> GlueService:
    service = emulator.tasks.services["glue"]
    assert isinstance(service, GlueService)
    return service


def call(emulator: EmbeddedEmulator, operation: str, **request: Any) -> dict[str, Any]:
    return glue(emulator).call(operation, request, REGION)


def run(emulator: EmbeddedEmulator, source: str) -> asl.Outcome:
    call(
        emulator,
        "CreateJob",
        Name="upper",
        Role="r",
        Command=COMMAND,
        DefaultArguments={"--target": "s3://bucket/out.txt"},
    )
    machine = emulator.load(json.dumps(MACHINE))
    given = json.dumps({"arguments": {"--source": f"s3://bucket/{source}.txt"}})
    return emulator.execute(machine, given, "m", "e", lambda event: None, asl.StopSignal())


def test_a_script_reads_and_writes_the_store_with_its_arguments(emulator: EmbeddedEmulator, tmp_path: Path) -> None:
    outcome = run(emulator, "good")
    assert outcome.status == "SUCCEEDED", outcome.cause
    output = json.loads(outcome.output or "")
    assert (output["JobName"], output["JobRunState"]) == ("upper", "SUCCEEDED")
    assert isinstance(output["StartedOn"], int)
    with emulator.store.open("s3://bucket/out.txt") as stream:
        assert stream.read() == b"GOOD"
    assert "read good" in (tmp_path / "upper.log").read_text()


def test_a_script_that_fails_fails_the_task_with_its_run(emulator: EmbeddedEmulator) -> None:
    outcome = run(emulator, "bad")
    assert (outcome.status, outcome.error) == ("FAILED", "States.TaskFailed")
    cause = json.loads(outcome.cause or "")
    assert cause["JobRunState"] == "FAILED"
    assert cause["ErrorMessage"] == "Command failed with exit code 1: ValueError: no such data"


def started(emulator: EmbeddedEmulator, **changes: Any) -> str:
    call(emulator, "CreateJob", **{"Name": "upper", "Role": "r", "Command": COMMAND, **changes})
    return str(call(emulator, "StartJobRun", JobName="upper")["JobRunId"])


def ended(emulator: EmbeddedEmulator, run_id: str) -> dict[str, Any]:
    end = time.monotonic() + 20
    while True:
        found = call(emulator, "GetJobRun", JobName="upper", RunId=run_id)["JobRun"]
        if found["JobRunState"] != "RUNNING":
            return dict(found)
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_run_is_stopped_with_its_processes(emulator: EmbeddedEmulator) -> None:
    emulator.store.put_bytes(b"import time; time.sleep(60)", "s3://bucket/code/job.py")
    run_id = started(emulator)
    with pytest.raises(ApiError, match="Concurrent runs exceeded"):
        call(emulator, "StartJobRun", JobName="upper")
    call(emulator, "BatchStopJobRun", JobName="upper", JobRunIds=[run_id])
    assert ended(emulator, run_id)["JobRunState"] == "STOPPED"
    assert [each["Id"] for each in call(emulator, "GetJobRuns", JobName="upper")["JobRuns"]] == [run_id]


def test_a_stopped_execution_stops_its_run(emulator: EmbeddedEmulator) -> None:
    emulator.store.put_bytes(b"import time; time.sleep(60)", "s3://bucket/code/job.py")
    stop = asl.StopSignal()
    threading.Timer(0.5, stop.set, ("stopped", "by hand")).start()
    call(emulator, "CreateJob", Name="upper", Role="r", Command=COMMAND)
    machine = emulator.load(json.dumps(MACHINE))
    outcome = emulator.execute(machine, '{"arguments": {}}', "m", "e", lambda event: None, stop)
    assert outcome.status == "ABORTED"
    [run] = call(emulator, "GetJobRuns", JobName="upper")["JobRuns"]
    assert ended(emulator, run["Id"])["JobRunState"] == "STOPPED"


def test_a_script_that_is_not_there_fails_its_run(emulator: EmbeddedEmulator) -> None:
    run_id = started(emulator, Command={**COMMAND, "ScriptLocation": "s3://bucket/none.py"})
    assert "does not exist" in ended(emulator, run_id)["ErrorMessage"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"Command": {**COMMAND, "Name": "glueetl"}}, 'Python shell jobs alone, and "upper"'),
        ({"DefaultArguments": {"--extra-py-files": "s3://bucket/x.whl"}}, "does not do --extra-py-files"),
        ({"Command": {"Name": "pythonshell"}}, "must have a ScriptLocation"),
    ],
)
def test_what_cannot_run_here_is_refused(emulator: EmbeddedEmulator, changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ApiError, match=expected):
        started(emulator, **changes)


def test_jobs_are_created_changed_listed_and_deleted(emulator: EmbeddedEmulator, tmp_path: Path) -> None:
    settings = JobSettings(tmp_path / "work", lambda name: tmp_path / name, sys.executable, {})
    first = GlueService(emulator.store, settings, dict, tmp_path / "glue.sqlite")
    first.call("CreateJob", {"Name": "a", "Role": "r", "Command": COMMAND, "Tags": {"k": "v"}}, REGION)
    with pytest.raises(ApiError, match="AlreadyExists"):
        first.call("CreateJob", {"Name": "a", "Role": "r", "Command": COMMAND}, REGION)
    first.call("UpdateJob", {"JobName": "a", "JobUpdate": {"Role": "s", "Command": COMMAND}}, REGION)
    first.close()
    other = GlueService(emulator.store, settings, dict, tmp_path / "glue.sqlite")
    job = other.call("GetJob", {"JobName": "a"}, REGION)["Job"]
    assert (job["Role"], "Tags" in job, job["CreatedOn"].year >= 2026) == ("s", False, True)
    assert other.call("ListJobs", {}, REGION) == {"JobNames": ["a"]}
    other.call("DeleteJob", {"JobName": "a"}, REGION)
    other.call("DeleteJob", {"JobName": "a"}, REGION)
    with pytest.raises(ApiError, match="EntityNotFound"):
        other.call("GetJob", {"JobName": "a"}, REGION)
    with pytest.raises(ApiError, match="no CreateCrawler"):
        other.call("CreateCrawler", {}, REGION)
    other.close()
