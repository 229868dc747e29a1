"""Creates a temporary folder for each job, and removes it when the job ends or mlci was killed.

    <work>/mlci-job-<random>/
        lock    locked (flock) while the process that owns the folder lives
        ml/     the job's /opt/ml
        tmp/    the job's TMPDIR
        opt/    the folder in which its mounts are prepared

A folder whose lock is free belongs to an mlci that was killed; the next mlci removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PREFIX = "mlci-job-"


@dataclass(frozen=True)
class Workspace:
    """The paths of one job's folder."""

    folder: Path

    @property
    def ml(self) -> Path:
        return self.folder / "ml"

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    @property
    def stage(self) -> Path:
        return self.folder / "opt"

    def host_path(self, container_path: str) -> Path:
        """Return the path on this machine of a path in the container, which is `/opt/ml` or below it.

        >>> Workspace(Path("/w")).host_path("/opt/ml/model").as_posix()
        '/w/ml/model'
        """
        return self.ml / container_path.removeprefix("/opt/ml").lstrip("/")


@contextlib.contextmanager
def workspace(work: Path) -> Iterator[Workspace]:
    """Create a folder for a job; it is removed afterwards."""
    space = Workspace(work.absolute() / f"{PREFIX}{secrets.token_hex(6)}")
    with _locked(work):  # so that `remove_abandoned` does not see the folder before its lock is held
        space.folder.mkdir()
        lock = os.open(space.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        for folder in (space.ml, space.temporary, space.stage):
            folder.mkdir()
        yield space
    finally:
        remove(space.folder)
        os.close(lock)


def remove_abandoned(work: Path) -> None:
    """Remove the folders that a killed mlci left."""
    if not work.is_dir():
        return
    with _locked(work):
        for folder in work.glob(f"{PREFIX}*"):
            if _is_abandoned(folder):
                remove(folder)


def _is_abandoned(folder: Path) -> bool:
    try:
        lock = os.open(folder / "lock", os.O_RDWR)
    except FileNotFoundError:
        return True
    except OSError:
        return False  # the folder of another user
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


@contextlib.contextmanager
def _locked(work: Path) -> Iterator[None]:
    work.mkdir(parents=True, exist_ok=True)
    folder = os.open(work, os.O_RDONLY)  # the folder itself is the lock, so no lock file is left behind
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def remove(folder: Path) -> None:
    """Remove a folder and its content, even if a script removed its own permissions."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError:
        _make_writable(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _make_writable(folder: Path) -> None:
    for parent, names, _ in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                with contextlib.suppress(OSError):
                    os.chmod(path, 0o700)
