"""The staged files of a run in the local store: finds those that it lacks, and stores them.

An object counts as stored if its content has the hash of the upload: objects in the store may come from anyone. Hashes
are remembered, so that a unit that has not changed costs a list of its folder. Where a part of a unit has changed, the
new unit shares all other files with the one before.
"""

from __future__ import annotations

import hashlib
import heapq
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from mlci.backends.concurrent_work import work_on_all
from mlci.backends.stop_signal import StopSignal
from mlci.backends.upload_progress import UploadProgress
from mlci.plan.models import Upload
from mlci.s3_uris import split_s3_uri
from mlci.stage.archive import source_archive
from mlci.stage.file_hashes import FileHashes
from mlci_dataclasses import dataclass

_WORKERS = 4
#: Objects that a thread stores or reads one after the other.
_BATCH = 64
#: So many other units beside a new one are looked through for files that it has as well.
_UNITS_BEFORE = 3


class UploadBatch(Protocol):
    """Objects that one thread reads and writes one after the other."""

    def open(self, uri: str) -> BinaryIO:
        """Open an object; KeyError if there is none."""

    def put_bytes(self, data: bytes, uri: str) -> os.stat_result: ...

    def put_checked(self, source: str | Path, uri: str, sha256: str) -> os.stat_result: ...

    def link(self, source_uri: str, uri: str, is_same: Callable[[os.stat_result], bool]) -> os.stat_result | None: ...


class UploadStore(Protocol):
    """The part of the local store that uploads need."""

    def walk(self, bucket: str, prefix: str) -> Iterable[tuple[str, os.stat_result]]: ...

    def batch(self) -> AbstractContextManager[UploadBatch]: ...

    def remove(self, uri: str) -> None: ...


@dataclass(frozen=True)
class Difference:
    """The uploads that a store lacks, and the URIs of objects among them that are no part of their units."""

    missing: Sequence[Upload]
    others: Sequence[str]


