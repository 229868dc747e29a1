"""The directory that stands for S3: the object `s3://bucket/key` is the plain file `<root>/bucket/key`.

Any number of processes may write at once: an object appears whole or not at all. Temporary files have no name while
they are written (O_TMPFILE) where the file system can do that, so a writer that is killed leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from mlci.errors import CloudError

#: Where an unnamed temporary file can't be had, its name begins with this, and `list` leaves it out.
TEMPORARY = ".mlci-tmp-"

#: ioctl that makes a copy-on-write clone (btrfs, XFS). Source: include/uapi/linux/fs.h.
FICLONE = 0x40049409


class NoSuchKey(KeyError):
    """There is no object under that URI."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.uri = uri

    def __str__(self) -> str:
        return f"there is no object {self.uri}"


class DirectoryStore:
    """Objects in a directory, with S3's words."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, uri: str) -> Path:
        """The file in which the object lies.

        Raises:
            CloudError: the URI is no `s3://bucket/key`, or its key can't be the path of a file below the root.
        """
        bucket, key = split(uri)
        parts = key.removesuffix("/").split("/") if key else []
        for part in (bucket, *parts):
            if part in ("", ".", "..") or "\0" in part or part.startswith(TEMPORARY):
                raise CloudError(f'the local store can\'t hold "{uri}": "{part}" can\'t be part of a path')
        return self.root.joinpath(bucket, *parts)

    def exists(self, uri: str) -> bool:
        return not uri.endswith("/") and self.path(uri).is_file()

    def read_bytes(self, uri: str) -> bytes:
        """What the object holds.

        Raises:
            NoSuchKey: there is none.
        """
        try:
            return self._object(uri).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise NoSuchKey(uri) from error

    def put_bytes(self, data: bytes, uri: str) -> None:
        def write(file: int) -> None:
            with open(file, "wb", closefd=False) as stream:
                stream.write(data)

        self._put(uri, write)

    def put_file(self, source: Path, uri: str) -> None:
        """Store a copy of a file."""
        with open(source, "rb") as stream:
            self._put(uri, lambda file: copy_data(stream.fileno(), file))

    def put_checked(self, source: Path, uri: str, sha256: str) -> None:
        """Store a copy of a file that was hashed before.

        Raises:
            CloudError: it no longer has that hash (in hexadecimal); nothing is stored.
        """

        def write(file: int) -> None:
            digest = hashlib.sha256()
            with open(source, "rb") as reader, open(file, "wb", closefd=False) as writer:
                while part := reader.read(1 << 20):
                    digest.update(part)
                    writer.write(part)
            if digest.hexdigest() != sha256:
                raise CloudError(f"{source} changed while it was being uploaded", hint="Run again.")

        self._put(uri, write)

    def take_file(self, source: Path, uri: str) -> None:
        """Store a file that nobody needs any more, by moving it where that is possible."""
        target = self._object(uri)
        if source.lstat().st_nlink == 1:  # another name for it would be a way to change the object later
            try:
                with self._making_room(target, uri):
                    os.replace(source, target)
                return
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
        self.put_file(source, uri)

    def fetch_file(self, uri: str, target: Path) -> None:
        """Copy an object to a file.

        A copy, and no hard link, because a script may write to its inputs, and that must not reach the object. Where
        the file system clones (btrfs, XFS), it costs nothing; elsewhere the kernel copies a gigabyte in about a second.

        Raises:
            NoSuchKey: there is no such object.
        """
        try:
            with open(self._object(uri), "rb") as source, open(target, "wb") as stream:
                copy_data(source.fileno(), stream.fileno())
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise NoSuchKey(uri) from error

    def copy(self, source_uri: str, uri: str) -> None:
        """Copy an object to another key.

        Raises:
            NoSuchKey: there is no such source.
        """
        if not self.exists(source_uri):
            raise NoSuchKey(source_uri)
        self.put_file(self.path(source_uri), uri)

    def list(self, prefix_uri: str) -> Iterator[str]:
        """The URIs of all objects whose URI begins with the prefix, sorted as S3 sorts them.

        As on S3 a prefix is a text and no folder: `s3://b/data` also finds `s3://b/data2/x`.
        """
        bucket, prefix = split(prefix_uri)
        top = self.path(f"s3://{bucket}")
        folder = self.path(f"s3://{bucket}/{prefix.rpartition('/')[0]}")
        found = []
        for place, _, names in os.walk(folder):
            for name in names:
                key = Path(place, name).relative_to(top).as_posix()
                if key.startswith(prefix) and not name.startswith(TEMPORARY):
                    found.append(f"s3://{bucket}/{key}")
        yield from sorted(found)

    def _object(self, uri: str) -> Path:
        key = split(uri)[1]
        if not key or key.endswith("/"):
            raise CloudError(f'the local store can\'t hold "{uri}": an object needs a key that doesn\'t end in "/"')
        return self.path(uri)

    def _put(self, uri: str, write: Callable[[int], None]) -> None:
        target = self._object(uri)
        with self._making_room(target, uri):
            folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            temporary = f"{TEMPORARY}{secrets.token_hex(8)}"
            _write_whole(folder, temporary, write)
            try:
                os.rename(temporary, target.name, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError as error:
                os.unlink(temporary, dir_fd=folder)
                raise self._conflict(uri) from error
        finally:
            os.close(folder)

    @contextlib.contextmanager
    def _making_room(self, target: Path, uri: str) -> Iterator[None]:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            yield
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise self._conflict(uri) from error

    def _conflict(self, uri: str) -> CloudError:
        return CloudError(
            f'the local store can\'t hold "{uri}": a part of its key is an object there, or objects lie under it',
            hint="S3 could hold both; give one of them another name.",
        )


def split(uri: str) -> tuple[str, str]:
    """Bucket and key of an S3 URI.

    >>> split("s3://data/raw/x.csv")
    ('data', 'raw/x.csv')
    """
    scheme, _, rest = uri.partition("://")
    if scheme != "s3" or not rest:
        raise CloudError(f'"{uri}" is no S3 URI', hint='One looks like "s3://bucket/key".')
    bucket, _, key = rest.partition("/")
    return bucket, key


def copy_data(source: int, target: int) -> None:
    """Copy a whole file into an empty one, both open: as a clone, else within the kernel, else by hand."""
    try:
        fcntl.ioctl(target, FICLONE, source)
        return
    except OSError:
        pass  # another file system, or one that doesn't clone
    with open(source, "rb", closefd=False) as reader, open(target, "wb", closefd=False) as writer:
        try:
            offset, size = 0, os.fstat(source).st_size
            while offset < size:
                sent = os.sendfile(target, source, offset, size - offset)
                if sent == 0:
                    return
                offset += sent
        except OSError:
            reader.seek(0)
            writer.seek(0)
            shutil.copyfileobj(reader, writer)


def _write_whole(folder: int, name: str, write: Callable[[int], None]) -> None:
    """Write a file that gets its name only when it is whole, where the file system has unnamed files."""
    file, is_named = _create(folder, name)
    try:
        write(file)
        if not is_named:
            # Naming both folders makes Python call linkat, which alone follows the link of /proc to the unnamed file.
            os.link(f"/proc/self/fd/{file}", name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=True)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
        raise
    finally:
        os.close(file)


def _create(folder: int, name: str) -> tuple[int, bool]:
    """A new file, open for writing, and whether it has its name yet."""
    unnamed: int | None = getattr(os, "O_TMPFILE", None)
    if unnamed is not None:
        with contextlib.suppress(OSError):  # this file system has none
            return os.open(".", os.O_WRONLY | unnamed, 0o644, dir_fd=folder), False
    return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=folder), True
