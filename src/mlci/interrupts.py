"""Work that signals and a timeout interrupt."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeAlias, TypeVar

T = TypeVar("T")

#: The reasons of interrupts, put in by a signal handler; None when the work has ended. SimpleQueue.put is safe there.
Interrupts: TypeAlias = "queue.SimpleQueue[str | None]"
#: A context in which signals are put into the queue.
InterruptSource: TypeAlias = "Callable[[], AbstractContextManager[Interrupts]]"


#: Python runs a signal's handler in the main thread, between two of its steps. A signal that comes when that thread is
#: about to wait does not wake it, so the wait is cut into intervals.
_INTERVAL_S = 0.25


def next_interrupt(interrupts: Interrupts, timeout_s: float | None = None) -> str | None:
    """The reason of the next interrupt; None when the work has ended.

    Raises: queue.Empty, after `timeout_s` seconds.
    """
    end = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        left = _INTERVAL_S if end is None else min(_INTERVAL_S, max(0.0, end - time.monotonic()))
        try:
            return interrupts.get(timeout=left)
        except queue.Empty:
            if end is not None and time.monotonic() >= end:
                raise


def run_interruptible(
    work: Callable[[], T], interrupts: Interrupts, stop: Callable[[str], None], timeout_s: float | None = None
) -> T:
    """Returns or raises what `work` does. Runs it in another thread, so that this one can handle signals.

    Calls `stop` with the reason of each interrupt, and once after `timeout_s` seconds; `work` should then end soon.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def worker() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            errors.append(error)
        finally:
            interrupts.put(None)

    thread = threading.Thread(target=worker, name="work")
    thread.start()
    while True:
        try:
            reason = next_interrupt(interrupts, timeout_s)
        except queue.Empty:
            reason, timeout_s = "timed out", None
        if reason is None:
            break
        stop(reason)
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
