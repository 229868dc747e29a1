"""Stores state machines, executions and activities as documents by kind and ARN, and events, in one SQLite file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from mlci_emulator.services.database import Database

Kind = Literal["machine", "version", "alias", "execution", "activity"]
Document = dict[str, Any]

#: The default encryption configuration.
ENCRYPTION = {"type": "AWS_OWNED_KEY"}

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT, arn TEXT, parent TEXT, status TEXT, doc TEXT,
    UNIQUE (kind, arn)
);
CREATE INDEX IF NOT EXISTS of_parent ON records (kind, parent, status, number);
CREATE TABLE IF NOT EXISTS texts (digest TEXT PRIMARY KEY, text TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (execution TEXT, id INTEGER, doc TEXT, PRIMARY KEY (execution, id)) WITHOUT ROWID;
"""


class StepFunctionsRecords:
    """The tables. Each call is one transaction; safe to call from any thread."""

    def __init__(self, home: Path | None) -> None:
        self._database = Database(home / "states.sqlite" if home is not None else None, _SCHEMA)

    def close(self) -> None:
        self._database.close()

    def put(self, kind: Kind, arn: str, parent: str, doc: Mapping[str, Any]) -> None:
        """Save a new or changed document; a changed document keeps its position in lists."""
        self._database.execute(
            "INSERT INTO records (kind, arn, parent, status, doc) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (kind, arn) DO UPDATE SET status = excluded.status, doc = excluded.doc",
            (kind, arn, parent, str(doc.get("status", "")), json.dumps(doc)),
        )

    def get(self, kind: Kind, arn: str) -> Document | None:
        rows = self._database.query("SELECT doc FROM records WHERE kind = ? AND arn = ?", (kind, arn))
        return json.loads(rows[0][0]) if rows else None

    def delete(self, kind: Kind, arn: str) -> None:
        self._database.execute("DELETE FROM records WHERE kind = ? AND arn = ?", (kind, arn))

    def newest(self, kind: Kind, parent: str, status: str | None = None) -> list[Document]:
        """Return the documents of a parent, the newest first. The parent of machines and activities is their region."""
        sql = "SELECT doc FROM records WHERE kind = ? AND parent = ?" + (" AND status = ?" if status else "")
        rows = self._database.query(sql + " ORDER BY number DESC", (kind, parent, *([status] if status else [])))
        return [json.loads(row[0]) for row in rows]

    def executions(
        self,
        machine: str,
        *,
        status: str | None,
        qualified: str | None,
        is_redriven: bool | None,
        before: int,
        limit: int,
    ) -> list[tuple[int, Document]]:
        """Return a state machine's executions, the newest first, each with its number.

        `qualified` is the version or alias ARN that they were started with; `before` is the number at which the next
        page starts, or 0.
        """
        conditions: list[tuple[str, Any]] = [("kind = ?", "execution"), ("parent = ?", machine)]
        if status:
            conditions.append(("status = ?", status))
        if qualified:
            conditions.append(("? IN (json_extract(doc, '$.version'), json_extract(doc, '$.alias'))", qualified))
        if is_redriven is not None:
            conditions.append(("(json_extract(doc, '$.redrives') > 0) = ?", is_redriven))
        if before:
            conditions.append(("number < ?", before))
        where = " AND ".join(condition for condition, _ in conditions)
        sql = f"SELECT number, doc FROM records WHERE {where} ORDER BY number DESC LIMIT ?"
        rows = self._database.query(sql, (*(value for _, value in conditions), limit))
        return [(number, json.loads(doc)) for number, doc in rows]

    def save_text(self, text: str) -> str:
        """Save a text that many documents share, and return the digest that identifies it."""
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        self._database.execute("INSERT OR IGNORE INTO texts VALUES (?, ?)", (digest, text))
        return digest

    def text(self, digest: str) -> str:
        return str(self._database.query("SELECT text FROM texts WHERE digest = ?", (digest,))[0][0])

    def with_status(self, kind: Kind, status: str) -> Iterator[Document]:
        rows = self._database.query("SELECT doc FROM records WHERE kind = ? AND status = ?", (kind, status))
        return (json.loads(row[0]) for row in rows)

    def add_event(self, execution: str, number: int, event: Mapping[str, Any]) -> None:
        self._database.execute("INSERT INTO events VALUES (?, ?, ?)", (execution, number, json.dumps(event)))

    def events(self, execution: str, is_reverse: bool = False, offset: int = 0, limit: int = -1) -> list[Document]:
        order = "DESC" if is_reverse else "ASC"
        sql = f"SELECT doc FROM events WHERE execution = ? ORDER BY id {order} LIMIT ? OFFSET ?"
        return [json.loads(row[0]) for row in self._database.query(sql, (execution, limit, offset))]
