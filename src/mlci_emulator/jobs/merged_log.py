"""Puts the lines of a job's instances into the log of their job, each with the name of its host, while they run."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from mlci_emulator.jobs import log_files

#: The interval at which new lines are looked for.
INTERVAL_S = 0.1
_CHUNK_BYTES = 1 << 20


@contextlib.contextmanager
def merged_log(log: Path, logs: Mapping[str, Path]) -> Iterator[None]:
    """Copy the lines of each host's log into `log` until the context is left."""
    positions = dict.fromkeys(logs, 0)
    has_ended = threading.Event()
    log_files.append(log, "")

    def run() -> None:
        while not has_ended.wait(INTERVAL_S):
            _copy(log, logs, positions, is_over=False)

    thread = threading.Thread(target=run, name="merged log", daemon=True)
    thread.start()
    try:
        yield
    finally:
        has_ended.set()
        thread.join()
        _copy(log, logs, positions, is_over=True)


def _copy(log: Path, logs: Mapping[str, Path], positions: dict[str, int], is_over: bool) -> None:
    """Append the new lines of each host; one that has no end yet waits for it, as long as the host runs."""
    for host, path in logs.items():
        while lines := _new_lines(path, positions[host], is_over):
            positions[host] += len(lines)
            text = b"".join(b"[%s] %s\n" % (host.encode(), line) for line in lines.removesuffix(b"\n").split(b"\n"))
            with open(log, "ab") as stream:
                stream.write(text)


def _new_lines(path: Path, start: int, is_over: bool) -> bytes:
    try:
        with open(path, "rb") as stream:
            stream.seek(start)
            data = stream.read(_CHUNK_BYTES)
    except FileNotFoundError:
        return b""
    is_cut = len(data) == _CHUNK_BYTES
    if b"\n" not in data if is_cut else is_over:
        return data
    return data[: data.rfind(b"\n") + 1]
