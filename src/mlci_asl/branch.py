"""The execution of one branch: the data that its states read, its events, its stop signal and its deadline."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field, replace
from datetime import datetime

from mlci_asl.context import Context, context_object
from mlci_asl.errors import TIMEOUT
from mlci_asl.events import Event, EventChain
from mlci_asl.handlers import Handlers
from mlci_asl.jsontext import Json
from mlci_asl.stop_signal import StopSignal
from mlci_asl.variables import Variables
from mlci_dataclasses import dataclass


class Stopped(Exception):
    """The branch's stop signal is set: the execution was stopped or timed out, or a sibling branch failed."""


@dataclass(frozen=True)
class BranchExecution:
    """One branch of one execution.

    `input` is the execution's input. `map_item` is what a Map adds to the context object. `open_state_types` has the
    type of the state in which the branch stopped or failed, if AWS reports that state as aborted.
    """

    context: Context
    input: Json
    handlers: Handlers
    now: Callable[[], datetime]
    pause: Callable[[StopSignal, float], bool]
    chain: EventChain
    stop: StopSignal
    map_item: Mapping[str, Json] = field(default_factory=dict)
    variables: Variables = field(default_factory=Variables)
    open_state_types: list[str] = field(default_factory=list)

    def start_branch(self, stop: StopSignal, chain: EventChain | None = None) -> BranchExecution:
        """The execution of an inner branch: it reads the present variables, and those it assigns stay inside."""
        chain = chain or self.chain.fork()
        return replace(self, chain=chain, stop=stop, variables=self.variables.copy(), open_state_types=[])

    def with_map_item(self, map_item: Mapping[str, Json]) -> BranchExecution:
        """The same execution in an iteration of a Map."""
        return replace(self, map_item=map_item)

    def add_aborted_events(self, chain: EventChain) -> None:
        """Reports the state in which the branch was as aborted."""
        for state_type in self.open_state_types:
            chain.add(f"{state_type}StateAborted")

    def raise_if_stopped(self) -> None:
        """Raises: Stopped."""
        if self.stop.is_set():
            raise Stopped

    def wait(self, seconds: float) -> None:
        """Waits, until the branch is stopped at the most.

        Raises: Stopped.
        """
        if seconds > 0:
            self.pause(self.stop, seconds)
        self.raise_if_stopped()

    def context_object(
        self, state: str, entered: Event, retry_count: int | None = None, token: str | None = None
    ) -> dict[str, Json]:
        """The context object that a state reads."""
        context = context_object(self.context, self.input, state, entered.timestamp, retry_count, token)
        return {**context, **self.map_item} if self.map_item else context


class Deadline:
    """A stop signal that is set when the time is over, and whether it was."""

    def __init__(self, signal: StopSignal) -> None:
        self.signal, self.has_passed = signal, False

    def expire(self) -> None:
        self.has_passed = True
        self.signal.set(TIMEOUT)


@contextmanager
def deadline(parent: StopSignal, seconds: float | None) -> Iterator[Deadline]:
    """A child signal that is also set after `seconds`. The block leaves no timer behind."""
    limit = Deadline(parent.child())
    if seconds is None:
        yield limit
        return
    timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), limit.expire)
    timer.daemon = True
    timer.start()
    try:
        yield limit
    finally:
        timer.cancel()
        timer.join()
