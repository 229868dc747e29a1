"""What all operations work on: the store, the records beside it, and the locks for what must not happen at once."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO

from mlci_emulator import identity
from mlci_emulator.errors import OperationError
from mlci_emulator.services.s3.errors import S3Error, invalid_argument, no_such_bucket, no_such_key
from mlci_emulator.services.s3.metadata_records import Facts, Records, computed
from mlci_emulator.store.atomic_files import ATTEMPTS
from mlci_emulator.store.directory import DirectoryStore, NoSuchKey
from mlci_emulator.store.object_keys import RESERVED

#: The canonical user id of the only account.
OWNER = hashlib.sha256(identity.ACCOUNT.encode()).hexdigest()

#: Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_LONGEST_KEY_BYTES = 1024

_LOCKS = 64


@dataclass
class Object:
    """An object, opened: it stays what it is while others replace or remove it."""

    stream: BinaryIO
    status: os.stat_result
    facts: Facts

    @property
    def modified(self) -> datetime:
        return last_modified(self.status)


@dataclass
class Holdings:
    store: DirectoryStore
    records: Records
    now: Callable[[], datetime]
    home: Path | None = None
    _object_locks: list[threading.Lock] = field(default_factory=lambda: [threading.Lock() for _ in range(_LOCKS)])
    _upload_locks: list[threading.Lock] = field(default_factory=lambda: [threading.Lock() for _ in range(_LOCKS)])
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _temporary: list[tempfile.TemporaryDirectory[str]] = field(default_factory=list)

    def object_lock(self, bucket: str, key: str) -> threading.Lock:
        """For whoever replaces, removes or describes this object; a few others share it."""
        return self._object_locks[hash((bucket, key)) % _LOCKS]

    def upload_lock(self, upload: str) -> threading.Lock:
        """For whoever ends this upload. Taken before an object's lock, never after it."""
        return self._upload_locks[hash(upload) % _LOCKS]

    def uploads(self) -> Path:
        """The folder where parts are kept until their upload is complete."""
        if self.home is not None:
            return self.home / "uploads"
        with self._lock:
            if not self._temporary:
                self._temporary.append(tempfile.TemporaryDirectory(prefix="mlci-s3-"))
        return Path(self._temporary[0].name)

    def require_bucket(self, name: str) -> None:
        """Raises: S3Error: there is none."""
        if not self.has_bucket(name):
            raise no_such_bucket(name)

    def has_bucket(self, name: str) -> bool:
        folder = self.store.root / name
        return is_bucket_like(name) and folder.is_dir() and not folder.is_symlink()

    def open(self, bucket: str, key: str) -> Object:
        """The object and its facts.

        Raises: S3Error: there is no such bucket or key.
        """
        uri = uri_of(bucket, key)
        for _ in range(ATTEMPTS):
            try:
                stream = self.store.open(uri)
            except NoSuchKey as error:
                self.require_bucket(bucket)
                raise no_such_key(key) from error
            status = os.fstat(stream.fileno())
            facts = self.records.facts(bucket, key, status)
            if facts is not None:
                return Object(stream, status, facts)
            if os.fstat(stream.fileno()).st_nlink > 0:
                facts = computed(stream)
                self.records.keep(bucket, key, status, facts)
                return Object(stream, status, facts)
            stream.close()  # another object took its place, and its record is gone already
        raise S3Error("SlowDown", "Please reduce your request rate.", 503)

    def current_etag(self, bucket: str, key: str) -> str | None:
        try:
            found = self.open(bucket, key)
        except S3Error:
            return None
        found.stream.close()
        return found.facts.etag

    def close(self) -> None:
        self.records.close()
        for folder in self._temporary:
            folder.cleanup()


def target(request: Mapping[str, Any]) -> tuple[str, str]:
    """Bucket and key of a request.

    Raises: S3Error: no object can have this key, or it was asked for by a version that can't be there.
    """
    bucket, key = str(request["Bucket"]), str(request["Key"])
    uri_of(bucket, key)
    version = request.get("VersionId")
    if version not in (None, "", "null"):
        raise invalid_argument("Invalid version id specified", "versionId", version)
    return bucket, key


def uri_of(bucket: str, key: str) -> str:
    """Raises: S3Error: no object can have this key."""
    if not is_bucket_like(bucket):
        raise S3Error("InvalidBucketName", "The specified bucket is not valid.", 400, BucketName=bucket)
    size_bytes = len(key.encode(errors="surrogatepass"))
    if size_bytes > _LONGEST_KEY_BYTES:
        details = {"Size": str(size_bytes), "MaxSizeAllowed": str(_LONGEST_KEY_BYTES)}
        raise S3Error("KeyTooLongError", "Your key is too long", 400, **details)
    uri = f"s3://{bucket}/{key}"
    try:
        DirectoryStore.check(uri)
    except OperationError as error:
        raise invalid_argument(f"The local S3 can't hold this key: {error.what}", "key", repr(key)) from error
    return uri


def is_bucket_like(name: str) -> bool:
    """Whether a folder of that name can be a bucket; CreateBucket is stricter."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}", name) is not None and not name.startswith(RESERVED)


def last_modified(status: os.stat_result) -> datetime:
    """S3 knows seconds only."""
    return datetime.fromtimestamp(status.st_mtime_ns // 1_000_000_000, timezone.utc)
