"""Reading the state of a git repository, safely."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mlci.build_environment.git import GitState, check_untracked, git_state
from mlci.errors import InputError
from mlci.flow.models import secret_variable


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def repository(folder: Path, branch: str = "main") -> Path:
    folder.mkdir()
    git(folder, "init", "-q", "-b", branch)
    (folder / "file").write_text("1")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    return repository(tmp_path / "origin")


def test_outside_of_a_repository_there_is_nothing_and_git_is_not_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(tmp_path) == GitState()
    check_untracked(tmp_path / ".mlci")


def test_a_clone_has_a_commit_a_branch_a_base_and_a_remote(origin: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(origin), "clone")
    git(tmp_path / "clone", "checkout", "-q", "-b", "feature")
    (tmp_path / "clone/folder").mkdir()
    found = git_state(tmp_path / "clone/folder")
    assert found == GitState(git(origin, "rev-parse", "HEAD"), "feature", "main", str(origin))
    assert found.remote_tips["main"] == git(origin, "rev-parse", "main")


def test_a_repository_without_a_commit_has_its_branch_as_base(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "trunk")
    assert git_state(tmp_path) == GitState(None, "trunk", "trunk", None)


@pytest.mark.parametrize("variable", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"])
def test_variables_that_a_hook_inherits_do_not_lead_elsewhere(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    assert git_state(origin).branch == "main"


def test_a_detached_merge_has_the_base_that_it_merges_into(tmp_path: Path) -> None:
    """It is what actions/checkout leaves of refs/pull/7/merge, where the base branch was fetched as well."""
    origin = repository(tmp_path / "origin", "trunk")
    git(origin, "checkout", "-q", "-b", "feature")
    git(origin, "commit", "-q", "--allow-empty", "-m", "second")
    git(origin, "checkout", "-q", "--detach", "trunk")
    git(origin, "merge", "-q", "--no-ff", "feature")
    git(origin, "update-ref", "refs/pull/7/merge", "HEAD")
    clone = tmp_path / "clone"
    clone.mkdir()
    git(clone, "init", "-q")
    git(clone, "remote", "add", "origin", f"file://{origin}")
    git(clone, "fetch", "-q", "--depth=1", "origin", "refs/pull/7/merge:refs/remotes/pull/7/merge")
    git(clone, "checkout", "-q", "--detach", "refs/remotes/pull/7/merge")
    assert git_state(clone).base_branch is None
    git(clone, "fetch", "-q", "--depth=1", "origin", "trunk:refs/remotes/origin/trunk")
    assert git_state(clone).base_branch == "trunk"


def test_a_shallow_clone_of_another_branch_has_no_base(tmp_path: Path) -> None:
    origin = repository(tmp_path / "origin", "trunk")
    git(origin, "branch", "feature")
    git(tmp_path, "clone", "-q", "--depth=1", "--branch=feature", f"file://{origin}", "clone")
    assert git_state(tmp_path / "clone").base_branch is None


def test_git_gets_no_secrets(origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    program, seen = tmp_path / "bin" / "git", tmp_path / "seen"
    program.write_text(f'#!/bin/sh\nenv > "{seen}"\necho bad >&2\nexit 128\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv(secret_variable("wandb"), "s3cret-value")
    with pytest.raises(InputError):
        git_state(origin)
    assert "PATH=" in seen.read_text()
    assert "s3cret-value" not in seen.read_text()


def test_git_that_is_not_installed_is_an_error(origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"git is not installed here\. Install git"):
        git_state(origin)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_repository_of_another_user_is_an_error_with_its_cure(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    os.chown(origin, 65534, 65534)
    os.chown(origin / ".git", 65534, 65534)
    with pytest.raises(InputError, match=r"another user owns it.*git config --global --add safe.directory"):
        git_state(origin)
    with pytest.raises(InputError, match="another user owns it"):
        check_untracked(origin / ".mlci")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(origin))
    assert git_state(origin).branch == "main"


@pytest.mark.parametrize("damage", ["empty", "dangling", "lost"])
def test_a_repository_that_git_cannot_read_is_an_error(tmp_path: Path, damage: str) -> None:
    match damage:
        case "empty":
            (tmp_path / ".git").mkdir()
        case "dangling":
            (tmp_path / ".git").symlink_to(tmp_path / "nowhere")
        case _:
            (tmp_path / ".git").write_text("gitdir: /nowhere/modules/model\n")
    with pytest.raises(InputError, match="git can't read the repository"):
        git_state(tmp_path)


def test_names_that_are_not_utf8_are_readable_and_stay_distinct(origin: Path) -> None:
    for name in (b"b\xff", b"b\xfe"):
        subprocess.run([b"git", b"checkout", b"-q", b"-b", name], cwd=origin, check=True)
    assert git_state(origin).branch == "b\\xfe"


@pytest.mark.parametrize("below", [".", "models"])
def test_a_checkout_runs_nothing_of_its_own(tmp_path: Path, below: str) -> None:
    """Neither a folder that looks like a bare repository, nor a setting of the repository, starts a program."""
    origin = repository(tmp_path / "origin")
    witness = tmp_path / "ran"
    bare = origin / "models"
    (bare / "objects").mkdir(parents=True)
    (bare / "refs/heads").mkdir(parents=True)
    (bare / "HEAD").write_text("ref: refs/heads/main\n")
    hostile = f'[core]\n\tbare = false\n\tworktree = ..\n\tfsmonitor = "touch {witness}; false"\n'
    (bare / "config").write_text(hostile)
    filters = f'[filter "x"]\n\tclean = "touch {witness}; cat"\n[core]\n\tfsmonitor = "touch {witness}; false"\n'
    with (origin / ".git/config").open("a") as config:
        config.write(filters)
    (origin / ".git/hooks").mkdir(exist_ok=True)
    for hook in ("post-index-change", "fsmonitor-watchman", "reference-transaction"):
        (origin / ".git/hooks" / hook).write_text(f"#!/bin/sh\ntouch {witness}\n")
        (origin / ".git/hooks" / hook).chmod(0o755)
    (origin / ".gitattributes").write_text("* filter=x\n")
    (origin / "file").write_text("changed")
    assert git_state(origin / below).branch == "main"
    check_untracked(origin / below / ".mlci")
    assert not witness.exists()


@pytest.mark.parametrize("name", [".mlci/store/bucket/key", ".MLCI/cache/x", ".mlci"])
def test_what_git_tracks_below_a_folder_is_refused(origin: Path, name: str) -> None:
    check_untracked(origin / ".mlci")
    (origin / name).parent.mkdir(parents=True, exist_ok=True)
    (origin / name).write_text("from the repository")
    check_untracked(origin / ".mlci")
    git(origin, "add", "--force", name)
    with pytest.raises(InputError, match=rf'git tracks "{name}".*git rm -r --cached .mlci'):
        check_untracked(origin / ".mlci")


def test_a_folder_below_the_top_is_checked_by_its_own_name(origin: Path) -> None:
    (origin / "a[b]*/.mlci").mkdir(parents=True)
    (origin / "ab/.mlci").mkdir(parents=True)
    (origin / "ab/.mlci/x").write_text("")
    git(origin, "add", "--force", ".")
    check_untracked(origin / "a[b]*/.mlci")
    with pytest.raises(InputError, match=r"git rm -r --cached ab/.mlci"):
        check_untracked(origin / "ab/.mlci")
