"""The signal that stops a running execution, branch or task."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable


class StopSignal:
    """A signal that is set once and stays set. Safe from any thread.

    A `child()` is set with its parent, but not the other way round. A parent has weak references to its children, so a
    long execution does not collect those that are no longer used.
    """

    def __init__(self, parent: StopSignal | None = None) -> None:
        self.error = ""
        self.cause = ""
        self._parent = parent  # parents stay alive as long as a child is used
        self._lock = threading.Lock()
        self._flag = threading.Event()
        self._callbacks: dict[object, Callable[[], None]] = {}
        self._children: weakref.WeakSet[StopSignal] = weakref.WeakSet()

    def set(self, error: str = "", cause: str = "") -> None:
        """Sets the signal and its children; only the first call's error and cause count."""
        with self._lock:
            if self._flag.is_set():
                return
            self.error, self.cause = error, cause
            self._flag.set()
            callbacks = list(self._callbacks.values())
            children = list(self._children)
            self._callbacks.clear()
        try:
            for callback in callbacks:
                callback()
        finally:  # a callback that fails must not keep the rest from stopping
            for child in children:
                child.set(error, cause)

    def is_set(self) -> bool:
        """True if the signal is set."""
        return self._flag.is_set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Waits until the signal is set, at most `timeout_s`. Returns True if it is set."""
        return self._flag.wait(timeout_s)

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls `callback` once, in the thread that sets the signal, or now if it is set. Its result unsubscribes."""
        key = object()
        with self._lock:
            is_late = self._flag.is_set()
            if not is_late:
                self._callbacks[key] = callback
        if is_late:
            callback()
        return lambda: self._unsubscribe(key)

    def child(self) -> StopSignal:
        """A signal that is set when this one is."""
        child = StopSignal(self)
        with self._lock:
            self._children.add(child)
            is_late = self._flag.is_set()
        if is_late:
            child.set(self.error, self.cause)
        return child

    def _unsubscribe(self, key: object) -> None:
        with self._lock:
            self._callbacks.pop(key, None)
