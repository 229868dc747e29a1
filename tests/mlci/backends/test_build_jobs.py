"""The jobs of a build on AWS: their files come from S3 and go there, and what fails is told as SageMaker does."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from mlci.backends.build_announcements import JobAnnouncement
from mlci.backends.build_jobs import BuildJobs, open_build_jobs
from mlci.backends.protocol import BackendOptions
from mlci.backends.stop_signal import StopSignal
from mlci.backends.thread_shares import thread_shares_in_build
from mlci.errors import CloudError
from mlci.flow import load
from mlci.plan import Plan, Target, plan
from mlci.plan.models import Upload
from mlci.stage.models import CodeUnit, Staged, StagedFile
from mlci.step_types.script_start import ScriptStart
from support.compiled_flows import planned

FLOW = """flow: small
steps:
  measure:
    uses: processing
    runs-on: build
    run: a.sh
    timeout: 30s
    inputs: {own: "s3://bucket/mlci/small/runs/r/make/data/", other: "s3://public/raw/x.csv"}
    outputs: [out]
"""
SCRIPT = "cat /opt/ml/processing/input/*/*.csv > /opt/ml/processing/output/out/all.txt\necho done\n"
RUN = "20261123-101530-3f9c2a"


@dataclass
class InMemoryObjects:
    """A store elsewhere."""

    objects: dict[str, bytes] = field(default_factory=dict)
    is_away: bool = False

    def list(self, prefix: str) -> Sequence[str]:
        if self.is_away:
            raise CloudError("ListObjectsV2: AWS does not respond")
        return sorted(uri for uri in self.objects if uri.startswith(prefix))

    def download(self, uri: str, target: Path) -> None:
        target.write_bytes(self.objects[uri])

    def upload(self, uploads: Iterable[Upload], stop: StopSignal) -> int:
        for upload in uploads:
            self.objects[upload.uri] = Path(upload.files[0].source).read_bytes()
        return 1


@dataclass
class Build:
    jobs: BuildJobs
    plan: Plan
    own: InMemoryObjects
    other: InMemoryObjects
    root: Path

    def announced(self) -> JobAnnouncement:
        step = self.plan.steps["measure"]
        return JobAnnouncement("s3://bucket/token", "measure", f"{step.job}-0-0", "t", 300.0, step.request)

    def change(self, script: str) -> None:
        """Give the step another script."""
        [upload] = self.plan.uploads
        changed = replace(upload, files=(replace(upload.files[0], content=script.encode()),))
        self.jobs.planned.append(replace(self.plan, uploads=(changed,)))

    @property
    def log(self) -> str:
        return (self.root / "log").read_text()


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    (tmp_path / "flow.yaml").write_text(FLOW)
    flow = load(FLOW.encode(), str(tmp_path / "flow.yaml"))
    start = ScriptStart({"script": "a.sh"}, command=("/bin/sh", "-e", "./a.sh"))
    script = StagedFile("a.sh", "0" * 64, len(SCRIPT), tmp_path / "a.sh", SCRIPT.encode())
    staged = Staged({"measure": CodeUnit(start, (), (script,))}, {}, {})
    made = plan(flow, staged, Target("bucket", "arn:aws:iam::000000000000:role/r", RUN))
    own = InMemoryObjects({"s3://bucket/mlci/small/runs/r/make/data/x.csv": b"1\n"})
    other = InMemoryObjects({"s3://public/raw/x.csv": b"2\n"})
    environment = {"PATH": "/usr/bin:/bin", "AWS_SECRET_ACCESS_KEY": "x"}
    options = BackendOptions(flow, tmp_path / ".mlci", environment, python=sys.executable, isolation="auto")
    with open_build_jobs(options, own, other, lambda job: tmp_path / "log", lambda text: None) as jobs:
        jobs.use(made)
        yield Build(jobs, made, own, other, tmp_path)


def test_files_come_from_s3_and_go_there_and_the_log_does_as_well(build: Build) -> None:
    end = build.jobs.run(build.announced(), StopSignal())
    assert (end.status, end.reason, build.log) == ("Completed", "", "done\n")
    run = f"s3://bucket/mlci/small/runs/{RUN}"
    assert build.own.objects[f"{run}/measure/out/all.txt"] == b"2\n1\n"
    assert build.own.objects[f"{run}/_logs/measure.log"] == b"done\n"
    assert list((build.root / ".mlci/work").iterdir()) == []


def test_a_failed_script_leaves_no_output_and_its_log(build: Build) -> None:
    build.change("echo no such column; touch /opt/ml/processing/output/out/x; exit 3\n")
    end = build.jobs.run(build.announced(), StopSignal())
    assert end.status == "Failed"
    assert end.reason.startswith("AlgorithmError: See job logs for more information, exit code: 3\nno such column")
    assert [uri.rpartition("/")[2] for uri in build.own.objects] == ["x.csv", "measure.log"]


def test_an_input_that_is_not_there_is_told_in_sagemakers_words(build: Build) -> None:
    build.other.objects.clear()
    end = build.jobs.run(build.announced(), StopSignal())
    assert 'No S3 objects found under S3 URL "s3://public/raw/x.csv"' in end.reason


def test_a_store_that_does_not_respond_fails_the_job(build: Build) -> None:
    build.other.is_away = True
    end = build.jobs.run(build.announced(), StopSignal())
    assert (end.status, end.reason) == (
        "Failed",
        "ClientError: Data transfer failed: ListObjectsV2: AWS does not respond",
    )


def test_a_stop_kills_the_script_and_sends_nothing(build: Build) -> None:
    build.change("echo waits; sleep 60\n")
    stop, before = StopSignal(), dict(build.own.objects)
    threading.Timer(1.0, stop.set).start()
    assert build.jobs.run(build.announced(), stop).status == "Stopped"
    assert build.own.objects == before


def test_jobs_of_the_build_share_its_cores_with_each_other_alone() -> None:
    flow = """flow: f
defaults: {image: "mine.example/image:7"}
steps:
  a: {uses: processing, runs-on: build, run: a.py}
  b: {uses: processing, runs-on: build, run: a.py}
  c: {uses: training, run: a.py}
"""
    assert thread_shares_in_build(planned(flow), 4) == {"a": 2, "b": 2}
