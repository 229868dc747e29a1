"""The SQLite database of a service. Its write-ahead log (WAL) keeps the database readable after a kill."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Database:
    """A connection for all threads. Each call is committed when it returns."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection, self._lock = connection, threading.Lock()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        with self._lock, self._connection:
            self._connection.execute(sql, parameters)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def open_database(file: Path | None, schema: str) -> Database:
    """Open the database in a file, and create missing tables; None opens a database in memory."""
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(file if file is not None else ":memory:", check_same_thread=False, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.executescript(schema)
    return Database(connection)
