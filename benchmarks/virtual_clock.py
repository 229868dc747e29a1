"""A clock that passes no time: whoever waits moves it on, and says what the time was for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Protocol

START = datetime(2026, 1, 5, 9, tzinfo=timezone.utc)


class Signal(Protocol):
    def is_set(self) -> bool: ...


class VirtualClock:
    """Seconds since the start, and how many of them went to each part.

    One thread moves it on: of two that wait at the same time, the later one would have to wait for the earlier.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.parts: dict[str, float] = {}
        self._thread = threading.get_ident()
        self._part = "states"

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def spend(self, part: str, seconds: float) -> None:
        """Moves the clock on."""
        if threading.get_ident() != self._thread:
            raise RuntimeError("the flow has steps that run at the same time; this clock is for one after the other")
        self.seconds += seconds
        self.parts[part] = self.parts.get(part, 0.0) + seconds

    @contextmanager
    def waiting_for(self, part: str) -> Iterator[None]:
        """Counts what is slept and paused inside of the block for a part."""
        before, self._part = self._part, part
        try:
            yield
        finally:
            self._part = before

    def sleep(self, seconds: float) -> None:
        self.spend(self._part, seconds)

    def pause(self, stop: Signal, seconds: float) -> bool:
        """Waits as a stop signal does, and returns True if it is set."""
        if not stop.is_set():
            self.sleep(seconds)
        return stop.is_set()
