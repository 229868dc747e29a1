"""SHA-256 hashes of files, remembered from run to run as git's index remembers them.

A file whose size, times and inode are what they were has the hash that it had, and is not even opened. One that changed
within the moments before it was hashed could change again without a trace in its times, so its hash is not remembered:
the next run reads it once more. The memory lies in the user's cache folder and never in a repository: whoever writes to
it decides what a file is taken for. Each folder has a file of its own there, so that a run loads what it needs.

Source: https://git-scm.com/docs/racy-git
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, Protocol

from mlci.stage.cache import Cache, write_whole

#: The folder in the cache's that holds a file for each folder of files.
HASHES_FOLDER = "hashes"
#: File systems keep times in steps of at most 2 s (FAT).
_RACY_NS = 2_000_000_000
#: The steps of a kernel's clock last at most 10 ms. A time that is no multiple of it comes from a file system that
#: keeps finer steps. Source: https://man7.org/linux/man-pages/man7/time.7.html, "The software clock, HZ, and jiffies"
_TICK_NS = 10_000_000
_MAX_FILES = 200_000
_VERSION = 2
#: Read at once: a buffer that the processor's cache holds.
_CHUNK_BYTES = 1 << 18


class FileStatus(Protocol):
    """The parts of `os.stat_result` that tell whether a file is what it was."""

    @property
    def st_size(self) -> int: ...
    @property
    def st_mtime_ns(self) -> int: ...
    @property
    def st_ctime_ns(self) -> int: ...
    @property
    def st_ino(self) -> int: ...


class FileHashes:
    """The hashes of the files below one folder. Without a cache folder, nothing is remembered.

    It may be used by several threads, and several processes may have the same folder: what one of them learns at the
    moment when another one saves may be lost, which costs time only.
    """

    def __init__(self, cache: Cache, folder: Path, clock_ns: Callable[[], int] = time.time_ns) -> None:
        name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:32]
        self._file = cache.folder / HASHES_FOLDER / f"{name}.json" if cache.folder else None
        self._cache, self.folder, self.clock_ns = cache, folder, clock_ns
        self._loaded: Mapping[str, str] | None = None
        self._learnt: dict[str, str] = {}
        self._used: set[str] = set()
        self._below: dict[Path, FileHashes] = {}

    def below(self, folder: Path) -> FileHashes:
        """Return the memory of a folder of many files, which is loaded when it is asked, and saved with this one."""
        return self._below.get(folder) or self._below.setdefault(folder, FileHashes(self._cache, folder, self.clock_ns))

    def known(self, name: str, status: FileStatus) -> str | None:
        """Return the SHA-256 that a file with this status has; None if it has to be read."""
        entry = self._learnt.get(name) or self._known.get(name)
        if entry is None or entry[:-64] != identity(status):
            return None
        self._used.add(name)
        return entry[-64:]

    def of(self, name: str, file: BinaryIO) -> tuple[str, int]:
        """Return the SHA-256 of an open file in hexadecimal, and its size in bytes.

        `name` is its path, or any other name that only it has.
        """
        return self.of_descriptor(name, file.fileno())

    def of_descriptor(self, name: str, descriptor: int) -> tuple[str, int]:
        """Return the same of a file that the system knows by this number, and that was not read from yet."""
        before = os.fstat(descriptor)
        known = self.known(name, before)
        if known is not None:
            return known, before.st_size
        started = self.clock_ns()
        digest, size = sha256_of(descriptor, before.st_size)
        if identity(os.fstat(descriptor)) == identity(before):
            self.learn(name, before, digest, started)
        return digest, size

    def learn(self, name: str, status: FileStatus, sha256: str, started_ns: int) -> None:
        """Remember the hash of a file that was read from `started_ns` on, and had this status before and after; but not
        if it had changed just before."""
        if max(status.st_mtime_ns, status.st_ctime_ns) + _RACY_NS < started_ns:
            self._keep(name, status, sha256)

    def learn_written(self, name: str, status: FileStatus, sha256: str) -> None:
        """Remember the hash of a file that this process wrote, and that nobody else could open before it had this
        status. Only a change within the same step of the kernel's clock could pass unseen; on a file system with
        longer steps, it is not remembered."""
        if status.st_ctime_ns % _TICK_NS:
            self._keep(name, status, sha256)

    def save(self) -> None:
        """Write what was learnt to the cache folder, if it was anything; one that can't be written costs time only."""
        for below in self._below.values():
            below.save()
        if self._file is None or not self._learnt:
            return
        current = _read(self._file)  # other processes may have learnt as well
        files = {**current, **self._learnt}
        if len(files) > _MAX_FILES:
            used = {name: entry for name in self._used if (entry := current.get(name)) is not None}
            files = {**used, **self._learnt}
        document = {"version": _VERSION, "folder": str(self.folder), "files": files}
        with contextlib.suppress(OSError):
            write_whole(self._file, json.dumps(document, separators=(",", ":")))
        self._loaded, self._learnt = files, {}

    def _keep(self, name: str, status: FileStatus, sha256: str) -> None:
        self._learnt[name] = f"{identity(status)}{sha256}"

    @property
    def _known(self) -> Mapping[str, str]:
        if self._loaded is None:
            self._loaded = _read(self._file)
        return self._loaded


def sha256_of(descriptor: int, size_bytes: int) -> tuple[str, int]:
    """Return the SHA-256 in hexadecimal of an open file from where it is, and the number of bytes; `size_bytes` is the
    expected one."""
    if size_bytes <= _CHUNK_BYTES:
        data = os.read(descriptor, size_bytes + 1)
        if len(data) == size_bytes:
            return hashlib.sha256(data).hexdigest(), size_bytes
        digest, size = hashlib.sha256(data), len(data)
    else:
        digest, size = hashlib.sha256(), 0
    buffer = memoryview(bytearray(_CHUNK_BYTES))
    with open(descriptor, "rb", buffering=0, closefd=False) as file:
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
            size += count
    return digest.hexdigest(), size


def identity(status: FileStatus) -> str:
    """Return what changes whenever the file does: its size, its times of change and its inode."""
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino} "


def _read(file: Path | None) -> Mapping[str, str]:
    if file is None:
        return {}
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    files = document.get("files") if isinstance(document, dict) and document.get("version") == _VERSION else None
    if not isinstance(files, dict) or not all(type(entry) is str for entry in files.values()):
        return {}
    return files
