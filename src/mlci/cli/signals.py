"""Signals that end a run early: SIGINT, SIGTERM and SIGHUP."""

from __future__ import annotations

import queue
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mlci.interrupts import Interrupts


@contextmanager
def interrupt_signals() -> Iterator[Interrupts]:
    """Puts signals that ask for an end into the queue that it yields, until the context is left."""
    interrupts: Interrupts = queue.SimpleQueue()

    def handle(number: int, frame: FrameType | None) -> None:
        interrupts.put(f"stopped by {signal.Signals(number).name}")

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield interrupts
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
