"""Creates and renames files below a folder atomically, while other processes change it.

All functions work on open folders and never on paths, so that a symbolic link can't lead out of the folder.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Callable

from mlci_emulator.store import object_keys

#: The ioctl that creates a copy-on-write clone (btrfs, XFS). Source: include/uapi/linux/fs.h.
FICLONE = 0x40049409

#: The flags to open a folder; a symbolic link is an error.
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

#: The number of attempts where another process removes or creates a folder at the same time.
ATTEMPTS = 100


def copy_data(source: int, target: int) -> None:
    """Copy an open file into an empty open file: as a clone, else within the kernel, else in chunks."""
    try:
        fcntl.ioctl(target, FICLONE, source)
        return
    except OSError:
        pass  # another file system, or one that doesn't clone
    append_data(source, target)


def append_data(source: int, target: int) -> None:
    """Append an open file to another open file: within the kernel, else in chunks."""
    offset, size = 0, os.fstat(source).st_size
    try:
        while offset < size:
            sent = os.sendfile(target, source, offset, size - offset)
            if sent == 0:
                return
            offset += sent
    except OSError:
        os.lseek(source, offset, os.SEEK_SET)
        with open(source, "rb", closefd=False) as reader, open(target, "wb", closefd=False) as writer:
            shutil.copyfileobj(reader, writer)


def open_child(folder: int, name: str) -> int:
    """Open a folder in an open folder, which is closed."""
    below = os.open(name, FOLDER, dir_fd=folder)
    os.close(folder)
    return below


def create_folder(folder: int, name: str) -> None:
    """Create a folder; a file with its name gets its alternate name.

    Raises: FileExistsError: something with its name is neither a file nor a folder.
    """
    for _ in range(ATTEMPTS):
        try:
            os.mkdir(name, dir_fd=folder)
            return
        except FileExistsError:
            mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            return
        if not stat.S_ISREG(mode):
            break
        with contextlib.suppress(
            FileNotFoundError, NotADirectoryError, IsADirectoryError
        ):  # another process was faster
            os.rename(name, object_keys.alternate_name(name), src_dir_fd=folder, dst_dir_fd=folder)
    raise FileExistsError(errno.EEXIST, "neither a file nor a folder", name)


def rename_into_place(folder: int, name: str, move: Callable[[int, str], None]) -> None:
    """Let `move` rename a file to this name, or to its alternate name if a folder has it."""
    other = object_keys.alternate_name(name)
    try:
        move(folder, name)
    except IsADirectoryError:  # a folder with other objects has the name
        move(folder, other)
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(other, dir_fd=folder)


def create_temporary_file(folder: int, name: str) -> tuple[int, bool]:
    """Create a file, open for reading and writing; return it, and True if it has a name already."""
    unnamed: int | None = getattr(os, "O_TMPFILE", None)
    if unnamed is not None:
        with contextlib.suppress(OSError):  # the file system does not support O_TMPFILE
            return os.open(".", os.O_RDWR | unnamed | os.O_CLOEXEC, 0o644, dir_fd=folder), False
    return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=folder), True


def make_accessible(folder: int | None, name: str | os.PathLike[str], mode: int) -> None:
    """Set the mode of a file or a folder in an open folder, but never that of a link's target."""
    if os.chmod in os.supports_follow_symlinks and os.chmod in os.supports_dir_fd:
        os.chmod(name, mode, dir_fd=folder, follow_symlinks=False)
        return
    # Linux can't change the mode without following links; an O_PATH file is the entry itself.
    entry = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        if not stat.S_ISLNK(os.fstat(entry).st_mode):
            os.chmod(f"/proc/self/fd/{entry}", mode)
    finally:
        os.close(entry)
