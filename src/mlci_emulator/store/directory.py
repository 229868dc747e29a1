"""Stores objects in a directory: the object `s3://bucket/key` is the plain file `<root>/bucket/key`.

Any number of processes may write at the same time: an object appears whole or not at all. Where the file system
supports it (O_TMPFILE), temporary files have no name, so a writer that is killed leaves nothing behind.

Symbolic links below the root are not followed, so that nothing outside of the root can be read or written: a link is
neither an object nor a folder of objects. object_keys.py lists the keys whose files have other names.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from mlci_emulator.errors import OperationError
from mlci_emulator.store import object_keys
from mlci_emulator.store.atomic_files import (
    ATTEMPTS,
    FOLDER,
    copy_data,
    create_folder,
    create_temporary_file,
    make_accessible,
    open_child,
    rename_into_place,
)
from mlci_emulator.store.key_order import KeyWalk
from mlci_emulator.store.object_batch import ObjectBatch
from mlci_emulator.store.object_paths import bucket_and_names, bucket_and_object_names
from mlci_emulator.store.s3_uris import split_s3_uri


class NoSuchKey(KeyError):
    """The object does not exist."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.uri = uri

    def __str__(self) -> str:
        return f"there is no object {self.uri}"


class Draft:
    """A file in the bucket's folder that is not an object yet; `publish` makes it one."""

    def __init__(self, store: DirectoryStore, folder: int) -> None:
        self._store, self._folder = store, folder
        self._name = f"{object_keys.TEMPORARY}{os.urandom(8).hex()}"
        self.file, self._is_named = create_temporary_file(folder, self._name)

    def publish(self, uri: str) -> None:
        """Give the file the object's name; it replaces the previous object."""
        if not self._is_named:
            # Naming both folders makes Python call linkat, which alone follows the link of /proc to the unnamed file.
            unnamed = f"/proc/self/fd/{self.file}"
            os.link(unnamed, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder, follow_symlinks=True)
            self._is_named = True
        self._store.rename_object(
            uri, lambda to, name: os.rename(self._name, name, src_dir_fd=self._folder, dst_dir_fd=to)
        )
        self._is_named = False

    def status(self) -> os.stat_result:
        return os.fstat(self.file)

    def close(self) -> None:
        os.close(self.file)
        if self._is_named:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._name, dir_fd=self._folder)


