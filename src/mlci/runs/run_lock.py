"""A lock on a run's file for as long as its process lives: it tells a run that goes on from one that was killed.

The system releases the lock when the process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class RunLock:
    """The lock of this process's run. It holds nothing until it is acquired."""

    def __init__(self) -> None:
        self._file: int | None = None

    def acquire(self, file: Path) -> None:
        """Locks a file, unless its file system has no locks: the run then looks unfinished, and not running."""
        self.release()
        try:
            self._file = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.release()

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def is_locked(file: Path) -> bool:
    """Returns True if a process holds the lock of this file."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False
