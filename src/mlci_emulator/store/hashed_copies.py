"""Copies open files and returns the hash of what was copied: as a clone, or while the copy is written."""

from __future__ import annotations

import fcntl
import hashlib
import os

from mlci_emulator.store.atomic_files import FICLONE

#: Files up to this size are read at once.
_SMALL_BYTES = 1 << 18
_CHUNK_BYTES = 1 << 20


def copy_hashed(source: int, target: int) -> str:
    """Copy an open file into an empty open file, and return the SHA-256 in hexadecimal of the copy.

    A clone shares its blocks with the source, which keep what they hold when the source changes.
    """
    size_bytes = os.fstat(source).st_size
    if size_bytes <= _SMALL_BYTES:
        return _copy_small(source, target, size_bytes)
    try:
        fcntl.ioctl(target, FICLONE, source)
    except OSError:  # another file system, or one that doesn't clone
        return _copy(source, target)
    return _hash(target)


def _copy_small(source: int, target: int, size_bytes: int) -> str:
    digest = hashlib.sha256()
    while data := os.read(source, size_bytes + 1):
        digest.update(data)
        _write(target, memoryview(data))
    return digest.hexdigest()


def _copy(source: int, target: int) -> str:
    """Copy in chunks. A second thread hashes each one while it is written and the next one is read."""
    from concurrent.futures import Future, ThreadPoolExecutor  # late: small files go without

    digest, hashing = hashlib.sha256(), Future[None]()
    hashing.set_result(None)
    buffers = [memoryview(bytearray(_CHUNK_BYTES)) for _ in range(2)]
    with ThreadPoolExecutor(1) as pool, open(source, "rb", buffering=0, closefd=False) as reader:
        while count := reader.readinto(buffers[0]):
            chunk = buffers[0][:count]
            hashing.result()  # the other buffer is free again
            hashing = pool.submit(digest.update, chunk)
            _write(target, chunk)
            buffers.reverse()
        hashing.result()
    return digest.hexdigest()


def _hash(file: int) -> str:
    digest, buffer = hashlib.sha256(), memoryview(bytearray(_CHUNK_BYTES))
    os.lseek(file, 0, os.SEEK_SET)
    with open(file, "rb", buffering=0, closefd=False) as reader:
        while count := reader.readinto(buffer):
            digest.update(buffer[:count])
    return digest.hexdigest()


def _write(target: int, data: memoryview) -> None:
    while data:
        data = data[os.write(target, data) :]
