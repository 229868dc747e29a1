"""The baseline as a user meets it: earned, shown, set, reset, and never crept."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.git_repositories import commit, git, repository
from support.measured_flow import FLOW, SCRIPT
from support.project import Project


@pytest.fixture
def measured(project: Project) -> Project:
    """A repository on its base branch, whose flow measures what its param says."""
    project.write("flow.yaml", FLOW)
    project.write("measure.py", SCRIPT)
    repository(project.root, **{".gitignore": ".mlci/\n"})
    return project


def ran(project: Project, *arguments: str, expected: int = 0, environment: Mapping[str, str] | None = None) -> str:
    """The text that a command printed."""
    done = project.mlci(*arguments, **(environment or {}))
    assert done.returncode == expected, done.stdout + done.stderr
    return done.stdout + done.stderr


def committed(project: Project, auc: float) -> str:
    project.write("flow.yaml", FLOW.replace("0.95", str(auc)))
    return commit(project.root)


def baseline(project: Project) -> dict[str, object]:
    shown = json.loads(ran(project, "baseline", "show", "--json"))
    assert isinstance(shown, dict)
    return shown


def run_id(project: Project) -> str:
    return str(project.result()["run_id"])


@pytest.mark.slow
def test_the_baseline_does_not_creep(measured: Project) -> None:
    """Runs with other params, or of changed files, pass by a hair each; what they are compared with stays."""
    ran(measured, "run")
    earned = baseline(measured)
    assert earned["metrics"] == {"measure": {"auc": 0.95}}
    assert measured.result()["baseline"] == {"earned": True, "written": True, "reason": ""}
    said = ran(measured, "run", "--param", "auc=0.935")
    assert "the baseline of main was not written: the run had other params than the flow: auc" in said
    assert "not written" in ran(measured, "run", environment={"MLCI_PARAM_AUC": "0.935"})
    measured.write("flow.yaml", FLOW.replace("0.95", "0.935"))
    assert "the baseline of main was not written: flow.yaml is not as in the commit" in ran(measured, "run")
    assert baseline(measured) == earned
    ran(measured, "run", "--param", "auc=0.92", expected=1)
    git(measured.root, "checkout", "-q", "flow.yaml")
    git(measured.root, "checkout", "-q", "-b", "feature")
    committed(measured, 0.94)
    assert "the baseline of" not in ran(measured, "run")
    assert baseline(measured) == earned


@pytest.mark.slow
def test_a_rerun_of_an_older_commit_does_not_replace_a_newer_commits(measured: Project) -> None:
    ran(measured, "run")
    first, newer = run_id(measured), committed(measured, 0.96)
    ran(measured, "run")
    second = run_id(measured)
    git(measured.root, "reset", "-q", "--hard", "HEAD~1")
    said = ran(measured, "run")
    assert f"the baseline of main was not replaced: it is that of run {second}, of commit {newer[:12]}" in said
    rerun = run_id(measured)
    assert measured.result()["baseline"]["earned"] is True
    assert baseline(measured)["run_id"] == second
    history = [entry["run_id"] for entry in json.loads(ran(measured, "baseline", "history", "--json"))]
    assert history == [rerun, second, first]
    listed = ran(measured, "baseline", "history").splitlines()
    assert [("◀" in line) for line in listed] == [False, False, True, False]
    assert "measure.auc 0.96" in listed[2]


@pytest.mark.slow
def test_a_run_is_set_and_the_baseline_is_reset(measured: Project) -> None:
    assert "main has no baseline yet" in ran(measured, "baseline", "show")
    assert "No run of main has earned" in ran(measured, "baseline", "history")
    ran(measured, "run")
    first = run_id(measured)
    committed(measured, 0.99)
    ran(measured, "run")
    ran(measured, "baseline", "set", first[-6:])
    assert "set by hand" in ran(measured, "baseline", "show")
    assert baseline(measured)["run_id"] == first
    ran(measured, "baseline", "reset")
    assert "was reset" in ran(measured, "baseline", "show")
    committed(measured, 0.5)
    assert "no baseline to compare with yet" in ran(measured, "run")
    assert baseline(measured)["run_id"] == run_id(measured)


@pytest.mark.slow
def test_a_run_that_did_not_earn_it_is_refused_with_the_reason(measured: Project) -> None:
    ran(measured, "run")
    ran(measured, "run", "--param", "auc=0.94")
    other_params = run_id(measured)
    ran(measured, "run", "--param", "auc=0.5", expected=1)
    missed = run_id(measured)
    git(measured.root, "checkout", "-q", "-b", "feature")
    ran(measured, "run")
    branch = run_id(measured)
    for run, why in (
        (other_params, "the run had other params than the flow: auc"),
        (missed, "it did not pass (gate missed)"),
        (branch, "it was no run of the base branch"),
        ("nope", 'there is no run "nope"'),
    ):
        assert why in ran(measured, "baseline", "set", run, expected=2)


def test_a_build_of_a_pull_request_changes_nothing(measured: Project) -> None:
    ran(measured, "run")
    pull_request = {"GITHUB_ACTIONS": "true", "GITHUB_BASE_REF": "main", "GITHUB_REF": "refs/pull/7/merge"}
    for command in (("set", run_id(measured)), ("reset",)):
        said = ran(measured, "baseline", *command, expected=2, environment=pull_request)
        assert "the baseline can't be changed in this pull request 7" in said
    assert baseline(measured)["run_id"] == run_id(measured)
    assert "auc" in ran(measured, "baseline", "show", environment=pull_request)


def test_of_two_builds_at_once_the_newer_commits_baseline_stays(measured: Project) -> None:
    """Two checkouts share a store, as two builds share a bucket."""
    older = measured.root.parent / "older"
    git(measured.root, "clone", "-q", str(measured.root), str(older))
    measured.write("flow.yaml", FLOW.replace("0.95", "0.96"))
    commit(measured.root, GIT_COMMITTER_DATE="2038-01-01T00:00:00Z")  # the other checkout has no history of it
    (measured.root / ".mlci").mkdir()
    (older / ".mlci").symlink_to(measured.root / ".mlci")
    started = [Project(root).start("run") for root in (measured.root, older)]
    for process in started:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, out + err
    assert baseline(measured)["metrics"] == {"measure": {"auc": 0.96}}
    assert len(json.loads(ran(measured, "baseline", "history", "--json"))) == 2


def test_help_tells_what_the_baseline_is(project: Project) -> None:
    done = subprocess.run(project.start("baseline", "--help").args, capture_output=True, text=True, check=True)
    assert "max_drop" in done.stdout
    for name in ("show", "history", "set", "reset"):
        assert "Usage: mlci baseline" in ran(project, "baseline", name, "--help")


@pytest.mark.slow
def test_a_branch_is_compared_with_what_it_came_from(measured: Project, tmp_path: Path) -> None:
    """Main has become better meanwhile; a shallow clone can't know what a commit builds on, and says so."""
    ran(measured, "run")
    first, start = run_id(measured), git(measured.root, "rev-parse", "HEAD")
    better = committed(measured, 0.99)
    ran(measured, "run")
    second = run_id(measured)
    git(measured.root, "checkout", "-q", "-b", "feature", start)
    committed(measured, 0.94)
    assert f"the baseline is run {first}, commit {start[:12]}" in ran(measured, "plan")
    ran(measured, "run")
    assert measured.result()["compared_with"] == {"run_id": first, "commit": start, "origin": "run"}
    assert f"The baseline is run {first}, commit {start[:12]}." in measured.latest("report.md")
    git(measured.root, "merge", "-q", "-s", "ours", "-m", "merge", "main")
    assert "(baseline 0.99, max_drop 0.02)" in ran(measured, "run", expected=1)
    assert measured.result()["compared_with"]["run_id"] == second
    git(measured.root, "checkout", "-q", "-b", "later", start)
    committed(measured, 0.94)
    last = committed(measured, 0.94)
    git(tmp_path, "clone", "-q", "--depth", "1", "--branch", "later", measured.root.as_uri(), "clone")
    clone = Project(tmp_path / "clone")
    clone.root.joinpath(".mlci").symlink_to(measured.root / ".mlci")
    said = ran(clone, "run", expected=1, environment={"MLCI_BASE_BRANCH": "main"})
    assert f"compared with the newest baseline, run {second} of commit {better[:12]}: the checkout is shallow" in said
    assert f"{last[:12]} builds on. Fetch the history: git fetch --unshallow" in said
