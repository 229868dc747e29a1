"""How a job gets its `/opt/ml`: by a private mount (`namespace`), a symbolic link (`link`) or other paths (`paths`).

`auto` takes the first that works here, which is found out by trying, once in a process.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from mlci_emulator.errors import ConfigurationError, OperationError
from mlci_emulator.jobs.process import Launch, Mode, Refused, Supervisors
from mlci_emulator.jobs.workspace import PREFIX, Workspace, workspace

Isolation = Literal["auto", "namespace", "link", "paths"]

CONTAINER = "/opt/ml"
#: How often a job that waits for /opt/ml looks whether it is its turn, in seconds.
LINK_POLL_S = 0.05

_WHAT = {
    "namespace": "each job has /opt/ml to itself, by a private mount",
    "link": "/opt/ml is a link to the job's folder, so jobs run one at a time",
    "paths": "/opt/ml/ in arguments and variables is replaced by the job's folder",
}

#: Whether namespaces work, once it was tried: "" or what was refused. It can't change while the process lives.
_namespaces: list[str] = []
_trying = threading.Lock()


class Isolator:
    """Knows the mode of all jobs, and tells it once."""

    def __init__(
        self, wanted: Isolation, work: Path, supervisors: Supervisors, tell: Callable[[str], None] = lambda text: None
    ) -> None:
        self._wanted, self._work, self._supervisors, self._tell = wanted, work, supervisors, tell
        self._lock = threading.Lock()
        self._mode: Mode | None = None

    def mode(self) -> Mode:
        """The mode; the first call finds it out.

        Raises:
            ConfigurationError: the one that was asked for does not work here.
        """
        with self._lock:
            if self._mode is None:
                self._mode = self._find()
                self._tell(f"isolation: {self._mode} ({_WHAT[self._mode]})")
            return self._mode

    def _find(self) -> Mode:
        match self._wanted:
            case "paths":
                return "paths"
            case "namespace":
                self._require("namespace", refusal_of_namespaces(self._work, self._supervisors))
                return "namespace"
            case "link":
                self._require("link", refusal_of_link())
                return "link"
            case "auto":
                if not refusal_of_namespaces(self._work, self._supervisors):
                    return "namespace"
                return "paths" if refusal_of_link() else "link"

    def _require(self, mode: Mode, refusal: str) -> None:
        if refusal:
            raise ConfigurationError(
                f"--isolation {mode} does not work here: {refusal}", hint="Leave it out, or use auto."
            )


def refusal_of_namespaces(work: Path, supervisors: Supervisors) -> str:
    """Why a job can't have its own namespaces here, or "": found out by making some."""
    with _trying:
        if not _namespaces:
            _namespaces.append(_try_namespaces(work, supervisors))
        return _namespaces[0]


def _try_namespaces(work: Path, supervisors: Supervisors) -> str:
    if sys.platform != "linux":
        return "namespaces are a feature of Linux"
    with workspace(work) as space:
        try:
            supervisors.run(Launch("namespace", space.ml, space.stage, Path(os.devnull)))
        except Refused as error:
            return str(error)
    return ""


def refusal_of_link() -> str:
    """Why `/opt/ml` can't be a link here, or ""."""
    if os.geteuid() != 0:
        return "only root can make the link /opt/ml"
    if os.path.lexists(CONTAINER) and not _is_ours(CONTAINER):
        return "there is an /opt/ml already"
    parent = os.path.dirname(CONTAINER)
    if not os.access(parent if os.path.isdir(parent) else "/", os.W_OK):
        return f"{parent} is read-only"
    return ""


def _is_ours(link: str) -> bool:
    """Whether it is a link that an mlci made: in use under the lock, and stale otherwise."""
    return os.path.islink(link) and Path(os.readlink(link)).parent.name.startswith(PREFIX)


@contextlib.contextmanager
def linked(space: Workspace, is_stopped: Callable[[float], bool]) -> Iterator[bool]:
    """`/opt/ml` as a link to the job's folder; waits until no other job has it.

    `is_stopped(seconds)` waits that long for a stop. Yields False when stopped before it was this job's turn.
    """
    parent = os.path.dirname(CONTAINER)
    os.makedirs(parent, exist_ok=True)
    folder = os.open(parent, os.O_RDONLY)  # locked itself: no lock file is left, and the kernel frees it after a crash
    try:
        while not _has_locked(folder):
            if is_stopped(LINK_POLL_S):
                yield False
                return
        refusal = refusal_of_link()
        if refusal:
            raise OperationError(f"the job can't get its /opt/ml: {refusal}")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(CONTAINER)  # stale, as nobody else holds the lock
        os.symlink(space.ml, CONTAINER)
        try:
            yield True
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(CONTAINER)
    finally:
        os.close(folder)


def _has_locked(folder: int) -> bool:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def command_in(folder: str, command: Sequence[str]) -> tuple[str, ...]:
    """The command with this folder for `/opt/ml`, at the start of an argument and after `--option=`.

    >>> command_in("/w", ["x", "/opt/ml/model", "--to=/opt/ml/output", "/opt/mlx", "a=/opt/ml/b"])
    ('x', '/w/model', '--to=/w/output', '/opt/mlx', 'a=/opt/ml/b')
    """
    return tuple(_replaced(folder, *_OPTION.fullmatch(argument).groups()) for argument in command)  # type: ignore[union-attr]


def environment_in(folder: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with this folder for `/opt/ml`, at the start of a value, and of each part of a `…PATH`.

    >>> environment_in("/w", {"A": "/opt/ml/model", "B": "--x=/opt/ml/model", "PYTHONPATH": "/x:/opt/ml/code"})
    {'A': '/w/model', 'B': '--x=/opt/ml/model', 'PYTHONPATH': '/x:/w/code'}
    """
    return {
        name: ":".join(_replaced(folder, "", part) for part in (value.split(":") if name.endswith("PATH") else [value]))
        for name, value in environment.items()
    }


_OPTION = re.compile(r"(-[^=\s]*=|)(.*)", re.DOTALL)


def _replaced(folder: str, option: str, value: str) -> str:
    if value == CONTAINER or value.startswith(f"{CONTAINER}/"):
        return option + folder + value[len(CONTAINER) :]
    return option + value
