"""Creates a temporary folder for each job, and removes it when the job ends or mlci was killed.

    <work>/mlci-job-<random>/
        lock    locked (flock) while the process that owns the folder lives
        ml/     the job's /opt/ml
        tmp/    the job's TMPDIR
        opt/    the folder in which its mounts are prepared
    hosts   its /etc/hosts, in a namespace
    log     the log of one of several instances
        python/ the job's own Python environment

A folder whose lock is free belongs to an mlci that was killed; the next mlci removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from mlci_dataclasses import dataclass
from mlci_emulator.jobs import contained_files
from mlci_emulator.jobs.contained_files import remove_tree
from mlci_emulator.jobs.leftover_processes import kill_processes

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
    def python(self) -> Path:
        return self.folder / "python"

    @property
    def stage(self) -> Path:
        return self.folder / "opt"

    @property
    def hosts(self) -> Path:
        return self.folder / "hosts"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def host_path(self, container_path: str) -> Path:
        """Return the path on this machine of a path in the container, which is `/opt/ml` or below it.

        >>> Workspace(Path("/w")).host_path("/opt/ml/model").as_posix()
        '/w/ml/model'
        """
        return self.ml.joinpath(*self.names(container_path))

    @staticmethod
    def names(container_path: str) -> list[str]:
        """Return the names of the folders and the file of a path below `/opt/ml`.

        >>> Workspace.names("/opt/ml/processing//out/")
        ['processing', 'out']
        """
        return [name for name in container_path.removeprefix("/opt/ml").split("/") if name not in ("", ".")]

    def read(self, container_path: str, max_bytes: int = -1) -> bytes | None:
        """Return the content of a file that the script wrote; None if it is missing, or a link leads to it."""
        return contained_files.read_file(self.ml, self.names(container_path), max_bytes)


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
        remove_tree(space.folder)
        os.close(lock)


def remove_abandoned(work: Path, remove_container: Callable[[str], None] = lambda name: None) -> None:
    """Remove the folders that a killed mlci left, and kill the processes of its jobs.

    `remove_container` removes the container of a job, which has the name of the job's folder. An error leaves a folder
    for the next time.
    """
    with contextlib.suppress(OSError):
        if not work.is_dir():
            return
        with _locked(work):
            with os.scandir(work) as scanned:
                folders = [Path(entry.path) for entry in scanned if entry.is_dir(follow_symlinks=False)]
            for folder in folders:
                if folder.name.startswith(PREFIX) and _is_abandoned(folder):
                    kill_processes(Workspace(folder).temporary)
                    remove_container(folder.name)
                    remove_tree(folder)


def _is_abandoned(folder: Path) -> bool:
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
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
