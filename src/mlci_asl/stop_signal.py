"""How a running execution, branch or task learns that it has to stop."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable


class StopSignal:
    """Set once, for ever; safe to use from any thread.

    `child()` makes a signal that is set with this one, but whose own set() stays below. A parent holds its children
    weakly, so one that is no longer used is gone, and a long execution doesn't collect them.
    """

    def __init__(self, parent: StopSignal | None = None) -> None:
        self.error = ""
        self.cause = ""
        self._parent = parent  # the chain above stays alive as long as someone below listens
        self._lock = threading.Lock()
        self._flag = threading.Event()
        self._callbacks: dict[object, Callable[[], None]] = {}
        self._children: weakref.WeakSet[StopSignal] = weakref.WeakSet()

    def set(self, error: str = "", cause: str = "") -> None:
        """Stops everything that listens here or below; only the first call's error and cause count."""
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
        """Whether to stop."""
        return self._flag.is_set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Waits until the signal is set, or until `timeout_s` have passed. True if it is set."""
        return self._flag.wait(timeout_s)

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls `callback` once, in the thread that sets the signal, or at once if it is set. Undone by the result."""
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
