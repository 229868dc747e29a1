"""The copy of a model to the run's folder: at once, or in parts if it is too large for that."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlci.backends.events import Event
from mlci.backends.progress import Progress, StepState
from mlci.compile import Compiled, compile_plan
from mlci.compile import time_limit as limits
from mlci.compile.names import step_of_state
from mlci.flow import load
from mlci.plan import Plan, Target, plan
from mlci.stage.models import CodeUnit, Staged, StagedFile
from mlci.step_types import model_copy
from mlci.step_types.script_start import ScriptStart
from mlci_asl import Json, TaskCall, TaskError
from mlci_emulator.integrations import Integrations, MessageRecords
from mlci_emulator.services.s3 import S3, copy_object
from mlci_emulator.store.directory import DirectoryStore
from support.examples import examples
from support.executions import Run, ScriptedHandlers, run

FLOW = """flow: large
steps:
  train-a: {uses: training, run: a.py, image: "mine.example/image:7", request: REQUEST}
"""
GIB = 1 << 30
TOO_LARGE = "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120"
CAUSE = f"{TOO_LARGE} (Service: S3, Status Code: 400, Request ID: 0A1B2C3D, Extended Request ID: 0a1b2c3d)"
BUSY = "Please reduce your request rate. (Service: S3, Status Code: 503, Request ID: 0A1B2C3D)"
KEY = "arn:aws:kms:eu-west-1:000000000000:key/1234abcd"
COPY, PART = "train-a: keep the model", "train-a: copy a part"
ABORT = "train-a: abort the copy"


def planned(request: str = "{}") -> Plan:
    flow = load(FLOW.replace("REQUEST", request).encode(), "flow.yaml", {}, {})
    files = (StagedFile("a.py", "0" * 64, 0, Path("a.py"), b""),)
    staged = Staged(
        {"train-a": CodeUnit(ScriptStart({"script": "a.py"}), files, files)}, {}, {"train-a": "mine.example/image:7"}
    )
    return plan(flow, staged, Target("bucket", "arn:aws:iam::000000000000:role/r", "20261123-101530-3f9c2a"))


def compiled(request: str = "{}") -> Compiled:
    return compile_plan(planned(request), lambda key, compute: compute())


# --- The state machine, on calls that are written down ----------------------------------------------------------------


@dataclass
class LargeModel(ScriptedHandlers):
    """S3 with a model of this size, which it does not copy at once. `failures` are causes, by state and in turn."""

    size_bytes: int = 6 * GIB
    failures: Mapping[str, list[str]] = field(default_factory=dict)

    def supports(self, resource: str) -> bool:
        return True

    def __call__(self, task: TaskCall) -> Json:
        assert isinstance(task.parameters, dict)
        self.calls.append(task)
        if causes := self.failures.get(task.state):
            raise TaskError("S3.S3Exception", causes.pop(0))
        match task.resource.rpartition(":")[2]:
            case "copyObject":
                raise TaskError("S3.S3Exception", CAUSE)
            case "headObject":
                return {"ContentLength": self.size_bytes}
            case "createMultipartUpload":
                return {"UploadId": "an upload"}
            case "uploadPartCopy":
                number = task.parameters["PartNumber"]
                return {"CopyPartResult": {"ETag": f'"{number}"', "ChecksumCRC32": "AAAAAA==", "LastModified": ""}}
            case "completeMultipartUpload":
                return {"ETag": '"all"'}
        return {**task.parameters}

    def of(self, action: str) -> list[dict[str, Any]]:
        """The parameters of an action's calls, in order."""
        calls = [call.parameters for call in self.calls if call.resource.endswith(f"s3:{action}")]
        return [call for call in calls if isinstance(call, dict)]


@functools.cache
def plain() -> Compiled:
    return compiled()


def copied(size_bytes: int = 6 * GIB, failures: Mapping[str, list[str]] | None = None) -> tuple[Run, LargeModel]:
    handlers = LargeModel(size_bytes=size_bytes, failures=failures or {})
    return run(plain().definition, json.loads(plain().execution_input), handlers=handlers), handlers


