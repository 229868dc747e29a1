"""Running the branches of a Parallel at the same time: the first that fails stops the others."""

from __future__ import annotations

import threading
from collections.abc import Callable

from mlci.asl.errors import StateError
from mlci.asl.jsontext import Json
from mlci.asl.model import Branch, Parallel
from mlci.asl.scope import Scope, Stopped

RunBranch = Callable[[Branch, Json, Scope], Json]


def attempt(scope: Scope, state: Parallel, given: Json, run: RunBranch) -> Json:
    """The branches' outputs, in their order. When this returns or raises, every branch has ended.

    Raises: StateError of the branch that failed first; Stopped.
    """
    scope.trail.add("ParallelStateStarted")
    group = _Group(scope, run)
    group.run(state.branches, given)
    scope.check()
    if group.failure is not None:
        scope.trail.add("ParallelStateFailed")
        raise StateError(group.failure.error, group.failure.cause, is_from_branch=True)
    last_id = scope.trail.last_id
    scope.trail.add("ParallelStateSucceeded")
    scope.trail.last_id = last_id  # as AWS: the exit, too, follows the last event of the branches
    return [group.outputs[index] for index in range(len(state.branches))]


class _Group:
    """The branches of one attempt, each in a thread."""

    def __init__(self, scope: Scope, run: RunBranch) -> None:
        self.scope, self.run_branch = scope, run
        self.stop = scope.stop.child()
        self.outputs: dict[int, Json] = {}
        self.failure: StateError | None = None
        self.fault: BaseException | None = None
        self.lock = threading.Lock()

    def run(self, branches: tuple[Branch, ...], given: Json) -> None:
        scopes = [self.scope.branch(self.stop) for _ in branches]
        threads = [
            threading.Thread(target=self._one, args=(index, branch, given, scopes[index]), daemon=True)
            for index, branch in enumerate(branches)
        ]
        started: list[threading.Thread] = []
        try:
            for thread in threads:
                thread.start()
                started.append(thread)
            for thread in started:
                thread.join()
        finally:  # also when an interrupt hits this thread: no branch outlives the state
            self._end(started)
        if self.fault is not None:
            raise self.fault
        if self.failure is None:
            self.scope.trail.last_id = max(scope.trail.last_id for scope in scopes)

    def _end(self, threads: list[threading.Thread]) -> None:
        if any(thread.is_alive() for thread in threads):
            self.stop.set()
        for thread in threads:
            thread.join()

    def _one(self, index: int, branch: Branch, given: Json, scope: Scope) -> None:
        try:
            self.outputs[index] = self.run_branch(branch, given, scope)
        except Stopped:
            pass
        except StateError as error:
            self._fail(error, scope)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that runs the Parallel
            self.fault = error
            self.stop.set()

    def _fail(self, error: StateError, scope: Scope) -> None:
        with self.lock:
            if self.failure is None:
                self.failure = error
                self.scope.trail.last_id = scope.trail.last_id
        self.stop.set()
