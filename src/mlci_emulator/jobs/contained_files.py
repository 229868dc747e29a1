"""Opens, walks and removes the files that a script left, without leaving the folder that the job got.

A script may replace any file or folder of its own by a symbolic link to files of the user. So every folder is opened
by its name in the open folder above it, and never through a link.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
import stat
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from mlci_dataclasses import dataclass
from mlci_emulator.store.atomic_files import FOLDER, make_accessible
from mlci_emulator.store.object_paths import MAX_FOLDERS

#: The number of links that lead to one file at the most, as on Linux. Source: include/linux/namei.h, MAXSYMLINKS
MAX_LINKS = 40

_CONTAINER = "/opt/ml"
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class NotContainedError(Exception):
    """A file can't be reached without leaving the job's folder; the text names its path in the container, and why."""


@dataclass(frozen=True)
class ContainedFile:
    """A regular file: its name relative to the folder that is walked, and its own name in an open folder."""

    name: str
    folder: int
    base: str

    def open(self) -> int:
        return os.open(self.base, _FILE, dir_fd=self.folder)


@dataclass(frozen=True)
class _OpenFolder:
    """A folder of a walk: its open file, its path below the root, and its entries that are still to be visited."""

    file: int
    path: tuple[str, ...]
    prefix: str
    entries: Iterator[str]
    ids: frozenset[tuple[int, int]]


def open_folder(root: Path, path: Sequence[str]) -> int:
    """Open a folder below `root`.

    Raises:
        FileNotFoundError: it does not exist.
        NotContainedError: it, or a folder above it, is a link or a file.
    """
    folder = os.open(root, FOLDER)
    for number, name in enumerate(path, 1):
        try:
            inner = _open_child_folder(folder, name)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                location = "/".join([_CONTAINER, *path[:number]])
                raise NotContainedError(f"{location} is no folder: a link or a file took its place") from error
            raise
        finally:
            os.close(folder)
        folder = inner
    return folder


def read_file(root: Path, path: Sequence[str], max_bytes: int) -> bytes | None:
    """Return the first bytes of a regular file below `root`; None if it can't be reached without following a link."""
    try:
        folder = open_folder(root, path[:-1])
    except (OSError, NotContainedError):
        return None
    try:
        file = os.open(path[-1], _FILE, dir_fd=folder)
    except OSError:
        return None
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        return None
    with open(file, "rb") as stream:
        return stream.read(max_bytes)


def walk(root: Path, path: Sequence[str], follows_links: bool = False) -> Iterator[ContainedFile]:
    """Yield the regular files of a folder below `root`, sorted by name. The file's folder is open until the next one.

    Links are left out, or followed: their targets are paths in the container, in which `root` is `/opt/ml`.

    Raises:
        NotContainedError: the folder, or one above it, is a link; a link that is followed leads nowhere or out of the
            root; or folders are nested more deeply than the key of an object can be.
    """
    try:
        folders = [_walked_folder(open_folder(root, path), tuple(path), "", frozenset())]
    except FileNotFoundError:
        return
    try:
        while folders:
            current = folders[-1]
            name = next(current.entries, None)
            if name is None:
                os.close(folders.pop().file)
                continue
            status = _status(current.file, name)
            if status is None:  # removed in the meantime
                continue
            if stat.S_ISREG(status.st_mode):
                yield ContainedFile(current.prefix + name, current.file, name)
            elif stat.S_ISDIR(status.st_mode):
                file = _open_child_folder(current.file, name)
                folders.append(_walked_folder(file, (*current.path, name), f"{current.prefix}{name}/", current.ids))
            elif stat.S_ISLNK(status.st_mode) and follows_links:
                inner = yield from _linked(root, current, name)
                folders += [inner] if inner is not None else []
    finally:
        for folder in folders:
            os.close(folder.file)


def _walked_folder(file: int, path: tuple[str, ...], prefix: str, ids_above: frozenset[tuple[int, int]]) -> _OpenFolder:
    """Return a folder that is about to be walked; one in which the walk is already has no entries."""
    try:
        if prefix.count("/") > MAX_FOLDERS:
            raise NotContainedError(
                f"{_CONTAINER}/{'/'.join(path[:4])}/… is nested more than {MAX_FOLDERS} folders deep"
            )
        status = os.fstat(file)
        own_id = (status.st_dev, status.st_ino)
        names = [] if own_id in ids_above else sorted(os.listdir(file))
    except BaseException:
        os.close(file)
        raise
    return _OpenFolder(file, path, prefix, iter(names), ids_above | {own_id})


