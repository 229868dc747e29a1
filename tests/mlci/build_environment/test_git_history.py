"""Uncommitted files, and the order of commits."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path

import pytest

from mlci.baseline import WorkTree
from mlci.build_environment.git_history import GitHistory, start_work_tree
from support.git_repositories import commit, git, repository


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return repository(tmp_path / "checkout", file="1")


def test_a_fresh_checkout_holds_nothing_else_than_its_commit(checkout: Path) -> None:
    assert start_work_tree(checkout)() == WorkTree()


def test_outside_of_a_repository_nothing_is_known(tmp_path: Path) -> None:
    assert start_work_tree(tmp_path)() == WorkTree()
    assert GitHistory(tmp_path).committed("0" * 40) is None
    assert not GitHistory(tmp_path).is_ancestor("0" * 40, "1" * 40)


def test_changed_staged_removed_and_untracked_files_are_told_apart(checkout: Path) -> None:
    for name in ("a", "b", "c"):
        (checkout / name).write_text("1")
    commit(checkout)
    (checkout / "a").write_text("2")
    (checkout / "b").unlink()
    (checkout / "staged").write_text("1")
    git(checkout, "add", "staged")
    (checkout / "folder").mkdir()
    (checkout / "folder/new file").write_text("1")
    found = start_work_tree(checkout / "folder")()
    assert found.changed == ("a", "b", "staged")
    assert found.untracked == {f"{checkout}/folder/new file"}


def test_a_file_that_was_only_touched_is_not_changed(checkout: Path) -> None:
    os.utime(checkout / "file", (1, 1))
    index = (checkout / ".git/index").read_bytes()
    assert start_work_tree(checkout)() == WorkTree()
    assert (checkout / ".git/index").read_bytes() == index


def test_what_git_ignores_and_what_runs_leave_does_not_count(checkout: Path) -> None:
    (checkout / ".gitignore").write_text("*.csv\n")
    commit(checkout)
    for name in ("data.csv", ".mlci/store/x", "flows/.mlci/store/x"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("1")
    assert start_work_tree(checkout)() == WorkTree()


def test_no_filter_runs(checkout: Path, tmp_path: Path) -> None:
    for name in ("clean", "process"):
        git(checkout, "config", f"filter.evil.{name}", f"touch {tmp_path}/ran; cat")
    git(checkout, "config", "filter.evil.required", "true")
    (checkout / ".gitattributes").write_text("* filter=evil\n")
    (checkout / "file").write_text("2")
    assert start_work_tree(checkout)().changed == ("file",)
    assert not (tmp_path / "ran").exists()


def test_commits_are_ordered_by_what_they_build_on(checkout: Path) -> None:
    history, first = GitHistory(checkout), git(checkout, "rev-parse", "HEAD")
    second = commit(checkout)
    assert history.is_ancestor(first, second)
    assert not history.is_ancestor(second, first)
    assert not history.is_ancestor(first, "f" * 40)
    assert not history.is_ancestor("--help", first)
    assert history.committed("f" * 40) is None
    assert history.committed("HEAD") is None


def test_the_time_of_a_commit(checkout: Path) -> None:
    made = commit(checkout, GIT_COMMITTER_DATE="2026-11-23T10:15:30+0200")
    assert GitHistory(checkout).committed(made) == datetime(2026, 11, 23, 8, 15, 30, tzinfo=timezone.utc)


def test_a_shallow_clone_knows_no_order_that_it_can_not_see(checkout: Path, tmp_path: Path) -> None:
    first = git(checkout, "rev-parse", "HEAD")
    second = commit(checkout)
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{checkout}", "clone")
    history = GitHistory(tmp_path / "clone")
    assert not history.is_ancestor(first, second)
    assert history.committed(second) is not None


def test_the_ancestors_of_a_commit_are_told_newest_first(checkout: Path) -> None:
    first = git(checkout, "rev-parse", "HEAD").strip()
    (checkout / "file").write_text("2")
    second = commit(checkout, GIT_COMMITTER_DATE="2038-01-01T00:00:00Z")
    history = GitHistory(checkout)
    assert history.ancestors(second) == {second: 0, first: 1}
    assert history.ancestors(first) == {first: 0}
    assert not history.is_shallow()
    for unknown in ("0" * 40, "main", "--all", ""):
        assert history.ancestors(unknown) == {}
    assert GitHistory(checkout.parent).ancestors(second) == {}
    assert not GitHistory(checkout.parent).is_shallow()


def test_a_clone_of_one_commit_knows_what_it_merges(checkout: Path, tmp_path: Path) -> None:
    """GitHub Actions checks out the merge of a pull request, and no other commit."""
    base = git(checkout, "rev-parse", "HEAD").strip()
    git(checkout, "checkout", "-q", "-b", "feature")
    (checkout / "file").write_text("2")
    feature = commit(checkout)
    git(checkout, "checkout", "-q", "-")
    git(checkout, "merge", "-q", "--no-ff", "-m", "merge", "feature")
    merge = git(checkout, "rev-parse", "HEAD").strip()
    git(tmp_path, "clone", "-q", "--depth", "1", checkout.as_uri(), "clone")
    history = GitHistory(tmp_path / "clone")
    assert history.ancestors(merge) == {merge: 0, base: 1, feature: 2}
    assert history.is_shallow()
