"""The runs that the arguments of `mlci diff` name: those of this machine, of branches, and of builds on AWS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property

from mlci.baseline import CommitHistory, find_former, read_current
from mlci.errors import InputError
from mlci.flow.problems import nearest
from mlci.plan import Target
from mlci.report.run_diff import RunSide
from mlci.runs.compared_runs import SideReader
from mlci.runs.earlier_runs import earlier_runs
from mlci.runs.published_runs import PublishedRun, published_keys, published_runs
from mlci.runs.run_folder import RunFolder
from mlci_dataclasses import dataclass

LATEST = "latest"
#: An error lists so many runs, and so many branches.
_LISTED = 5


@dataclass(frozen=True)
class NamedRuns:
    """The runs of a flow. `branches` has the newest commits of each branch, the remote's and those of this machine;
    `now` is the time at which the runs are named."""

    reader: SideReader
    target: Target
    history: CommitHistory
    branches: Mapping[str, Sequence[str]]
    now: datetime

    def find(self, name: str) -> RunSide:
        """Return the run that a name means: "latest"; a whole id; a branch; or the beginning or end of an id.

        A branch means its baseline, or else the newest run of a commit of it.

        Raises: InputError, where there is none, or more than one; CloudError.
        """
        if name == LATEST:
            return self._latest()
        here = [folder for folder in self.reader.runs.all() if folder.is_named(name)]
        if any(folder.run_id == name for folder in here):
            return self.reader.read_run(self.reader.runs.folder(name))
        found = self._baseline(name) or self._of_branch(name)
        if found is None and name not in self.branches:
            if here:
                return self.reader.read_run(self.reader.runs.find(name))
            found = self._former(name) or self._of_build(name)
        if found is None:
            raise self._unknown(name)
        return found

    def baseline(self) -> RunSide:
        """Return the baseline of the base branch.

        Raises: InputError, where there is none; CloudError.
        """
        branch = self.target.base_branch
        found = self._baseline(branch) if branch else None
        if found is None:
            raise InputError(
                f"{branch or 'the base branch'} has no baseline to compare with",
                "Name two runs: mlci diff RUN RUN (`mlci list` shows them).",
            )
        return found

    def _latest(self) -> RunSide:
        """Return the newest run of the flow on this machine, or else of a build."""
        for folder in self.reader.runs.all():
            if self._is_of_flow(folder):
                return self.reader.read_run(folder)
        for published in self._published:
            return self._read_published(published)
        raise InputError(f'there is no run of "{self.reader.flow.name}" here', "Start one: mlci run")

    def _is_of_flow(self, folder: RunFolder) -> bool:
        start = folder.started()
        return start is None or start.flow == self.reader.flow.name

    def _baseline(self, branch: str) -> RunSide | None:
        baseline = read_current(self.reader.flow.name, replace(self.target, base_branch=branch), self.reader.cloud)
        if baseline is None or not baseline.run_id:
            return None
        return self.reader.read_baseline(baseline, f"the baseline of {branch}")

    def _former(self, name: str) -> RunSide | None:
        """Return a run that earned the baseline once: its own files may be gone, or on another machine."""
        if self.target.base_branch is None:
            return None
        former = find_former(self.reader.flow.name, self.target, name, self.reader.cloud)
        return self.reader.read_baseline(former, f"run {former.run_id}") if former else None

    def _of_branch(self, branch: str) -> RunSide | None:
        """Return the newest run of the commits that the branch has beside the base branch's."""
        commits = self._commits(branch)
        if not commits:
            return None
        here = earlier_runs(self.reader.runs.all(), self.reader.flow.name, self.reader.cloud.name)
        for run in here:
            if run.result.get("commit") in commits:
                return self.reader.read_run(run.folder)
        for published in self._published:
            if published.result.get("commit") in commits:
                return self._read_published(published)
        return None

    def _commits(self, branch: str) -> set[str]:
        tips, base = self.branches.get(branch, ()), self.target.base_branch
        commits = {commit for tip in tips for commit in self.history.ancestors(tip)}
        if base and base != branch:
            merged = {commit for tip in self.branches.get(base, ()) for commit in self.history.ancestors(tip)}
            return commits - merged or set(tips)
        return commits

    def _of_build(self, name: str) -> RunSide | None:
        """Return the run of a build on AWS, by its id or the build's."""
        found = [each for each in self._published if name in each.ids] or [
            each for each in self._published if any(text.startswith(name) or text.endswith(name) for text in each.ids)
        ]
        if len(found) > 1:
            known = ", ".join(each.run_id for each in found[:_LISTED])
            raise InputError(f'more than one run is called "{name}"', f"There are: {known}")
        return self._read_published(found[0]) if found else None

    @cached_property
    def _published(self) -> tuple[PublishedRun, ...]:
        """The runs of builds on AWS, the newest first. Their results are read once, when one is asked for."""
        reader = self.reader
        return published_runs(reader.flow.name, self.target.bucket, reader.cloud, self.now, reader.log)

    def _read_published(self, published: PublishedRun) -> RunSide:
        keys = published_keys(published, self.reader.cloud, self.reader.log)
        return self.reader.read_result(published.run_id, published.result, keys)

    def _unknown(self, name: str) -> InputError:
        known = sorted(self.branches)
        if name in known:
            return InputError(
                f'the branch "{name}" has no baseline, and there is no run of a commit of it',
                f"Run it: git switch {name} && mlci run",
            )
        runs = [folder.run_id for folder in self.reader.runs.all()]
        near = nearest(name, [*known, *runs])
        if near:
            return InputError(f'there is no run and no branch "{name}"', f'Did you mean "{near}"?')
        if not runs:
            return InputError(f'there is no run and no branch "{name}"', "Start a run: mlci run")
        hint = f"There are the runs {', '.join(runs[:_LISTED])}"
        hint += f"; and the branches {', '.join(known[:_LISTED])}" if known else ""
        return InputError(f'there is no run and no branch "{name}"', hint)