@settings(max_examples=examples(15))
@given(st.integers(5 * GIB + 1, 60 * model_copy.PART_BYTES))
@example(3 * model_copy.PART_BYTES)
@example(3 * model_copy.PART_BYTES - 1)
@example(3 * model_copy.PART_BYTES + 1)
def test_the_parts_are_the_whole_model(size_bytes: int) -> None:
    result, s3 = copied(size_bytes)
    assert result.outcome.status == "SUCCEEDED", result.outcome
    parts = sorted(s3.of("uploadPartCopy"), key=lambda part: int(part["PartNumber"]))
    assert [part["PartNumber"] for part in parts] == list(range(1, len(parts) + 1))
    ranges = [re.fullmatch(r"bytes=(\d+)-(\d+)", part["CopySourceRange"]) for part in parts]
    starts, ends = zip(*((int(found[1]), int(found[2]) + 1) for found in ranges if found), strict=True)
    assert (starts[0], *ends) == (*starts, size_bytes)
    assert {end - start for start, end in zip(starts[:-1], ends, strict=False)} == {model_copy.PART_BYTES}
    (complete,) = s3.of("completeMultipartUpload")
    assert complete["MultipartUpload"]["Parts"] == [
        {"PartNumber": part["PartNumber"], "ETag": f'"{part["PartNumber"]}"', "ChecksumCRC32": "AAAAAA=="}
        for part in parts
    ]
    assert {part["CopySource"] for part in parts} == {s3.of("copyObject")[0]["CopySource"]}
    head = s3.of("headObject")[0]
    assert f"{head['Bucket']}/{head['Key']}" == parts[0]["CopySource"]


def test_the_parts_of_the_largest_model_fit_into_the_states_data() -> None:
    result, s3 = copied(model_copy.MAX_PARTS * model_copy.PART_BYTES)
    assert result.outcome.status == "SUCCEEDED", result.outcome
    assert len(s3.of("uploadPartCopy")) == model_copy.MAX_PARTS
    assert len(json.dumps(result.output)) < 10_000  # what follows does not carry the parts along


def test_a_model_with_more_parts_fails_before_an_upload_begins() -> None:
    result, s3 = copied(model_copy.MAX_PARTS * model_copy.PART_BYTES + 1)
    assert result.outcome.error == "States.IntrinsicFailure"
    assert s3.of("createMultipartUpload") == []


def test_a_part_that_fails_for_good_ends_the_upload_and_the_run() -> None:
    result, s3 = copied(failures={PART: ["Access Denied (Service: S3, Status Code: 403)"]})
    assert result.outcome.error == "S3.S3Exception"
    assert "Access Denied" in str(result.outcome.cause)
    assert len(s3.of("abortMultipartUpload")) == 1
    assert s3.of("completeMultipartUpload") == []


def test_a_part_that_fails_for_now_begins_another_upload() -> None:
    result, s3 = copied(failures={PART: [BUSY]})
    assert result.outcome.status == "SUCCEEDED", result.outcome
    assert [pause for pause in result.pauses if pause >= 1] == [30]
    actions = ("copyObject", "createMultipartUpload", "abortMultipartUpload")
    assert [len(s3.of(action)) for action in actions] == [2, 2, 1]


def test_an_upload_that_can_not_be_aborted_fails_with_the_first_reason() -> None:
    refused = "The bucket does not allow it (Service: S3, Status Code: 403)"
    result, _ = copied(failures={PART: [refused], ABORT: ["no such upload"]})
    assert "The bucket does not allow it" in str(result.outcome.cause)


def test_other_refusals_of_the_copy_begin_no_upload() -> None:
    result, s3 = copied(failures={COPY: ["Access Denied (Service: S3, Status Code: 403)"]})
    assert result.outcome.status == "FAILED"
    assert s3.of("headObject") == []


def test_the_time_limit_leaves_time_for_all_parts() -> None:
    step = planned().steps["train-a"]
    values = {**step.execution_input, "timeout_s": 0}
    short = replace(planned(), steps={"train-a": replace(step, execution_input=values)})
    assert limits.longest_path_s(short, "train-a") > model_copy.MAX_PARTS / 40 * 300


