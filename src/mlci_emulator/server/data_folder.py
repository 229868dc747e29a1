"""The data folder of a server and the paths in it. One server at a time owns it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from mlci_emulator.errors import ConfigurationError


class DataFolder:
    """A data folder that this process owns until `close`."""

    def __init__(self, path: Path) -> None:
        """Raises: ConfigurationError, if the folder cannot be used."""
        self.path = path.absolute()
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)  # only the user may read it
            for name in ("store", "logs", "work", "records", "moto", "spool", "functions"):
                (self.path / name).mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError(
                f'"{path}" cannot be the data folder: {error.strerror}', "Pass another one with --data."
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise ConfigurationError(
                f'another mlci serve uses the data folder "{path}"', "Stop it, or pass another folder with --data."
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
        """The unpacked code of Lambda functions, by its digest."""
        return self.path / "functions"

    @property
    def spool(self) -> Path:
        """The folder for large requests while they arrive."""
        return self.path / "spool"

    def log(self, job: str) -> Path:
        return self.path / "logs" / f"{job}.log"
