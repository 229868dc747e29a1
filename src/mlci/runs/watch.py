"""Watches a run while it goes on: prints its jobs' logs and signs of life, and looks for a request to stop it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from mlci.errors import MlciError
from mlci.report.heartbeat import heartbeat
from mlci.report.log_lines import LineSplitter, last_line
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.backends.progress import StepState
    from mlci.interrupts import Interrupts
    from mlci.runs.run_folder import RunFolder

#: The time between two looks at the logs.
POLL_S = 0.2
#: The most that is read of a log at a time: the other logs get their turn.
_CHUNK_BYTES = 1 << 20
#: The time that a sign of life may wait for an estimate.
_LOOK_UP_S = 2.0


@dataclass(frozen=True)
class WatchOptions:
    """`follows_logs` prints every line of the jobs' logs. `heartbeat_s` is the time between two signs of life; None for
    none, as on a terminal, which shows the run anyway."""

    follows_logs: bool = False
    heartbeat_s: float | None = None


class LateSeconds:
    """The seconds of steps, which another thread looks up from the first call on: AWS may respond late, or never.

    A call returns {} until they are known, and waits for them for a moment only.
    """

    def __init__(self, look_up: Callable[[], Mapping[str, float]]) -> None:
        self._look_up = look_up
        self._found: Mapping[str, float] = {}
        self._thread: threading.Thread | None = None

    def __call__(self) -> Mapping[str, float]:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="look-up", daemon=True)
            self._thread.start()
            self._thread.join(_LOOK_UP_S)
        return self._found

    def _run(self) -> None:
        with contextlib.suppress(MlciError, OSError):  # an estimate is worth no error
            self._found = self._look_up()


class LogFollower:
    """Reads the logs of a run as they grow. `is_wanted` chooses the steps by their names."""

    def __init__(self, folder: RunFolder, is_wanted: Callable[[str], bool] = lambda step: True) -> None:
        self._folder, self._is_wanted = folder, is_wanted
        self._logs: dict[str, tuple[int, LineSplitter]] = {}

    def new_lines(self) -> Iterator[tuple[str, str]]:
        """Yields each line that was completed since the last call, with its step."""
        for step in self._folder.logged_steps():
            if self._is_wanted(step):
                yield from ((step, line) for line in self._read(step))

    def rest(self) -> Iterator[tuple[str, str]]:
        """Yields the lines that are left when the run has ended."""
        yield from self.new_lines()
        for step, (_, splitter) in self._logs.items():
            yield from ((step, line) for line in splitter.rest())

    def _read(self, step: str) -> Iterator[str]:
        while True:
            position, splitter = self._logs.get(step, (0, LineSplitter()))
            try:
                with self._folder.log(step).open("rb") as file:
                    file.seek(position)
                    data = file.read(_CHUNK_BYTES)
            except OSError:
                return
            self._logs[step] = position + len(data), splitter
            yield from splitter.feed(data)
            if len(data) < _CHUNK_BYTES:
                return


class RunWatch:
    """Watches one run of this process. `steps` returns the state of each step, and `rest_s` estimates the time left."""

    def __init__(
        self,
        options: WatchOptions,
        folder: RunFolder,
        log: Callable[[str], None],
        steps: Callable[[], Mapping[str, StepState]],
        rest_s: Callable[[Mapping[str, StepState]], float | None] = lambda steps: None,
    ) -> None:
        self._options, self._folder, self._log, self._steps, self._rest_s = options, folder, log, steps, rest_s
        self._follower, self._lock = LogFollower(folder), threading.Lock()

    def print_new_lines(self) -> None:
        """Prints what the jobs have written by now, so that it precedes whatever is printed next."""
        if self._options.follows_logs:
            with self._lock:
                self._print(self._follower.new_lines())

    @contextmanager
    def running(self, interrupts: Interrupts) -> Iterator[None]:
        """Watches until the context is left. A request to stop the run becomes an interrupt."""
        is_over = threading.Event()
        thread = threading.Thread(target=self._watch, args=(interrupts, is_over), name="watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
            if self._options.follows_logs:
                self._print(self._follower.rest())

    def _watch(self, interrupts: Interrupts, is_over: threading.Event) -> None:
        every_s, is_stop_sent = self._options.heartbeat_s, False
        next_s = time.monotonic() + (every_s or 0.0)
        while not is_over.wait(POLL_S):
            self.print_new_lines()
            if not is_stop_sent and self._folder.is_stop_requested():
                is_stop_sent = True
                interrupts.put("stopped by `mlci stop`")
            if every_s is not None and time.monotonic() >= next_s:
                next_s = time.monotonic() + every_s
                steps = self._steps()
                self._log(heartbeat(datetime.now(timezone.utc), steps, self._last_line, self._rest_s(steps)))

    def _last_line(self, step: str) -> str:
        return last_line(self._folder.tail(step))

    def _print(self, lines: Iterator[tuple[str, str]]) -> None:
        for step, line in lines:
            self._log(f"{step} | {line}")
