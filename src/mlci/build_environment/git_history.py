"""The work tree against its commit, and the order of commits: what a baseline is earned by.

As in git.py, no filter, hook or pager runs, and nothing is written or fetched.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from mlci.baseline import WorkTree
from mlci.git_command import run_git, start_git
from mlci.stage.repository import git_root
from mlci_dataclasses import dataclass

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
#: More commits of a history are not looked through.
_ANCESTORS = 20_000
_PARENT = re.compile(r"^parent ([0-9a-f]+)$", re.MULTILINE)
_COMMITTER = re.compile(r"^committer .* (\d+) [-+]\d{4}$", re.MULTILINE)
_STATUS = (
    "status",
    "--porcelain=v1",
    "-z",
    "--untracked-files=all",
    "--no-renames",
    "--ignore-submodules=dirty",
    "--",
    ".",
    ":(exclude,glob)**/.mlci/**",
)


@dataclass(frozen=True)
class GitHistory:
    """The history of the repository that holds a folder; it knows no commit where there is none."""

    folder: Path

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Returns True if git knows both commits, and the way from one to the other."""
        root = git_root(self.folder)
        if root is None or not all(_COMMIT.fullmatch(commit) for commit in (older, newer)):
            return False
        known = run_git(root, "cat-file", "--batch-check", lines=f"{older}\n{newer}\n") or ""
        if len(re.findall(" commit ", known)) != 2:
            return False
        return run_git(root, "merge-base", "--is-ancestor", older, newer) is not None

    def committed(self, commit: str) -> datetime | None:
        """Returns the time of a commit; None if git does not know it."""
        root = git_root(self.folder)
        if root is None or not _COMMIT.fullmatch(commit):
            return None
        header = (run_git(root, "cat-file", "--batch", lines=f"{commit}\n") or "").partition("\n\n")[0]
        match = _COMMITTER.search(header)
        return datetime.fromtimestamp(int(match[1]), timezone.utc) if match else None

    def ancestors(self, commit: str) -> dict[str, int]:
        """Returns the newest commits that a commit builds on, and itself first; the smaller the number, the newer.

        A clone of one commit knows no other: those that the commit itself names as its parents count there, so that
        the merge of a pull request knows what it merges into.
        """
        root = git_root(self.folder)
        if root is None or not _COMMIT.fullmatch(commit):
            return {}
        # A commit that git does not know is passed over, and so nothing is listed.
        listed = run_git(root, "rev-list", "--ignore-missing", f"--max-count={_ANCESTORS}", commit, "--") or ""
        found = listed.split()
        if len(found) == 1:
            found += _PARENT.findall((run_git(root, "cat-file", "commit", commit) or "").partition("\n\n")[0])
        return {each: number for number, each in reversed([*enumerate(found)])}

    def is_shallow(self) -> bool:
        """Returns True for a clone that lacks older commits."""
        root = git_root(self.folder)
        return root is not None and (run_git(root, "rev-parse", "--is-shallow-repository") or "").strip() == "true"


def start_work_tree(folder: Path) -> Callable[[], WorkTree]:
    """Lets git look through the work tree. Returns a function that waits for the files that its commit does not hold.

    Both raise: InputError, where there is a repository and git can't read it.
    """
    root = git_root(folder)
    if root is None:
        return WorkTree
    status = start_git(root, *_STATUS, settings=_without_filters(root))

    def found() -> WorkTree:
        entries = (status() or "").split("\0")
        changed = tuple(sorted(entry[3:] for entry in entries if entry and not entry.startswith("??")))
        prefix = os.path.join(root, "")
        return WorkTree(changed, frozenset(prefix + entry[3:] for entry in entries if entry.startswith("??")))

    return found


def _without_filters(root: Path) -> list[str]:
    """Returns the settings that switch off each filter that is configured, such as Git LFS's."""
    listed = run_git(root, "config", "--name-only", "-z", "--get-regexp", r"^filter\..*\.(clean|process|required)$")
    names = [name for name in (listed or "").split("\0") if name and "=" not in name]
    return [f"{name}={'false' if name.endswith('.required') else ''}" for name in names]
