"""The runs that the arguments of `mlci diff` name."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, cast

import pytest

from mlci.backends.protocol import Cloud
from mlci.baseline import Baseline
from mlci.baseline.document import render_baseline
from mlci.build_environment.git import branches
from mlci.build_environment.git_history import GitHistory
from mlci.errors import InputError
from mlci.flow import load
from mlci.plan import Target
from mlci.reuse.key_document import RunKeys, StepKey
from mlci.runs.compared_runs import SideReader
from mlci.runs.named_runs import NamedRuns
from mlci.runs.run_folder import Runs
from support.git_repositories import commit, git, repository
from support.recorded_steps import InMemoryCloud

FLOW = load(
    b"""
flow: iris
defaults: {image: "mine.example/image:7"}
steps: {evaluate: {uses: processing, entrypoint: [a], outputs: [m], metrics: m/m.json, cases: m/cases.csv}}
gate: [{metric: evaluate.auc, max_drop: 0.02}]
""",
    "flow.yaml",
)
BASELINES = "s3://b/mlci/iris/baselines"
REPORTS = "s3://b/mlci/iris/reports"
NOW = datetime(2026, 12, 1, 12, tzinfo=timezone.utc)
CASES = b"id,label,predicted\n7,1,1\n"


@dataclass
class Runner:
    """A repository, the runs in it and a cloud. `log` has what was told."""

    folder: Path
    cloud: InMemoryCloud = field(default_factory=lambda: InMemoryCloud(name="local"))
    log: list[str] = field(default_factory=list)

    def add(self, run_id: str, commit: str, **fields: Any) -> dict[str, Any]:
        """Write a run as this machine keeps it."""
        folder = self.folder / ".mlci" / "runs" / run_id
        folder.mkdir(parents=True)
        result = self.result(run_id, commit, **fields)
        (folder / "result.json").write_text(json.dumps(result))
        return result

    def result(self, run_id: str, commit: str, **fields: Any) -> dict[str, Any]:
        return {
            "schema": 2,
            "flow": "iris",
            "run_id": run_id,
            "cloud": self.cloud.name,
            "commit": commit,
            "status": "passed",
            "started": f"2026-11-{run_id[6:8]}T10:00:00+00:00",
            "seconds": 1,
            "steps": {},
            "rules": [],
            "metrics": {},
            "params": {},
            **fields,
        }

    @property
    def runs(self) -> NamedRuns:
        reader = SideReader(
            FLOW, "b", cast("Cloud", self.cloud), Runs(self.folder / ".mlci"), lambda outputs: (), self.log.append
        )
        target = Target("b", "role", "run", "c", "main")
        return NamedRuns(reader, target, GitHistory(self.folder), branches(self.folder), NOW)

    def refusal(self, name: str) -> str:
        with pytest.raises(InputError) as caught:
            self.runs.find(name)
        return str(caught.value)


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """A repository with the branches main and feature, which is one commit further."""
    repository(tmp_path, **{".gitignore": ".mlci/\n"})
    git(tmp_path, "switch", "-q", "-c", "feature")
    commit(tmp_path)
    return Runner(tmp_path)


def tip(runner: Runner, branch: str) -> str:
    return git(runner.folder, "rev-parse", branch)


def test_a_branch_means_its_baseline(runner: Runner) -> None:
    runner.cloud.objects[f"{BASELINES}/main.json"] = render_baseline(Baseline({}, "20261120-100000-aaaaaa", "c"))
    runner.add("20261122-100000-bbbbbb", tip(runner, "main"))
    assert runner.runs.find("main").label == "the baseline of main"
    assert runner.runs.baseline().run_id == "20261120-100000-aaaaaa"


def test_a_branch_without_a_baseline_means_the_newest_run_of_its_commits(runner: Runner) -> None:
    runner.add("20261120-100000-aaaaaa", tip(runner, "feature"))
    runner.add("20261121-100000-bbbbbb", tip(runner, "feature"), status="failed")
    runner.add("20261122-100000-cccccc", tip(runner, "main"))
    runner.add("20261123-100000-dddddd", "f" * 40)
    runner.add("20261124-100000-eeeeee", tip(runner, "feature"), flow="other")
    found = runner.runs.find("feature")
    assert (found.run_id, found.status) == ("20261121-100000-bbbbbb", "failed")
    assert runner.runs.find("main").run_id == "20261122-100000-cccccc"


def test_a_branch_without_commits_of_its_own_means_those_of_its_newest(runner: Runner) -> None:
    git(runner.folder, "branch", "started", "main")
    runner.add("20261120-100000-aaaaaa", tip(runner, "main"))
    assert runner.runs.find("started").run_id == "20261120-100000-aaaaaa"


def test_latest_is_the_newest_run_of_the_flow(runner: Runner) -> None:
    runner.add("20261120-100000-aaaaaa", "c")
    runner.add("20261121-100000-bbbbbb", "c", flow="other")
    start = {"schema": 1, "flow": "other", "run_id": "20261121-100000-bbbbbb", "cloud": "local"}
    start = {**start, "started": "2026-11-21T10:00:00+00:00", "commit": None, "dirty": None, "partial": False}
    (runner.folder / ".mlci/runs/20261121-100000-bbbbbb/run.json").write_text(json.dumps({**start, "steps": []}))
    assert runner.runs.find("latest").run_id == "20261120-100000-aaaaaa"
    assert 'is of the flow "other", and not of "iris"' in runner.refusal("bbbbbb")


def test_what_is_not_known_is_refused_with_the_nearest(runner: Runner) -> None:
    assert runner.refusal("latest") == 'there is no run of "iris" here. Start one: mlci run'
    assert runner.refusal("featur") == 'there is no run and no branch "featur". Did you mean "feature"?'
    assert "Run it: git switch feature && mlci run" in runner.refusal("feature")
    assert runner.refusal("xyz") == 'there is no run and no branch "xyz". Start a run: mlci run'
    runner.add("20261120-100000-aaaaaa", "c")
    assert "There are the runs 20261120-100000-aaaaaa; and the branches feature, main" in runner.refusal("xyz")
    runner.add("20261120-110000-bbbbbb", "c")
    assert 'more than one run is called "20261120"' in runner.refusal("20261120")
    with pytest.raises(InputError, match="main has no baseline to compare with"):
        runner.runs.baseline()


def test_a_run_that_earned_the_baseline_once_is_known_without_its_files(runner: Runner) -> None:
    former = Baseline({"evaluate": {"auc": 0.9}}, "20261120-100000-aaaaaa", "c")
    runner.cloud.objects[f"{BASELINES}/main/20261120-100000-aaaaaa.json"] = render_baseline(former)
    found = runner.runs.find("aaaaaa")
    assert (found.label, found.metrics) == ("run 20261120-100000-aaaaaa", {"evaluate": {"auc": 0.9}})


@pytest.fixture
def builds(runner: Runner) -> Runner:
    """Builds on AWS of two commits of the branch feature, and one of the base branch."""
    runner.cloud.name = "aws"
    outputs = {"evaluate": {"outputs": {"m": "s3://b/mlci/iris/runs/x/m/"}, "status": "succeeded", "seconds": 1}}
    elsewhere = {"evaluate": {"outputs": {"m": "s3://payroll/m/"}, "status": "succeeded", "seconds": 1}}
    commits = tip(runner, "feature"), commit(runner.folder), tip(runner, "main")
    found = {
        "pr:1": runner.result("20261120-100000-aaaaaa", commits[0], steps=elsewhere),
        "pr:2": runner.result("20261121-100000-bbbbbb", commits[1], steps=outputs),
        "pr:3": {"no": "result"},
        "pr:4": runner.result("20261123-100000-dddddd", commits[1], flow="other"),
    }
    runner.cloud.objects = {
        f"{REPORTS}/{build}/result.json": json.dumps(result).encode() for build, result in found.items()
    }
    base = runner.result("20261122-100000-cccccc", commits[2])
    runner.cloud.objects["s3://b/mlci/iris/protected/reports/base:1/result.json"] = json.dumps(base).encode()
    for folder in ("s3://b/mlci/iris/runs/x/m", "s3://payroll/m"):
        runner.cloud.objects[f"{folder}/cases.csv"] = CASES
    return runner


@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("feature", "bbbbbb"),
        ("main", "cccccc"),
        ("aaaaaa", "aaaaaa"),
        ("20261121", "bbbbbb"),
        ("pr:1", "aaaaaa"),
        ("latest", "cccccc"),
    ],
)
def test_the_runs_of_builds_are_found_by_branch_run_and_build(builds: Runner, name: str, run: str) -> None:
    assert builds.runs.find(name).run_id.endswith(run)


def test_the_files_of_a_build_are_read_from_the_flows_bucket_alone(builds: Runner) -> None:
    assert list(builds.runs.find("bbbbbb").cases["evaluate"]) == ["7"]
    assert builds.runs.find("aaaaaa").cases == {}


def test_the_keys_of_a_build_lie_beside_its_result(builds: Runner) -> None:
    keys = RunKeys("iris", {"evaluate": StepKey("1" * 64, {})})
    assert builds.runs.find("bbbbbb").keys is None
    builds.cloud.objects[f"{REPORTS}/pr:2/keys.json"] = json.dumps(keys.to_json()).encode()
    assert builds.runs.find("bbbbbb").keys == keys
    builds.cloud.objects[f"{REPORTS}/pr:2/keys.json"] = b"{"
    assert builds.runs.find("bbbbbb").keys is None


def test_the_results_of_builds_are_read_once(builds: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    of_cloud = builds.cloud.read

    def recorded(uri: str, max_bytes: int | None = None) -> bytes | None:
        read.append(uri)
        return of_cloud(uri, max_bytes)

    monkeypatch.setattr(builds.cloud, "read", recorded)
    runs = builds.runs
    for name in ("aaaaaa", "bbbbbb", "latest"):
        runs.find(name)
    results = [uri for uri in read if uri.endswith("/result.json")]
    assert len(results) == len(set(results)) == 5


def test_the_newest_build_is_that_which_started_last_whatever_the_offset(builds: Runner) -> None:
    late = builds.result("20261124-100000-eeeeee", "f" * 40, started="2026-11-22T09:00:00-05:00")
    builds.cloud.objects[f"{REPORTS}/pr:5/result.json"] = json.dumps(late).encode()
    assert builds.runs.find("latest").run_id == "20261124-100000-eeeeee"


@pytest.mark.parametrize(
    ("started", "is_known"),
    [
        ("2026-12-01T12:10:00+00:00", True),  # the clocks of two machines may differ
        ("2026-12-01T13:00:00+00:00", False),
        ("9999-01-01T00:00:00+00:00", False),
        ("9999", False),
        ("2026-11-24T10:00:00", False),
    ],
)
def test_a_build_is_not_the_latest_by_a_start_that_it_claims(builds: Runner, started: str, is_known: bool) -> None:
    claimed = builds.result("20261124-100000-eeeeee", "f" * 40, started=started)
    builds.cloud.objects[f"{REPORTS}/pr:5/result.json"] = json.dumps(claimed).encode()
    assert builds.runs.find("latest").run_id == f"2026112{'4-100000-eeeeee' if is_known else '2-100000-cccccc'}"
    told = [f"{REPORTS}/pr:5/result.json is left out: the start of its run is no time in the past"]
    assert builds.log == ([] if is_known else told)


def test_a_document_that_is_too_large_is_told(builds: Runner) -> None:
    too_large = b" " * 20_000_001
    builds.cloud.objects[f"{REPORTS}/pr:2/keys.json"] = too_large
    assert builds.runs.find("bbbbbb").keys is None
    assert builds.log == [f"{REPORTS}/pr:2/keys.json is left out: it has more than 20.0 MB"]
    builds.log.clear()
    builds.cloud.objects[f"{REPORTS}/pr:2/result.json"] = too_large
    assert builds.runs.find("feature").run_id == "20261120-100000-aaaaaa"
    assert builds.log == [f"{REPORTS}/pr:2/result.json is left out: it has more than 20.0 MB"]


def test_a_branch_comes_before_the_part_of_an_id_and_a_whole_id_before_both(runner: Runner) -> None:
    runner.add("20261120-100000-0000fe", "c")
    runner.add("20261121-100000-1111fe", tip(runner, "feature"))
    assert 'more than one run is called "fe"' in runner.refusal("fe")
    git(runner.folder, "branch", "fe", "feature")
    assert runner.runs.find("fe").run_id == "20261121-100000-1111fe"
    runner.cloud.objects[f"{BASELINES}/fe.json"] = render_baseline(Baseline({}, "20261119-100000-aaaaaa", "c"))
    assert runner.runs.find("fe").label == "the baseline of fe"
    git(runner.folder, "branch", "20261120-100000-0000fe", "feature")
    assert runner.runs.find("20261120-100000-0000fe").run_id == "20261120-100000-0000fe"


def test_a_branch_without_runs_is_no_part_of_an_id(runner: Runner) -> None:
    runner.add("20261120-100000-0000fe", "c")
    git(runner.folder, "branch", "fe", "feature")
    assert 'the branch "fe" has no baseline, and there is no run of a commit of it' in runner.refusal("fe")


def test_the_whole_id_of_a_build_comes_before_a_part_of_one(builds: Runner) -> None:
    objects = builds.cloud.objects
    objects[f"{REPORTS}/pr:12/result.json"] = json.dumps(builds.result("20261125-100000-ffffff", "f" * 40)).encode()
    assert builds.runs.find("pr:1").run_id == "20261120-100000-aaaaaa"


def test_more_than_one_build_is_refused(builds: Runner) -> None:
    assert 'more than one run is called "2026112"' in builds.refusal("2026112")


def test_a_run_of_another_cloud_is_compared_without_its_files(runner: Runner) -> None:
    steps = {"evaluate": {"outputs": {"m": "s3://b/m/"}, "status": "succeeded", "seconds": 1}}
    runner.add("20261120-100000-aaaaaa", "c", cloud="aws", steps=steps)
    runner.cloud.objects["s3://b/m/cases.csv"] = CASES
    assert runner.runs.find("aaaaaa").cases == {}
    assert runner.log == ["run 20261120-100000-aaaaaa ran on the aws cloud: --cloud aws shows its cases, too"]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (None, 'the cases of "evaluate" in run 20261120-100000-aaaaaa are not there any more'),
        (b"id,label\n7,1\n", 'the cases of "evaluate" in run 20261120-100000-aaaaaa are left out: '),
    ],
)
def test_cases_that_cannot_be_read_are_told(runner: Runner, data: bytes | None, told: str) -> None:
    steps = {"evaluate": {"outputs": {"m": "s3://b/m/"}, "status": "succeeded", "seconds": 1}}
    runner.add("20261120-100000-aaaaaa", "c", steps=steps)
    if data is not None:
        runner.cloud.objects["s3://b/m/cases.csv"] = data
    assert runner.runs.find("aaaaaa").cases == {}
    assert runner.log[0].startswith(told)
