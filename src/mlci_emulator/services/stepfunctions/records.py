"""What Step Functions keeps: documents by kind and ARN, and the events of executions, in one SQLite file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from mlci_emulator.services.database import open_database

Kind = Literal["machine", "version", "alias", "execution", "activity"]
Document = dict[str, Any]

#: What AWS says of how it keeps things, where a request says nothing.
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
    """Each call is one transaction; safe from any thread."""

    def __init__(self, home: Path | None) -> None:
        self._database = open_database(home / "states.sqlite" if home is not None else None, _SCHEMA)

    def close(self) -> None:
        self._database.close()

    def put(self, kind: Kind, arn: str, parent: str, doc: Mapping[str, Any]) -> None:
        """Keeps a document, new or changed; a changed one keeps its place in lists."""
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
        """All of a parent's, the newest first; the parent of machines and activities is their region."""
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
        """A machine's executions, the newest first, each with its number; `before` is the number to go on from, or 0.

        `qualified` is the version or alias that they were started by.
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
        """Keeps a text that many documents share, and gives the digest that it is found by."""
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
