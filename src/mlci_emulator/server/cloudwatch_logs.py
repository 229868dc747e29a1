"""Feeds the logs of jobs and functions to moto's CloudWatch Logs before each request for logs.

The files hold the lines, so nothing else is stored: after a restart all lines are new again. The time of a line is the
time of its file's last change when the line was read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mlci_emulator.jobs.log_files import LogFile
from mlci_emulator.server.moto_services.moto_server import MotoServer

#: Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
_MAX_EVENT_CHARACTERS = 256 * 1024


class LogFeed:
    """Feeds moto's Logs in each region that receives a request."""

    def __init__(self, moto: MotoServer, files: Callable[[str], Iterable[LogFile]]) -> None:
        self._moto, self._files = moto, files
        self._read: dict[tuple[str, str, str], int] = {}
        self._lock = threading.Lock()

    def feed(self, region: str) -> None:
        """Give moto the lines that it has not seen."""
        with self._lock, self._moto.backend("logs", region) as backend:
            for file in self._files(region):
                position = (region, file.group, file.stream)
                is_new = position not in self._read
                lines, self._read[position], modified_ms = _new_lines(file.path, self._read.get(position, 0))
                if lines or is_new:
                    _ensure(backend, file)
                if lines:
                    events = [{"timestamp": modified_ms, "message": line} for line in lines]
                    backend.put_log_events(file.group, file.stream, events)


def _new_lines(path: Path, start: int) -> tuple[list[str], int, int]:
    """Return the complete lines after `start`, their end, and the file's time of change in milliseconds."""
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
    return [line[:_MAX_EVENT_CHARACTERS] for line in lines if line], start + len(whole) + 1, modified_ms


def _ensure(backend: Any, file: LogFile) -> None:
    if file.group not in backend.groups:
        backend.create_log_group(file.group, {})
    if file.stream not in backend.groups[file.group].streams:
        backend.create_log_stream(file.group, file.stream)
