"""The directory that stands for S3: the object `s3://bucket/key` is the plain file `<root>/bucket/key`.

Any number of processes may write at once: an object appears whole or not at all. Temporary files have no name while
they are written (O_TMPFILE) where the file system can do that, so a writer that is killed leaves nothing behind.

No symbolic link below the root is followed, so that nothing outside of it can be read or written through it: a link is
no object, and no folder of objects. What keys.py says of keys that a folder can't hold applies.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from mlci_emulator.errors import OperationError
from mlci_emulator.store import object_keys
from mlci_emulator.store.atomic_files import ATTEMPTS, FOLDER, copy_data, create, make, move_to, step
from mlci_emulator.store.key_order import Walk
from mlci_emulator.store.s3_uris import split_s3_uri

#: Folders in a key: each is held open while one is looked for.
_DEEPEST = 200


class NoSuchKey(KeyError):
    """There is no object under that URI."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.uri = uri

    def __str__(self) -> str:
        return f"there is no object {self.uri}"


class Draft:
    """A file in the bucket's folder that is no object yet; `publish` makes it one."""

    def __init__(self, store: DirectoryStore, folder: int) -> None:
        self._store, self._folder = store, folder
        self._name = f"{object_keys.TEMPORARY}{secrets.token_hex(8)}"
        self.file, self._is_named = create(folder, self._name)

    def publish(self, uri: str) -> None:
        """Give the file the object's name, in the place of what had it."""
        if not self._is_named:
            # Naming both folders makes Python call linkat, which alone follows the link of /proc to the unnamed file.
            unnamed = f"/proc/self/fd/{self.file}"
            os.link(unnamed, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder, follow_symlinks=True)
            self._is_named = True
        self._store.place(uri, lambda to, name: os.rename(self._name, name, src_dir_fd=self._folder, dst_dir_fd=to))
        self._is_named = False

    def status(self) -> os.stat_result:
        return os.fstat(self.file)

    def close(self) -> None:
        os.close(self.file)
        if self._is_named:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._name, dir_fd=self._folder)


