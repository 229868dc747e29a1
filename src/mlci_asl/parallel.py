"""One attempt at a Parallel: its branches, each in a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mlci_asl.branch import BranchExecution
from mlci_asl.branch_group import BranchGroup, ConcurrentBranch
from mlci_asl.events import Event
from mlci_asl.jsontext import JsonText, parse
from mlci_asl.model import Branch, Parallel
from mlci_asl.redrive import BranchHistory, branch_histories

RunBranch = Callable[[Branch, JsonText, BranchExecution, "BranchHistory | None"], JsonText]


def attempt(
    execution: BranchExecution, state: Parallel, input: JsonText, run: RunBranch, past_events: Sequence[Event] = ()
) -> JsonText:
    """The branches' outputs, in their order. When this returns or raises, every branch has ended.

    `past_events` happened in the state before the execution was redriven.

    Raises: StateError of the branch that failed first; Stopped.
    """
    histories: list[BranchHistory | None] = [*branch_histories(state, past_events)]
    if not histories:
        execution.chain.add("ParallelStateStarted")
        histories = [None] * len(state.branches)
    completed = completed_outputs(dict(enumerate(histories)))
    branches = [
        ConcurrentBranch(index, _runner(branch, input, run, history), resumed_after=resumed_after(history))
        for index, (branch, history) in enumerate(zip(state.branches, histories, strict=True))
        if index not in completed
    ]
    group = BranchGroup(execution, branches, len(branches))
    return group_output(group, len(histories), "ParallelStateSucceeded", completed)


def _runner(
    branch: Branch, input: JsonText, run: RunBranch, history: BranchHistory | None
) -> Callable[[BranchExecution], JsonText]:
    return lambda execution: run(branch, input, execution, history)


def completed_outputs(histories: Mapping[int, BranchHistory | None]) -> dict[int, JsonText]:
    """The outputs of the branches or iterations that succeeded before the execution was redriven."""
    outputs = {index: history.output() for index, history in histories.items() if history}
    return {index: JsonText(output, parse(output)) for index, output in outputs.items() if output is not None}


def resumed_after(history: BranchHistory | None) -> int | None:
    """The event after which a branch goes on; None if it starts now."""
    point = history.resume_point() if history else None
    return None if point is None else point.entered.id


def group_output(group: BranchGroup, count: int, event_type: str, completed: Mapping[int, JsonText]) -> JsonText:
    """Runs a group, and returns the list of all outputs, with those of the branches `completed` before.

    Raises: StateError of the branch that failed; Stopped.
    """
    group.run()
    if group.failure is not None:
        raise group.failure.of_branch()
    chain = group.execution.chain
    last_id = chain.last_id
    chain.add(event_type)
    chain.last_id = last_id  # as AWS: the exit, too, follows the last event inside
    outputs = {**completed, **group.outputs}
    texts = [outputs[index] for index in range(count)]
    return JsonText("[" + ",".join(text.text for text in texts) + "]", [text.value for text in texts])
