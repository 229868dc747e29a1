"""The context of a run, from outside of the flow: the repository, the target, the folder of the run, its reporter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from mlci.baseline import NO_HISTORY, CommitHistory, WorkTree
from mlci.report.links import Links
from mlci.runs.run_lock import RunLock
from mlci.runs.watch import WatchOptions
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.backends.progress import Progress
    from mlci.interrupts import InterruptSource
    from mlci.partial import PartialRun
    from mlci.plan import Target
    from mlci.records.kept_definitions import KeptDefinitions
    from mlci.runs.run_folder import RunFolder
    from mlci.stage import Cache, Repository


class RunReporter(Protocol):
    """Shows the progress of a run."""

    def log(self, text: str) -> None: ...

    def update(self, progress: Progress) -> None: ...

    def live(self) -> AbstractContextManager[None]: ...

    def use_run(self, run_id: str, tail: Callable[[str], str]) -> None: ...


@dataclass(frozen=True)
class RunContext:
    """The context of a run, from outside of the flow. `timeout_s` limits the whole run.

    `attaches` lets a build that was cut off, and started again, continue its own run. `tree` and `history` say what the
    commit of the target does not hold, None if that is not known, and which others it builds on. `lock` is held while
    the run goes on. `part` is set where only a part of the flow is run. `definitions` are those that builds share.
    `fresh` has the steps that are not to be reused, with the reason. `reused_runs` are the runs that the steps are
    reused from of a run that goes on already. `build_started` is the start of the build that runs it, as far
    as it is known, and `links` are the pages that are known before the run.
    """

    repository: Repository
    region: str
    cache: Cache
    target: Target
    folder: RunFolder
    reporter: RunReporter
    interrupts: InterruptSource
    timeout_s: float | None = None
    attaches: bool = True
    tree: WorkTree | None = None
    history: CommitHistory = NO_HISTORY
    part: PartialRun | None = None
    definitions: KeptDefinitions | None = None
    watch: WatchOptions = field(default_factory=WatchOptions)
    lock: RunLock = field(default_factory=RunLock)
    fresh: Mapping[str, str] = field(default_factory=dict)
    reused_runs: Mapping[str, str] | None = None
    build_started: datetime | None = None
    links: Links = Links()

    @property
    def is_dirty(self) -> bool | None:
        """True if tracked files differ from the commit; None if that is not known."""
        return None if self.tree is None else bool(self.tree.changed)

    def for_run(self, run_id: str) -> RunContext:
        """The context of another run, which goes on already."""
        return replace(self, target=replace(self.target, run_id=run_id), folder=self.folder.sibling(run_id))
