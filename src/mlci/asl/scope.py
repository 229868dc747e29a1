"""What a running branch has at hand, and how work in it is stopped or ended at a deadline."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from mlci.asl.context import Context, context_object
from mlci.asl.errors import TIMEOUT
from mlci.asl.events import Event, Trail
from mlci.asl.handlers import Handlers
from mlci.asl.jsontext import Json
from mlci.asl.signals import StopSignal


class Stopped(Exception):
    """The branch's stop signal is set: the execution was stopped or timed out, or a sibling branch failed."""


@dataclass(frozen=True)
class Scope:
    """One branch of one execution. `given` is the execution's input."""

    context: Context
    given: Json
    handlers: Handlers
    now: Callable[[], datetime]
    pause: Callable[[StopSignal, float], bool]
    trail: Trail
    stop: StopSignal

    def branch(self, stop: StopSignal) -> Scope:
        """The scope of a branch that starts here."""
        return replace(self, trail=self.trail.fork(), stop=stop)

    def check(self) -> None:
        """Raises: Stopped."""
        if self.stop.is_set():
            raise Stopped

    def wait(self, seconds: float) -> None:
        """Waits; ends early where the branch is stopped.

        Raises: Stopped.
        """
        if seconds > 0:
            self.pause(self.stop, seconds)
        self.check()

    def context_object(
        self, state: str, entered: Event, retry_count: int | None = None, token: str | None = None
    ) -> dict[str, Json]:
        return context_object(self.context, self.given, state, entered.timestamp, retry_count, token)


class Deadline:
    """Tells, after the work, whether its time ran out."""

    def __init__(self, signal: StopSignal) -> None:
        self.signal, self.has_passed = signal, False

    def pass_(self) -> None:
        self.has_passed = True
        self.signal.set(TIMEOUT)


@contextmanager
def deadline(parent: StopSignal, seconds: float | None) -> Iterator[Deadline]:
    """A child signal that is also set after `seconds`; no timer is left when the block ends."""
    limit = Deadline(parent.child())
    if seconds is None:
        yield limit
        return
    timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), limit.pass_)
    timer.daemon = True
    timer.start()
    try:
        yield limit
    finally:
        timer.cancel()
        timer.join()
