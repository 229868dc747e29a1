"""The data folder of a server, and where in it everything lies. One server at a time has it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from mlci_emulator.errors import ConfigurationError


class Folder:
    """A data folder that is this process's until `close`."""

    def __init__(self, path: Path) -> None:
        """Raises: ConfigurationError, where it can't be had."""
        self.path = path.absolute()
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)  # what lies in it is the user's alone
            for name in ("store", "logs", "work", "records", "moto", "spool", "functions"):
                (self.path / name).mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError(
                f'"{path}" can\'t be the data folder: {error.strerror}', "Name another with --data."
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise ConfigurationError(
                f'another mlci serve has the data folder "{path}"', "Stop it, or give this one another with --data."
            ) from error

    def close(self) -> None:
        os.close(self._lock)

    @property
    def store(self) -> Path:
        return self.path / "store"

    @property
    def work(self) -> Path:
        return self.path / "work"

    @property
    def journal(self) -> Path:
        return self.path / "moto" / "journal.jsonl"

    @property
    def functions(self) -> Path:
        """Unpacked code of Lambda functions, by its digest."""
        return self.path / "functions"

    @property
    def spool(self) -> Path:
        """Where large requests lie while they come in."""
        return self.path / "spool"

    def log(self, job: str) -> Path:
        return self.path / "logs" / f"{job}.log"
