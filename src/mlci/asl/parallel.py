"""One attempt at a Parallel: its branches, each in a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlci.asl.errors import StateError
from mlci.asl.group import Group, Job
from mlci.asl.jsontext import Json
from mlci.asl.model import Branch, Parallel
from mlci.asl.scope import Scope

RunBranch = Callable[[Branch, Json, Scope], Json]


def attempt(scope: Scope, state: Parallel, given: Json, run: RunBranch) -> Json:
    """The branches' outputs, in their order. When this returns or raises, every branch has ended.

    Raises: StateError of the branch that failed first; Stopped.
    """
    scope.trail.add("ParallelStateStarted")
    jobs = [Job(index, _job(branch, given, run)) for index, branch in enumerate(state.branches)]
    return settled(Group(scope, jobs, len(jobs)), len(jobs), "ParallelStateSucceeded")


def _job(branch: Branch, given: Json, run: RunBranch) -> Callable[[Scope], Json]:
    return lambda scope: run(branch, given, scope)


def settled(group: Group, count: int, succeeded: str, done: Mapping[int, Json] | None = None) -> Json:
    """Runs a group: the list of what its jobs gave, those `done` before included, or the error of the one that failed.

    Raises: StateError; Stopped.
    """
    group.run()
    if group.failure is not None:
        raise StateError(group.failure.error, group.failure.cause, is_from_branch=True)
    trail = group.scope.trail
    last_id = trail.last_id
    trail.add(succeeded)
    trail.last_id = last_id  # as AWS: the exit, too, follows the last event inside
    outputs = {**(done or {}), **group.outputs}
    return [outputs[index] for index in range(count)]
