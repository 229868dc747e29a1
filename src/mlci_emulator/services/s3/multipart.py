"""Objects that are uploaded in parts. A part is a file beside the store until all of them become the object.

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
from mlci_emulator.services.s3.context import Holdings, target
from mlci_emulator.services.s3.copy_object import open_source
from mlci_emulator.services.s3.errors import S3Error, invalid_argument, invalid_request, no_such_upload
from mlci_emulator.services.s3.metadata_records import StoredPart, Upload
from mlci_emulator.services.s3.object_metadata import encryption, given

_MOST_PARTS = 10_000
_SOURCE_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


def create(holdings: Holdings, request: Request, region: str) -> Response:
    bucket, key = target(request)
    facts = given(request)
    holdings.require_bucket(bucket)
    algorithm = str(request.get("ChecksumAlgorithm") or "").upper()
    kind = _checksum_type(algorithm, str(request.get("ChecksumType") or ""))
    upload = Upload(secrets.token_urlsafe(48), bucket, key, holdings.now(), facts, algorithm, kind)
    (holdings.uploads() / upload.id).mkdir(parents=True)
    holdings.records.start_upload(upload)
    said = {"ChecksumAlgorithm": algorithm, "ChecksumType": kind} if algorithm else {}
    return {"Bucket": bucket, "Key": key, "UploadId": upload.id, **encryption(facts), **said}


def upload_part(holdings: Holdings, request: Request, region: str) -> Response:
    upload, number = upload_of(holdings, request), _number(request)
    with _part_file(holdings, upload) as file:
        with open(file, "wb") as stream:
            taken = request_body.take(request, stream.fileno(), upload.algorithm)
        part = _kept(holdings, upload, number, file, taken)
    return {"ETag": f'"{part.etag}"', **_part_checksums(taken), **encryption(upload.facts)}


def copy_part(holdings: Holdings, request: Request, region: str) -> Response:
    upload, number = upload_of(holdings, request), _number(request)
    source = open_source(holdings, request)
    with source.stream, _part_file(holdings, upload) as file:
        asked = request.get("CopySourceRange")
        if asked is not None:
            _check_source_range(str(asked), source.status.st_size)
        span = conditional_requests.span({"Range": asked}, source.status.st_size, source.facts)
        source.stream.seek(span.start)
        with open(file, "wb") as stream:
            wanted = {upload.algorithm} if upload.algorithm else set()
            taken = request_body.copy(_Limited(source.stream, span.size_bytes), stream.fileno(), wanted)
        part = _kept(holdings, upload, number, file, taken)
    result = {"ETag": f'"{part.etag}"', "LastModified": part.modified, **_part_checksums(taken)}
    return {"CopyPartResult": result, **encryption(upload.facts)}


def abort(holdings: Holdings, request: Request, region: str) -> Response:
    upload = upload_of(holdings, request)
    with holdings.upload_lock(upload.id):
        end(holdings, upload_of(holdings, request))
    return {}


class _Limited:
    """The next bytes of a stream, and no more."""

    def __init__(self, stream: Any, size_bytes: int) -> None:
        self._stream, self._left = stream, size_bytes

    def read(self, size: int, /) -> bytes:
        data: bytes = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data


def upload_of(holdings: Holdings, request: Request) -> Upload:
    bucket, key = target(request)
    holdings.require_bucket(bucket)
    upload = holdings.records.upload(str(request["UploadId"]))
    if upload is None or (upload.bucket, upload.key) != (bucket, key):
        raise no_such_upload(str(request["UploadId"]))
    return upload


def _number(request: Request) -> int:
    number = int(request["PartNumber"])
    if not 1 <= number <= _MOST_PARTS:
        message = f"Part number must be an integer between 1 and {_MOST_PARTS}, inclusive"
        raise invalid_argument(message, "partNumber", number)
    return number


@contextlib.contextmanager
def _part_file(holdings: Holdings, upload: Upload) -> Iterator[Path]:
    """A new file for a part; it goes again if it does not become one."""
    file = holdings.uploads() / upload.id / secrets.token_hex(8)
    try:
        yield file
    except FileNotFoundError as error:  # ended meanwhile, with its folder
        raise no_such_upload(upload.id) from error
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def _kept(holdings: Holdings, upload: Upload, number: int, file: Path, taken: request_body.Taken) -> StoredPart:
    checksum = next(iter(taken.checksums.values()), "")
    now = holdings.now().astimezone(timezone.utc).replace(microsecond=0)
    part = StoredPart(number, file.name, taken.size_bytes, taken.etag, checksum if upload.algorithm else "", now)
    with holdings.upload_lock(upload.id):
        if holdings.records.upload(upload.id) is None:
            raise FileNotFoundError(file)
        older = [old.file for old in holdings.records.parts(upload.id) if old.number == number]
        holdings.records.keep_part(upload.id, part)
        for name in older:
            (file.parent / name).unlink(missing_ok=True)
    return part


def end(holdings: Holdings, upload: Upload) -> None:
    holdings.records.end_upload(upload.id)
    shutil.rmtree(holdings.uploads() / upload.id, ignore_errors=True)


def sweep(holdings: Holdings, folder: Path) -> None:
    """Remove the parts of uploads that a killed process had ended but for this."""
    with contextlib.suppress(FileNotFoundError):
        for entry in list(os.scandir(folder)):
            if holdings.records.upload(entry.name) is None:
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


def _part_checksums(taken: request_body.Taken) -> dict[str, str]:
    return {f"Checksum{algorithm}": value for algorithm, value in taken.checksums.items()}


def _check_source_range(asked: str, size_bytes: int) -> None:
    """Raises: S3Error"""
    name, found = "x-amz-copy-source-range", _SOURCE_RANGE.fullmatch(asked)
    if found is None or int(found[2]) < int(found[1]):
        message = f"The {name} value must be of the form bytes=first-last where first and last are the zero-based"
        raise invalid_argument(f"{message} offsets of the first and last bytes to copy", name, asked)
    if int(found[1]) >= size_bytes:
        raise S3Error("InvalidRequest", "The specified copy range is invalid for the source object size", 400)
    if int(found[2]) >= size_bytes:
        raise invalid_argument(f"Range specified is not valid for source object of size: {size_bytes}", name, asked)
