"""Reads and writes many objects one after the other: the folder of the last one stays open for the next one.

Opening a folder without following links takes a call of the system for each folder above it, which is most of the cost
of a small object.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from mlci_emulator.errors import OperationError
from mlci_emulator.store import object_keys
from mlci_emulator.store.atomic_files import ATTEMPTS, copy_data, create_temporary_file, rename_into_place
from mlci_emulator.store.hashed_copies import copy_hashed
from mlci_emulator.store.object_paths import bucket_and_object_names

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FolderStore(Protocol):
    """The part of a store that opens folders and single objects."""

    def open(self, uri: str) -> BinaryIO: ...

    def open_folder(self, bucket: str, parts: list[str], uri: str) -> int: ...

    def open_created_folder(self, bucket: str, parts: list[str]) -> int: ...


class ObjectBatch:
    """Objects of one store, for one thread. Their folders are faster to open in the order of the URIs."""

    def __init__(self, store: FolderStore) -> None:
        self._store = store
        self._open: dict[str, tuple[tuple[str, ...], int]] = {}

    def __enter__(self) -> ObjectBatch:
        return self

    def __exit__(self, *error: object) -> None:
        for kind in list(self._open):
            self._close(kind)

    def fetch_file(self, uri: str, target: str | Path) -> None:
        """Copy an object to a file, as `DirectoryStore.fetch_file` does.

        Raises:
            NoSuchKey: the object does not exist.
        """
        with self.open(uri) as source:
            file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
            try:
                copy_data(source.fileno(), file)
            finally:
                os.close(file)

    def open(self, uri: str) -> BinaryIO:
        """Open an object for reading, as `DirectoryStore.open` does.

        Raises:
            NoSuchKey: the object does not exist.
        """
        bucket, parts = bucket_and_object_names(uri)
        folder = self._folder("read", (bucket, *parts[:-1]), lambda: self._store.open_folder(bucket, parts[:-1], uri))
        with contextlib.suppress(OSError):
            file = os.open(parts[-1], _FILE, dir_fd=folder)
            if stat.S_ISREG(os.fstat(file).st_mode):
                return os.fdopen(file, "rb", buffering=0)
            os.close(file)
        self._close("read")
        return self._store.open(uri)  # under its alternate name, in a folder that was replaced, or not at all

    def put_checked(self, source: str | Path, uri: str, sha256: str) -> os.stat_result:
        """Store a copy of a file whose SHA-256 (in hexadecimal) is known, and return the status of the object's file.

        Raises:
            OperationError: the file no longer has that hash; nothing is stored.
        """

        def write(target: int) -> None:
            file = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if copy_hashed(file, target) != sha256:
                    raise OperationError(f"{source} changed while it was being uploaded", hint="Run again.")
            finally:
                os.close(file)

        return self._put(uri, write)

    def put_bytes(self, data: bytes, uri: str) -> os.stat_result:
        """Store an object, and return the status of its file."""

        def write(target: int) -> None:
            with open(target, "wb", closefd=False) as stream:
                stream.write(data)

        return self._put(uri, write)

    def link(self, source_uri: str, uri: str, is_same: Callable[[os.stat_result], bool]) -> os.stat_result | None:
        """Store an object that shares the file of another one, if `is_same` agrees to the file's status; return its new
        status, or None where the file is another one or has no further names.

        Objects are replaced and never changed in their place, so that none of them changes with the other.
        """
        bucket, parts = bucket_and_object_names(uri)
        source_bucket, source_parts = bucket_and_object_names(source_uri)
        name = f"{object_keys.TEMPORARY}{os.urandom(8).hex()}"
        top = self._folder("bucket", (bucket,), lambda: self._store.open_created_folder(bucket, []))
        try:
            source = self._folder(
                "read",
                (source_bucket, *source_parts[:-1]),
                lambda: self._store.open_folder(source_bucket, source_parts[:-1], source_uri),
            )
            if not is_same(os.stat(source_parts[-1], dir_fd=source, follow_symlinks=False)):
                return None
            os.link(source_parts[-1], name, src_dir_fd=source, dst_dir_fd=top, follow_symlinks=False)
            os.utime(name, dir_fd=top, follow_symlinks=False)  # the object is new, whatever the age of its file
            file = os.open(name, _FILE, dir_fd=top)
        except (OSError, KeyError):  # removed in the meantime; or the file system has no hard links, or no more of them
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=top)
            return None
        try:
            self._rename_or_remove(top, name, bucket, parts)
            return os.fstat(file)
        finally:
            os.close(file)

    def _put(self, uri: str, write: Callable[[int], None]) -> os.stat_result:
        bucket, parts = bucket_and_object_names(uri)
        top = self._folder("bucket", (bucket,), lambda: self._store.open_created_folder(bucket, []))
        name = f"{object_keys.TEMPORARY}{os.urandom(8).hex()}"
        with _temporary_file(top, name) as (file, is_named):
            write(file)
            if not is_named:
                # Naming the folder makes Python call linkat, which alone follows the link of /proc to the file.
                os.link(f"/proc/self/fd/{file}", name, src_dir_fd=top, dst_dir_fd=top, follow_symlinks=True)
            self._rename_or_remove(top, name, bucket, parts)
            return os.fstat(file)

    def _rename_or_remove(self, top: int, name: str, bucket: str, parts: list[str]) -> None:
        try:
            self._rename(top, name, bucket, parts)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=top)
            raise

    def _rename(self, top: int, name: str, bucket: str, parts: list[str]) -> None:
        key = (bucket, *parts[:-1])
        for attempt in range(ATTEMPTS):
            folder = self._folder("write", key, lambda: self._store.open_created_folder(bucket, parts[:-1]))
            try:
                rename_into_place(
                    folder, parts[-1], lambda to, new: os.rename(name, new, src_dir_fd=top, dst_dir_fd=to)
                )
                return
            except FileNotFoundError:  # another process removed the empty folder
                self._close("write")
                if attempt == ATTEMPTS - 1:
                    raise

    def _folder(self, kind: str, key: tuple[str, ...], open_it: Callable[[], int]) -> int:
        if kind in self._open and self._open[kind][0] == key:
            return self._open[kind][1]
        self._close(kind)
        folder = open_it()
        self._open[kind] = key, folder
        return folder

    def _close(self, kind: str) -> None:
        if kind in self._open:
            os.close(self._open.pop(kind)[1])


@contextlib.contextmanager
def _temporary_file(folder: int, name: str) -> Iterator[tuple[int, bool]]:
    file, is_named = create_temporary_file(folder, name)
    try:
        yield file, is_named
    except BaseException:
        if is_named:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
        raise
    finally:
        os.close(file)