def _linked(root: Path, current: _OpenFolder, name: str) -> Generator[ContainedFile, None, _OpenFolder | None]:
    """Yield the file that a link leads to, and return the folder that it leads to, if any."""
    link = "/".join([_CONTAINER, *current.path, name])
    target = _link_target(root, (*current.path, name))
    if target is None:
        raise NotContainedError(
            f"{link} is a link to {os.readlink(name, dir_fd=current.file)}, which does not exist or is not under "
            f"{_CONTAINER}. Copy the file instead."
        )
    if not target:
        return _walked_folder(os.open(root, FOLDER), (), f"{current.prefix}{name}/", current.ids)
    folder = open_folder(root, target[:-1])
    try:
        status = _status(folder, target[-1])
        if status is not None and stat.S_ISDIR(status.st_mode):
            file = _open_child_folder(folder, target[-1])
            return _walked_folder(file, target, f"{current.prefix}{name}/", current.ids)
        if status is not None and stat.S_ISREG(status.st_mode):
            yield ContainedFile(current.prefix + name, folder, target[-1])
    finally:
        os.close(folder)
    return None


def _link_target(root: Path, path: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the path below the root to which a link leads, as the container resolves it; None if it leads out."""
    pending, resolved, links = list(path), list[str](), 0
    while pending:
        name = pending.pop(0)
        if name in ("", "."):
            continue
        if name == "..":
            if not resolved:
                return None
            resolved.pop()
            continue
        location = os.path.join(root, *resolved, name)
        if not os.path.islink(location):
            if not os.path.lexists(location):
                return None
            resolved.append(name)
            continue
        target, links = os.readlink(location), links + 1
        if links > MAX_LINKS:
            return None
        if target.startswith("/"):
            inner = [_path_below(target, folder) for folder in (_CONTAINER, str(root), os.path.realpath(root))]
            target = next((path for path in inner if path is not None), "..")
            resolved = []
        pending = [*target.split("/"), *pending]
    return tuple(resolved)


def _path_below(path: str, folder: str) -> str | None:
    return path[len(folder) :] if path == folder or path.startswith(f"{folder}/") else None


def _status(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None


def _open_child_folder(folder: int, name: str) -> int:
    """Open a folder in an open one, even if a script removed its permissions."""
    try:
        return os.open(name, FOLDER, dir_fd=folder)
    except PermissionError:
        make_accessible(folder, name, 0o700)
        return os.open(name, FOLDER, dir_fd=folder)


def remove_tree(folder: Path) -> None:
    """Remove a folder and its content, however deep it is, and even if a script removed its permissions.

    What can't be removed (files of another user) is left; nothing is raised. A link is left alone, with its target.
    """
    with contextlib.suppress(OSError):
        parent = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            top = _open_child_folder(parent, folder.name)
            try:
                _empty(top)
            finally:
                os.close(top)
            os.rmdir(folder.name, dir_fd=parent)
        finally:
            os.close(parent)


def _empty(top: int) -> None:
    """Remove all that is in an open folder.

    Folders inside of folders are first moved to the top, so that no path, no recursion and no number of open files
    grows with their depth.
    """
    token, numbers = secrets.token_hex(8), itertools.count()
    left: set[str] = set()
    while names := [name for name in os.listdir(top) if name not in left]:
        for name in names:
            try:
                status = os.stat(name, dir_fd=top, follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    _remove_folder(top, name, (f"mlci-{token}-{number}" for number in numbers))
                else:
                    os.unlink(name, dir_fd=top)
            except FileNotFoundError:
                continue
            except OSError:
                left.add(name)


def _remove_folder(top: int, name: str, new_names: Iterator[str]) -> None:
    """Remove a folder of an open one, to which its own folders are moved."""
    make_accessible(top, name, 0o700)
    folder = _open_child_folder(top, name)
    try:
        with os.scandir(folder) as scanned:
            entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in scanned]
        for entry, is_folder in entries:
            with contextlib.suppress(OSError):
                if is_folder:
                    make_accessible(folder, entry, 0o700)  # a folder that moves is written to: it gets a new parent
                    os.rename(entry, next(new_names), src_dir_fd=folder, dst_dir_fd=top)
                else:
                    os.unlink(entry, dir_fd=folder)
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=top)
