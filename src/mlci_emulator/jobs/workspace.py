"""The folders that jobs work in: one for each job, removed when it ends, whatever the end.

    <work>/mlci-job-<random>/
        lock    locked (flock) as long as the process that owns the folder lives
        ml/     what the job sees as /opt/ml
        tmp/    its TMPDIR
        opt/    where its mounts are prepared

A folder whose lock is free belongs to an mlci that was killed; the next one removes it.
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
    """The folder of one job."""

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

    def inside(self, container_path: str) -> Path:
        """The file here that a job sees under this path, which is `/opt/ml` or below it.

        >>> Workspace(Path("/w")).inside("/opt/ml/model").as_posix()
        '/w/ml/model'
        """
        return self.ml / container_path.removeprefix("/opt/ml").lstrip("/")


@contextlib.contextmanager
def workspace(work: Path) -> Iterator[Workspace]:
    """A fresh folder for a job."""
    made = Workspace(work.absolute() / f"{PREFIX}{secrets.token_hex(6)}")
    with _locked(work):  # so that no sweep sees the folder before its lock is held
        made.folder.mkdir()
        lock = os.open(made.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        for folder in (made.ml, made.temporary, made.stage):
            folder.mkdir()
        yield made
    finally:
        remove(made.folder)
        os.close(lock)


def sweep(work: Path) -> None:
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
        return False  # another user's
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
    folder = os.open(work, os.O_RDONLY)  # the folder itself is the lock: no file is left
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def remove(folder: Path) -> None:
    """Remove a folder with all that is in it, also where a script took away its own rights."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError:
        _open_up(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _open_up(folder: Path) -> None:
    for place, names, _ in os.walk(folder):
        for name in names:
            inner = os.path.join(place, name)
            if not os.path.islink(inner):
                with contextlib.suppress(OSError):
                    os.chmod(inner, 0o700)
