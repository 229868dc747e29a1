"""The context of all operations: the store, the records beside it, and the locks of objects and uploads."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mlci_dataclasses import dataclass
from mlci_emulator import identity
from mlci_emulator.errors import OperationError
from mlci_emulator.services.s3.errors import S3Error, invalid_argument, no_such_bucket, no_such_key
from mlci_emulator.services.s3.metadata_records import ObjectRecord, S3Records, compute_record
from mlci_emulator.services.s3.object_metadata import with_default_encryption
from mlci_emulator.services.timestamps import Clock
from mlci_emulator.store.atomic_files import ATTEMPTS
from mlci_emulator.store.directory import DirectoryStore, NoSuchKey
from mlci_emulator.store.object_keys import RESERVED

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory

#: The canonical user id of the only account.
OWNER = hashlib.sha256(identity.ACCOUNT.encode()).hexdigest()

#: Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_MAX_KEY_BYTES = 1024

_LOCKS = 64


@dataclass
class OpenObject:
    """An object opened for reading. It stays the same while others replace or remove it."""

    stream: BinaryIO
    status: os.stat_result
    record: ObjectRecord

    @property
    def modified(self) -> datetime:
        return last_modified(self.status)


@dataclass
class S3Context:
    """The store, its records and locks. `home` is the folder for the parts of uploads; None uses a temporary folder."""

    store: DirectoryStore
    records: S3Records
    now: Clock
    home: Path | None = None
    _object_locks: list[threading.Lock] = field(default_factory=lambda: [threading.Lock() for _ in range(_LOCKS)])
    _upload_locks: list[threading.Lock] = field(default_factory=lambda: [threading.Lock() for _ in range(_LOCKS)])
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _temporary: list[TemporaryDirectory[str]] = field(default_factory=list)

    def object_lock(self, bucket: str, key: str) -> threading.Lock:
        """Return the lock to hold while this object is replaced, removed or recorded; a few objects share it."""
        return self._object_locks[hash((bucket, key)) % _LOCKS]

    def upload_lock(self, upload: str) -> threading.Lock:
        """Return the lock to hold while this upload is ended. Take it before an object's lock, never after it."""
        return self._upload_locks[hash(upload) % _LOCKS]

    def uploads(self) -> Path:
        """Return the folder that stores parts until their upload is complete."""
        if self.home is not None:
            return self.home / "uploads"
        with self._lock:
            if not self._temporary:
                import tempfile  # few executions have uploads

                self._temporary.append(tempfile.TemporaryDirectory(prefix="mlci-s3-"))
        return Path(self._temporary[0].name)

    def encrypted(self, bucket: str, record: ObjectRecord, region: str) -> ObjectRecord:
        """Return a new object's record with the bucket's default encryption."""
        return with_default_encryption(record, self.records.configuration(bucket, "Encryption"), region)

    def require_bucket(self, name: str) -> None:
        """Raises: S3Error: the bucket does not exist."""
        if not self.has_bucket(name):
            raise no_such_bucket(name)

    def has_bucket(self, name: str) -> bool:
        folder = self.store.root / name
        return is_bucket_name(name) and folder.is_dir() and not folder.is_symlink()

    def open(self, bucket: str, key: str) -> OpenObject:
        """Open an object, and compute its record if it has none.

        Raises: S3Error: the bucket or the key does not exist.
        """
        uri = object_uri(bucket, key)
        for _ in range(ATTEMPTS):
            try:
                stream = self.store.open(uri)
            except NoSuchKey as error:
                self.require_bucket(bucket)
                raise no_such_key(key) from error
            status = os.fstat(stream.fileno())
            record = self.records.find_object(bucket, key, status)
            if record is not None:
                return OpenObject(stream, status, record)
            if os.fstat(stream.fileno()).st_nlink > 0:
                record = compute_record(stream)
                self.records.save_object(bucket, key, status, record)
                return OpenObject(stream, status, record)
            stream.close()  # another object replaced it, and its record is deleted already
        raise S3Error("SlowDown", "Please reduce your request rate.", 503)

    def current_etag(self, bucket: str, key: str) -> str | None:
        try:
            found = self.open(bucket, key)
        except S3Error:
            return None
        found.stream.close()
        return found.record.etag

    def close(self) -> None:
        self.records.close()
        for folder in self._temporary:
            folder.cleanup()


def bucket_and_key(request: Mapping[str, Any]) -> tuple[str, str]:
    """Return the bucket and the key of a request.

    Raises: S3Error: no object can have this key, or the request names a version, which no object has.
    """
    bucket, key = str(request["Bucket"]), str(request["Key"])
    object_uri(bucket, key)
    version = request.get("VersionId")
    if version not in (None, "", "null"):
        raise invalid_argument("Invalid version id specified", "versionId", version)
    return bucket, key


def object_uri(bucket: str, key: str) -> str:
    """Return the URI of an object.

    Raises: S3Error: no object can have this key.
    """
    if not is_bucket_name(bucket):
        raise S3Error("InvalidBucketName", "The specified bucket is not valid.", 400, BucketName=bucket)
    size_bytes = len(key.encode(errors="surrogatepass"))
    if size_bytes > _MAX_KEY_BYTES:
        details = {"Size": str(size_bytes), "MaxSizeAllowed": str(_MAX_KEY_BYTES)}
        raise S3Error("KeyTooLongError", "Your key is too long", 400, **details)
    uri = f"s3://{bucket}/{key}"
    try:
        DirectoryStore.check(uri)
    except OperationError as error:
        raise invalid_argument(f"The local S3 can't hold this key: {error.what}", "key", repr(key)) from error
    return uri


def is_bucket_name(name: str) -> bool:
    """Return True if a folder of that name can be a bucket; CreateBucket is stricter."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}", name) is not None and not name.startswith(RESERVED)


def last_modified(status: os.stat_result) -> datetime:
    """Return a file's time of modification, in whole seconds as in S3."""
    return datetime.fromtimestamp(status.st_mtime_ns // 1_000_000_000, timezone.utc)
