"""The work tree against its commit, and the order of commits: what a baseline is earned by.

As in git.py, no filter, hook or pager runs, and nothing is written or fetched.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

from mlci.baseline import WorkTree
from mlci.fast_dataclasses import dataclass
from mlci.git_command import run_git
from mlci.stage.repository import git_root

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
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
        if root is None or not all(self._is_known(root, commit) for commit in (older, newer)):
            return False
        return run_git(root, "merge-base", "--is-ancestor", older, newer) is not None

    def committed(self, commit: str) -> datetime | None:
        """Returns the time of a commit; None if git does not know it."""
        root = git_root(self.folder)
        if root is None or not self._is_known(root, commit):
            return None
        header = (run_git(root, "cat-file", "commit", commit) or "").partition("\n\n")[0]
        match = _COMMITTER.search(header)
        return datetime.fromtimestamp(int(match[1]), timezone.utc) if match else None

    @staticmethod
    def _is_known(root: Path, commit: str) -> bool:
        return bool(_COMMIT.fullmatch(commit)) and run_git(root, "cat-file", "-e", commit) is not None


def work_tree(folder: Path) -> WorkTree:
    """Returns the files of the work tree that its commit does not hold.

    Raises: InputError, where there is a repository and git can't read it.
    """
    root = git_root(folder)
    if root is None:
        return WorkTree()
    entries = (run_git(root, *_STATUS, settings=_without_filters(root)) or "").split("\0")
    changed = tuple(sorted(entry[3:] for entry in entries if entry and not entry.startswith("??")))
    return WorkTree(changed, frozenset(root / entry[3:] for entry in entries if entry.startswith("??")))


def _without_filters(root: Path) -> list[str]:
    """Returns the settings that switch off each filter that is configured, such as Git LFS's."""
    listed = run_git(root, "config", "--name-only", "-z", "--get-regexp", r"^filter\..*\.(clean|process|required)$")
    names = [name for name in (listed or "").split("\0") if name and "=" not in name]
    return [f"{name}={'false' if name.endswith('.required') else ''}" for name in names]
