"""Reports how far a long upload is, and about how long it still takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

#: An upload that takes less than this is not reported.
_FIRST_S = 3.0
_INTERVAL_S = 10.0


class UploadProgress:
    """The progress of an upload of so many objects and bytes. `log` takes a line. It may be used by several threads."""

    def __init__(
        self,
        objects: int,
        size_bytes: int,
        log: Callable[[str], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._objects, self._size_bytes, self._log, self._monotonic = objects, size_bytes, log, monotonic
        self._done_objects = self._done_bytes = 0
        self._started = monotonic()
        self._next = self._started + _FIRST_S
        self._lock = threading.Lock()

    def add_bytes(self, count: int) -> None:
        """Count bytes of an object that is not complete yet."""
        self._add(0, count)

    def add_object(self, count: int = 0) -> None:
        """Count an object that is complete, and those of its bytes that were not counted."""
        self._add(1, count)

    def _add(self, objects: int, size_bytes: int) -> None:
        with self._lock:
            self._done_objects += objects
            self._done_bytes += size_bytes
            now = self._monotonic()
            if now < self._next:
                return
            self._next = now + _INTERVAL_S
            line = self._line(now - self._started)
        self._log(line)

    def _line(self, seconds: float) -> str:
        """Return a line; each object counts as some bytes, because small ones take time as well."""
        done = self._done_bytes + _OBJECT_BYTES * self._done_objects
        whole = max(self._size_bytes + _OBJECT_BYTES * self._objects, 1)
        text = (
            f"uploading: {self._done_objects:,} of {self._objects:,} objects, "
            f"{_mb(self._done_bytes)} of {_mb(self._size_bytes)} MB"
        )
        share = min(done / whole, 1.0)
        return f"{text}, about {seconds / share - seconds:.0f} s left" if 0 < share < 1 else text


#: A request costs about as much time as so many bytes.
_OBJECT_BYTES = 1 << 18


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f}"
