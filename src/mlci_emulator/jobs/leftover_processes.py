"""Kills the processes that a job left when its supervisor could not: a script may kill its own supervisor.

In a namespace the kernel does this. Elsewhere a process is recognised by TMPDIR, which names the job's own folder, and
which it inherits; one that was started with another environment escapes. Only Linux shows other processes' environment.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

#: The time after which processes that don't end are left.
TIMEOUT_S = 5.0


def kill_processes(temporary: Path) -> None:
    """Kill all processes whose TMPDIR is this folder, and wait until they are gone."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        pids = _processes(b"TMPDIR=" + os.fsencode(temporary))
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _processes(variable: bytes) -> list[int]:
    """Return the other processes of this user that have this variable in their environment, without zombies."""
    pids = []
    with contextlib.suppress(FileNotFoundError):  # no /proc
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != os.getpid():
                with contextlib.suppress(OSError):  # it just ended, or is another user's
                    if variable in Path("/proc", name, "environ").read_bytes().split(b"\0"):
                        pids.append(int(name))
    return pids
