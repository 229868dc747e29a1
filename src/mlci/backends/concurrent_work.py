"""Work on many things at a time, which a stop or the first error ends early."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

from mlci.backends.stop_signal import StopSignal

T = TypeVar("T")


def work_on_all(work: Callable[[T], object], things: Iterable[T], workers: int, stop: StopSignal) -> None:
    """Do the work on each of the things, on as many at a time as there are workers.

    After the first error, or when `stop` is set, nothing further is begun. The error is raised when what was begun has
    ended. `things` is asked for the next one when a worker is free, so that no more of them than workers are in memory.
    """
    from concurrent.futures import ThreadPoolExecutor  # late: a run that uploads nothing goes without

    remaining, lock, has_failed = iter(things), threading.Lock(), threading.Event()

    def work_on() -> None:
        while not has_failed.is_set() and not stop.is_set():
            with lock:
                thing = next(remaining, _END)
            if isinstance(thing, _End):
                return
            try:
                work(thing)
            except BaseException:
                has_failed.set()
                raise

    with ThreadPoolExecutor(workers, "work") as pool:
        begun = [pool.submit(work_on) for _ in range(workers)]
    for each in begun:
        each.result()


class _End:
    """Stands for the end of the things."""


_END = _End()
