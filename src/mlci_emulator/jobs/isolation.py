"""Gives a job its `/opt/ml`: by a private mount (`namespace`), a symbolic link (`link`) or replaced paths (`paths`).

`auto` uses the first of them that works here. Each process probes that once. With `container`, a job runs in its image
(`container_runtime.py`).
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
from mlci_emulator.jobs.process import IsolationError, LaunchRequest, Mode, Supervisors
from mlci_emulator.jobs.workspace import PREFIX, Workspace, workspace

Isolation = Literal["auto", "namespace", "container", "link", "paths"]

CONTAINER = "/opt/ml"
#: The interval at which a job that waits for /opt/ml checks whether it is its turn.
LINK_POLL_S = 0.05

_DESCRIPTIONS = {
    "namespace": "each job has /opt/ml to itself, by a private mount",
    "container": "each job runs in its image",
    "link": "/opt/ml is a link to the job's folder, so jobs run one at a time",
    "paths": "/opt/ml/ in arguments and variables is replaced by the job's folder",
}

#: The results of the probes that were made, by whether the network was cut off: why namespaces don't work, or "". They
#: can't change while the process lives.
_namespace_probes: dict[bool, str] = {}
_probe_lock = threading.Lock()


class Isolator:
    """Determines the isolation mode of all jobs, and reports it once."""

    def __init__(
        self,
        requested: Isolation,
        work: Path,
        supervisors: Supervisors,
        report: Callable[[str], None] = lambda text: None,
        has_runtime: Callable[[], bool] = lambda: False,
    ) -> None:
        self._requested, self._work, self._supervisors, self._report = requested, work, supervisors, report
        self._has_runtime = has_runtime
        self._lock = threading.Lock()
        self._mode: Mode | None = None

    def mode(self) -> Mode:
        """Return the mode; the first call determines it.

        Raises:
            ConfigurationError: the requested isolation does not work here.
        """
        with self._lock:
            if self._mode is None:
                self._mode = self._determine()
                self._report(f"isolation: {self._mode} ({_DESCRIPTIONS[self._mode]})")
            return self._mode

    def network_problem(self) -> str:
        """Return why a job can't be cut off from the network here, or ""."""
        if self.mode() != "namespace":
            return f"the isolation is {self.mode()}"
        return namespace_problem(self._work, self._supervisors, is_offline=True)

    def _determine(self) -> Mode:
        match self._requested:
            case "paths":
                return "paths"
            case "container":
                self._require("container", "" if self._has_runtime() else "there is no container runtime")
                return "container"
            case "namespace":
                self._require("namespace", namespace_problem(self._work, self._supervisors))
                return "namespace"
            case "link":
                self._require("link", link_problem())
                return "link"
            case "auto":
                if not namespace_problem(self._work, self._supervisors):
                    return "namespace"
                return "paths" if link_problem() else "link"

    def _require(self, mode: Mode, problem: str) -> None:
        if problem:
            raise ConfigurationError(
                f"--isolation {mode} does not work here: {problem}", hint="Leave it out, or use auto."
            )


def namespace_problem(work: Path, supervisors: Supervisors, is_offline: bool = False) -> str:
    """Return why a job can't have its own namespaces here, or "". The first call tries to create them.

    One that `is_offline` has one without a network among them.
    """
    with _probe_lock:
        if is_offline not in _namespace_probes:
            _namespace_probes[is_offline] = _probe_namespaces(work, supervisors, is_offline)
        return _namespace_probes[is_offline]


def _probe_namespaces(work: Path, supervisors: Supervisors, is_offline: bool) -> str:
    if sys.platform != "linux":
        return "namespaces are a feature of Linux"
    with workspace(work) as space:
        try:
            launch = LaunchRequest(
                "namespace",
                space.ml,
                space.stage,
                Path(os.devnull),
                temporary=space.temporary,
                is_offline=is_offline,
            )
            supervisors.run(launch)
        except IsolationError as error:
            return str(error)
    return ""


def link_problem() -> str:
    """Return why `/opt/ml` can't be a link here, or ""."""
    if os.geteuid() != 0:
        return "only root can make the link /opt/ml"
    if os.path.lexists(CONTAINER) and not _is_mlci_link(CONTAINER):
        return "there is an /opt/ml already"
    parent = os.path.dirname(CONTAINER)
    if not os.access(parent if os.path.isdir(parent) else "/", os.W_OK):
        return f"{parent} is read-only"
    return ""


def _is_mlci_link(link: str) -> bool:
    """Return whether an mlci created the link: one that is not locked is stale."""
    return os.path.islink(link) and Path(os.readlink(link)).parent.name.startswith(PREFIX)


@contextlib.contextmanager
def container_link(space: Workspace, is_stopped: Callable[[float], bool]) -> Iterator[bool]:
    """Link `/opt/ml` to the job's folder, once no other job holds the link.

    `is_stopped(seconds)` waits that long for a stop. Yields False if the job was stopped before its turn.
    """
    parent = os.path.dirname(CONTAINER)
    os.makedirs(parent, exist_ok=True)
    folder = os.open(parent, os.O_RDONLY)  # the lock: it leaves no file behind, and the kernel frees it after a crash
    try:
        while not _has_locked(folder):
            if is_stopped(LINK_POLL_S):
                yield False
                return
        problem = link_problem()
        if problem:
            raise OperationError(f"the job can't get its /opt/ml: {problem}")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(CONTAINER)  # stale: this process holds the lock
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


def command_in_folder(folder: str, command: Sequence[str]) -> tuple[str, ...]:
    """Return the command with this folder for `/opt/ml`, at the start of an argument and after `--option=`.

    >>> command_in_folder("/w", ["x", "/opt/ml/model", "--to=/opt/ml/output", "/opt/mlx", "a=/opt/ml/b"])
    ('x', '/w/model', '--to=/w/output', '/opt/mlx', 'a=/opt/ml/b')
    """
    return tuple(_with_folder(folder, *_OPTION.fullmatch(argument).groups()) for argument in command)  # type: ignore[union-attr]


def environment_in_folder(folder: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with this folder for `/opt/ml`, at the start of a value and of each part of a `…PATH`.

    >>> environment_in_folder("/w", {"A": "/opt/ml/model", "B": "--x=/opt/ml/model", "PYTHONPATH": "/x:/opt/ml/code"})
    {'A': '/w/model', 'B': '--x=/opt/ml/model', 'PYTHONPATH': '/x:/w/code'}
    """
    return {
        name: ":".join(
            _with_folder(folder, "", part) for part in (value.split(":") if name.endswith("PATH") else [value])
        )
        for name, value in environment.items()
    }


_OPTION = re.compile(r"(-[^=\s]*=|)(.*)", re.DOTALL)


def _with_folder(folder: str, option: str, value: str) -> str:
    if value == CONTAINER or value.startswith(f"{CONTAINER}/"):
        return option + folder + value[len(CONTAINER) :]
    return option + value
