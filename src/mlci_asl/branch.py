"""What a running branch has at hand, and how work in it is stopped or ended at a deadline."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from mlci_asl.context import Context, context_object
from mlci_asl.errors import TIMEOUT
from mlci_asl.events import Event, Trail
from mlci_asl.handlers import Handlers
from mlci_asl.jsontext import Json
from mlci_asl.stop_signal import StopSignal
from mlci_asl.variables import Variables


class Stopped(Exception):
    """The branch's stop signal is set: the execution was stopped or timed out, or a sibling branch failed."""


@dataclass(frozen=True)
class Scope:
    """One branch of one execution.

    `given` is the execution's input, `item` what a Map adds to the context object; `open` has the type of the state
    that the branch was in when it ended otherwise than well, where AWS tells of it.
    """

    context: Context
    given: Json
    handlers: Handlers
    now: Callable[[], datetime]
    pause: Callable[[StopSignal, float], bool]
    trail: Trail
    stop: StopSignal
    item: Mapping[str, Json] = field(default_factory=dict)
    variables: Variables = field(default_factory=Variables)
    open: list[str] = field(default_factory=list)

    def branch(self, stop: StopSignal, trail: Trail | None = None) -> Scope:
        """The scope of a branch that starts here: it sees the variables of now, and its own stay inside."""
        return replace(self, trail=trail or self.trail.fork(), stop=stop, variables=self.variables.copy(), open=[])

    def with_item(self, item: Mapping[str, Json]) -> Scope:
        """The same scope in an iteration of a Map."""
        return replace(self, item=item)

    def tell_open(self, trail: Trail) -> None:
        """Tells that the state which the branch was in is aborted."""
        for kind in self.open:
            trail.add(f"{kind}StateAborted")

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
        found = context_object(self.context, self.given, state, entered.timestamp, retry_count, token)
        return {**found, **self.item} if self.item else found


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
