"""Creates and aborts multipart uploads, and stores their parts as files beside the store until they are completed.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html, qfacts.html
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from datetime import timezone
from pathlib import Path
from typing import Any

from mlci_emulator.protocol.operations import Request, Response
from mlci_emulator.services.s3 import checksums, conditional_requests, request_body
from mlci_emulator.services.s3.context import S3Context, bucket_and_key
from mlci_emulator.services.s3.copy_object import check_source_size, open_source
from mlci_emulator.services.s3.errors import S3Error, invalid_argument, invalid_request, no_such_upload
from mlci_emulator.services.s3.metadata_records import StoredPart, Upload
from mlci_emulator.services.s3.object_metadata import encryption, record_from_request

_MAX_PARTS = 10_000
_SOURCE_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


def create(context: S3Context, request: Request, region: str) -> Response:
    bucket, key = bucket_and_key(request)
    record = record_from_request(request)
    context.require_bucket(bucket)
    record = context.encrypted(bucket, record, region)
    algorithm = str(request.get("ChecksumAlgorithm") or "").upper()
    kind = _checksum_type(algorithm, str(request.get("ChecksumType") or ""))
    upload = Upload(secrets.token_urlsafe(48), bucket, key, context.now(), record, algorithm, kind)
    (context.uploads() / upload.id).mkdir(parents=True)
    context.records.add_upload(upload)
    checksum = {"ChecksumAlgorithm": algorithm, "ChecksumType": kind} if algorithm else {}
    return {"Bucket": bucket, "Key": key, "UploadId": upload.id, **encryption(record), **checksum}


def upload_part(context: S3Context, request: Request, region: str) -> Response:
    upload, number = find_upload(context, request), _number(request)
    with _part_file(context, upload) as file:
        with open(file, "wb") as stream:
            digest = request_body.write_body(request, stream.fileno(), upload.algorithm)
        part = _save_part(context, upload, number, file, digest)
    return {"ETag": f'"{part.etag}"', **_part_checksums(digest), **encryption(upload.record)}


def copy_part(context: S3Context, request: Request, region: str) -> Response:
    upload, number = find_upload(context, request), _number(request)
    source = open_source(context, request)
    with source.stream, _part_file(context, upload) as file:
        range_header = request.get("CopySourceRange")
        if range_header is not None:
            _check_source_range(str(range_header), source.status.st_size)
        byte_range = conditional_requests.requested_range({"Range": range_header}, source.status.st_size, source.record)
        check_source_size(byte_range.size_bytes)
        source.stream.seek(byte_range.start)
        with open(file, "wb") as stream:
            algorithms = {upload.algorithm} if upload.algorithm else set()
            digest = request_body.write_stream(
                _LimitedStream(source.stream, byte_range.size_bytes), stream.fileno(), algorithms
            )
        part = _save_part(context, upload, number, file, digest)
    result = {"ETag": f'"{part.etag}"', "LastModified": part.modified, **_part_checksums(digest)}
    return {"CopyPartResult": result, **encryption(upload.record)}


def abort(context: S3Context, request: Request, region: str) -> Response:
    upload = find_upload(context, request)
    with context.upload_lock(upload.id):
        delete_upload(context, find_upload(context, request))
    return {}


class _LimitedStream:
    """The next `size_bytes` bytes of a stream."""

    def __init__(self, stream: Any, size_bytes: int) -> None:
        self._stream, self._left = stream, size_bytes

    def read(self, size: int, /) -> bytes:
        data: bytes = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data


def find_upload(context: S3Context, request: Request) -> Upload:
    bucket, key = bucket_and_key(request)
    context.require_bucket(bucket)
    upload = context.records.upload(str(request["UploadId"]))
    if upload is None or (upload.bucket, upload.key) != (bucket, key):
        raise no_such_upload(str(request["UploadId"]))
    return upload


def _number(request: Request) -> int:
    number = int(request["PartNumber"])
    if not 1 <= number <= _MAX_PARTS:
        message = f"Part number must be an integer between 1 and {_MAX_PARTS}, inclusive"
        raise invalid_argument(message, "partNumber", number)
    return number


@contextlib.contextmanager
def _part_file(context: S3Context, upload: Upload) -> Iterator[Path]:
    """Yield the path of a new file for a part; the file is removed if an error occurs."""
    file = context.uploads() / upload.id / secrets.token_hex(8)
    try:
        yield file
    except FileNotFoundError as error:  # the upload was completed or aborted, and its folder removed
        raise no_such_upload(upload.id) from error
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def _save_part(
    context: S3Context, upload: Upload, number: int, file: Path, digest: request_body.BodyDigest
) -> StoredPart:
    checksum = next(iter(digest.checksums.values()), "")
    now = context.now().astimezone(timezone.utc).replace(microsecond=0)
    part = StoredPart(number, file.name, digest.size_bytes, digest.etag, checksum if upload.algorithm else "", now)
    with context.upload_lock(upload.id):
        if context.records.upload(upload.id) is None:
            raise FileNotFoundError(file)
        older = [old.file for old in context.records.parts(upload.id) if old.number == number]
        context.records.save_part(upload.id, part)
        for name in older:
            (file.parent / name).unlink(missing_ok=True)
    return part


def delete_upload(context: S3Context, upload: Upload) -> None:
    context.records.delete_upload(upload.id)
    shutil.rmtree(context.uploads() / upload.id, ignore_errors=True)


def remove_orphaned_parts(context: S3Context, folder: Path) -> None:
    """Remove the parts of uploads that have ended: a killed process may have left them."""
    with contextlib.suppress(FileNotFoundError):
        for entry in list(os.scandir(folder)):
            if context.records.upload(entry.name) is None:
                shutil.rmtree(entry.path, ignore_errors=True)


def _checksum_type(algorithm: str, kind: str) -> str:
    if not algorithm:
        if kind:
            raise invalid_request(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
            )
        return ""
    checksums.new(algorithm)
    kind = kind or checksums.default_type(algorithm)
    is_crc = algorithm.startswith("CRC")
    if (kind == "FULL_OBJECT" and not is_crc) or (kind == "COMPOSITE" and algorithm == "CRC64NVME"):
        message = f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum algorithm."
        raise invalid_request(message)
    return kind


def _part_checksums(digest: request_body.BodyDigest) -> dict[str, str]:
    return {f"Checksum{algorithm}": value for algorithm, value in digest.checksums.items()}


def _check_source_range(range_header: str, size_bytes: int) -> None:
    """Raises: S3Error"""
    name, found = "x-amz-copy-source-range", _SOURCE_RANGE.fullmatch(range_header)
    if found is None or int(found[2]) < int(found[1]):
        message = f"The {name} value must be of the form bytes=first-last where first and last are the zero-based"
        raise invalid_argument(f"{message} offsets of the first and last bytes to copy", name, range_header)
    if int(found[1]) >= size_bytes:
        raise S3Error("InvalidRequest", "The specified copy range is invalid for the source object size", 400)
    if int(found[2]) >= size_bytes:
        raise invalid_argument(
            f"Range specified is not valid for source object of size: {size_bytes}", name, range_header
        )
