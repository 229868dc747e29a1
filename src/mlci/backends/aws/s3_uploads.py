"""The staged files of a run on S3: finds those that S3 lacks, and uploads them.

A list of a unit's folder shows sizes and ETags. The ETag of a small object is the MD5 of its bytes, unless the bucket
encrypts with a key of KMS, and to compute an MD5 takes a hundredth of a request. All else is asked for its SHA-256.
Both find what is damaged or was left by something else. Neither protects from somebody who may write to the unit, and
who could do so after any check as well.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html (ETag)
"""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import IO

from mlci.backends.aws.api_calls import AwsError, translate_errors
from mlci.backends.aws.object_checksums import (
    SINGLE_MAX_BYTES,
    is_in_parts,
    part_bytes,
    stored_checksum,
    upload_checksum,
)
from mlci.backends.aws.s3_objects import Objects
from mlci.backends.concurrent_work import work_on_all
from mlci.backends.stop_signal import StopSignal
from mlci.backends.upload_progress import UploadProgress
from mlci.errors import CloudError
from mlci.plan.models import REFRESH_AFTER, S3Uri, Upload
from mlci.s3_uris import split_s3_uri
from mlci.stage.archive import source_archive
from mlci.stage.cache import Cache
from mlci.stage.file_hashes import FileHashes
from mlci.stage.models import StagedFile
from mlci_dataclasses import dataclass

#: Requests at the same time. Each has one object of at most SINGLE_MAX_BYTES in memory.
WORKERS = 16
#: Up to this size, reading a file and computing its MD5 takes less than a request.
_MD5_MAX_BYTES = 1 << 20


def checksums_memory(cache: Path | None) -> FileHashes:
    """Return the memory of the checksums of files that are uploaded in parts, in the user's cache folder."""
    return FileHashes(Cache(cache), Path("checksums in parts"))


@dataclass(frozen=True)
class S3Uploads:
    """The uploads of runs. `checksums` are those of files that are uploaded in parts; `log` takes the progress."""

    objects: Objects
    checksums: FileHashes = field(default_factory=lambda: checksums_memory(None))
    log: Callable[[str], None] = lambda text: None

    def list(self, prefix: str) -> Sequence[str]:
        return self.objects.list(prefix)

    def download(self, uri: str, target: Path) -> None:
        self.objects.download(uri, target)

    def missing(self, uploads: Iterable[Upload]) -> Sequence[Upload]:
        """Return the uploads that S3 lacks. What lies there for long is uploaded again: then it is no leftover."""
        units: dict[S3Uri, list[Upload]] = defaultdict(list)
        for upload in uploads:
            units[upload.unit].append(upload)
        stored = {uri: version for unit in units for uri, version in self._fresh(unit)}
        in_order = [upload for members in units.values() for upload in members]
        absent = {upload.uri for upload in in_order if not _has_size(upload, stored.get(upload.uri))}

        def compare(upload: Upload) -> None:
            if not _has_md5(upload, stored[upload.uri][1]) and not self._has_checksum(upload):
                absent.add(upload.uri)

        present = [upload for upload in in_order if upload.uri not in absent]
        work_on_all(compare, present, WORKERS, StopSignal())
        self.checksums.save()
        return [upload for upload in in_order if upload.uri in absent]

    def _fresh(self, unit: S3Uri) -> Iterator[tuple[str, tuple[int, str]]]:
        """Yield the URI, the size and the ETag of each object of a unit that is not old."""
        bucket, prefix = split_s3_uri(unit)
        oldest_s = time.time() - REFRESH_AFTER.total_seconds()
        for entry in self.objects.entries(bucket, prefix):
            if entry["LastModified"].timestamp() > oldest_s:
                yield f"s3://{bucket}/{entry['Key']}", (int(entry["Size"]), str(entry["ETag"]).strip('"'))

    def upload(self, uploads: Iterable[Upload], stop: StopSignal) -> int:
        """Upload the missing objects, and return their number. `stop` and the first error end it early.

        Large files follow one after the other, several parts of each at a time: no more is in memory than with small
        ones.
        """
        missing = self.missing(uploads)
        size_bytes = sum(file.size_bytes for upload in missing for file in upload.files)
        progress = UploadProgress(len(missing), size_bytes, self.log)

        def put(upload: Upload) -> None:
            self._put(upload)
            progress.add_object(sum(file.size_bytes for file in upload.files))

        work_on_all(put, [upload for upload in missing if not _is_large(upload)], WORKERS, stop)
        for upload in filter(_is_large, missing):
            if not stop.is_set():
                self._put_in_parts(upload, progress, stop)
        return len(missing)

    def _has_checksum(self, upload: Upload) -> bool:
        """Return True if S3 has the upload's SHA-256 checksum. An object that may not be read counts as one without.

        Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html (x-amz-checksum-mode)
        """
        bucket, key = split_s3_uri(upload.uri)
        objects = self.objects
        try:
            response = objects.api.call(
                "head_object", Bucket=bucket, Key=key, ChecksumMode="ENABLED", ExpectedBucketOwner=objects.owner
            )
        except AwsError as error:
            if error.code in ("403", "404", "AccessDenied", "NoSuchKey"):
                return False
            raise
        stored = stored_checksum(response.get("ChecksumSHA256", ""))
        return stored != "" and stored == upload_checksum(upload, self.checksums)

    def _put(self, upload: Upload) -> None:
        if upload.is_archive:
            self.objects.write(upload.uri, source_archive(upload.files))
            return
        file = upload.files[0]
        if file.content is not None:
            self.objects.write(upload.uri, file.content)
            return
        with open(file.source, "rb") as stream:
            data = CheckedReader(stream, file).read()
        self.objects.write(upload.uri, data)

    def _put_in_parts(self, upload: Upload, progress: UploadProgress, stop: StopSignal) -> None:
        from boto3.s3.transfer import TransferConfig

        bucket, key = split_s3_uri(upload.uri)
        file = upload.files[0]
        settings = TransferConfig(
            multipart_threshold=SINGLE_MAX_BYTES,
            multipart_chunksize=part_bytes(file.size_bytes),
            max_concurrency=WORKERS,
        )

        def put() -> None:
            with open(file.source, "rb") as stream, translate_errors("upload_part"):
                self.objects.api.client.upload_fileobj(
                    CheckedReader(stream, file, stop),
                    bucket,
                    key,
                    ExtraArgs={"ChecksumAlgorithm": "SHA256", "ExpectedBucketOwner": self.objects.owner},
                    Config=settings,
                    Callback=progress.add_bytes,
                )

        try:
            self.objects.api.retry_policy.call(put)
        except TransferStopped:
            return
        progress.add_object()


