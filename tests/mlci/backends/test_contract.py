"""What both clouds keep to, whichever it is: the local one, and the aws one on a pretended AWS and on `mlci serve`."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlci.backends.aws.backend import AwsCloud, AwsTarget, aws_cloud
from mlci.backends.aws.caller_identity import identify
from mlci.backends.aws.session import open_session
from mlci.backends.events import Event
from mlci.backends.local_cloud import open_local
from mlci.backends.progress import Progress, initial_progress
from mlci.backends.protocol import Cloud, ObjectCopy, Outcome
from mlci.backends.stop_signal import StopSignal
from mlci.compile import Compiled
from mlci.errors import CloudError
from mlci.plan import Plan
from mlci.plan.models import S3Uri, Upload
from mlci.run import run
from mlci.running.planned_run import prepare
from mlci_emulator.jobs.job import JobSettings
from support.aws_account import Account, account
from support.aws_builds import FLOW, Builder
from support.fake_aws import BUCKET, Script
from support.staged_files import staged_data

TRAIN = "import os\nopen(os.path.join(os.environ['SM_MODEL_DIR'], 'model.json'), 'w').write('{}')\nprint('a line')\n"
SLOW = "import time\ntime.sleep(60)\n"
FAILING = "print('a line')\nraise ValueError('no such column: age')\n"
MEASURE = (
    "import json, os\n"
    "os.makedirs('/opt/ml/processing/output/out', exist_ok=True)\n"
    "json.dump({'auc': 0.95}, open('/opt/ml/processing/output/out/metrics.json', 'w'))\n"
)
OTHER = FLOW.replace("gate:", "  extra: {uses: processing, run: measure.py}\ngate:")


@dataclass
class Side:
    """One cloud, and what its tests need: the same flow, with a step `train` that trains, sleeps or fails."""

    builder: Builder
    cloud: Cloud
    events: list[Event] = field(default_factory=list)

    def train(self, source: str) -> None:
        (self.builder.root / "train.py").write_text(source)
        script = {
            SLOW: Script(seconds=60),
            FAILING: Script(fails="AlgorithmError: ValueError: no such column: age"),
        }.get(source, Script())
        self.builder.aws.sagemaker.scripts["train"] = script

    def planned(self, flow: str = FLOW) -> tuple[Plan, Compiled]:
        (self.builder.root / "flow.yaml").write_text(flow)
        return prepare(self.builder.flow(), self.builder.context())

    def execute(self, planned: Plan, compiled: Compiled, stop: StopSignal) -> Outcome:
        version = self.cloud.publish("small", compiled.definition)
        self.cloud.upload(planned.uploads, stop)
        return self.cloud.run(version, planned.target.run_id, compiled.execution_input, self.events.append, stop)

    def progress(self, planned: Plan) -> Progress:
        progress = initial_progress(planned.steps)
        for event in self.events:
            before, progress = progress.steps, progress.after(event)
            assert {name for name, step in progress.steps.items() if step != before[name]} <= {*progress.changed}
        return progress


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with account(tmp_path_factory.mktemp("served"), BUCKET) as made:
        yield made


@pytest.fixture
def served_cloud(builder: Builder, served: Account, monkeypatch: pytest.MonkeyPatch) -> AwsCloud:
    """The aws cloud on `mlci serve`, as the command opens it."""
    for name, value in served.environment.items():
        monkeypatch.setenv(name, value)
    session = open_session(served.region)
    target = AwsTarget(identify(session), session.region, served.environment["MLCI_WORKFLOW_ROLE"])
    return aws_cloud(
        session, target, ("training", "processing"), lambda job: builder.root / "logs" / f"{job}.log", builder.log.log
    )


@pytest.fixture(params=["local", "aws", "served"])
def side(request: pytest.FixtureRequest, builder: Builder) -> Iterator[Side]:
    (builder.root / "measure.py").write_text(MEASURE)
    if request.param != "local":
        cloud = builder.cloud(builder.flow()) if request.param == "aws" else request.getfixturevalue("served_cloud")
        made = Side(builder, cloud)
        made.train(TRAIN)
        yield made
        return
    logs: Callable[[str], Path] = lambda job: builder.root / "logs" / f"{job}.log"  # noqa: E731
    settings = JobSettings(builder.root / "work", logs, sys.executable, environment=dict(os.environ))
    with open_local(builder.root / "store", lambda: settings) as cloud:
        made = Side(builder, cloud)
        made.train(TRAIN)
        yield made


def test_objects_are_whole_or_not_there(side: Side) -> None:
    uri = f"s3://{BUCKET}/mlci/small/a.json"
    assert side.cloud.read(uri) is None
    side.cloud.write(uri, b"one")
    side.cloud.write(uri, b"two")
    assert side.cloud.read(uri) == b"two"


def test_an_object_is_replaced_only_if_it_is_still_the_one_that_was_read(side: Side) -> None:
    uri = f"s3://{BUCKET}/mlci/small/replaced.json"
    assert side.cloud.read_tagged(uri) is None
    assert not side.cloud.replace(uri, b"one", "no such tag")
    assert side.cloud.replace(uri, b"one", None)
    assert not side.cloud.replace(uri, b"two", None)
    first = side.cloud.read_tagged(uri)
    assert first is not None
    assert first.data == b"one"
    assert side.cloud.replace(uri, b"two", first.tag)
    assert not side.cloud.replace(uri, b"three", first.tag)
    assert side.cloud.read(uri) == b"two"
    assert uri in side.cloud.list(f"s3://{BUCKET}/mlci/small/repl")
    assert uri not in side.cloud.list(f"s3://{BUCKET}/mlci/small/x")


def test_versions_tell_each_object_s_size_and_content(side: Side) -> None:
    folder = f"s3://{BUCKET}/mlci/small/versions/"
    assert side.cloud.versions(folder) == {}
    for name, data in (("a", b"one"), ("b/c", b"two"), ("b/d", b"one"), ("b2", b"")):
        side.cloud.write(f"{folder}{name}", data)
    before = side.cloud.versions(folder)
    assert {uri.removeprefix(folder): size for uri, (size, _) in before.items()} == {
        "a": 3,
        "b/c": 3,
        "b/d": 3,
        "b2": 0,
    }
    assert before[f"{folder}a"] == before[f"{folder}b/d"] != before[f"{folder}b/c"]
    assert list(side.cloud.versions(folder, 2)) == [f"{folder}a", f"{folder}b/c"]
    assert side.cloud.versions(f"{folder}b/") == {uri: before[uri] for uri in (f"{folder}b/c", f"{folder}b/d")}
    side.cloud.write(f"{folder}a", b"two")
    assert side.cloud.versions(f"{folder}a", 1) == {f"{folder}a": before[f"{folder}b/c"]}


def test_objects_are_copied_within_the_store(side: Side) -> None:
    folder = f"s3://{BUCKET}/mlci/small/copied/"
    side.cloud.write(f"{folder}from/a b+c.csv", b"one")
    side.cloud.write(f"{folder}from/inner/d", b"")
    copies = [
        ObjectCopy(uri, uri.replace("/from/", "/to/"), *version)
        for uri, version in side.cloud.versions(f"{folder}from/").items()
    ]
    done: list[int] = []
    side.cloud.copy(copies, done.append)
    assert sorted(done) == [0, 3]
    assert side.cloud.read(f"{folder}to/a b+c.csv") == b"one"
    assert side.cloud.versions(f"{folder}to/") == {
        uri.replace("/from/", "/to/"): version for uri, version in side.cloud.versions(f"{folder}from/").items()
    }


@pytest.mark.parametrize("side", ["local", "served"], indirect=True)  # moto copies whatever is there
def test_a_copy_is_of_what_was_listed(side: Side) -> None:
    source, target = (f"s3://{BUCKET}/mlci/small/listed/{name}" for name in "ab")
    side.cloud.write(source, b"one")
    copies = [ObjectCopy(source, target, *side.cloud.versions(source)[source])]
    side.cloud.write(source, b"two")
    with pytest.raises(CloudError):
        side.cloud.copy(copies, lambda size_bytes: None)
    assert side.cloud.read(target) is None


@pytest.mark.parametrize("side", ["local", "served"], indirect=True)  # moto's check and write are two steps
def test_of_writers_that_race_each_replaces_what_it_read(side: Side) -> None:
    uri = f"s3://{BUCKET}/mlci/small/raced.json"

    def count(times: int) -> None:
        while times:
            found = side.cloud.read_tagged(uri)
            number = int(found.data) if found else 0
            times -= side.cloud.replace(uri, str(number + 1).encode(), found.tag if found else None)

    threads = [threading.Thread(target=count, args=(5,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert side.cloud.read(uri) == b"20"


def test_a_prefix_is_empty_until_an_object_s_uri_begins_with_it(side: Side) -> None:
    prefix = f"s3://{BUCKET}/mlci/small/out/"
    assert side.cloud.is_empty(prefix)
    side.cloud.write(f"{prefix}inner/a.json", b"one")
    assert not side.cloud.is_empty(prefix)
    assert side.cloud.is_empty(f"{prefix}other")


def test_what_is_there_is_not_uploaded(side: Side, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"x")
    uploads = [
        Upload(S3Uri(f"{unit}x.csv"), unit, (staged_data(tmp_path / "x.csv", "x.csv"),))
        for unit in (S3Uri(f"s3://{BUCKET}/mlci/small/data/{digest}/") for digest in ("d1", "d2"))
    ]
    assert side.cloud.upload(uploads[:1], StopSignal()) == 1
    assert side.cloud.missing(uploads) == uploads[1:]
    assert side.cloud.upload(uploads, StopSignal()) == 1
    assert side.cloud.missing(uploads) == []
    assert side.cloud.read(uploads[1].uri) == b"x"


def test_an_execution_tells_its_whole_story_in_order(side: Side) -> None:
    planned, compiled = side.planned()
    outcome = side.execute(planned, compiled, StopSignal())
    assert (outcome.status, outcome.error, outcome.cause) == ("SUCCEEDED", "", "")
    assert outcome.execution.endswith(f":execution:mlci-small:{planned.target.run_id}")
    assert [event.id for event in side.events] == list(range(1, len(side.events) + 1))
    assert all(event.previous_id < event.id for event in side.events)
    assert (side.events[0].type, side.events[-1].type) == ("ExecutionStarted", "ExecutionSucceeded")
    steps = side.progress(planned).steps
    assert {name: step.status for name, step in steps.items()} == {"train": "succeeded", "measure": "succeeded"}
    assert steps["train"].job == f"{planned.steps['train'].job}-0-0"
    assert side.cloud.read(planned.steps["measure"].metrics or "") == b'{"auc": 0.95}'


def test_a_job_that_fails_fails_the_execution_in_its_own_words(side: Side) -> None:
    side.train(FAILING)
    planned, compiled = side.planned()
    outcome = side.execute(planned, compiled, StopSignal())
    assert outcome.status == "FAILED"
    step = side.progress(planned).steps["train"]
    assert step.status == "failed"
    assert "ValueError: no such column: age" in (step.reason or "")
    assert side.progress(planned).steps["measure"].status == "waiting"


def test_each_version_runs_its_own_definition(side: Side) -> None:
    first, of_first = side.planned()
    second, of_second = side.planned(OTHER)
    version = side.cloud.publish("small", of_first.definition)
    other = side.cloud.publish("small", of_second.definition)
    assert version != other
    assert side.cloud.publish("small", of_second.definition) == other
    uploads = {upload.uri: upload for upload in (*first.uploads, *second.uploads)}  # a plan names each object once
    side.cloud.upload(uploads.values(), StopSignal())
    side.cloud.run(version, first.target.run_id, of_first.execution_input, side.events.append, StopSignal())
    assert "extra" not in {_entered(event) for event in side.events}
    side.cloud.run(other, second.target.run_id, of_second.execution_input, side.events.append, StopSignal())
    assert "extra" in {_entered(event) for event in side.events}


def test_a_stop_ends_the_execution_and_its_jobs(side: Side) -> None:
    side.train(SLOW)
    planned, compiled = side.planned()
    stop, outcomes = StopSignal(), list[Outcome]()
    running = threading.Thread(target=lambda: outcomes.append(side.execute(planned, compiled, stop)))
    running.start()
    end = time.monotonic() + 60
    while not any(event.type == "TaskSubmitted" for event in side.events):
        assert time.monotonic() < end
        time.sleep(0.01)
    stop.set("mlci.Stopped", "stopped by SIGTERM")
    running.join(60)
    assert not running.is_alive()
    assert outcomes[0].status == "ABORTED"
    assert "stopped by SIGTERM" in outcomes[0].cause
    assert list(side.cloud.running("small")) == []


def test_the_whole_line_gives_the_same_result(side: Side) -> None:
    result = run(side.builder.flow(), side.builder.context(), side.cloud)
    assert (result.status.value, result.cloud) == ("passed", side.cloud.name)
    assert {name: metrics.document for name, metrics in result.metrics.items()} == {"measure": {"auc": 0.95}}


def _entered(event: Event) -> str:
    details = event.details.get("stateEnteredEventDetails")
    return str(details["name"]) if isinstance(details, dict) else ""
