"""The waiting tasks of local runs, which other processes complete."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlci.backends.local_errors import translate_emulator_errors
from mlci.backends.local_objects import read_object
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci_emulator.store.directory import DirectoryStore
    from mlci_emulator.task_results import TaskResults

_POLL_S = 0.1


@dataclass(frozen=True)
class LocalDecisions:
    """The waiting tasks of local runs, which are other processes. `home` is the folder `.mlci`.

    `is_running` tells whether the process of a run is alive.
    """

    home: Path
    is_running: Callable[[str], bool]
    sleep: Callable[[float], None] = time.sleep

    def list(self, prefix: str) -> Sequence[str]:
        with translate_emulator_errors():
            return tuple(self._store.list(prefix))

    def read(self, uri: str, max_bytes: int | None = None) -> bytes | None:
        return read_object(self._store, uri, max_bytes)

    def send(self, run_id: str, token: str, output: str) -> bool:
        """Completes a waiting task by its token; returns False if it does not wait any more."""
        from mlci_emulator.task_results import TaskNotWaiting, send_task_success

        try:
            is_taken = send_task_success(_results_folder(self.home, run_id), token, output)
        except TaskNotWaiting:
            return False
        while not is_taken():
            if not self.is_running(run_id):
                return is_taken()
            self.sleep(_POLL_S)
        return True

    @property
    def _store(self) -> DirectoryStore:
        from mlci_emulator.store.directory import DirectoryStore

        return DirectoryStore(self.home / "store")


def task_results(home: Path) -> TaskResults:
    from mlci_emulator.task_results import TaskResults

    return TaskResults(lambda execution: _results_folder(home, execution))


def _results_folder(home: Path, run_id: str) -> Path:
    """Returns the folder through which other processes complete a run's tasks."""
    return home / "runs" / run_id / "decisions"
