"""The SQLite database of a service. Its write-ahead log (WAL) keeps the database readable after a kill."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Database:
    """A connection for all threads, which is made at the first call. Each call is committed when it returns."""

    def __init__(self, file: Path | None, schema: str) -> None:
        self._file, self._schema = file, schema
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        with self._lock, self._connected() as connection:
            connection.execute(sql, parameters)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connected().execute(sql, parameters).fetchall()

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    def _connected(self) -> sqlite3.Connection:
        """Return the connection, with the tables of the schema."""
        if self._connection is None:
            if self._file is not None:
                self._file.parent.mkdir(parents=True, exist_ok=True)
            place = self._file if self._file is not None else ":memory:"
            connection = sqlite3.connect(place, check_same_thread=False, timeout=30)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(self._schema)
            self._connection = connection
        return self._connection
