"""Starts the process that a job runs under (`mlci_emulator.jobs.supervisor`), stops it, and tells how the job ended.

Starting Python takes longer than anything else here, so one supervisor is kept started ahead; it waits for an order and
leaves when mlci does, however mlci ends: its standard input reaches the end of file then.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

JOB = Path(__file__).with_name("supervisor.py")

#: Between SIGTERM and SIGKILL. SageMaker waits 120 seconds; here all must be gone within one.
GRACE_S = 0.5
#: A supervisor that has not ended a stopped job after this is killed itself.
PATIENCE_S = 3.0

Mode = Literal["namespace", "link", "paths"]


class Refused(Exception):
    """The isolation does not work here, or the supervisor could not do its work; the text says what was refused."""


class Unstartable(Exception):
    """The job's entry point can't be executed."""


class Stop(Protocol):
    """What is needed of `mlci_asl.StopSignal`."""

    def subscribe(self, callback: Callable[[], None], /) -> Callable[[], None]: ...


@dataclass(frozen=True)
class Launch:
    """What to run, and where. Without a command it is a probe of the isolation."""

    mode: Mode
    folder: Path
    stage: Path
    log: Path
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_folder: str = "/"

    def order(self) -> bytes:
        """As `mlci_emulator.jobs.supervisor` reads it."""
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
            }
        )
        return len(data).to_bytes(4, "big") + data


@dataclass(frozen=True)
class Ended:
    """How a job's process ended. `exit_code` is 128 + the signal's number for a killed one, as in a container."""

    how: Literal["exited", "stopped", "timed_out"]
    exit_code: int


class Supervisors:
    """Supervisors, one of them always started ahead."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._lock = threading.Lock()
        self._spare: _Supervisor | None = None
        self._is_closed = False

    def warm_up(self) -> None:
        """Start one ahead, unless there is one."""
        with self._lock:
            if self._spare is None and not self._is_closed:
                self._spare = _Supervisor(self._environment)

    def close(self) -> None:
        """Send the one that was started ahead away."""
        with self._lock:
            self._is_closed = True
            spare, self._spare = self._spare, None
        if spare is not None:
            spare.dismiss()

    def run(self, launch: Launch, *, timeout_s: float | None = None, stop: Stop | None = None) -> Ended:
        """Run it to its end. When this returns or raises, no process of it is left.

        Raises:
            Refused: the isolation does not work here.
            Unstartable: the entry point can't be executed.
        """
        supervisor = self._take(launch.order())
        try:
            self.warm_up()
            with _subscribed(stop, supervisor.stop):
                return supervisor.wait(timeout_s)
        finally:
            supervisor.dismiss()

    def _take(self, order: bytes) -> _Supervisor:
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is not None:
            try:
                spare.send(order)
                return spare
            except BrokenPipeError:  # it was killed while it waited
                spare.dismiss()
        fresh = _Supervisor(self._environment)
        fresh.send(order)
        return fresh


class _Supervisor:
    """One process of `mlci_emulator.jobs.supervisor`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._status, status = os.pipe()
        try:
            # -I and -S: neither the user's site-packages nor PYTHON* variables have a say, and it starts sooner.
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(JOB), str(status)],
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
        """SIGTERM to the script, and SIGKILL to all that is left after the grace. Safe at any time, in any thread."""
        with self._lock:
            if self._stopped is None and self._process.stdin is not None and not self._process.stdin.closed:
                self._stopped = why
                self._kill_at = time.monotonic() + PATIENCE_S
                with contextlib.suppress(BrokenPipeError):
                    self.send(b"S")

    def wait(self, timeout_s: float | None) -> Ended:
        """How it ended; it is stopped when the time is over."""
        deadline = float("inf") if timeout_s is None else time.monotonic() + timeout_s
        answer = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._status, selectors.EVENT_READ)
            while True:
                now = time.monotonic()
                if now >= deadline:
                    self.stop("timed_out")
                    deadline = float("inf")
                if now >= self._kill_at:
                    self._process.kill()
                # A stop from another thread must be noticed too, so no wait is longer than the patience.
                if selector.select(min(deadline - now if deadline > now else 0.0, PATIENCE_S)):
                    part = os.read(self._status, 65536)
                    if not part:
                        break
                    answer += part
        self._process.wait()
        return self._ended(answer)

    def _ended(self, answer: bytes) -> Ended:
        what, value = marshal.loads(answer) if answer else ("ended", 9)
        if self._stopped is not None:
            return Ended(self._stopped, _exit_code(value) if what == "ended" else 0)
        if what == "ended":
            return Ended("exited", _exit_code(value))
        raise (Unstartable if what == "unstartable" else Refused)(value)

    def dismiss(self) -> None:
        """Make sure that it is gone: the end of file on its standard input kills all that it runs."""
        with self._lock:
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(PATIENCE_S)
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
def _subscribed(stop: Stop | None, callback: Callable[[], None]) -> Iterator[None]:
    unsubscribe = stop.subscribe(callback) if stop is not None else lambda: None
    try:
        yield
    finally:
        unsubscribe()
