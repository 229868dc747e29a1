"""One attempt at a Parallel: its branches, each in a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mlci_asl.branch import Scope
from mlci_asl.errors import StateError
from mlci_asl.events import Event
from mlci_asl.jsontext import Text, parse
from mlci_asl.model import Branch, Parallel
from mlci_asl.redrive import Past, branches
from mlci_asl.task_group import Group, Job

RunBranch = Callable[[Branch, Text, Scope, "Past | None"], Text]


def attempt(scope: Scope, state: Parallel, given: Text, run: RunBranch, inside: Sequence[Event] = ()) -> Text:
    """The branches' outputs, in their order. When this returns or raises, every branch has ended.

    `inside` is what happened in the state before the execution was redriven.

    Raises: StateError of the branch that failed first; Stopped.
    """
    pasts: list[Past | None] = [*branches(state, inside)]
    if not pasts:
        scope.trail.add("ParallelStateStarted")
        pasts = [None] * len(state.branches)
    done = outputs(dict(enumerate(pasts)))
    jobs = [
        Job(index, _job(branch, given, run, past), after=follows(past))
        for index, (branch, past) in enumerate(zip(state.branches, pasts, strict=True))
        if index not in done
    ]
    return settled(Group(scope, jobs, len(jobs)), len(pasts), "ParallelStateSucceeded", done)


def _job(branch: Branch, given: Text, run: RunBranch, past: Past | None) -> Callable[[Scope], Text]:
    return lambda scope: run(branch, given, scope, past)


def outputs(pasts: Mapping[int, Past | None]) -> dict[int, Text]:
    """What the branches or iterations gave that ended well before the execution was redriven."""
    found = {index: past.output() for index, past in pasts.items() if past}
    return {index: Text(output, parse(output)) for index, output in found.items() if output is not None}


def follows(past: Past | None) -> int | None:
    """The event after which a branch goes on; None where it begins now."""
    point = past.point() if past else None
    return None if point is None else point.entered.id


def settled(group: Group, count: int, succeeded: str, done: Mapping[int, Text]) -> Text:
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
    found = {**done, **group.outputs}
    texts = [found[index] for index in range(count)]
    return Text("[" + ",".join(text.text for text in texts) + "]", [text.value for text in texts])
