"""How files get their places below a folder, whatever others do there at the same time.

Everything works on open folders, never on paths, so that a link that turns up on the way can't lead out.
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

#: ioctl that makes a copy-on-write clone (btrfs, XFS). Source: include/uapi/linux/fs.h.
FICLONE = 0x40049409

#: How a folder is opened: a link in its place is an error.
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

#: How often an object's folder may vanish, or turn up, while we are about to use it.
ATTEMPTS = 100


def copy_data(source: int, target: int) -> None:
    """Copy a whole file into an empty one, both open: as a clone, else within the kernel, else by hand."""
    try:
        fcntl.ioctl(target, FICLONE, source)
        return
    except OSError:
        pass  # another file system, or one that doesn't clone
    append_data(source, target)


def append_data(source: int, target: int) -> None:
    """Write a whole file to where another one stands, both open: within the kernel, else by hand."""
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


def step(folder: int, name: str) -> int:
    """The folder below, opened in the place of the given one."""
    below = os.open(name, FOLDER, dir_fd=folder)
    os.close(folder)
    return below


def make(folder: int, name: str) -> None:
    """Make a folder; a file that has its name moves aside.

    Raises: FileExistsError: what has its name is neither file nor folder.
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
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):  # another one was faster
            os.rename(name, object_keys.beside(name), src_dir_fd=folder, dst_dir_fd=folder)
    raise FileExistsError(errno.EEXIST, "neither a file nor a folder", name)


def move_to(folder: int, name: str, move: Callable[[int, str], None]) -> None:
    other = object_keys.beside(name)
    try:
        move(folder, name)
    except IsADirectoryError:  # there are objects below it
        move(folder, other)
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(other, dir_fd=folder)


def create(folder: int, name: str) -> tuple[int, bool]:
    """A new file, open for writing and reading, and whether it has its name yet."""
    unnamed: int | None = getattr(os, "O_TMPFILE", None)
    if unnamed is not None:
        with contextlib.suppress(OSError):  # this file system has none
            return os.open(".", os.O_RDWR | unnamed | os.O_CLOEXEC, 0o644, dir_fd=folder), False
    return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=folder), True
