"""The signal that asks a run to stop, with an error and a cause for its report."""

from __future__ import annotations

import threading
from collections.abc import Callable


class StopSignal:
    """A signal that is set once, from any thread."""

    def __init__(self) -> None:
        self.error = ""
        self.cause = ""
        self._lock = threading.Lock()
        self._flag = threading.Event()
        self._callbacks: dict[object, Callable[[], None]] = {}

    def set(self, error: str = "", cause: str = "") -> None:
        """Sets the signal and calls the subscribers. Only the first call's error and cause count."""
        with self._lock:
            if self._flag.is_set():
                return
            self.error, self.cause = error, cause
            self._flag.set()
            callbacks = list(self._callbacks.values())
            self._callbacks.clear()
        for callback in callbacks:
            callback()

    def is_set(self) -> bool:
        """Returns True after `set`."""
        return self._flag.is_set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Waits until the signal is set, or until `timeout_s` have passed. Returns True if it is set."""
        return self._flag.wait(timeout_s)

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls `callback` once, in the thread that sets the signal, or now if it is set.

        Returns a function that ends the subscription.
        """
        key = object()
        with self._lock:
            is_late = self._flag.is_set()
            if not is_late:
                self._callbacks[key] = callback
        if is_late:
            callback()
        return lambda: self._unsubscribe(key)

    def _unsubscribe(self, key: object) -> None:
        with self._lock:
            self._callbacks.pop(key, None)