class DirectoryStore:
    """Objects in a directory, with S3's words."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, uri: str) -> Path:
        """The file in which the object lies, or would lie.

        Raises:
            OperationError: the URI is no `s3://bucket/key`, or its key can't be the path of a file below the root.
        """
        bucket, parts = _place_of(uri)
        plain = self.root.joinpath(bucket, *parts)
        if not parts:
            return plain
        other = plain.with_name(object_keys.beside(plain.name))
        return other if plain.is_dir() or (not plain.exists() and other.exists()) else plain

    @staticmethod
    def check(uri: str) -> None:
        """Raises: OperationError: there can be no such object."""
        _object_of(uri)

    def exists(self, uri: str) -> bool:
        with contextlib.suppress(NoSuchKey), self.open(uri):
            return True
        return False

    def open(self, uri: str) -> BinaryIO:
        """The object, open for reading; it stays what it is when another one takes its place.

        Raises:
            NoSuchKey: there is none.
        """
        bucket, parts = _object_of(uri)
        with self._folder(bucket, parts[:-1], uri) as folder:
            # Twice, because between the two looks another process may have moved it from one place to the other.
            for name in (parts[-1], object_keys.beside(parts[-1])) * 2:
                with contextlib.suppress(OSError):
                    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
                    if stat.S_ISREG(os.fstat(file).st_mode):
                        return os.fdopen(file, "rb")
                    os.close(file)
        raise NoSuchKey(uri)

    def read_bytes(self, uri: str) -> bytes:
        """What the object holds.

        Raises:
            NoSuchKey: there is none.
        """
        with self.open(uri) as stream:
            return stream.read()

    @contextlib.contextmanager
    def draft(self, bucket: str) -> Iterator[Draft]:
        """A file to write an object to; it is gone afterwards unless it was published."""
        with self._making_folder(_place_of(f"s3://{bucket}")[0], []) as folder:
            draft = Draft(self, folder)
            try:
                yield draft
            finally:
                draft.close()

    def put_bytes(self, data: bytes, uri: str) -> None:
        with self._put(uri) as file, open(file, "wb", closefd=False) as stream:
            stream.write(data)

    def put_file(self, source: Path, uri: str) -> None:
        """Store a copy of a file."""
        with open(source, "rb") as stream, self._put(uri) as file:
            copy_data(stream.fileno(), file)

    def put_checked(self, source: Path, uri: str, sha256: str) -> None:
        """Store a copy of a file that was hashed before.

        Raises:
            OperationError: it no longer has that hash (in hexadecimal); nothing is stored.
        """
        digest = hashlib.sha256()
        with self._put(uri) as file:
            with open(source, "rb") as reader, open(file, "wb", closefd=False) as writer:
                while part := reader.read(1 << 20):
                    digest.update(part)
                    writer.write(part)
            if digest.hexdigest() != sha256:
                raise OperationError(f"{source} changed while it was being uploaded", hint="Run again.")

    def move_file(self, source: Path, uri: str) -> None:
        """Store a file that nobody needs any more, by moving it where that is possible."""
        if source.lstat().st_nlink == 1:  # another name for it would be a way to change the object later
            try:
                self.place(uri, lambda folder, name: os.rename(source, name, dst_dir_fd=folder))
                return
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
        self.put_file(source, uri)

    def fetch_file(self, uri: str, target: Path) -> None:
        """Copy an object to a file.

        A copy, and no hard link, because a script may write to its inputs, and that must not reach the object: a
        read-only mode does not hold back root, which many containers run as, nor a `chmod` by the owner, and a
        read-only mount would make a script fail here that may write to its input on SageMaker. Where the file system
        clones (btrfs, XFS), a copy is a link that is safe and costs nothing; elsewhere the kernel copies a gigabyte in
        about a second.

        Raises:
            NoSuchKey: there is no such object.
        """
        with self.open(uri) as source, open(target, "wb") as stream:
            copy_data(source.fileno(), stream.fileno())

    def copy(self, source_uri: str, uri: str) -> None:
        """Copy an object to another key.

        Raises:
            NoSuchKey: there is no such source.
        """
        with self.open(source_uri) as source, self._put(uri) as file:
            copy_data(source.fileno(), file)

    def remove(self, uri: str) -> None:
        """Remove the object, if there is one, and the folders that are empty without it."""
        bucket, parts = _object_of(uri)
        try:
            with self._folder(bucket, parts[:-1], uri) as folder:
                # In this order, so that no older object that a killed writer left there comes to light.
                for name in (object_keys.beside(parts[-1]), parts[-1]):
                    with contextlib.suppress(FileNotFoundError, IsADirectoryError, PermissionError):
                        if stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                            os.unlink(name, dir_fd=folder)
        except NoSuchKey:
            return
        for depth in range(len(parts) - 1, 0, -1):
            try:
                with self._folder(bucket, parts[: depth - 1], uri) as folder:
                    os.rmdir(parts[depth - 1], dir_fd=folder)
            except (OSError, NoSuchKey):  # not empty, or somebody else did it
                return

    def walk(self, bucket: str, prefix: str = "", after: str = "") -> Walk:
        """The keys in a bucket in S3's order, each with its file's status."""
        folder = _place_of(f"s3://{bucket}")[0]
        return Walk(self.root / folder, prefix, after)

    def place(self, uri: str, move: Callable[[int, str], None]) -> None:
        """Let `move` rename a file to the object's: it gets the open folder, and the name in there.

        Raises:
            OperationError: a part of the key is there, and is neither a file nor a folder.
        """
        bucket, parts = _object_of(uri)
        for _ in range(ATTEMPTS):
            try:
                with self._making_folder(bucket, parts[:-1]) as folder:
                    move_to(folder, parts[-1], move)
                return
            except FileNotFoundError:  # a folder was removed meanwhile, as it was empty
                continue
        raise _refusal(uri)

    @contextlib.contextmanager
    def _put(self, uri: str) -> Iterator[int]:
        bucket, _ = _object_of(uri)
        with self.draft(bucket) as draft:
            yield draft.file
            draft.publish(uri)

    @contextlib.contextmanager
    def _folder(self, bucket: str, parts: list[str], uri: str) -> Iterator[int]:
        try:
            folder = os.open(self.root / bucket, FOLDER)
            try:
                for part in parts:
                    folder = step(folder, part)
                yield folder
            finally:
                os.close(folder)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NoSuchKey(uri) from error
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise NoSuchKey(uri) from error

    @contextlib.contextmanager
    def _making_folder(self, bucket: str, parts: list[str]) -> Iterator[int]:
        try:
            folder = self._made_folder(bucket, parts)
        except (FileExistsError, NotADirectoryError) as error:
            raise _refusal("/".join(["s3:/", bucket, *parts])) from error
        try:
            yield folder
        finally:
            os.close(folder)

    def _made_folder(self, bucket: str, parts: list[str]) -> int:
        (self.root / bucket).mkdir(parents=True, exist_ok=True)
        folder = os.open(self.root / bucket, FOLDER)
        try:
            for part in parts:
                make(folder, part)
                folder = step(folder, part)
        except BaseException:
            os.close(folder)
            raise
        return folder

    def list(self, prefix_uri: str) -> Iterator[str]:
        """The URIs of all objects whose URI begins with the prefix, sorted as S3 sorts them.

        As on S3 a prefix is a text and no folder: `s3://b/data` also finds `s3://b/data2/x`.
        """
        bucket, prefix = split_s3_uri(prefix_uri)
        for key, _ in self.walk(bucket, prefix):
            yield f"s3://{bucket}/{key}"


def _place_of(uri: str) -> tuple[str, list[str]]:
    """The bucket, and the names of folders and file below it."""
    bucket, key = split_s3_uri(uri)
    if bucket in ("", ".", "..") or bucket.startswith(object_keys.RESERVED) or not _is_path_text(bucket):
        raise OperationError(f'the local store can\'t hold "{uri}": "{bucket}" can\'t be part of a path')
    if not _is_path_text(key) or key.count("/") >= _DEEPEST:
        raise OperationError(f"the local store can't hold {uri!r}: its key has no path")
    return bucket, object_keys.path_parts(key) if key else []


def _object_of(uri: str) -> tuple[str, list[str]]:
    bucket, parts = _place_of(uri)
    if not parts:
        raise OperationError(f'the local store can\'t hold "{uri}": an object needs a key')
    return bucket, parts


def _is_path_text(text: str) -> bool:
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def _refusal(uri: str) -> OperationError:
    return OperationError(
        f'the local store can\'t hold "{uri}": something that is neither a file nor a folder is in its way',
        hint="Links are not followed: put a copy of the data there.",
    )
