"""Waiting for work that a signal, or the end of its time, may ask to end early."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeAlias, TypeVar

T = TypeVar("T")

#: Why the work is asked to end, as a signal handler puts it in. SimpleQueue.put is safe in a signal handler.
Interrupts: TypeAlias = "queue.SimpleQueue[str | None]"
#: While in it, signals come into the queue.
Listening: TypeAlias = "Callable[[], AbstractContextManager[Interrupts]]"


#: Python runs a signal's handler in the main thread, between two of its steps. One that comes when that thread is just
#: about to wait does not wake it, so it wakes by itself so often.
_WAKES_AFTER_S = 0.25


def next_interrupt(interrupts: Interrupts, timeout_s: float | None = None) -> str | None:
    """The next interrupt, or None that somebody put in the queue.

    Raises: queue.Empty, when so many seconds are over.
    """
    end = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        left = _WAKES_AFTER_S if end is None else min(_WAKES_AFTER_S, max(0.0, end - time.monotonic()))
        try:
            return interrupts.get(timeout=left)
        except queue.Empty:
            if end is not None and time.monotonic() >= end:
                raise


def attend(
    work: Callable[[], T], interrupts: Interrupts, stop: Callable[[str], None], timeout_s: float | None = None
) -> T:
    """What `work` returns or raises. It runs in a thread of its own, so that this one is free to hear signals.

    For each interrupt `stop` is called with the reason, and once more when `timeout_s` seconds are over; `work` is then
    expected to end soon.
    """
    ended: list[T] = []
    raised: list[BaseException] = []

    def worker() -> None:
        try:
            ended.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            raised.append(error)
        finally:
            interrupts.put(None)

    thread = threading.Thread(target=worker, name="work")
    thread.start()
    while True:
        try:
            why = next_interrupt(interrupts, timeout_s)
        except queue.Empty:
            why, timeout_s = "timed out", None
        if why is None:
            break
        stop(why)
    thread.join()
    if raised:
        raise raised[0]
    return ended[0]
