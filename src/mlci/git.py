"""What git says of the working tree that a run starts from."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class GitState:
    """The commit and branch that are checked out, the branch that pull requests go to, and the URL that was cloned;
    None where there is none."""

    commit: str | None = None
    branch: str | None = None
    base_branch: str | None = None
    remote: str | None = None


def git_state(folder: Path) -> GitState:
    """The state of the git work tree around a folder; all None outside of one, or where git is not installed."""
    status = _git(folder, "status", "--porcelain=v2", "--branch", "--untracked-files=no")
    if status is None:
        return GitState()
    head = dict(line[2:].partition(" ")[::2] for line in status.splitlines() if line.startswith("# branch."))
    commit, branch = head.get("branch.oid"), head.get("branch.head")
    return GitState(
        None if commit == "(initial)" else commit,
        None if branch == "(detached)" else branch,
        _base_branch(folder),
        (_git(folder, "remote", "get-url", "origin") or "").strip() or None,
    )


def _base_branch(folder: Path) -> str | None:
    """The remote's default branch, else `main` or `master`, whichever there is."""
    names = (
        _git(folder, "for-each-ref", "--format=%(refname) %(symref)", "refs/remotes/origin/HEAD", "refs/heads") or ""
    )
    refs = dict(line.partition(" ")[::2] for line in names.splitlines())
    default = refs.get("refs/remotes/origin/HEAD", "")
    if default:
        return default.removeprefix("refs/remotes/origin/").strip()
    return next((name for name in ("main", "master") if f"refs/heads/{name}" in refs), None)


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
