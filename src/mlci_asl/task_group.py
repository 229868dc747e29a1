"""Work done at the same time, in a bounded number of threads: the first that fails stops the rest.

The events around it are AWS's, as the recorded histories of LocalStack's Step Functions tests have them: what is told
of the jobs that did not end well, and of the states that they were in, follows the last event of the one that failed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from mlci_asl.branch import Scope, Stopped
from mlci_asl.errors import StateError
from mlci_asl.events import Trail
from mlci_asl.jsontext import Text


def _silent(what: str, trail: Trail) -> None:
    """Nothing is told of a Parallel's branches."""


class Job(NamedTuple):
    """One branch or iteration; `tell` adds an event: that it Started, Succeeded, Failed, or was Aborted.

    Where `after` is an event, the job has begun in an earlier attempt at the execution, and goes on after it.
    """

    number: int
    run: Callable[[Scope], Text]
    tell: Callable[[str, Trail], None] = _silent
    after: int | None = None


class Group:
    """The jobs of one attempt at a state. When `run` returns or raises, every job has ended."""

    def __init__(self, scope: Scope, jobs: Sequence[Job], width: int) -> None:
        self.scope, self.stop = scope, scope.stop.child()
        self.outputs: dict[int, Text] = {}
        self.failure: StateError | None = None
        self._last_id = scope.trail.last_id  # of the last event of a job that ended well
        self._failed: Job | None = None
        self._fault: BaseException | None = None
        self._lock = threading.Lock()
        self._first, self._pending = list(jobs[:width]), iter(jobs[width:])
        self._unfinished: dict[int, tuple[Job, Scope]] = {}

    def run(self) -> None:
        """Raises: Stopped where the scope is stopped."""
        lanes = [(job, self.scope.branch(self.stop)) for job in self._first]
        for job, scope in lanes:
            self._begin(job, scope)
        threads = [threading.Thread(target=self._lane, args=lane, daemon=True) for lane in lanes]
        started: list[threading.Thread] = []
        try:
            for thread in threads:
                thread.start()
                started.append(thread)
            for thread in started:
                thread.join()
        finally:  # also when an interrupt hits this thread: no job outlives the state
            self._end(started)
        if self._fault is not None:
            raise self._fault
        self._tell_the_rest()
        self.scope.check()

    def _end(self, threads: list[threading.Thread]) -> None:
        if any(thread.is_alive() for thread in threads):
            self.stop.set()
        for thread in threads:
            thread.join()

    def _begin(self, job: Job, scope: Scope) -> None:
        with self._lock:
            self._unfinished[job.number] = job, scope
        if job.after is None:
            job.tell("Started", scope.trail)
        else:
            scope.trail.last_id = job.after

    def _lane(self, job: Job, scope: Scope) -> None:
        """One job after the other, each with variables of its own."""
        try:
            self._one(job, scope)
            while (following := self._next()) is not None:
                scope = self.scope.branch(self.stop, scope.trail)
                self._begin(following, scope)
                self._one(following, scope)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that runs the state
            self._fault = error
            self.stop.set()

    def _next(self) -> Job | None:
        with self._lock:
            return None if self.stop.is_set() else next(self._pending, None)

    def _one(self, job: Job, scope: Scope) -> None:
        try:
            self.outputs[job.number] = job.run(scope)
        except Stopped:
            return
        except StateError as error:
            with self._lock:
                if self.failure is None and not self.stop.is_set():
                    self.failure, self._failed = error, job
            self.stop.set()
            return
        trail, last_id = scope.trail, scope.trail.last_id
        job.tell("Succeeded", trail)
        with self._lock:
            del self._unfinished[job.number]
            self._last_id = max(self._last_id, trail.last_id)
        trail.last_id = last_id  # as AWS: the lane's next iteration follows the last event inside this one

    def _tell_the_rest(self) -> None:
        """Tells of the jobs that have not ended well, and sets what the state's own next event follows."""
        if self._failed is not None:
            _, scope = self._unfinished.pop(self._failed.number)
            self.scope.trail.last_id = scope.trail.last_id
            self._tell("Failed", self._failed, scope, scope.trail.last_id)
        elif not self.stop.is_set():
            self.scope.trail.last_id = self._last_id
        for _, (job, scope) in sorted(self._unfinished.items()):
            self._tell("Aborted", job, scope, None if self._failed is None else self.scope.trail.last_id)

    def _tell(self, what: str, job: Job, scope: Scope, last_id: int | None) -> None:
        """`last_id` is what the events follow; None for the job's own last event."""
        trail = Trail(scope.trail.history, scope.trail.last_id if last_id is None else last_id)
        follows = trail.last_id
        job.tell(what, trail)
        trail.last_id = follows
        scope.tell_open(trail)