class DirectoryStore:
    """Reads, writes and lists objects by their URIs."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, uri: str) -> Path:
        """Return the path of the object's file, which need not exist.

        Raises:
            OperationError: the URI is not `s3://bucket/key`, or its key can't be the path of a file below the root.
        """
        bucket, parts = bucket_and_names(uri)
        plain = self.root.joinpath(bucket, *parts)
        if not parts:
            return plain
        other = plain.with_name(object_keys.alternate_name(plain.name))
        return other if plain.is_dir() or (not plain.exists() and other.exists()) else plain

    @staticmethod
    def check(uri: str) -> None:
        """Check that an object can have this URI.

        Raises: OperationError
        """
        bucket_and_object_names(uri)

    def create_bucket(self, bucket: str) -> None:
        """Create a bucket, if there is none of that name. Writing an object through the store does so, too."""
        (self.root / bucket).mkdir(parents=True, exist_ok=True)

    def exists(self, uri: str) -> bool:
        with contextlib.suppress(NoSuchKey), self.open(uri):
            return True
        return False

    def open(self, uri: str) -> BinaryIO:
        """Open an object for reading. The content stays the same when the object is replaced.

        Raises:
            NoSuchKey: the object does not exist.
        """
        bucket, parts = bucket_and_object_names(uri)
        with self._folder(bucket, parts[:-1], uri) as folder:
            # Twice, because another process may rename the file between the two attempts.
            for name in (parts[-1], object_keys.alternate_name(parts[-1])) * 2:
                with contextlib.suppress(OSError):
                    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
                    if stat.S_ISREG(os.fstat(file).st_mode):
                        return os.fdopen(file, "rb")
                    os.close(file)
        raise NoSuchKey(uri)

    def read_bytes(self, uri: str) -> bytes:
        """Return the content of an object.

        Raises:
            NoSuchKey: the object does not exist.
        """
        with self.open(uri) as stream:
            return stream.read()

    @contextlib.contextmanager
    def draft(self, bucket: str) -> Iterator[Draft]:
        """Create a file to write an object to; it is removed afterwards unless it was published."""
        with self._created_folder(bucket_and_names(f"s3://{bucket}")[0], []) as folder:
            draft = Draft(self, folder)
            try:
                yield draft
            finally:
                draft.close()

    def put_bytes(self, data: bytes, uri: str) -> None:
        with self._put(uri) as file, open(file, "wb", closefd=False) as stream:
            stream.write(data)

    def replace_bytes(self, data: bytes, uri: str, may_replace: Callable[[bytes | None], bool]) -> bool:
        """Store an object if `may_replace` agrees to its current content, None where there is none; else return False.

        Of those that replace objects so, in any process, one at a time does it in each bucket.
        """
        with self._created_folder(bucket_and_object_names(uri)[0], []) as folder:
            fcntl.flock(folder, fcntl.LOCK_EX)  # until the folder is closed
            try:
                current = self.read_bytes(uri)
            except NoSuchKey:
                current = None
            if not may_replace(current):
                return False
            self.put_bytes(data, uri)
            return True

    def put_file(self, source: str | Path, uri: str, folder: int | None = None) -> None:
        """Store a copy of a file, named by its path, or by its name in an open folder. No link is followed.

        Raises: OSError
        """
        file = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        with open(file, "rb") as stream, self._put(uri) as target:
            copy_data(stream.fileno(), target)

    def put_checked(self, source: str | Path, uri: str, sha256: str) -> None:
        """Store a copy of a file whose SHA-256 (in hexadecimal) is known.

        Raises:
            OperationError: the file no longer has that hash; nothing is stored.
        """
        with self.batch() as batch:
            batch.put_checked(source, uri, sha256)

    def batch(self) -> ObjectBatch:
        """Return what one thread reads and writes many objects with, one after the other."""
        return ObjectBatch(self)

    def move_file(self, source: str | Path, uri: str, folder: int | None = None) -> None:
        """Store a file that nobody else needs, named by its path, or by its name in an open folder.

        No link is followed. The file is moved where that is possible, and copied elsewhere. One that its owner can't
        read becomes readable.

        Raises: OSError
        """
        status = os.stat(source, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", source)
        if status.st_mode & 0o600 != 0o600:
            make_accessible(folder, source, stat.S_IMODE(status.st_mode) | 0o600)
        if status.st_nlink == 1:  # through another name (a hard link), the object could be changed later
            try:
                self.rename_object(uri, lambda to, name: os.rename(source, name, src_dir_fd=folder, dst_dir_fd=to))
                return
            except OSError as error:
                if error.errno not in (errno.EXDEV, errno.EACCES, errno.EPERM):
                    raise
        self.put_file(source, uri, folder)

    def fetch_file(self, uri: str, target: Path) -> None:
        """Copy an object to a file.

        It is a copy, and not a hard link, because a script may write to its inputs, and must not change the object. A
        read-only mode would not stop root, which many containers run as, nor a `chmod` by the owner; a read-only mount
        would fail scripts that may write to their input on SageMaker. File systems that clone (btrfs, XFS) copy at no
        cost; elsewhere the kernel copies a gigabyte in about a second.

        Raises:
            NoSuchKey: the object does not exist.
        """
        with self.open(uri) as source, open(target, "wb") as stream:
            copy_data(source.fileno(), stream.fileno())

    def copy(self, source_uri: str, uri: str) -> None:
        """Copy an object to another key.

        Raises:
            NoSuchKey: the source does not exist.
        """
        with self.open(source_uri) as source, self._put(uri) as file:
            copy_data(source.fileno(), file)

    def remove(self, uri: str) -> None:
        """Remove the object, if it exists, and the folders that are empty without it."""
        bucket, parts = bucket_and_object_names(uri)
        try:
            with self._folder(bucket, parts[:-1], uri) as folder:
                # In this order, so that an older object that a killed writer left does not reappear.
                for name in (object_keys.alternate_name(parts[-1]), parts[-1]):
                    with contextlib.suppress(FileNotFoundError, IsADirectoryError, PermissionError):
                        if stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                            os.unlink(name, dir_fd=folder)
        except NoSuchKey:
            return
        for depth in range(len(parts) - 1, 0, -1):
            try:
                with self._folder(bucket, parts[: depth - 1], uri) as folder:
                    os.rmdir(parts[depth - 1], dir_fd=folder)
            except (OSError, NoSuchKey):  # not empty, or already removed
                return

    def walk(self, bucket: str, prefix: str = "", after: str = "") -> KeyWalk:
        """Return an iterator over the keys in a bucket in S3's order, each with its file's status."""
        folder = bucket_and_names(f"s3://{bucket}")[0]
        return KeyWalk(self.root / folder, prefix, after)

    def rename_object(self, uri: str, move: Callable[[int, str], None]) -> None:
        """Let `move` rename a file to the object's: it gets the open folder, and the name in the folder.

        Raises:
            OperationError: something on the object's path is neither a file nor a folder.
        """
        bucket, parts = bucket_and_object_names(uri)
        for _ in range(ATTEMPTS):
            try:
                with self._created_folder(bucket, parts[:-1]) as folder:
                    rename_into_place(folder, parts[-1], move)
                return
            except FileNotFoundError:  # another process removed the empty folder
                continue
        raise _path_blocked(uri)

    @contextlib.contextmanager
    def _put(self, uri: str) -> Iterator[int]:
        bucket, _ = bucket_and_object_names(uri)
        with self.draft(bucket) as draft:
            yield draft.file
            draft.publish(uri)

    @contextlib.contextmanager
    def _folder(self, bucket: str, parts: list[str], uri: str) -> Iterator[int]:
        folder = self.open_folder(bucket, parts, uri)
        try:
            yield folder
        finally:
            os.close(folder)

    def open_folder(self, bucket: str, parts: list[str], uri: str) -> int:
        """Open a folder of objects below a bucket's, for an object in it.

        Raises:
            NoSuchKey: it does not exist.
        """
        try:
            return self._open(bucket, parts, lambda folder, part: None)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NoSuchKey(uri) from error
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise NoSuchKey(uri) from error

    @contextlib.contextmanager
    def _created_folder(self, bucket: str, parts: list[str]) -> Iterator[int]:
        folder = self.open_created_folder(bucket, parts)
        try:
            yield folder
        finally:
            os.close(folder)

    def open_created_folder(self, bucket: str, parts: list[str]) -> int:
        """Open a folder of objects below a bucket's, and create what is missing of it.

        Raises:
            OperationError: something on its path is neither a file nor a folder.
        """
        try:
            (self.root / bucket).mkdir(parents=True, exist_ok=True)
            return self._open(bucket, parts, create_folder)
        except (FileExistsError, NotADirectoryError) as error:
            raise _path_blocked("/".join(["s3:/", bucket, *parts])) from error

    def _open(self, bucket: str, parts: list[str], prepare: Callable[[int, str], None]) -> int:
        folder = os.open(self.root / bucket, FOLDER)
        try:
            for part in parts:
                prepare(folder, part)
                folder = open_child(folder, part)
        except BaseException:
            os.close(folder)
            raise
        return folder

    def list(self, prefix_uri: str) -> Iterator[str]:
        """Yield the URIs of all objects whose URI starts with the prefix, in S3's order.

        As on S3, a prefix is a text and not a folder: `s3://b/data` also matches `s3://b/data2/x`.
        """
        bucket, prefix = split_s3_uri(prefix_uri)
        for key, _ in self.walk(bucket, prefix):
            yield f"s3://{bucket}/{key}"


def _path_blocked(uri: str) -> OperationError:
    return OperationError(
        f'the local store can\'t hold "{uri}": something that is neither a file nor a folder is in its way',
        hint="Links are not followed: put a copy of the data there.",
    )
