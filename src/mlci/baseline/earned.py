"""The conditions of a baseline: a clean commit of the base branch, with the flow's own params, and the newest.

A run with other params, or of files that no commit holds, could lower what later runs are compared with, a little each
time, and nobody could see why.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import datetime
from typing import Protocol

from mlci.plan import Baseline, Plan
from mlci_dataclasses import dataclass

_SHOWN = 3


@dataclass(frozen=True)
class WorkTree:
    """The files of a work tree that its commit does not hold: tracked files that `changed`, and those `untracked`,
    which may be as many as a data set has: their absolute paths as text.

    Files that git ignores are neither.
    """

    changed: tuple[str, ...] = ()
    untracked: frozenset[str] = field(default_factory=frozenset)


class CommitHistory(Protocol):
    """The order of commits, as far as it is known."""

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Returns True if it knows that `newer` builds on `older`."""

    def committed(self, commit: str) -> datetime | None:
        """Returns the time of a commit; None if it is not known."""

    def ancestors(self, commit: str) -> Mapping[str, int]:
        """Returns the commits that a commit builds on, and itself, as far as they are known; the smaller the number,
        the newer the commit."""

    def is_shallow(self) -> bool:
        """Returns True if the checkout lacks older commits."""


class _NoHistory:
    def is_ancestor(self, older: str, newer: str) -> bool:
        return False

    def committed(self, commit: str) -> datetime | None:
        return None

    def ancestors(self, commit: str) -> Mapping[str, int]:
        return {}

    def is_shallow(self) -> bool:
        return False


#: The history of what is no repository.
NO_HISTORY: CommitHistory = _NoHistory()


def unearned_reason(planned: Plan, tree: WorkTree) -> str:
    """Returns why a run of the base branch can't become its baseline; empty if it can."""
    changed = [*tree.changed, *_untracked(planned, tree)]
    if changed:
        return f"{_listed(changed)} {'is' if len(changed) == 1 else 'are'} not as in the commit"
    overridden = planned.flow.overridden
    if overridden:
        return f"the run had other params than the flow: {_listed(overridden)}"
    return ""


def is_older(baseline: Baseline, current: Baseline, history: CommitHistory) -> bool:
    """Returns True if the commit of a baseline is older than that of the current one.

    The history of git decides where it has both, and the times of the commits elsewhere: in a shallow clone, or after
    the branch was rewritten.
    """
    if not baseline.commit or not current.commit or baseline.commit == current.commit:
        return False
    if history.is_ancestor(baseline.commit, current.commit):
        return True
    if history.is_ancestor(current.commit, baseline.commit):
        return False
    return bool(baseline.committed and current.committed and baseline.committed < current.committed)


def _untracked(planned: Plan, tree: WorkTree) -> list[str]:
    """Returns the files that the run takes from the repository, and that are in no commit of it."""
    if not tree.untracked:
        return []
    sources = {os.fspath(file.source) for upload in planned.uploads for file in upload.files}
    sources.add(os.path.realpath(planned.flow.file))
    return sorted(os.path.basename(source) for source in sources & tree.untracked)


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