class TransferStopped(Exception):
    """The run was stopped while a file was uploaded in parts. The upload is aborted, and the object does not appear."""


class CheckedReader:
    """A staged file that is read once, from start to end. The last read raises if the file differs from what was
    hashed, so that its transfer never completes; a read after `stop` raises TransferStopped."""

    def __init__(self, stream: IO[bytes], file: StagedFile, stop: StopSignal | None = None) -> None:
        self._stream, self._file, self._stop = stream, file, stop
        self._digest, self._size = hashlib.sha256(), 0

    def read(self, size: int = -1) -> bytes:
        if self._stop is not None and self._stop.is_set():
            raise TransferStopped
        data = self._stream.read(size)
        self._digest.update(data)
        self._size += len(data)
        is_end = size < 0 or len(data) < size or self._size >= self._file.size_bytes
        is_same = (self._size, self._digest.hexdigest()) == (self._file.size_bytes, self._file.sha256)
        if is_end and not is_same:
            raise CloudError(f'"{self._file.source}" changed while the run was being staged', hint="Run again.")
        return data


def _is_large(upload: Upload) -> bool:
    return not upload.is_archive and is_in_parts(upload.files[0])


def _has_size(upload: Upload, stored: tuple[int, str] | None) -> bool:
    """Return True if an object of that size may be the upload. An archive's size is not known before it is packed."""
    return stored is not None and (upload.is_archive or stored[0] == upload.files[0].size_bytes)


def _has_md5(upload: Upload, etag: str) -> bool:
    """Return True if the ETag is the MD5 of the file, and the file is still what was staged."""
    file = upload.files[0]
    if upload.is_archive or file.size_bytes > _MD5_MAX_BYTES:
        return False
    try:
        content = Path(file.source).read_bytes() if file.content is None else file.content
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    except (OSError, ValueError):  # the file is gone, which the upload reports; or Python has no MD5
        return False
    return md5 == etag and hashlib.sha256(content).hexdigest() == file.sha256
