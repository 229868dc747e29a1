"""The logs of jobs and functions, as CloudWatch Logs has them: before moto is asked of Logs, it gets the new lines.

The files have them, so nothing else is kept: after a restart all lines are new again. A line has the time when its file
was last written to, as seen when it was read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mlci_emulator.jobs.log_files import LogFile
from mlci_emulator.server.moto_services.backend import Moto

#: Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
_LONGEST_EVENT = 256 * 1024


class JobLogs:
    """Feeds moto's Logs of each region in which it is asked."""

    def __init__(self, moto: Moto, files: Callable[[str], Iterable[LogFile]]) -> None:
        self._moto, self._files = moto, files
        self._read: dict[tuple[str, str, str], int] = {}
        self._lock = threading.Lock()

    def feed(self, region: str) -> None:
        """Gives moto the lines that it has not seen."""
        with self._lock, self._moto.backend("logs", region) as backend:
            for file in self._files(region):
                at = (region, file.group, file.stream)
                is_new = at not in self._read
                lines, self._read[at], modified_ms = _new_lines(file.path, self._read.get(at, 0))
                if lines or is_new:
                    _ensure(backend, file)
                if lines:
                    events = [{"timestamp": modified_ms, "message": line} for line in lines]
                    backend.put_log_events(file.group, file.stream, events)


def _new_lines(path: Path, start: int) -> tuple[list[str], int, int]:
    """The whole lines from there on, where they end, and when the file was written last."""
    try:
        with path.open("rb") as stream:
            modified_ms = int(path.stat().st_mtime * 1000)
            stream.seek(start)
            whole, newline, _ = stream.read().rpartition(b"\n")
    except OSError:  # not written yet, or gone with its folder
        return [], start, 0
    if not newline:
        return [], start, modified_ms
    lines = whole.decode("utf-8", "replace").split("\n")
    return [line[:_LONGEST_EVENT] for line in lines if line], start + len(whole) + 1, modified_ms


def _ensure(backend: Any, file: LogFile) -> None:
    if file.group not in backend.groups:
        backend.create_log_group(file.group, {})
    if file.stream not in backend.groups[file.group].streams:
        backend.create_log_stream(file.group, file.stream)
