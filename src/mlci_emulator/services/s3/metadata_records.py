"""What a plain file can't say of an object: its content type, metadata, tags, checksums and parts.

And what buckets have beside objects: regions, settings, uploads that are under way.

A record belongs to one file as it was: to its bucket and key, inode, size and time of change. A file that a job or a
user put in its place has none, and gets the facts that S3 would compute of its bytes. So that an object and its record
appear at once, the record is written before the file gets its name, and those of older files are removed after that.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO

from mlci_emulator.services.database import open_database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT, key TEXT, inode INTEGER, size INTEGER, changed INTEGER, facts TEXT,
    PRIMARY KEY (bucket, key, inode, size, changed)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, region TEXT, created REAL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settings (bucket TEXT, name TEXT, value TEXT, PRIMARY KEY (bucket, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY, bucket TEXT, key TEXT, started REAL, facts TEXT, algorithm TEXT, type TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parts (
    upload TEXT, number INTEGER, file TEXT, size INTEGER, etag TEXT, checksum TEXT, modified REAL,
    PRIMARY KEY (upload, number)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Part:
    """A part of an object that was uploaded in several."""

    number: int
    size_bytes: int
    checksum: str = ""


@dataclass(frozen=True)
class Facts:
    """What is known of an object beside its bytes."""

    etag: str = ""  # without its quotes
    #: Members of GetObject's answer that were given when the object was put, such as ContentType.
    headers: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[Mapping[str, str]] = ()
    checksums: Mapping[str, str] = field(default_factory=dict)
    checksum_type: str = ""
    parts: Sequence[Part] = ()

    def dump(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @staticmethod
    def load(text: str) -> Facts:
        value = json.loads(text)
        return Facts(**{**value, "parts": [Part(**part) for part in value["parts"]]})


@dataclass(frozen=True)
class Upload:
    """A multipart upload that is under way. `facts` are those that the object will have."""

    id: str
    bucket: str
    key: str
    started: datetime
    facts: Facts
    algorithm: str
    checksum_type: str


@dataclass(frozen=True)
class StoredPart:
    """A part that was uploaded, and the name of its file."""

    number: int
    file: str
    size_bytes: int
    etag: str
    checksum: str
    modified: datetime


class Records:
    """The tables. Each call is whole by itself; safe from any thread."""

    def __init__(self, file: Path | None) -> None:
        self._database = open_database(file, _SCHEMA)

    # ─── objects ───

    def facts(self, bucket: str, key: str, status: os.stat_result) -> Facts | None:
        where = "bucket = ? AND key = ? AND inode = ? AND size = ? AND changed = ?"
        rows = self._database.query(f"SELECT facts FROM objects WHERE {where}", (bucket, key, *_identity(status)))
        return Facts.load(rows[0][0]) if rows else None

    def facts_between(self, bucket: str, first: str, last: str) -> dict[tuple[str, int, int, int], Facts]:
        """Those of a page of a list, by key and the identity of the file."""
        rows = self._database.query(
            "SELECT key, inode, size, changed, facts FROM objects WHERE bucket = ? AND key BETWEEN ? AND ?",
            (bucket, first, last),
        )
        return {(key, inode, size, changed): Facts.load(facts) for key, inode, size, changed, facts in rows}

    def keep(self, bucket: str, key: str, status: os.stat_result, facts: Facts) -> None:
        values = (bucket, key, *_identity(status), facts.dump())
        self._database.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?)", values)

    def forget_others(self, bucket: str, key: str, status: os.stat_result) -> None:
        """Remove the records of the files that this one replaced."""
        self._database.execute(
            "DELETE FROM objects WHERE bucket = ? AND key = ? AND NOT (inode = ? AND size = ? AND changed = ?)",
            (bucket, key, *_identity(status)),
        )

    def forget(self, bucket: str, key: str) -> None:
        self._database.execute("DELETE FROM objects WHERE bucket = ? AND key = ?", (bucket, key))

    # ─── buckets ───

    def bucket(self, name: str) -> tuple[str, datetime] | None:
        """Its region, and when it was made."""
        rows = self._database.query("SELECT region, created FROM buckets WHERE name = ?", (name,))
        return (rows[0][0], _time(rows[0][1])) if rows else None

    def keep_bucket(self, name: str, region: str, created: datetime) -> None:
        self._database.execute("INSERT OR REPLACE INTO buckets VALUES (?, ?, ?)", (name, region, created.timestamp()))

    def forget_bucket(self, name: str) -> None:
        for table, column in (("objects", "bucket"), ("settings", "bucket"), ("buckets", "name")):
            self._database.execute(f"DELETE FROM {table} WHERE {column} = ?", (name,))

    def setting(self, bucket: str, name: str) -> Any:
        """What was put, or None."""
        rows = self._database.query("SELECT value FROM settings WHERE bucket = ? AND name = ?", (bucket, name))
        return json.loads(rows[0][0]) if rows else None

    def keep_setting(self, bucket: str, name: str, value: object) -> None:
        values = (bucket, name, json.dumps(value, default=_moment))
        self._database.execute("INSERT OR REPLACE INTO settings VALUES (?, ?, ?)", values)

    # ─── uploads ───

    def start_upload(self, upload: Upload) -> None:
        self._database.execute(
            "INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                upload.id,
                upload.bucket,
                upload.key,
                upload.started.timestamp(),
                upload.facts.dump(),
                upload.algorithm,
                upload.checksum_type,
            ),
        )

    def upload(self, identifier: str) -> Upload | None:
        rows = self._database.query("SELECT * FROM uploads WHERE id = ?", (identifier,))
        return _upload(rows[0]) if rows else None

    def uploads(self, bucket: str) -> list[Upload]:
        rows = self._database.query("SELECT * FROM uploads WHERE bucket = ? ORDER BY key, started, id", (bucket,))
        return [_upload(row) for row in rows]

    def end_upload(self, identifier: str) -> None:
        self._database.execute("DELETE FROM parts WHERE upload = ?", (identifier,))
        self._database.execute("DELETE FROM uploads WHERE id = ?", (identifier,))

    def keep_part(self, upload: str, part: StoredPart) -> None:
        values = (upload, part.number, part.file, part.size_bytes, part.etag, part.checksum, part.modified.timestamp())
        self._database.execute("INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def parts(self, upload: str) -> list[StoredPart]:
        rows = self._database.query("SELECT * FROM parts WHERE upload = ? ORDER BY number", (upload,))
        return [
            StoredPart(number, file, size, etag, checksum, _time(modified))
            for _, number, file, size, etag, checksum, modified in rows
        ]

    def close(self) -> None:
        self._database.close()


def computed(stream: BinaryIO) -> Facts:
    """The facts of a file that came here without S3."""
    digest = hashlib.md5(usedforsecurity=False)
    stream.seek(0)
    while part := stream.read(1 << 20):
        digest.update(part)
    stream.seek(0)
    return Facts(etag=digest.hexdigest())


def identity(key: str, status: os.stat_result) -> tuple[str, int, int, int]:
    return (key, *_identity(status))


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    # SQLite's integers have a sign, and some file systems use all 64 bits of an inode's number.
    return status.st_ino & (1 << 63) - 1, status.st_size, status.st_mtime_ns


def _upload(row: tuple[Any, ...]) -> Upload:
    identifier, bucket, key, started, facts, algorithm, kind = row
    return Upload(identifier, bucket, key, _time(started), Facts.load(facts), algorithm, kind)


def _moment(value: object) -> str:
    """The dates in a setting; what has another type can't be in one."""
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"a setting with {type(value).__name__}")


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
