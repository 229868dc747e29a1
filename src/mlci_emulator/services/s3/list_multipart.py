"""ListMultipartUploads and ListParts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mlci_emulator.protocol.operations import Request, Response
from mlci_emulator.services.s3.context import OWNER, S3Context
from mlci_emulator.services.s3.errors import invalid_argument
from mlci_emulator.services.s3.list_objects import common_prefix, encoder, most_of
from mlci_emulator.services.s3.metadata_records import StoredPart, Upload
from mlci_emulator.services.s3.multipart import find_upload
from mlci_emulator.services.s3.object_metadata import storage_class


def list_parts(context: S3Context, request: Request, region: str) -> Response:
    upload, most = find_upload(context, request), most_of(request, "MaxParts", "max-parts")
    after = int(request.get("PartNumberMarker") or 0)
    left = [part for part in context.records.parts(upload.id) if part.number > after]
    shown = left[:most]
    response: Response = {
        "Bucket": upload.bucket,
        "Key": upload.key,
        "UploadId": upload.id,
        "Initiator": {"ID": OWNER},
        "Owner": {"ID": OWNER},
        "StorageClass": storage_class(upload.record),
        "PartNumberMarker": after,
        "NextPartNumberMarker": shown[-1].number if shown else 0,
        "MaxParts": most,
        "IsTruncated": len(left) > most,
        **_algorithm(upload),
    }
    if shown:
        response["Parts"] = [_listed(upload, part) for part in shown]
    return response


def list_uploads(context: S3Context, request: Request, region: str) -> Response:
    bucket, most, encode = str(request["Bucket"]), most_of(request, "MaxUploads", "max-uploads"), encoder(request)
    context.require_bucket(bucket)
    prefix, delimiter = str(request.get("Prefix") or ""), str(request.get("Delimiter") or "")
    uploads: list[Upload] = []
    prefixes: list[str] = []
    last, is_truncated = None, False
    marker = str(request.get("KeyMarker") or "")
    shown = common_prefix(marker, prefix, delimiter)
    for upload in _after(request, context.records.uploads(bucket)):
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
    response: Response = {
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
            response[name] = encode(value)
    if request.get("EncodingType"):
        response["EncodingType"] = request["EncodingType"]
    if uploads:
        response["Uploads"] = [_shown(upload, encode(upload.key)) for upload in uploads]
    if prefixes:
        response["CommonPrefixes"] = [{"Prefix": encode(common)} for common in prefixes]
    return response


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
        "StorageClass": storage_class(upload.record),
        "Owner": {"ID": OWNER},
        "Initiator": {"ID": OWNER},
        **_algorithm(upload),
    }


def _after(request: Request, uploads: Sequence[Upload]) -> Iterator[Upload]:
    """Yield the uploads after the request's markers."""
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
