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


def instance_log(log: Path, host: str) -> Path:
    """Return the log of one of a job's instances, beside the log of the job."""
    return log.with_name(f"{log.stem}.{host}.log")


def instance_logs(log: Path) -> dict[str, Path]:
    """Return the logs of a job's instances by the names of their hosts; none where the job has one instance."""
    found = sorted(log.parent.glob(f"{log.stem}.algo-*.log"))
    return {path.name.removeprefix(f"{log.stem}.").removesuffix(".log"): path for path in found}


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
