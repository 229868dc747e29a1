"""How the parts of an upload become one object.

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
from mlci_emulator.services.s3.context import Holdings
from mlci_emulator.services.s3.errors import S3Error, invalid_request
from mlci_emulator.services.s3.metadata_records import Facts, Part, StoredPart, Upload
from mlci_emulator.services.s3.multipart import end, upload_of
from mlci_emulator.services.s3.object_metadata import checksum_members, encryption
from mlci_emulator.services.s3.objects import publish
from mlci_emulator.store.atomic_files import append_data

_SMALLEST_PART_BYTES = 5 << 20


def complete(holdings: Holdings, request: Request, region: str) -> Response:
    upload = upload_of(holdings, request)
    with holdings.upload_lock(upload.id):
        upload = upload_of(holdings, request)
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
        end(holdings, upload)
    location = f"https://{upload.bucket}.s3.{region}.amazonaws.com/{quote(upload.key)}"
    said = {"Location": location, "Bucket": upload.bucket, "Key": upload.key, "ETag": f'"{facts.etag}"'}
    return {**said, **checksum_members(facts), **encryption(facts)}


def _chosen(holdings: Holdings, upload: Upload, wanted: Sequence[Request]) -> list[StoredPart]:
    """The parts that the object is made of.

    Raises: S3Error: they are not there, not in order, or too small.
    """
    if not wanted:
        raise invalid_request("You must specify at least one part")
    there = {part.number: part for part in holdings.records.parts(upload.id)}
    numbers = [int(part["PartNumber"]) for part in wanted]
    if numbers != sorted(set(numbers)):
        message = "The list of parts was not in ascending order. Parts must be ordered by part number."
        raise S3Error("InvalidPartOrder", message, 400, UploadId=upload.id)
    for part in wanted:
        stored = there.get(int(part["PartNumber"]))
        if stored is None or str(part.get("ETag", "")).strip('"') != stored.etag or not _agrees(upload, part, stored):
            message = "One or more of the specified parts could not be found.  The part may not have been uploaded, or "
            details = {
                "PartNumber": str(part["PartNumber"]),
                "ETag": str(part.get("ETag", "")).strip('"'),
                "UploadId": upload.id,
            }
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
    kind = request.get("ChecksumType")
    if kind is not None and kind != (facts.checksum_type or kind):
        message = (
            f"The upload was created using the {facts.checksum_type} checksum mode. The complete request must use the"
        )
        raise invalid_request(f"{message} same checksum mode.")
    if facts.checksum_type == "COMPOSITE":
        _check_parts_have_checksums(request, next(iter(facts.checksums)))
    for algorithm, value in checksums.promised(request).items():
        known = facts.checksums.get(algorithm, "")
        count = f"-{len(parts)}"
        checksums.check(algorithm.lower(), value.removesuffix(count), known.removesuffix(count))
    size_bytes, said = sum(part.size_bytes for part in parts), request.get("MpuObjectSize")
    if said is not None and int(said) != size_bytes:
        message = (
            f"The provided 'x-amz-mp-object-size' header value {said} does not match what was computed: {size_bytes}"
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


def _check_unchanged(holdings: Holdings, request: Request, upload: Upload) -> None:
    """Raises: S3Error: the object that is there is the one that was asked for, but came after the upload began."""
    etag = holdings.current_etag(upload.bucket, upload.key) if request.get("IfMatch") else None
    if etag is None:
        return
    conditional_requests.check_write(request, upload.key, etag)
    with holdings.open(upload.bucket, upload.key).stream as stream:
        changed = os.fstat(stream.fileno()).st_mtime
    if changed > upload.started.timestamp():
        message = "The conditional request cannot succeed due to a conflicting operation against this resource."
        raise S3Error("ConditionalRequestConflict", message, 409, Condition="If-Match", Key=upload.key)
