"""Objects that are uploaded in parts. A part is a file beside the store until all of them become the object.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html, qfacts.html
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from datetime import timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mlci.cloud.local.api import Answer, Request
from mlci.cloud.local.placing import append_data
from mlci.cloud.local.s3 import checksums, conditions, intake
from mlci.cloud.local.s3.copying import open_source
from mlci.cloud.local.s3.described import checksum_members, encryption, given, storage_class
from mlci.cloud.local.s3.errors import S3Error, invalid_argument, invalid_request, malformed_xml, no_such_upload
from mlci.cloud.local.s3.holdings import OWNER, Holdings, target
from mlci.cloud.local.s3.listing import common_prefix, encoder, most_of
from mlci.cloud.local.s3.objects import publish
from mlci.cloud.local.s3.records import Facts, Part, StoredPart, Upload

_MOST_PARTS = 10_000
_SMALLEST_PART_BYTES = 5 << 20
_SOURCE_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


def create(holdings: Holdings, request: Request, region: str) -> Answer:
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


def upload_part(holdings: Holdings, request: Request, region: str) -> Answer:
    upload, number = _upload(holdings, request), _number(request)
    with _part_file(holdings, upload) as file:
        with open(file, "wb") as stream:
            taken = intake.take(request, stream.fileno(), upload.algorithm)
        part = _kept(holdings, upload, number, file, taken)
    return {"ETag": f'"{part.etag}"', **_part_checksums(taken), **encryption(upload.facts)}


def copy_part(holdings: Holdings, request: Request, region: str) -> Answer:
    upload, number = _upload(holdings, request), _number(request)
    source = open_source(holdings, request)
    with source.stream, _part_file(holdings, upload) as file:
        asked = request.get("CopySourceRange")
        if asked is not None:
            _check_source_range(str(asked), source.status.st_size)
        span = conditions.span({"Range": asked}, source.status.st_size, source.facts)
        source.stream.seek(span.start)
        with open(file, "wb") as stream:
            wanted = {upload.algorithm} if upload.algorithm else set()
            taken = intake.copy(_Limited(source.stream, span.size_bytes), stream.fileno(), wanted)
        part = _kept(holdings, upload, number, file, taken)
    result = {"ETag": f'"{part.etag}"', "LastModified": part.modified, **_part_checksums(taken)}
    return {"CopyPartResult": result, **encryption(upload.facts)}


def complete(holdings: Holdings, request: Request, region: str) -> Answer:
    upload = _upload(holdings, request)
    with holdings.upload_lock(upload.id):
        upload = _upload(holdings, request)
        parts = _chosen(holdings, upload, (request.get("MultipartUpload") or {}).get("Parts") or [])
        facts = _whole(upload, parts)
        _check_promises(request, facts, parts)
        holdings.require_bucket(upload.bucket)
        _check_unchanged(holdings, request, upload)
        with holdings.store.draft(upload.bucket) as draft:
            for part in parts:
                with open(holdings.uploads() / upload.id / part.file, "rb") as stream:
                    append_data(stream.fileno(), draft.file)
            publish(holdings, draft, {**request, "Key": upload.key}, facts)
        _end(holdings, upload)
    location = f"https://{upload.bucket}.s3.{region}.amazonaws.com/{quote(upload.key)}"
    said = {"Location": location, "Bucket": upload.bucket, "Key": upload.key, "ETag": f'"{facts.etag}"'}
    return {**said, **checksum_members(facts), **encryption(facts)}


def abort(holdings: Holdings, request: Request, region: str) -> Answer:
    upload = _upload(holdings, request)
    with holdings.upload_lock(upload.id):
        _end(holdings, _upload(holdings, request))
    return {}


def list_parts(holdings: Holdings, request: Request, region: str) -> Answer:
    upload, most = _upload(holdings, request), most_of(request, "MaxParts", "max-parts")
    after = int(request.get("PartNumberMarker") or 0)
    left = [part for part in holdings.records.parts(upload.id) if part.number > after]
    shown = left[:most]
    answer: Answer = {
        "Bucket": upload.bucket,
        "Key": upload.key,
        "UploadId": upload.id,
        "Initiator": {"ID": OWNER},
        "Owner": {"ID": OWNER},
        "StorageClass": storage_class(upload.facts),
        "PartNumberMarker": after,
        "NextPartNumberMarker": shown[-1].number if shown else 0,
        "MaxParts": most,
        "IsTruncated": len(left) > most,
        **_algorithm(upload),
    }
    if shown:
        answer["Parts"] = [_listed(upload, part) for part in shown]
    return answer


def list_uploads(holdings: Holdings, request: Request, region: str) -> Answer:
    bucket, most, encode = str(request["Bucket"]), most_of(request, "MaxUploads", "max-uploads"), encoder(request)
    holdings.require_bucket(bucket)
    prefix, delimiter = str(request.get("Prefix") or ""), str(request.get("Delimiter") or "")
    uploads: list[Upload] = []
    prefixes: list[str] = []
    last, is_truncated = None, False
    marker = str(request.get("KeyMarker") or "")
    shown = common_prefix(marker, prefix, delimiter)
    for upload in _after(request, holdings.records.uploads(bucket)):
        common = common_prefix(upload.key, prefix, delimiter)
        if not upload.key.startswith(prefix) or (common is not None and common in (shown, *prefixes)):
            continue
        if len(uploads) + len(prefixes) >= most:
            is_truncated = most > 0
            break
        if common is None:
            uploads.append(upload)
        else:
            prefixes.append(common)
        last = upload if common is None else None  # S3 has no marker for a common prefix
    answer: Answer = {
        "Bucket": bucket,
        "KeyMarker": encode(marker),
        "UploadIdMarker": str(request.get("UploadIdMarker") or ""),
        "NextKeyMarker": encode(last.key) if last else "",
        "NextUploadIdMarker": last.id if last else "",
        "MaxUploads": most,
        "IsTruncated": is_truncated,
    }
    for name, value in (("Prefix", prefix), ("Delimiter", delimiter)):
        if value:
            answer[name] = encode(value)
    if request.get("EncodingType"):
        answer["EncodingType"] = request["EncodingType"]
    if uploads:
        answer["Uploads"] = [_shown(upload, encode(upload.key)) for upload in uploads]
    if prefixes:
        answer["CommonPrefixes"] = [{"Prefix": encode(common)} for common in prefixes]
    return answer


class _Limited:
    """The next bytes of a stream, and no more."""

    def __init__(self, stream: Any, size_bytes: int) -> None:
        self._stream, self._left = stream, size_bytes

    def read(self, size: int, /) -> bytes:
        data: bytes = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data


def _upload(holdings: Holdings, request: Request) -> Upload:
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


def _kept(holdings: Holdings, upload: Upload, number: int, file: Path, taken: intake.Taken) -> StoredPart:
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


def _chosen(holdings: Holdings, upload: Upload, wanted: Sequence[Request]) -> list[StoredPart]:
    """The parts that the object is made of.

    Raises: S3Error: they are not there, not in order, or too small.
    """
    if not wanted:
        raise malformed_xml()
    there = {part.number: part for part in holdings.records.parts(upload.id)}
    numbers = [int(part["PartNumber"]) for part in wanted]
    if numbers != sorted(set(numbers)):
        message = "The list of parts was not in ascending order. Parts must be ordered by part number."
        raise S3Error("InvalidPartOrder", message, 400, UploadId=upload.id)
    for part in wanted:
        stored = there.get(int(part["PartNumber"]))
        if stored is None or str(part.get("ETag", "")).strip('"') != stored.etag or not _agrees(upload, part, stored):
            message = "One or more of the specified parts could not be found.  The part may not have been uploaded, or "
            details = {"PartNumber": str(part["PartNumber"]), "ETag": str(part.get("ETag", "")), "UploadId": upload.id}
            raise S3Error(
                "InvalidPart", f"{message}the specified entity tag may not match the part's entity tag.", 400, **details
            )
    chosen = [there[number] for number in numbers]
    for stored in chosen[:-1]:
        if stored.size_bytes < _SMALLEST_PART_BYTES:
            message = "Your proposed upload is smaller than the minimum allowed size"
            details = {
                "ProposedSize": str(stored.size_bytes),
                "MinSizeAllowed": str(_SMALLEST_PART_BYTES),
                "PartNumber": str(stored.number),
                "ETag": stored.etag,
            }
            raise S3Error("EntityTooSmall", message, 400, **details)
    return chosen


def _agrees(upload: Upload, part: Request, stored: StoredPart) -> bool:
    given = part.get(f"Checksum{upload.algorithm}") if upload.algorithm else None
    return given is None or given == stored.checksum


def _whole(upload: Upload, parts: Sequence[StoredPart]) -> Facts:
    digest = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in parts), usedforsecurity=False).hexdigest()
    values: dict[str, str] = {}
    if upload.algorithm:
        pairs = [(part.checksum, part.size_bytes) for part in parts]
        kind: checksums.ChecksumType = "COMPOSITE" if upload.checksum_type == "COMPOSITE" else "FULL_OBJECT"
        values = {upload.algorithm: checksums.combined(upload.algorithm, kind, pairs)}
    return dataclasses.replace(
        upload.facts,
        etag=f"{digest}-{len(parts)}",
        checksums=values,
        checksum_type=upload.checksum_type,
        parts=[Part(part.number, part.size_bytes, part.checksum) for part in parts],
    )


def _check_promises(request: Request, facts: Facts, parts: Sequence[StoredPart]) -> None:
    for algorithm, value in checksums.promised(request).items():
        known = facts.checksums.get(algorithm, "")
        count = f"-{len(parts)}"
        checksums.check(algorithm, value.removesuffix(count), known.removesuffix(count))
    size_bytes, said = sum(part.size_bytes for part in parts), request.get("MpuObjectSize")
    if said is not None and int(said) != size_bytes:
        message = (
            f"The provided 'x-amz-mp-object-size' header value {said} does not match what was computed: {size_bytes}"
        )
        raise invalid_request(message)


def _check_unchanged(holdings: Holdings, request: Request, upload: Upload) -> None:
    """Raises: S3Error: the object that is there is the one that was asked for, but came after the upload began."""
    etag = holdings.current_etag(upload.bucket, upload.key) if request.get("IfMatch") else None
    if etag is None:
        return
    conditions.check_write(request, upload.key, etag)
    with holdings.open(upload.bucket, upload.key).stream as stream:
        changed = os.fstat(stream.fileno()).st_mtime
    if changed > upload.started.timestamp():
        message = "The conditional request cannot succeed due to a conflicting operation against this resource."
        raise S3Error("ConditionalRequestConflict", message, 409, Condition="If-Match", Key=upload.key)


def _end(holdings: Holdings, upload: Upload) -> None:
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


def _part_checksums(taken: intake.Taken) -> dict[str, str]:
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


def _algorithm(upload: Upload) -> dict[str, str]:
    return {"ChecksumAlgorithm": upload.algorithm, "ChecksumType": upload.checksum_type} if upload.algorithm else {}


def _listed(upload: Upload, part: StoredPart) -> dict[str, Any]:
    listed = {
        "PartNumber": part.number,
        "LastModified": part.modified,
        "ETag": f'"{part.etag}"',
        "Size": part.size_bytes,
    }
    return {**listed, f"Checksum{upload.algorithm}": part.checksum} if upload.algorithm else listed


def _shown(upload: Upload, key: str) -> dict[str, Any]:
    return {
        "UploadId": upload.id,
        "Key": key,
        "Initiated": upload.started,
        "StorageClass": storage_class(upload.facts),
        "Owner": {"ID": OWNER},
        "Initiator": {"ID": OWNER},
        **_algorithm(upload),
    }


def _after(request: Request, uploads: Sequence[Upload]) -> Iterator[Upload]:
    """Those that follow the markers."""
    key, identifier = request.get("KeyMarker"), request.get("UploadIdMarker")
    if not key:
        yield from uploads
        return
    if identifier and not any(upload.key == key and upload.id == identifier for upload in uploads):
        raise invalid_argument("Invalid uploadId marker", "upload-id-marker", identifier)
    is_past = False
    for upload in uploads:
        if upload.key > key or (upload.key == key and is_past and identifier):
            yield upload
        is_past = is_past or (upload.key == key and upload.id == identifier)
