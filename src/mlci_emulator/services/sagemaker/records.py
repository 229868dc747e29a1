"""Where jobs, models, endpoints, packages and tags are kept: in SQLite, in a file or in memory.

A record's `body` is what Describe… says, so that a description is never made up from parts. Each change is committed
as it happens, so a killed server leaves all that it ever answered.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from mlci_emulator.services.database import Database, open_database
from mlci_emulator.services.timestamps import from_epoch

#: The type of a resource, as its ARN has it.
Kind = Literal[
    "processing-job",
    "training-job",
    "transform-job",
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
    """One resource. `parent` is a package's group, `log` the file of a job's log."""

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
    """The name is another one's already."""


class SageMakerRecords:
    """All records of a server. Safe to use from any thread."""

    def __init__(self, file: Path | None) -> None:
        self._database: Database = open_database(file, SCHEMA)
        self._lock = threading.Lock()

    def close(self) -> None:
        self._database.close()

    def add(self, record: Record) -> None:
        """Keep a new one.

        Raises: Taken
        """
        with self._lock:
            if self.get(record.kind, record.region, record.name) is not None:
                raise NameInUseError(record.arn)
            self.save(record)

    def save(self, record: Record) -> None:
        """Keep what it is now."""
        values = [record.kind, record.region, record.name, record.arn, record.status]
        values += [record.created.timestamp(), record.modified.timestamp()]  # type: ignore[list-item]
        values += [record.parent, record.approval, record.log, _to_json(record.body)]
        marks = ", ".join("?" for _ in values)
        self._database.execute(f"INSERT OR REPLACE INTO resources ({_COLUMNS}) VALUES ({marks})", values)

    def get(self, kind: Kind, region: str, name: str) -> Record | None:
        found = self.select("kind = ? AND region = ? AND name = ?", [kind, region, name])
        return found[0] if found else None

    def by_arn(self, arn: str) -> Record | None:
        found = self.select("arn = ?", [arn])
        return found[0] if found else None

    def remove(self, record: Record) -> None:
        self._database.execute(
            "DELETE FROM resources WHERE kind = ? AND region = ? AND name = ?",
            [record.kind, record.region, record.name],
        )
        self._database.execute("DELETE FROM tags WHERE arn = ?", [record.arn])

    def select(
        self, where: str, values: Sequence[object], order: str = "created, name", limit: int = -1
    ) -> list[Record]:
        """Those for which the condition holds, in this order."""
        rows = self._database.query(
            f"SELECT {_COLUMNS} FROM resources WHERE {where} ORDER BY {order} LIMIT ?", [*values, limit]
        )
        return [_record(row) for row in rows]

    def tags(self, arn: str) -> list[dict[str, str]]:
        rows = self._database.query("SELECT key, value FROM tags WHERE arn = ? ORDER BY place", [arn])
        return [{"Key": key, "Value": value} for key, value in rows]

    def put_tag(self, arn: str, key: str, value: str) -> None:
        """A tag's place is that of its first value."""
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
        log,
        _from_json(body),
    )


def _to_json(body: dict[str, Any]) -> str:
    return json.dumps(body, default=lambda value: {"$time": value.timestamp()}, separators=(",", ":"))


def _from_json(text: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(
        text, object_hook=lambda fields: from_epoch(fields["$time"]) if fields.keys() == {"$time"} else fields
    )
    return result
