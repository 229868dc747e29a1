"""Branches or iterations that run at the same time, in a bounded number of threads: the first failure stops the rest.

The events around them are AWS's, as the recorded histories of LocalStack's Step Functions tests have them: the events
of branches that did not succeed, and of the states in which they were, follow the last event of the one that failed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from mlci_asl.branch import BranchExecution, Stopped
from mlci_asl.errors import StateError
from mlci_asl.events import EventChain
from mlci_asl.jsontext import JsonText


def _no_event(event_name: str, chain: EventChain) -> None:
    """A Parallel's branches have no events of their own."""


class ConcurrentBranch(NamedTuple):
    """One branch or iteration.

    `add_event` adds the event that it Started, Succeeded, Failed, or was Aborted. A branch that started before the
    execution was redriven goes on after the event `resumed_after`.
    """

    number: int
    run: Callable[[BranchExecution], JsonText]
    add_event: Callable[[str, EventChain], None] = _no_event
    resumed_after: int | None = None


class BranchGroup:
    """The branches of one attempt at a state. When `run` returns or raises, every branch has ended."""

    def __init__(self, execution: BranchExecution, branches: Sequence[ConcurrentBranch], max_concurrency: int) -> None:
        self.execution, self.stop = execution, execution.stop.child()
        self.outputs: dict[int, JsonText] = {}
        self.failure: StateError | None = None
        self._last_id = execution.chain.last_id  # of the last event of a branch that succeeded
        self._failed: ConcurrentBranch | None = None
        self._handler_error: BaseException | None = None
        self._lock = threading.Lock()
        self._first, self._pending = list(branches[:max_concurrency]), iter(branches[max_concurrency:])
        self._unfinished: dict[int, tuple[ConcurrentBranch, BranchExecution]] = {}

    def run(self) -> None:
        """Runs every branch, and sets `outputs` or `failure`.

        Raises: Stopped.
        """
        starts = [(branch, self.execution.start_branch(self.stop)) for branch in self._first]
        for branch, execution in starts:
            self._start(branch, execution)
        threads = [threading.Thread(target=self._run_pending, args=start, daemon=True) for start in starts]
        started: list[threading.Thread] = []
        try:
            for thread in threads:
                thread.start()
                started.append(thread)
            for thread in started:
                thread.join()
        finally:  # also when an interrupt hits this thread: no branch outlives the state
            self._join(started)
        if self._handler_error is not None:
            raise self._handler_error
        self._add_unfinished_events()
        self.execution.raise_if_stopped()

    def _join(self, threads: list[threading.Thread]) -> None:
        if any(thread.is_alive() for thread in threads):
            self.stop.set()
        for thread in threads:
            thread.join()

    def _start(self, branch: ConcurrentBranch, execution: BranchExecution) -> None:
        with self._lock:
            self._unfinished[branch.number] = branch, execution
        if branch.resumed_after is None:
            branch.add_event("Started", execution.chain)
        else:
            execution.chain.last_id = branch.resumed_after

    def _run_pending(self, branch: ConcurrentBranch, execution: BranchExecution) -> None:
        """Runs one branch after the other, each with variables of its own."""
        try:
            self._run_one(branch, execution)
            while (next_branch := self._next_pending()) is not None:
                execution = self.execution.start_branch(self.stop, execution.chain)
                self._start(next_branch, execution)
                self._run_one(next_branch, execution)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that runs the state
            self._handler_error = error
            self.stop.set()

    def _next_pending(self) -> ConcurrentBranch | None:
        with self._lock:
            return None if self.stop.is_set() else next(self._pending, None)

    def _run_one(self, branch: ConcurrentBranch, execution: BranchExecution) -> None:
        try:
            self.outputs[branch.number] = branch.run(execution)
        except Stopped:
            return
        except StateError as error:
            with self._lock:
                if self.failure is None and not self.stop.is_set():
                    self.failure, self._failed = error, branch
            self.stop.set()
            return
        chain, last_id = execution.chain, execution.chain.last_id
        branch.add_event("Succeeded", chain)
        with self._lock:
            del self._unfinished[branch.number]
            self._last_id = max(self._last_id, chain.last_id)
        chain.last_id = last_id  # as AWS: the thread's next iteration follows the last event inside this one

    def _add_unfinished_events(self) -> None:
        """Reports the branches that did not succeed, and sets the event that the state's own next event follows."""
        if self._failed is not None:
            _, execution = self._unfinished.pop(self._failed.number)
            self.execution.chain.last_id = execution.chain.last_id
            self._add_unfinished("Failed", self._failed, execution, execution.chain.last_id)
        elif not self.stop.is_set():
            self.execution.chain.last_id = self._last_id
        for _, (branch, execution) in sorted(self._unfinished.items()):
            last_id = None if self._failed is None else self.execution.chain.last_id
            self._add_unfinished("Aborted", branch, execution, last_id)

    def _add_unfinished(
        self, event_name: str, branch: ConcurrentBranch, execution: BranchExecution, last_id: int | None
    ) -> None:
        """The events follow `last_id`, or the branch's own last event if it is None."""
        chain = EventChain(execution.chain.history, execution.chain.last_id if last_id is None else last_id)
        previous_id = chain.last_id
        branch.add_event(event_name, chain)
        chain.last_id = previous_id
        execution.add_aborted_events(chain)
