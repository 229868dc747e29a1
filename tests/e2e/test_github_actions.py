"""The workflow of `mlci init --ci github`, its own scripts run as GitHub's runner runs them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.fake_github import FakeGitHub, served
from support.git_repositories import commit, git, repository
from support.github_runner import Event, Hosted, JobRun, run_reporting_job, run_workflow
from support.measured_flow import FLOW, SCRIPT
from support.project import Project

pytestmark = pytest.mark.slow

#: They take minutes and a network; this Python has mlci.
INSTALL = ("Install mlci",)


@dataclass
class Repository:
    """A repository on GitHub whose base branch has a flow and the workflow."""

    project: Project
    hosted: Hosted

    def commit(self, auc: float, branch: str = "main") -> str:
        """A commit of a flow that measures this."""
        root = self.project.root
        known = git(root, "branch", "--list", branch)
        git(root, "checkout", "-q", *(() if known else ("-b",)), branch)
        self.project.write("flow.yaml", FLOW.replace("0.95", str(auc)))
        return commit(root)

    def push(self, sha: str, branch: str = "main", name: str = "push") -> JobRun:
        return run_workflow(self.hosted, Event(name, f"refs/heads/{branch}", sha), INSTALL)

    def pull_request(self, auc: float, number: int) -> JobRun:
        """A pull request with one commit, as a merge into the base branch."""
        root = self.project.root
        self.commit(auc, f"feature-{number}")
        git(root, "checkout", "-q", "--detach", "main")
        git(root, "merge", "-q", "--no-ff", "-m", "merge", f"feature-{number}")
        sha = git(root, "rev-parse", "HEAD")
        git(root, "update-ref", f"refs/pull/{number}/merge", sha)
        git(root, "checkout", "-q", "main")
        base, head = (git(root, "rev-parse", name).strip() for name in ("main", f"feature-{number}"))
        event = Event("pull_request", f"refs/pull/{number}/merge", sha, "main", number, base, head)
        return run_workflow(self.hosted, event, INSTALL)


@pytest.fixture
def on_github(tmp_path: Path) -> Repository:
    root = tmp_path / "origin"
    root.mkdir()
    project = Project(root)
    project.write("flow.yaml", FLOW)
    project.write("measure.py", SCRIPT)
    done = project.mlci("init", "--ci", "github")
    assert done.returncode == 0, done.stderr
    repository(root)
    git(root, "config", "uploadpack.allowAnySHA1InWant", "true")
    return Repository(project, Hosted(root, tmp_path))


def test_a_push_writes_the_baseline_and_pull_requests_are_compared_with_it(on_github: Repository) -> None:
    pushed = on_github.push(on_github.commit(0.96))
    assert pushed.is_success, pushed.log
    assert "## ✅ iris: passed" in pushed.summary
    [(key, cache)] = on_github.hosted.caches["refs/heads/main"]
    assert key == "mlci-baseline:main:1-1"
    [former, current, keys] = sorted(cache.rglob("*.json"))
    assert (current.name, former.parent.name, keys.name) == ("main.json", "main", "keys.json")
    assert json.loads(current.read_text())["metrics"] == {"measure": {"auc": 0.96}}

    worse = on_github.pull_request(0.9, 7)
    assert worse.outcomes["Run the flow"] == "failure"
    assert worse.outcomes["Measure the base branch, if its baseline is not in the cache"] == "skipped"
    assert worse.outcomes["Save the baseline"] == "skipped"
    assert "0.96" in worse.summary
    assert "### Changed since the baseline" in worse.summary
    assert "argument 1: 0.96 → 0.9" in worse.summary
    assert json.loads((worse.artifact / "result.json").read_text())["rules"][0]["baseline"] == 0.96
    assert list(on_github.hosted.caches) == ["refs/heads/main"]

    better = on_github.pull_request(0.97, 8)
    assert better.is_success, better.log
    assert better.outcomes["Save the baseline"] == "skipped"


def test_without_a_cache_the_base_branch_is_measured_for_the_pull_request_alone(on_github: Repository) -> None:
    on_github.commit(0.96)
    worse = on_github.pull_request(0.9, 7)
    assert worse.outcomes["Measure the base branch, if its baseline is not in the cache"] == "success", worse.log
    assert worse.outcomes["Run the flow"] == "failure"
    assert json.loads((worse.artifact / "result.json").read_text())["rules"][0]["baseline"] == 0.96
    assert on_github.hosted.caches == {}


def test_a_rerun_of_an_older_push_saves_the_newer_commits_baseline_again(on_github: Repository) -> None:
    older, newer = on_github.commit(0.95), on_github.commit(0.96)
    runs = [on_github.push(sha) for sha in (older, newer, older)]
    assert all(run.is_success for run in runs), [run.log for run in runs]
    assert "was not replaced" in runs[2].log
    key, cache = on_github.hosted.caches["refs/heads/main"][-1]
    assert key == "mlci-baseline:main:3-1"
    [current] = cache.rglob("main.json")
    assert json.loads(current.read_text())["commit"] == newer


def test_a_run_that_was_started_by_hand_on_another_branch_saves_nothing(on_github: Repository) -> None:
    sha = on_github.commit(0.96, "feature")
    run = on_github.push(sha, "feature", "workflow_dispatch")
    assert run.is_success, run.log
    assert run.outcomes["Save the baseline"] == "skipped"
    assert not list(run.workspace.rglob("baselines"))


def test_a_wrong_flow_fails_with_a_summary(on_github: Repository) -> None:
    on_github.project.write("flow.yaml", "flow: iris\nsteps: {}\n")
    run = on_github.push(commit(on_github.project.root))
    assert run.outcomes["Run the flow"] == "failure"
    assert "There is no report" in run.summary
    assert run.outcomes["Save the baseline"] == "skipped"


def test_the_pull_request_shows_a_check_from_the_start_and_one_comment(on_github: Repository, tmp_path: Path) -> None:
    """The jobs that post have mlci and the flow's name from the base branch, whatever the pull request's flow says."""
    assert on_github.push(on_github.commit(0.96)).is_success
    github = FakeGitHub(login="github-actions[bot]")
    with served(github) as url:
        for number, auc in enumerate((0.9, 0.97)):
            run = on_github.pull_request(auc, 7 + number)
            github.head = run.event.head_sha
            for name in ("pending", "report"):
                posted = run_reporting_job(name, run, tmp_path / f"{name}-{number}", {"GITHUB_API_URL": url}, INSTALL)
                assert posted.is_success, posted.log
                assert "ghs_" not in posted.log
                states = [(check["status"], check["conclusion"]) for check in github.checks]
                assert states[number] == (
                    ("in_progress", None) if name == "pending" else ("completed", ("failure", "success")[number])
                )
    missed, passed = github.checks
    assert {missed["name"], passed["name"]} == {"mlci/iris/report"}
    assert missed["head_sha"] != passed["head_sha"]
    [annotation] = missed["annotations"]
    lines = git(on_github.project.root, "show", "feature-7:flow.yaml").splitlines()
    assert annotation["path"] == "flow.yaml"
    assert "max_drop" in lines[annotation["start_line"] - 1]
    [body] = github.bodies
    assert "iris: passed" in body
    assert "Earlier commits (1)" in body


def test_without_a_token_the_run_counts_all_the_same(on_github: Repository, tmp_path: Path) -> None:
    assert on_github.push(on_github.commit(0.96)).is_success
    run = on_github.pull_request(0.97, 7)
    github = FakeGitHub(login="github-actions[bot]", scopes=set())
    with served(github) as url:
        posted = run_reporting_job("report", run, tmp_path / "report", {"GITHUB_API_URL": url}, INSTALL)
    assert posted.is_success
    assert "neither the check nor the comment was posted: GITHUB_TOKEN lacks a right on octo/model" in posted.log


@pytest.mark.network
def test_the_workflow_installs_mlci_by_its_hash(on_github: Repository) -> None:
    hosted = on_github.hosted
    sha = on_github.commit(0.96)
    run = run_workflow(hosted, Event("push", "refs/heads/main", sha))
    assert run.is_success, run.log
    assert str(run.home / "temp/mlci/bin") in (run.home / "path").read_text()
