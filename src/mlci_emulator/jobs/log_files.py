"""The log files of jobs and functions: their names in CloudWatch Logs, appending to them, and reading their end."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class LogFile(NamedTuple):
    """A log stream and the file that holds it. A stream without a region is in every region."""

    group: str
    stream: str
    path: Path
    region: str = ""


def append(log: Path, text: str) -> int:
    """Append a text to a log, which is created with its folder if necessary, and return the log's new size in bytes."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as stream:
        stream.write(text.encode())
        return stream.tell()


def read_tail(log: Path, start: int, max_bytes: int) -> bytes:
    """Return the last bytes of a log, from byte `start` on.

    Raises: FileNotFoundError
    """
    with open(log, "rb") as stream:
        end = stream.seek(0, 2)
        stream.seek(max(start, end - max_bytes))
        return stream.read()
