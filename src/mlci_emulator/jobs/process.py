"""Starts and stops the supervisor process of each job (`mlci_emulator.jobs.supervisor`), and returns how the job ended.

Starting Python takes longer than anything else here, so one idle supervisor is always started ahead. It waits for a
launch request, and exits when mlci does, however mlci ends: its standard input reaches the end of file then.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import re
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Literal, Protocol

from mlci_dataclasses import dataclass
from mlci_emulator.jobs.leftover_processes import kill_processes

SUPERVISOR = Path(__file__).with_name("supervisor.py")

#: Between SIGTERM and SIGKILL. SageMaker waits 120 seconds; here all must be gone within one.
GRACE_S = 0.5
#: A supervisor that has not ended a stopped job after this is killed itself.
KILL_AFTER_S = 3.0

_TEMPORARY_PATH = re.compile(r"/tmp/[^:=,;\s]+")
_TEMPORARY_NAME = re.compile(r"/tmp/+([^/]+)")

Mode = Literal["namespace", "link", "paths", "container"]


class IsolationError(Exception):
    """The isolation does not work here, or the supervisor could not set the job up; the text says why."""


class EntryPointError(Exception):
    """The job's entry point can't be executed."""


class StopSignal(Protocol):
    """A request to stop. `mlci_asl.StopSignal` is one."""

    def is_set(self) -> bool: ...

    def wait(self, timeout_s: float, /) -> bool: ...

    def subscribe(self, callback: Callable[[], None], /) -> Callable[[], None]: ...


@dataclass(frozen=True)
class LaunchRequest:
    """A command to run, and its folders. Without a command, it probes the isolation.

    A job that `is_offline` has a network of its own, in which there is only itself; `network_of` is the process that
    holds the network of several instances, or 0. Both need a namespace.
    `hosts` is the file that a job in a namespace sees as `/etc/hosts`; None leaves it the machine's.
    `temporary` is the job's TMPDIR. In a namespace it is `/tmp` as well, in which only those entries of the machine's
    `/tmp` are left that the job's paths lead to. `root` is a folder that becomes the root of its file system there.
    `removal` is a command that is run after the job's end, however it ends.
    """

    mode: Mode
    folder: Path
    stage: Path
    log: Path
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_folder: str = "/"
    temporary: Path | None = None
    hosts: Path | None = None
    is_offline: bool = False
    network_of: int = 0
    root: Path | None = None
    removal: tuple[str, ...] = ()
    removal_environment: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        """Return the request as `mlci_emulator.jobs.supervisor` reads it."""
        data = marshal.dumps(
            {
                "mode": self.mode,
                "folder": str(self.folder),
                "stage": str(self.stage),
                "log": str(self.log),
                "argv": list(self.command),
                "env": dict(self.environment),
                "cwd": self.working_folder,
                "grace_s": GRACE_S,
                "temporary": str(self.temporary) if self.temporary is not None else "",
                "is_offline": self.is_offline,
                "network_of": self.network_of,
                "hosts": str(self.hosts) if self.hosts is not None else "",
                "shared_names": [] if self.root is not None else self._shared_names(),
                "root": str(self.root) if self.root is not None else "",
                "removal": list(self.removal),
                "removal_environment": dict(self.removal_environment),
            }
        )
        return len(data).to_bytes(4, "big") + data

    def _shared_names(self) -> list[str]:
        """Return the names in `/tmp` of the paths that the job needs: its folders, interpreter and variables."""
        texts = [str(self.folder), str(self.temporary), self.working_folder, *self.command, *self.environment.values()]
        paths = [path for text in texts for path in _TEMPORARY_PATH.findall(text)]
        targets = [os.path.realpath(path) for path in (*paths, *self.command[:1])]
        names = [match[1] for path in (*paths, *targets) if (match := _TEMPORARY_NAME.match(path))]
        return sorted({name for name in names if name not in (".", "..")})


@dataclass(frozen=True)
class ProcessResult:
    """The end of a job's process. A killed one has 128 + the signal's number as `exit_code`, as in a container."""

    outcome: Literal["exited", "stopped", "timed_out"]
    exit_code: int


def _supervisor_command(argument: str) -> list[str]:
    """Return the command of a supervisor.

    -I and -S: the user's site-packages and PYTHON* variables have no effect, and Python starts faster. It is imported,
    so that Python keeps its bytecode: to compile it takes a third of the time of its start.
    """
    code = "import os, sys; sys.path.append(os.path.dirname(sys.argv.pop())); import supervisor; supervisor.main()"
    return [sys.executable, "-I", "-S", "-c", code, argument, str(SUPERVISOR)]


@contextlib.contextmanager
def shared_network() -> Iterator[int]:
    """Yield the id of a process that holds a network, in which there is nothing but a loopback.

    Raises: IsolationError: there can be none here.
    """
    holder = subprocess.Popen(
        _supervisor_command("network"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        answer = holder.stdout.readline().decode()
        if answer != "\n":
            raise IsolationError(answer.strip() or "it ended")
        yield holder.pid
    finally:
        holder.stdin.close()
        holder.stdout.close()
        holder.wait()


class Supervisors:
    """Runs each command under a supervisor of its own; one idle supervisor is always started ahead."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._lock = threading.Lock()
        self._idle: _Supervisor | None = None
        self._is_closed = False

    def warm_up(self) -> None:
        """Start an idle supervisor, unless there is one."""
        with self._lock:
            if self._idle is None and not self._is_closed:
                self._idle = _Supervisor(self._environment)

    def close(self) -> None:
        """End the idle supervisor."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, None
        if idle is not None:
            idle.dismiss()

    def run(
        self, launch: LaunchRequest, *, timeout_s: float | None = None, stop: StopSignal | None = None
    ) -> ProcessResult:
        """Run a command to its end. When this returns or raises, no process of it is left.

        Raises:
            IsolationError: the isolation does not work here.
            EntryPointError: the entry point can't be executed.
        """
        supervisor = self._send(launch.encoded())
        try:
            self.warm_up()
            with _subscribed(stop, supervisor.stop):
                return supervisor.wait(timeout_s)
        finally:
            supervisor.dismiss()
            if supervisor.was_killed and launch.temporary is not None:
                kill_processes(launch.temporary)
            if supervisor.was_killed and launch.removal:
                subprocess.run(launch.removal, env=dict(launch.removal_environment), capture_output=True, check=False)

    def _send(self, message: bytes) -> _Supervisor:
        with self._lock:
            idle, self._idle = self._idle, None
        if idle is not None:
            try:
                idle.send(message)
                return idle
            except BrokenPipeError:  # it was killed while it waited
                idle.dismiss()
        fresh = _Supervisor(self._environment)
        fresh.send(message)
        return fresh


class _Supervisor:
    """A process of `mlci_emulator.jobs.supervisor`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._status, status = os.pipe()
        try:
            self._process = subprocess.Popen(
                _supervisor_command(str(status)),
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=dict(environment),
                cwd="/",
                pass_fds=(status,),
                start_new_session=True,  # so that Ctrl-C reaches mlci alone, which then stops the job
            )
        except BaseException:
            os.close(self._status)
            raise
        finally:
            os.close(status)
        self._lock = threading.Lock()
        self._stopped: Literal["stopped", "timed_out"] | None = None
        self._kill_at = float("inf")

    def send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        view = memoryview(data)
        while view:
            view = view[self._process.stdin.write(view) :]

    def stop(self, why: Literal["stopped", "timed_out"] = "stopped") -> None:
        """Send SIGTERM to the script, and after the grace SIGKILL to all its processes. Safe in any thread."""
        with self._lock:
            if self._stopped is None and self._process.stdin is not None and not self._process.stdin.closed:
                self._stopped = why
                self._kill_at = time.monotonic() + KILL_AFTER_S
                with contextlib.suppress(BrokenPipeError):
                    self.send(b"S")

    def wait(self, timeout_s: float | None) -> ProcessResult:
        """Return the result of the process, which is stopped when the timeout is over."""
        deadline = float("inf") if timeout_s is None else time.monotonic() + timeout_s
        status_message = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._status, selectors.EVENT_READ)
            while True:
                now = time.monotonic()
                if now >= deadline:
                    self.stop("timed_out")
                    deadline = float("inf")
                if now >= self._kill_at:
                    self._process.kill()
                # A stop from another thread must be noticed too, so no wait is longer than KILL_AFTER_S.
                if selector.select(min(deadline - now if deadline > now else 0.0, KILL_AFTER_S)):
                    part = os.read(self._status, 65536)
                    if not part:
                        break
                    status_message += part
        self._process.wait()
        return self._result(status_message)

    def _result(self, status_message: bytes) -> ProcessResult:
        kind, value = marshal.loads(status_message) if status_message else ("exited", 9)
        if self._stopped is not None:
            return ProcessResult(self._stopped, _exit_code(value) if kind == "exited" else 0)
        if kind == "exited":
            return ProcessResult("exited", _exit_code(value))
        raise (EntryPointError if kind == "not_executable" else IsolationError)(value)

    @property
    def was_killed(self) -> bool:
        """True if the supervisor was killed: by the script, or because it did not end in time."""
        return (self._process.returncode or 0) < 0

    def dismiss(self) -> None:
        """End the supervisor: the end of file on its standard input makes it kill all that it runs."""
        with self._lock:
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(KILL_AFTER_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with self._lock:
            if self._status >= 0:
                os.close(self._status)
                self._status = -1


def _exit_code(wait_status: int) -> int:
    code = os.waitstatus_to_exitcode(wait_status)
    return code if code >= 0 else 128 - code


@contextlib.contextmanager
def _subscribed(stop: StopSignal | None, callback: Callable[[], None]) -> Iterator[None]:
    unsubscribe = stop.subscribe(callback) if stop is not None else lambda: None
    try:
        yield
    finally:
        unsubscribe()
