"""Checkouts of every kind: what git can't say, and what came with the repository."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.project import Project

MakeFlow = Callable[..., Project]

MEASURE = """
import os
os.makedirs("/opt/ml/processing/output/out", exist_ok=True)
open("/opt/ml/processing/output/out/metrics.json", "w").write('{"auc": AUC}')
"""


def git(folder: Path, *arguments: str) -> None:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture
def measured(script_flow: MakeFlow) -> Project:
    """A repository on its base branch, with a baseline of 0.9; the next run measures 0.5."""
    project = script_flow(
        {"measure": MEASURE.replace("AUC", "0.9")},
        {"measure": "outputs: [out]\nmetrics: out/metrics.json"},
        "gate: [{metric: measure.auc, max_drop: 0.02}]",
    )
    project.write(".gitignore", ".mlci/\n")
    git(project.root, "init", "-q", "-b", "main")
    git(project.root, "add", ".")
    git(project.root, "commit", "-q", "-m", "first")
    done = project.mlci("run")
    assert done.returncode == 0, done.stderr
    project.write("measure.py", MEASURE.replace("AUC", "0.5"))
    return project


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_checkout_of_another_user_is_an_error_and_no_missing_baseline(measured: Project) -> None:
    for place in (measured.root, measured.root / ".git"):
        os.chown(place, 65534, 65534)
    plain = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = measured.mlci("run", **plain)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "git config --global --add safe.directory" in done.stderr
    assert measured.mlci("plan", **plain).returncode == 2
    assert measured.mlci("validate", **plain).returncode == 0


def test_git_that_is_not_installed_is_an_error_and_no_missing_baseline(measured: Project, tmp_path: Path) -> None:
    done = measured.mlci("run", PATH=str(tmp_path / "nothing"))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "git is not installed here" in done.stderr


@pytest.mark.slow
def test_a_base_branch_that_the_checkout_does_not_name_is_an_error(measured: Project) -> None:
    """A detached checkout without branches, as a shallow fetch of a pull request's merge leaves it."""
    git(measured.root, "remote", "add", "origin", "https://example.com/octo/model.git")
    git(measured.root, "checkout", "-q", "--detach")
    git(measured.root, "update-ref", "-d", "refs/heads/main")
    done = measured.mlci("run")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "the base branch is not known" in done.stderr
    assert "MLCI_BASE_BRANCH=main" in done.stderr
    assert measured.mlci("run", MLCI_BASE_BRANCH="main").returncode == 1
    actions = {"GITHUB_ACTIONS": "true", "GITHUB_REF": "refs/pull/7/merge", "GITHUB_BASE_REF": "main"}
    assert measured.mlci("run", **actions).returncode == 1


def test_without_a_repository_there_is_no_baseline_and_that_is_said(measured: Project) -> None:
    (measured.root / ".git").rename(measured.root / "git")
    done = measured.mlci("run")
    assert done.returncode == 0, done.stderr
    assert "no baseline to compare with" in done.stdout


def test_a_store_that_came_with_the_repository_is_refused(measured: Project) -> None:
    git(measured.root, "add", "--force", ".mlci/store")
    done = measured.mlci("run")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "git rm -r --cached .mlci" in done.stderr
    assert measured.mlci("plan").returncode == 2


def test_runs_that_came_with_the_repository_name_none_to_decide_about_or_stop(measured: Project) -> None:
    run = (measured.root / ".mlci/latest").resolve().name
    git(measured.root, "add", "--force", ".mlci/runs")
    for command in (("approve", "latest"), ("reject", "latest", "--reason", "old"), ("stop", run[-6:])):
        done = measured.mlci(*command)
        assert done.returncode == 2, (command, done.stdout, done.stderr)
        assert 'git tracks ".mlci/runs/' in done.stderr, (command, done.stderr)


def test_a_cache_that_came_with_the_repository_decides_nothing(measured: Project, tmp_path: Path) -> None:
    for name in (".mlci/cache/x", "cache/x"):
        measured.write(name, '"a definition"')
    git(measured.root, "add", "--force", "cache")
    done = measured.mlci("definition", MLCI_CACHE=str(measured.root / "cache"))
    assert done.returncode == 2, done.stdout + done.stderr
    assert 'git tracks "cache/x"' in done.stderr
    done = measured.mlci("definition", MLCI_CACHE="", XDG_CACHE_HOME=str(tmp_path / "home"))
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "home/mlci").iterdir())
    assert [file.name for file in (measured.root / ".mlci/cache").iterdir()] == ["x"]


@pytest.mark.slow
def test_rights_are_not_derived_from_the_cache(script_flow: MakeFlow, tmp_path: Path) -> None:
    import hashlib
    import json

    project = script_flow({"one": "pass"})
    project.write(
        "flow.yaml", (project.root / "flow.yaml").read_text().replace("mine.example/image:1", "xgboost:1.7-1")
    )
    cache = tmp_path / "elsewhere"
    cache.mkdir()
    for region in ("us-east-1", "eu-west-1"):
        key = json.dumps(["image", "xgboost:1.7-1", region, "ml.m5.xlarge"], sort_keys=True)
        entry = cache / hashlib.sha256(key.encode()).hexdigest()[:32]
        entry.write_text(json.dumps(f"666666666666.dkr.ecr.{region}.amazonaws.com/evil:1"))
    for command in (("policy",), ("bootstrap", "--print", "--region", "us-east-1")):
        done = project.mlci(*command, MLCI_CACHE=str(cache))
        assert done.returncode == 0, done.stderr
        assert "666666666666" not in done.stdout
