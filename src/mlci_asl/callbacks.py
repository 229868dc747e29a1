"""Tasks that somebody outside completes, with a token or as an activity's worker, and the heartbeats of both.

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
    """A task token that nobody can guess."""
    return "AQCU" + base64.b64encode(os.urandom(120)).decode("ascii")


class TaskSuccess(NamedTuple):
    """The task's output, a JSON text."""

    output: str


class TaskFailure(NamedTuple):
    """The task's error and cause, if any."""

    error: str | None
    cause: str | None


class HeartbeatMissed(Exception):
    """No heartbeat came in time."""


class Callback:
    """Completes one attempt at a task from outside. Safe from any thread.

    `started`, `succeed`, `fail` and `heartbeat` return False if the task is completed already.
    """

    def __init__(self, token: str, heartbeat_s: float | None = None) -> None:
        self.token = token
        self._heartbeat_s = heartbeat_s
        self._changed = threading.Condition()
        self._result: TaskSuccess | TaskFailure | None = None
        self._is_closed = False
        self._worker: str | None = None
        self._is_started = self._is_start_reported = False
        self._last_heartbeat = time.monotonic()

    def started(self, worker: str | None = None) -> bool:
        """Reports that an activity's worker took the task, so that its heartbeats count from here on.

        Returns when the history has the event, so that a worker that reads the history finds it there.
        """
        with self._changed:
            if self._is_completed() or self._is_started:
                return False
            self._worker, self._is_started = worker, True
            self._last_heartbeat = time.monotonic()
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_start_reported or self._is_closed, 1)
            return True

    def succeed(self, output: str) -> bool:
        """Completes the task with its output, a JSON text."""
        return self._complete(TaskSuccess(output))

    def fail(self, error: str | None = None, cause: str | None = None) -> bool:
        """Completes the task with an error."""
        return self._complete(TaskFailure(error, cause))

    def heartbeat(self) -> bool:
        """Reports that the work goes on."""
        with self._changed:
            if self._is_completed():
                return False
            self._last_heartbeat = time.monotonic()
            self._changed.notify_all()
            return True

    def is_open(self) -> bool:
        """True until the task is completed."""
        with self._changed:
            return not self._is_completed()

    def wait(
        self, stop: StopSignal, on_started: Callable[[str | None], None] | None = None
    ) -> TaskSuccess | TaskFailure | None:
        """The result; None if `stop` is set first. Only the interpreter waits.

        `on_started` is called once, in this thread, when a worker took the task; until then no heartbeat is due.

        Raises: HeartbeatMissed.
        """
        unsubscribe = stop.subscribe(self._notify)
        try:
            while True:
                self._wait_for_change(stop, reports_start=on_started is not None)
                if on_started is None or not self._is_started or self._is_start_reported:
                    return self._result
                on_started(self._worker)  # without the lock: whoever gets the event may need it
                self._mark_start_reported()
        finally:
            unsubscribe()
            self.close()

    def close(self) -> None:
        """Ends the task; a result that comes later does not count."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _wait_for_change(self, stop: StopSignal, *, reports_start: bool) -> None:
        with self._changed:
            while self._result is None and not stop.is_set():
                if reports_start and self._is_started and not self._is_start_reported:
                    return
                remaining_s = None
                if self._heartbeat_s is not None and (self._is_start_reported or not reports_start):
                    remaining_s = self._last_heartbeat + self._heartbeat_s - time.monotonic()
                    if remaining_s <= 0:
                        raise HeartbeatMissed
                self._changed.wait(None if remaining_s is None else min(remaining_s, threading.TIMEOUT_MAX))

    def _is_completed(self) -> bool:
        return self._is_closed or self._result is not None

    def _complete(self, result: TaskSuccess | TaskFailure) -> bool:
        with self._changed:
            if self._is_completed():
                return False
            self._result = result
            self._changed.notify_all()
            return True

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _mark_start_reported(self) -> None:
        with self._changed:
            self._is_start_reported = True
            self._changed.notify_all()
