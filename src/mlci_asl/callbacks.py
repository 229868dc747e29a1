"""Tasks that are answered from outside: with a token, or by an activity's worker, and the heartbeats of both.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html (wait for a callback) and
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-activities.html
"""

from __future__ import annotations

import base64
import os
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from mlci_asl.stop_signal import StopSignal


def new_token() -> str:
    """A token that nobody can guess."""
    return "AQCU" + base64.b64encode(os.urandom(120)).decode("ascii")


class Success(NamedTuple):
    """What the outside says: the task's output, a JSON text."""

    output: str


class Failure(NamedTuple):
    """What the outside says: the task's error and cause, if any."""

    error: str | None
    cause: str | None


class HeartbeatMissed(Exception):
    """No heartbeat came in time."""


class Callback:
    """How the outside answers one attempt at a task. Safe from any thread; False where the task is over already."""

    def __init__(self, token: str, heartbeat_s: float | None = None) -> None:
        self.token = token
        self._heartbeat_s = heartbeat_s
        self._changed = threading.Condition()
        self._answer: Success | Failure | None = None
        self._is_over = False
        self._worker: str | None = None
        self._is_started = self._is_told = False
        self._beat = time.monotonic()

    def started(self, worker: str | None = None) -> bool:
        """Tells that an activity's worker took the task, so that its heartbeats count from here on.

        Returns when the history has it, so that whoever gets the task and looks finds it there.
        """
        with self._changed:
            if self._is_done() or self._is_started:
                return False
            self._worker, self._is_started = worker, True
            self._beat = time.monotonic()
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_told or self._is_over, 1)
            return True

    def succeed(self, output: str) -> bool:
        """Ends the task well; `output` is a JSON text."""
        return self._end(Success(output))

    def fail(self, error: str | None = None, cause: str | None = None) -> bool:
        """Ends the task with an error."""
        return self._end(Failure(error, cause))

    def heartbeat(self) -> bool:
        """Tells that the work goes on."""
        with self._changed:
            if self._is_done():
                return False
            self._beat = time.monotonic()
            self._changed.notify_all()
            return True

    def is_open(self) -> bool:
        """Whether an answer still counts."""
        with self._changed:
            return not self._is_done()

    def wait(
        self, stop: StopSignal, on_started: Callable[[str | None], None] | None = None
    ) -> Success | Failure | None:
        """The answer; None where `stop` is set first. For the interpreter: nobody else waits.

        `on_started` is called once, in this thread, when a worker took the task; until then no heartbeat is due.

        Raises: HeartbeatMissed.
        """
        undo = stop.subscribe(self._wake)
        try:
            while True:
                self._wait_for_news(stop, is_started_news=on_started is not None)
                if on_started is None or not self._is_started or self._is_told:
                    return self._answer
                on_started(self._worker)  # without the lock: whoever hears of the event may want it
                self._tell()
        finally:
            undo()
            self.close()

    def close(self) -> None:
        """Ends the task without an answer, where it has none: from here on nobody is heard."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def _wait_for_news(self, stop: StopSignal, *, is_started_news: bool) -> None:
        with self._changed:
            while self._answer is None and not stop.is_set():
                if is_started_news and self._is_started and not self._is_told:
                    return
                is_due = self._heartbeat_s is not None and (self._is_told or not is_started_news)
                left = self._beat + (self._heartbeat_s or 0) - time.monotonic() if is_due else None
                if left is not None and left <= 0:
                    raise HeartbeatMissed
                self._changed.wait(None if left is None else min(left, threading.TIMEOUT_MAX))

    def _is_done(self) -> bool:
        return self._is_over or self._answer is not None

    def _end(self, answer: Success | Failure) -> bool:
        with self._changed:
            if self._is_done():
                return False
            self._answer = answer
            self._changed.notify_all()
            return True

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _tell(self) -> None:
        with self._changed:
            self._is_told = True
            self._changed.notify_all()
