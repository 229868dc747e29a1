"""Stores what a plain file can't hold of an object (content type, metadata, tags, checksums, parts) in SQLite.

It also stores the region and the configurations of buckets, and the multipart uploads in progress.

A record belongs to one state of a file: its bucket, key, inode, size and time of change. If a job or a user replaces
the file, the new one has no record, and gets the ETag that S3 would compute. An object and its record appear at the
same time: the record is written before the file gets its name, and the records of older files are deleted afterwards.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from mlci_dataclasses import dataclass
from mlci_emulator.services.database import Database
from mlci_emulator.services.timestamps import from_epoch

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
    """A part of an object that was uploaded in parts."""

    number: int
    size_bytes: int
    checksum: str = ""


@dataclass(frozen=True)
class ObjectRecord:
    """The metadata of an object."""

    etag: str = ""  # without its quotes
    #: Members of GetObject's response that PutObject's request had, such as ContentType.
    headers: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[Mapping[str, str]] = ()
    checksums: Mapping[str, str] = field(default_factory=dict)
    checksum_type: str = ""
    parts: Sequence[Part] = ()

    def dump(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @staticmethod
    def load(text: str) -> ObjectRecord:
        value = json.loads(text)
        return ObjectRecord(**{**value, "parts": [Part(**part) for part in value["parts"]]})


@dataclass(frozen=True)
class Upload:
    """A multipart upload in progress. `record` holds the metadata of the future object."""

    id: str
    bucket: str
    key: str
    started: datetime
    record: ObjectRecord
    algorithm: str
    checksum_type: str


@dataclass(frozen=True)
class StoredPart:
    """An uploaded part, and the name of its file."""

    number: int
    file: str
    size_bytes: int
    etag: str
    checksum: str
    modified: datetime


class S3Records:
    """The tables. Each call is one transaction; safe to call from any thread."""

    def __init__(self, file: Path | None) -> None:
        self._database = Database(file, _SCHEMA)

    # ─── objects ───

    def find_object(self, bucket: str, key: str, status: os.stat_result) -> ObjectRecord | None:
        where = "bucket = ? AND key = ? AND inode = ? AND size = ? AND changed = ?"
        rows = self._database.query(f"SELECT facts FROM objects WHERE {where}", (bucket, key, *_file_identity(status)))
        return ObjectRecord.load(rows[0][0]) if rows else None

    def objects_between(self, bucket: str, first: str, last: str) -> dict[tuple[str, int, int, int], ObjectRecord]:
        """Return the records of the objects on a page of a list, by key and file identity."""
        rows = self._database.query(
            "SELECT key, inode, size, changed, facts FROM objects WHERE bucket = ? AND key BETWEEN ? AND ?",
            (bucket, first, last),
        )
        return {(key, inode, size, changed): ObjectRecord.load(record) for key, inode, size, changed, record in rows}

    def save_object(self, bucket: str, key: str, status: os.stat_result, record: ObjectRecord) -> None:
        values = (bucket, key, *_file_identity(status), record.dump())
        self._database.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?)", values)

    def delete_replaced_objects(self, bucket: str, key: str, status: os.stat_result) -> None:
        """Delete the records of the files that this one replaced."""
        self._database.execute(
            "DELETE FROM objects WHERE bucket = ? AND key = ? AND NOT (inode = ? AND size = ? AND changed = ?)",
            (bucket, key, *_file_identity(status)),
        )

    def delete_object(self, bucket: str, key: str) -> None:
        self._database.execute("DELETE FROM objects WHERE bucket = ? AND key = ?", (bucket, key))

    # ─── buckets ───

    def bucket(self, name: str) -> tuple[str, datetime] | None:
        """Return the bucket's region and creation time."""
        rows = self._database.query("SELECT region, created FROM buckets WHERE name = ?", (name,))
        return (rows[0][0], from_epoch(rows[0][1])) if rows else None

    def save_bucket(self, name: str, region: str, created: datetime) -> None:
        self._database.execute("INSERT OR REPLACE INTO buckets VALUES (?, ?, ?)", (name, region, created.timestamp()))

    def delete_bucket(self, name: str) -> None:
        for table, column in (("objects", "bucket"), ("settings", "bucket"), ("buckets", "name")):
            self._database.execute(f"DELETE FROM {table} WHERE {column} = ?", (name,))

    def configuration(self, bucket: str, name: str) -> Any:
        """Return the stored configuration, or None."""
        rows = self._database.query("SELECT value FROM settings WHERE bucket = ? AND name = ?", (bucket, name))
        return json.loads(rows[0][0]) if rows else None

    def save_configuration(self, bucket: str, name: str, value: object) -> None:
        values = (bucket, name, json.dumps(value, default=_json_date))
        self._database.execute("INSERT OR REPLACE INTO settings VALUES (?, ?, ?)", values)

    # ─── uploads ───

    def add_upload(self, upload: Upload) -> None:
        self._database.execute(
            "INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                upload.id,
                upload.bucket,
                upload.key,
                upload.started.timestamp(),
                upload.record.dump(),
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

    def delete_upload(self, identifier: str) -> None:
        self._database.execute("DELETE FROM parts WHERE upload = ?", (identifier,))
        self._database.execute("DELETE FROM uploads WHERE id = ?", (identifier,))

    def save_part(self, upload: str, part: StoredPart) -> None:
        values = (upload, part.number, part.file, part.size_bytes, part.etag, part.checksum, part.modified.timestamp())
        self._database.execute("INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def parts(self, upload: str) -> list[StoredPart]:
        rows = self._database.query("SELECT * FROM parts WHERE upload = ? ORDER BY number", (upload,))
        return [
            StoredPart(number, file, size, etag, checksum, from_epoch(modified))
            for _, number, file, size, etag, checksum, modified in rows
        ]

    def close(self) -> None:
        self._database.close()


def compute_record(stream: BinaryIO) -> ObjectRecord:
    """Compute the record of a file that was not written through S3."""
    digest = hashlib.md5(usedforsecurity=False)
    stream.seek(0)
    while part := stream.read(1 << 20):
        digest.update(part)
    stream.seek(0)
    return ObjectRecord(etag=digest.hexdigest())


def file_identity(key: str, status: os.stat_result) -> tuple[str, int, int, int]:
    return (key, *_file_identity(status))


def _file_identity(status: os.stat_result) -> tuple[int, int, int]:
    # SQLite's integers have a sign, and some file systems use all 64 bits of an inode's number.
    return status.st_ino & (1 << 63) - 1, status.st_size, status.st_mtime_ns


def _upload(row: tuple[Any, ...]) -> Upload:
    identifier, bucket, key, started, record, algorithm, kind = row
    return Upload(identifier, bucket, key, from_epoch(started), ObjectRecord.load(record), algorithm, kind)


def _json_date(value: object) -> str:
    """Encode a date, the only type in a configuration that JSON does not have."""
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"a configuration with {type(value).__name__}")