def test_a_copy_that_goes_on_in_parts_is_no_failure_of_the_step() -> None:
    progress = Progress({"train-a": StepState("succeeded", title="keep the model")}, {1: "train-a"})

    def after(cause: str) -> StepState:
        details: dict[str, Json] = {"taskFailedEventDetails": {"error": "S3.S3Exception", "cause": cause}}
        return progress.after(Event(2, 1, datetime(2026, 1, 1, tzinfo=timezone.utc), "TaskFailed", details)).steps[
            "train-a"
        ]

    assert after(CAUSE).status == "running"
    assert after("Access Denied").status == "failed"


def test_each_state_of_the_copy_belongs_to_its_step() -> None:
    states = json.loads(plain().definition)["States"]
    inner = [name for state in states.values() if state["Type"] == "Map" for name in state["ItemProcessor"]["States"]]
    tasks = [name for name, state in states.items() if state["Type"] in ("Task", "Map")]
    undo = "train-a: abort the copy"  # after a failure, which it does not make a success
    assert undo in tasks
    assert step_of_state(undo, ["train-a"]) is None
    assert {step_of_state(name, ["train-a"]) for name in (*tasks, *inner) if name != undo} == {"train-a"}


# --- The emulator's S3 ------------------------------------------------------------------------------------------------

MIB = 1 << 20


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """An S3 that copies 5 MiB at once, for a state machine that copies so much."""
    monkeypatch.setattr(copy_object, "MAX_SOURCE_BYTES", 5 * MIB)
    monkeypatch.setattr(model_copy, "PART_BYTES", 5 * MIB)
    service = S3(DirectoryStore(tmp_path), None)
    service.call("CreateBucket", {"Bucket": "bucket"}, "us-east-1")
    yield service
    service.close()


@dataclass
class Trained(ScriptedHandlers):
    """Handlers of the emulator; a job leaves this model."""

    tasks: Integrations | None = None
    s3: S3 | None = None
    model: bytes = b""
    prefix: str = ""

    def supports(self, resource: str) -> bool:
        return True

    def __call__(self, task: TaskCall) -> Json:
        assert self.s3 is not None
        assert self.tasks is not None
        if "s3:" in task.resource:
            return self.tasks(task)
        assert isinstance(task.parameters, dict)
        key = f"{self.prefix}/{task.parameters['TrainingJobName']}/output/model.tar.gz"
        self.s3.call("PutObject", {"Bucket": "bucket", "Key": key, "Body": self.model}, "us-east-1")
        return task.parameters


@pytest.mark.parametrize(("size_bytes", "key"), [(5 * MIB, ""), (5 * MIB + 1, ""), (10 * MIB, KEY), (10 * MIB + 7, "")])
def test_the_emulators_s3_copies_a_model_of_any_size(s3: S3, size_bytes: int, key: str) -> None:
    made = compiled(f"{{OutputDataConfig: {{KmsKeyId: '{key}'}}}}" if key else "{}")
    model = bytes(range(251)) * (size_bytes // 251) + b"x" * (size_bytes % 251)
    values = json.loads(made.execution_input)
    place = values["steps"]["train-a"]["model"]
    tasks = Integrations(s3, None, None, MessageRecords(None))  # type: ignore[arg-type]
    result = run(
        made.definition,
        values,
        handlers=Trained(tasks=tasks, s3=s3, model=model, prefix=place["from_prefix"].rstrip("/")),
    )
    assert result.outcome.status == "SUCCEEDED", result.outcome
    got = s3.call("GetObject", {"Bucket": place["bucket"], "Key": place["key"]}, "us-east-1")
    with got["Body"] as stream:
        assert stream.read() == model
    assert (got["ServerSideEncryption"], got.get("SSEKMSKeyId", "")) == (("aws:kms", key) if key else ("AES256", ""))
    assert ("-" in got["ETag"]) == (size_bytes > 5 * MIB)
    assert not s3.call("ListMultipartUploads", {"Bucket": "bucket"}, "us-east-1").get("Uploads")
