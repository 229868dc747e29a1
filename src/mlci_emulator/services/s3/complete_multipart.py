"""CompleteMultipartUpload: joins the parts of an upload into one object.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Sequence
from urllib.parse import quote

from mlci_emulator.protocol.operations import Request, Response
from mlci_emulator.services.s3 import checksums, conditional_requests
from mlci_emulator.services.s3.context import S3Context
from mlci_emulator.services.s3.errors import S3Error, invalid_request
from mlci_emulator.services.s3.metadata_records import ObjectRecord, Part, StoredPart, Upload
from mlci_emulator.services.s3.multipart import delete_upload, find_upload
from mlci_emulator.services.s3.object_metadata import checksum_members, encryption
from mlci_emulator.services.s3.objects import CONFLICT, publish
from mlci_emulator.store.atomic_files import append_data

_MIN_PART_BYTES = 5 << 20


def complete(context: S3Context, request: Request, region: str) -> Response:
    upload = find_upload(context, request)
    with context.upload_lock(upload.id):
        upload = find_upload(context, request)
        parts = _requested_parts(context, upload, (request.get("MultipartUpload") or {}).get("Parts") or [])
        record = _completed_record(upload, parts)
        _check_declared(request, record, parts)
        context.require_bucket(upload.bucket)
        _check_unchanged(context, request, upload)
        with context.store.draft(upload.bucket) as draft:
            for part in parts:
                with open(context.uploads() / upload.id / part.file, "rb") as stream:
                    append_data(stream.fileno(), draft.file)
            if not upload.algorithm:
                record = _with_default_checksum(context, upload, parts, record)
            publish(context, draft, {**request, "Key": upload.key}, record)
        delete_upload(context, upload)
    location = f"https://{upload.bucket}.s3.{region}.amazonaws.com/{quote(upload.key)}"
    members = {"Location": location, "Bucket": upload.bucket, "Key": upload.key, "ETag": f'"{record.etag}"'}
    return {**members, **checksum_members(record), **encryption(record)}


def _requested_parts(context: S3Context, upload: Upload, requested: Sequence[Request]) -> list[StoredPart]:
    """Return the stored parts that the request lists.

    Raises: S3Error: a part does not exist or is too small, or the list is not in order.
    """
    if not requested:
        raise invalid_request("You must specify at least one part")
    stored_parts = {part.number: part for part in context.records.parts(upload.id)}
    numbers = [int(part["PartNumber"]) for part in requested]
    if numbers != sorted(set(numbers)):
        message = "The list of parts was not in ascending order. Parts must be ordered by part number."
        raise S3Error("InvalidPartOrder", message, 400, UploadId=upload.id)
    for part in requested:
        stored = stored_parts.get(int(part["PartNumber"]))
        if (
            stored is None
            or str(part.get("ETag", "")).strip('"') != stored.etag
            or not _has_same_checksum(upload, part, stored)
        ):
            message = "One or more of the specified parts could not be found.  The part may not have been uploaded, or "
            details = {
                "PartNumber": str(part["PartNumber"]),
                "ETag": str(part.get("ETag", "")).strip('"'),
                "UploadId": upload.id,
            }
            raise S3Error(
                "InvalidPart", f"{message}the specified entity tag may not match the part's entity tag.", 400, **details
            )
    chosen = [stored_parts[number] for number in numbers]
    for stored in chosen[:-1]:
        if stored.size_bytes < _MIN_PART_BYTES:
            message = "Your proposed upload is smaller than the minimum allowed size"
            details = {
                "ProposedSize": str(stored.size_bytes),
                "MinSizeAllowed": str(_MIN_PART_BYTES),
                "PartNumber": str(stored.number),
                "ETag": stored.etag,
            }
            raise S3Error("EntityTooSmall", message, 400, **details)
    return chosen


def _has_same_checksum(upload: Upload, part: Request, stored: StoredPart) -> bool:
    record_from_request = part.get(f"Checksum{upload.algorithm}") if upload.algorithm else None
    return record_from_request is None or record_from_request == stored.checksum


def _completed_record(upload: Upload, parts: Sequence[StoredPart]) -> ObjectRecord:
    digest = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in parts), usedforsecurity=False).hexdigest()
    values: dict[str, str] = {}
    if upload.algorithm:
        pairs = [(part.checksum, part.size_bytes) for part in parts]
        kind: checksums.ChecksumType = "COMPOSITE" if upload.checksum_type == "COMPOSITE" else "FULL_OBJECT"
        values = {upload.algorithm: checksums.combined(upload.algorithm, kind, pairs)}
    return dataclasses.replace(
        upload.record,
        etag=f"{digest}-{len(parts)}",
        checksums=values,
        checksum_type=upload.checksum_type,
        parts=[Part(part.number, part.size_bytes, part.checksum) for part in parts],
    )


def _with_default_checksum(
    context: S3Context, upload: Upload, parts: Sequence[StoredPart], record: ObjectRecord
) -> ObjectRecord:
    """Return the record with the checksum that S3 computes of an upload without an algorithm."""
    if not checksums.is_default_affordable(sum(part.size_bytes for part in parts)):
        return record
    digest = checksums.new(checksums.DEFAULT)
    for part in parts:
        with open(context.uploads() / upload.id / part.file, "rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    values = {checksums.DEFAULT: checksums.text(digest.digest())}
    return dataclasses.replace(record, checksums=values, checksum_type="FULL_OBJECT")


def _check_declared(request: Request, record: ObjectRecord, parts: Sequence[StoredPart]) -> None:
    kind = request.get("ChecksumType")
    if kind is not None and kind != (record.checksum_type or kind):
        message = (
            f"The upload was created using the {record.checksum_type} checksum mode. The complete request must use the"
        )
        raise invalid_request(f"{message} same checksum mode.")
    if record.checksum_type == "COMPOSITE":
        _check_parts_have_checksums(request, next(iter(record.checksums)))
    for algorithm, value in checksums.declared(request).items():
        known = record.checksums.get(algorithm, "")
        count = f"-{len(parts)}"
        checksums.check(algorithm.lower(), value.removesuffix(count), known.removesuffix(count))
    size_bytes, members = sum(part.size_bytes for part in parts), request.get("MpuObjectSize")
    if members is not None and int(members) != size_bytes:
        message = (
            f"The provided 'x-amz-mp-object-size' header value {members} does not match what was computed: {size_bytes}"
        )
        raise invalid_request(message)


def _check_parts_have_checksums(request: Request, algorithm: str) -> None:
    for part in request["MultipartUpload"]["Parts"]:
        if part.get(f"Checksum{algorithm}") is None:
            message = (
                f"The upload was created using a {algorithm.lower()} checksum. The complete request must include the"
            )
            number = part["PartNumber"]
            raise invalid_request(f"{message} checksum for each part. It was missing for part {number} in the request.")


def _check_unchanged(context: S3Context, request: Request, upload: Upload) -> None:
    """Check If-Match against the current object, which must be older than the upload, and If-None-Match.

    Recorded in test_multipart_if_none_match_with_delete of LocalStack: If-None-Match fails if the object was deleted
    after the upload was created.

    Raises: S3Error: the condition does not hold, or the object was written after the upload was created.
    """
    was_deleted = request.get("IfNoneMatch") == "*" and (context.uploads() / upload.id / CONFLICT).exists()
    if was_deleted and context.current_etag(upload.bucket, upload.key) is None:
        raise _conflict("If-None-Match", upload.key)
    etag = context.current_etag(upload.bucket, upload.key) if request.get("IfMatch") else None
    if etag is None:
        return
    conditional_requests.check_write(request, upload.key, etag)
    with context.open(upload.bucket, upload.key).stream as stream:
        changed = os.fstat(stream.fileno()).st_mtime
    if changed > upload.started.timestamp():
        raise _conflict("If-Match", upload.key)


def _conflict(condition: str, key: str) -> S3Error:
    message = "The conditional request cannot succeed due to a conflicting operation against this resource."
    return S3Error("ConditionalRequestConflict", message, 409, Condition=condition, Key=key)
