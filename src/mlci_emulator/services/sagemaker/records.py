"""Stores jobs, models, endpoints, packages and tags in SQLite, in a file or in memory.

A record's `body` is the response of Describe…. Each change is committed at once, so a killed server leaves everything
that it ever responded.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from mlci_dataclasses import dataclass
from mlci_emulator.services.database import Database
from mlci_emulator.services.timestamps import from_epoch

#: The type of a resource, as in its ARN.
Kind = Literal[
    "processing-job",
    "training-job",
    "transform-job",
    "hyper-parameter-tuning-job",
    "model",
    "endpoint-config",
    "endpoint",
    "model-package",
    "model-package-group",
]

SCHEMA = """
CREATE TABLE IF NOT EXISTS resources (
    kind TEXT, region TEXT, name TEXT, arn TEXT, status TEXT, created REAL, modified REAL,
    parent TEXT, approval TEXT, log TEXT, body TEXT,
    PRIMARY KEY (kind, region, name)
);
CREATE INDEX IF NOT EXISTS by_arn ON resources (arn);
CREATE INDEX IF NOT EXISTS by_time ON resources (kind, region, created);
CREATE TABLE IF NOT EXISTS tags (arn TEXT, key TEXT, value TEXT, place INTEGER, PRIMARY KEY (arn, key));
"""
_COLUMNS = "kind, region, name, arn, status, created, modified, parent, approval, log, body"


@dataclass
class Record:
    """A resource. `parent` is a package's group or a trial's tuning job, and `log` the file of a job's log."""

    kind: Kind
    region: str
    name: str
    arn: str
    created: datetime
    modified: datetime
    status: str = ""
    parent: str = ""
    approval: str = ""
    log: str = ""
    body: dict[str, Any] = field(default_factory=dict)


class NameInUseError(Exception):
    """Another resource has this name."""


class SageMakerRecords:
    """The tables of all resources and tags. Safe to use from any thread."""

    def __init__(self, file: Path | None) -> None:
        self._database = Database(file, SCHEMA)

    def close(self) -> None:
        self._database.close()

    def add(self, record: Record) -> None:
        """Save a new record.

        Raises: NameInUseError
        """
        try:
            self._write("INSERT", record)
        except sqlite3.IntegrityError as error:  # another process may have the same file
            raise NameInUseError(record.arn) from error

    def save(self, record: Record) -> None:
        """Save a new or changed record."""
        self._write("INSERT OR REPLACE", record)

    def _write(self, statement: str, record: Record) -> None:
        values = [record.kind, record.region, record.name, record.arn, record.status]
        values += [record.created.timestamp(), record.modified.timestamp()]  # type: ignore[list-item]
        values += [record.parent, record.approval, _to_path_bytes(record.log), _to_json(record.body)]  # type: ignore[list-item]
        marks = ", ".join("?" for _ in values)
        self._database.execute(f"{statement} INTO resources ({_COLUMNS}) VALUES ({marks})", values)

    def get(self, kind: Kind, region: str, name: str) -> Record | None:
        records = self.select("kind = ? AND region = ? AND name = ?", [kind, region, name])
        return records[0] if records else None

    def by_arn(self, arn: str) -> Record | None:
        records = self.select("arn = ?", [arn])
        return records[0] if records else None

    def remove(self, record: Record) -> None:
        self._database.execute(
            "DELETE FROM resources WHERE kind = ? AND region = ? AND name = ?",
            [record.kind, record.region, record.name],
        )
        self._database.execute("DELETE FROM tags WHERE arn = ?", [record.arn])

    def select(
        self, where: str, values: Sequence[object], order: str = "created, name", limit: int = -1
    ) -> list[Record]:
        """Return the records that match the condition, in this order."""
        rows = self._database.query(
            f"SELECT {_COLUMNS} FROM resources WHERE {where} ORDER BY {order} LIMIT ?", [*values, limit]
        )
        return [_record(row) for row in rows]

    def tags(self, arn: str) -> list[dict[str, str]]:
        rows = self._database.query("SELECT key, value FROM tags WHERE arn = ? ORDER BY place", [arn])
        return [{"Key": key, "Value": value} for key, value in rows]

    def put_tag(self, arn: str, key: str, value: str) -> None:
        """Add a tag, or change its value; a changed tag keeps its position."""
        self._database.execute(
            "INSERT INTO tags SELECT ?, ?, ?, 1 + COALESCE(MAX(place), 0) FROM tags WHERE arn = ? "
            "ON CONFLICT (arn, key) DO UPDATE SET value = excluded.value",
            [arn, key, value, arn],
        )

    def remove_tag(self, arn: str, key: str) -> None:
        self._database.execute("DELETE FROM tags WHERE arn = ? AND key = ?", [arn, key])


def _record(row: Sequence[Any]) -> Record:
    kind, region, name, arn, status, created, modified, parent, approval, log, body = row
    return Record(
        kind,
        region,
        name,
        arn,
        from_epoch(created),
        from_epoch(modified),
        status,
        parent,
        approval,
        os.fsdecode(log),
        _from_json(body),
    )


def _to_path_bytes(path: str) -> bytes | str:
    """Return a path's bytes, because SQLite rejects a text that is not Unicode; a record without a log has ""."""
    return os.fsencode(path) if path else ""


def _to_json(body: dict[str, Any]) -> str:
    return json.dumps(body, default=lambda value: {"$time": value.timestamp()}, separators=(",", ":"))


def _from_json(text: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(
        text, object_hook=lambda fields: from_epoch(fields["$time"]) if fields.keys() == {"$time"} else fields
    )
    return result
