"""CopyObject, and the copy source that UploadPartCopy shares with it."""

from __future__ import annotations

import dataclasses
from typing import Any
from urllib.parse import unquote

from mlci_emulator.protocol.operations import Request, Response
from mlci_emulator.services.s3 import checksums, conditional_requests, request_body
from mlci_emulator.services.s3.context import OpenObject, S3Context, bucket_and_key, last_modified
from mlci_emulator.services.s3.errors import invalid_argument, invalid_request
from mlci_emulator.services.s3.metadata_records import ObjectRecord
from mlci_emulator.services.s3.object_metadata import checksum_members, encryption, record_from_request
from mlci_emulator.services.s3.objects import publish
from mlci_emulator.store.atomic_files import copy_data

#: The largest source of a copy, or of a part of it.
#: Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html (5 GB)
MAX_SOURCE_BYTES = 5 << 30

#: A copy of an object onto itself must change at least one of these members.
_CHANGED_MEMBERS = (
    "StorageClass",
    "WebsiteRedirectLocation",
    "ServerSideEncryption",
    "SSEKMSKeyId",
    "ChecksumAlgorithm",
)

#: A copy has these headers of its source, unless the directive is REPLACE; it takes all others from the request.
_COPIED_MEMBERS = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Expires")


def copy(context: S3Context, request: Request, region: str) -> Response:
    bucket, key = bucket_and_key(request)
    requested_record = record_from_request(request)
    context.require_bucket(bucket)
    source = open_source(context, request)
    with source.stream:
        check_source_size(source.status.st_size)
        if source_of(request) == (bucket, key) and not _changes(request):
            raise invalid_request(
                "This copy request is illegal because it is trying to copy an object to itself without changing the "
                "object's metadata, storage class, website redirect location or encryption attributes."
            )
        requested_record = context.encrypted(bucket, requested_record, region)
        record = _merged_record(request, requested_record, source.record)
        with context.store.draft(bucket) as draft:
            record = _copy_content(source, draft.file, record, str(request.get("ChecksumAlgorithm") or ""))
            publish(context, draft, request, record)
            modified = last_modified(draft.status())
    result = {"ETag": f'"{record.etag}"', "LastModified": modified, **checksum_members(record)}
    return {"CopyObjectResult": result, **encryption(record)}


def open_source(context: S3Context, request: Request) -> OpenObject:
    """Open the object to copy.

    Raises: S3Error: the object does not exist, or a condition does not hold.
    """
    bucket, key = source_of(request)
    source = context.open(bucket, key)
    try:
        conditional_requests.check_read(request, source.record.etag, source.modified, context.now(), "CopySource")
    except BaseException:
        source.stream.close()
        raise
    return source


def check_source_size(size_bytes: int) -> None:
    """Raises: S3Error: so much can't be copied at once."""
    if size_bytes > MAX_SOURCE_BYTES:
        message = "The specified copy source is larger than the maximum allowable size for a copy source"
        raise invalid_request(f"{message}: {MAX_SOURCE_BYTES}")


def source_of(request: Request) -> tuple[str, str]:
    """Return the bucket and key of a CopySource: a text as in the header, or a structure as in boto3.

    Raises: S3Error
    """
    record_from_request: Any = request["CopySource"]
    if not isinstance(record_from_request, str):
        return bucket_and_key(record_from_request)
    path, _, version = record_from_request.partition("?versionId=")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    if not bucket or not key:
        raise invalid_argument("Invalid copy source object key", "x-amz-copy-source", "x-amz-copy-source")
    return bucket_and_key({"Bucket": bucket, "Key": key, "VersionId": version or None})


def _changes(request: Request) -> bool:
    replaces = "REPLACE" in (request.get("MetadataDirective"), request.get("TaggingDirective"))
    return replaces or any(request.get(name) for name in _CHANGED_MEMBERS)


def _merged_record(request: Request, requested_record: ObjectRecord, source: ObjectRecord) -> ObjectRecord:
    headers, metadata, tags = requested_record.headers, requested_record.metadata, requested_record.tags
    if _directive(request, "MetadataDirective") == "COPY":
        copied = {name: source.headers[name] for name in _COPIED_MEMBERS if name in source.headers}
        headers = {**{name: value for name, value in headers.items() if name not in _COPIED_MEMBERS}, **copied}
        metadata = source.metadata
    if _directive(request, "TaggingDirective") == "COPY":
        tags = source.tags
    return ObjectRecord(headers=headers, metadata=metadata, tags=tags)


def _directive(request: Request, name: str) -> str:
    value = request.get(name) or "COPY"
    if value not in ("COPY", "REPLACE"):
        header = "x-amz-metadata-directive" if name == "MetadataDirective" else "x-amz-tagging-directive"
        raise invalid_argument(
            "Unknown metadata directive." if "meta" in header else "Unknown tagging directive.", header, value
        )
    return str(value)


def _copy_content(source: OpenObject, file: int, record: ObjectRecord, algorithm: str) -> ObjectRecord:
    """Copy the content, and return its record. The bytes are only read where a checksum must be computed."""
    source_record = source.record
    algorithms = {algorithm} if algorithm else set(source_record.checksums)
    if not algorithms and checksums.is_default_affordable(source.status.st_size):
        algorithms = {checksums.DEFAULT}
    is_known = not source_record.parts and algorithms <= set(source_record.checksums)
    if is_known:
        copy_data(source.stream.fileno(), file)
        values, etag = {name: source_record.checksums[name] for name in algorithms}, source_record.etag
    else:
        digest = request_body.write_stream(source.stream, file, algorithms)
        values, etag = dict(digest.checksums), digest.etag
    return dataclasses.replace(record, etag=etag, checksums=values, checksum_type="FULL_OBJECT" if values else "")