@dataclass(frozen=True)
class LocalUploads:
    """The uploads of runs to a store. `hashes` are those of its objects; `log` takes the progress of a long upload."""

    store: UploadStore
    hashes: FileHashes
    log: Callable[[str], None]

    def compare(self, uploads: Iterable[Upload]) -> Difference:
        """Return how the store differs from the uploads."""
        units: dict[str, list[Upload]] = defaultdict(list)
        for upload in uploads:
            units[upload.unit].append(upload)
        missing: list[Upload] = []
        others: list[str] = []
        for unit, members in units.items():
            bucket, prefix = split_s3_uri(unit)
            start = f"s3://{bucket}/"
            stored = {start + key: status for key, status in self.store.walk(bucket, prefix)}
            missing += self._missing(members, stored, self._of_unit(unit))
            others += stored.keys() - {upload.uri for upload in members}
        return Difference(missing, others)

    def store_all(self, missing: Sequence[Upload], stop: StopSignal) -> None:
        """Store these uploads, several at a time. `stop` ends it early.

        Raises: KeyError, OSError, and the store's own error if a file differs from what was hashed.
        """
        size_bytes = sum(file.size_bytes for upload in missing for file in upload.files)
        progress = UploadProgress(len(missing), size_bytes, self.log)
        units_before = self._units_before(missing)

        def store_batch(batch: Sequence[Upload]) -> None:
            with self.store.batch() as objects:
                for upload in batch:
                    if stop.is_set():
                        return
                    self._put(upload, units_before[upload.unit], objects)
                    progress.add_object(sum(file.size_bytes for file in upload.files))

        work_on_all(store_batch, _batches(missing), _WORKERS, stop)

    def remove(self, uris: Iterable[str]) -> None:
        """Remove these objects: jobs get a unit's folder as a whole."""
        for uri in uris:
            self.store.remove(uri)

    def _missing(
        self, members: Sequence[Upload], stored: Mapping[str, os.stat_result], hashes: FileHashes
    ) -> list[Upload]:
        """Return the members of a unit that are not stored; the objects whose hashes are not known are read."""
        unread: list[Upload] = []
        wrong: set[str] = set()
        for upload in members:
            status = stored.get(upload.uri)
            if status is None or (not upload.is_archive and status.st_size != upload.files[0].size_bytes):
                wrong.add(upload.uri)
            elif (known := hashes.known(_name(upload), status)) is None:
                unread.append(upload)
            elif known != _sha256(upload):
                wrong.add(upload.uri)

        def read(batch: Sequence[Upload]) -> None:
            with self.store.batch() as objects:
                wrong.update(upload.uri for upload in batch if not _is_stored(upload, objects, hashes))

        if unread:
            work_on_all(read, _batches(unread), _WORKERS, StopSignal())
        return [upload for upload in members if upload.uri in wrong]

    def _units_before(self, uploads: Iterable[Upload]) -> dict[str, Sequence[str]]:
        """Return the newest other units beside each unit of these uploads, from which files may come."""
        return {unit: tuple(self._beside(unit)) for unit in {upload.unit for upload in uploads}}

    def _beside(self, unit: str) -> Iterator[str]:
        parent, _, name = unit.rstrip("/").rpartition("/")
        bucket, prefix = split_s3_uri(f"{parent}/")
        try:
            with os.scandir(self.hashes.folder / bucket / prefix) as entries:
                folders = [entry for entry in entries if entry.is_dir(follow_symlinks=False) and entry.name != name]
                newest = heapq.nlargest(_UNITS_BEFORE, folders, key=lambda entry: entry.stat().st_mtime_ns)
        except OSError:  # there is none yet
            return
        yield from (f"{parent}/{entry.name}/" for entry in newest)

    def _link(self, upload: Upload, units: Iterable[str], objects: UploadBatch) -> bool:
        """Let an upload share the file of an object that is known to have its content."""
        name, sha256 = _name(upload), upload.files[0].sha256
        for unit in units:
            hashes = self._of_unit(unit)
            status = objects.link(
                unit + name,
                upload.uri,
                lambda status, of=hashes: of.known(name, status) == sha256,  # type: ignore[misc]
            )
            if status is not None:
                hashes.learn_written(name, status, sha256)  # a new name of the file changes its status
                self._of_unit(upload.unit).learn_written(name, status, sha256)
                return True
        return False

    def _put(self, upload: Upload, units_before: Iterable[str], objects: UploadBatch) -> None:
        file, sha256 = upload.files[0], upload.files[0].sha256
        if not upload.is_archive and file.content is None and self._link(upload, units_before, objects):
            return
        if upload.is_archive:
            data = source_archive(upload.files)
            status, sha256 = objects.put_bytes(data, upload.uri), hashlib.sha256(data).hexdigest()
        elif file.content is not None:
            status = objects.put_bytes(file.content, upload.uri)
        else:
            status = objects.put_checked(file.source, upload.uri, sha256)
        self._of_unit(upload.unit).learn_written(_name(upload), status, sha256)

    def _of_unit(self, unit: str) -> FileHashes:
        bucket, prefix = split_s3_uri(unit)
        return self.hashes.below(self.hashes.folder / bucket / prefix)


def _name(upload: Upload) -> str:
    return upload.uri.removeprefix(upload.unit)


def _sha256(upload: Upload) -> str:
    if upload.is_archive:
        return hashlib.sha256(source_archive(upload.files)).hexdigest()
    return upload.files[0].sha256


def _is_stored(upload: Upload, objects: UploadBatch, hashes: FileHashes) -> bool:
    try:
        with objects.open(upload.uri) as stream:
            digest, _ = hashes.of(_name(upload), stream)
    except KeyError:  # removed in the meantime
        return False
    return digest == _sha256(upload)


def _batches(uploads: Iterable[Upload]) -> Iterator[Sequence[Upload]]:
    """The uploads in parts, each for one thread: large files are parts of their own, and come first."""
    batch: list[Upload] = []
    for upload in sorted(uploads, key=lambda upload: -_large_bytes(upload)):
        if _large_bytes(upload):
            yield [upload]
            continue
        batch.append(upload)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _large_bytes(upload: Upload) -> int:
    """The size of a file that a thread takes by itself; 0 for others, which stay in their order."""
    size_bytes = sum(file.size_bytes for file in upload.files)
    return size_bytes if size_bytes >= 1 << 20 else 0
