"""SHA-256 hashes of files, remembered from run to run as git's index remembers them.

A file whose size, times and inode are what they were has the hash that it had. One that changed within the moments
before it was hashed could change again without a trace in its times, so its hash is not remembered. The memory lies in
the user's cache folder and never in a repository: whoever writes to it decides what a file is taken for.

Source: https://git-scm.com/docs/racy-git
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from mlci.stage.cache import Cache, write_whole

#: The folder in the cache's that holds a file for each folder of files.
HASHES_FOLDER = "hashes"
#: File systems keep times in steps of at most 2 s (FAT).
_RACY_NS = 2_000_000_000
_MAX_FILES = 200_000
_CHUNK_BYTES = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")


class FileHashes:
    """The hashes of the files below one folder. Without a cache folder, nothing is remembered.

    It may be used by several threads.
    """

    def __init__(self, cache: Cache, folder: Path, clock_ns: Callable[[], int] = time.time_ns) -> None:
        name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:32]
        self._file = cache.folder / HASHES_FOLDER / f"{name}.json" if cache.folder else None
        self._clock_ns = clock_ns
        self._known = _read(self._file)
        self._used: dict[str, list[int | str]] = {}
        self._is_changed = False

    def of(self, name: str, file: BinaryIO) -> tuple[str, int]:
        """Return the SHA-256 of an open file in hexadecimal, and its size in bytes.

        `name` is its path, or any other name that only it has.
        """
        before = _identity(file)
        known = self._known.get(name)
        if known is not None and known[:-1] == before and _SHA256.fullmatch(str(known[-1])):
            self._used[name] = known
            return str(known[-1]), before[0]
        started, digest, size = self._clock_ns(), hashlib.sha256(), 0
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
        _, modified, changed, _ = before
        if _identity(file) == before and max(modified, changed) + _RACY_NS < started:
            self._used[name] = [*before, digest.hexdigest()]
            self._is_changed = True
        return digest.hexdigest(), size

    def save(self) -> None:
        """Write what was learnt to the cache folder; a folder that can't be written costs time only."""
        if self._file is None or not self._is_changed:
            return
        files = {**self._known, **self._used}
        if len(files) > _MAX_FILES:
            files = self._used
        with contextlib.suppress(OSError):
            write_whole(self._file, json.dumps({"version": 1, "files": files}, separators=(",", ":")))
        self._known, self._is_changed = files, False


def _identity(file: BinaryIO) -> list[int]:
    """Return the size, the times of change and the inode of an open file."""
    status = os.fstat(file.fileno())
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _read(file: Path | None) -> dict[str, list[int | str]]:
    if file is None:
        return {}
    try:
        document = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    files = document.get("files") if isinstance(document, dict) and document.get("version") == 1 else None
    if not isinstance(files, dict):
        return {}
    return {name: entry for name, entry in files.items() if isinstance(entry, list) and entry}
