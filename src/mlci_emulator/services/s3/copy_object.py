"""CopyObject and UploadPartCopy's source."""

from __future__ import annotations

import dataclasses
from typing import Any
from urllib.parse import unquote

from mlci_emulator.protocol.operations import Request, Response
from mlci_emulator.services.s3 import conditional_requests, request_body
from mlci_emulator.services.s3.context import Holdings, Object, last_modified, target
from mlci_emulator.services.s3.errors import invalid_argument, invalid_request
from mlci_emulator.services.s3.metadata_records import Facts
from mlci_emulator.services.s3.object_metadata import checksum_members, encryption, given
from mlci_emulator.services.s3.objects import publish
from mlci_emulator.store.atomic_files import copy_data

#: What copying an object onto itself must change at least one of.
_CHANGES = ("StorageClass", "WebsiteRedirectLocation", "ServerSideEncryption", "SSEKMSKeyId", "ChecksumAlgorithm")

#: What a copy takes over of its source unless it is told to replace it; the rest of the headers is the request's.
_COPIED = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Expires")


def copy(holdings: Holdings, request: Request, region: str) -> Response:
    bucket, key = target(request)
    asked = given(request)
    holdings.require_bucket(bucket)
    source = open_source(holdings, request)
    with source.stream:
        if source.status.st_size > request_body.LARGEST_PUT_BYTES:
            message = "The specified copy source is larger than the maximum allowable size for a copy source"
            raise invalid_request(f"{message}: {request_body.LARGEST_PUT_BYTES}")
        if source_of(request) == (bucket, key) and not _changes(request):
            raise invalid_request(
                "This copy request is illegal because it is trying to copy an object to itself without changing the "
                "object's metadata, storage class, website redirect location or encryption attributes."
            )
        facts = _facts(request, asked, source.facts)
        with holdings.store.draft(bucket) as draft:
            facts = _copied(source, draft.file, facts, str(request.get("ChecksumAlgorithm") or ""))
            publish(holdings, draft, request, facts)
            modified = last_modified(draft.status())
    result = {"ETag": f'"{facts.etag}"', "LastModified": modified, **checksum_members(facts)}
    return {"CopyObjectResult": result, **encryption(facts)}


def open_source(holdings: Holdings, request: Request) -> Object:
    """What is to be copied.

    Raises: S3Error: there is no such object, or a condition does not hold.
    """
    bucket, key = source_of(request)
    source = holdings.open(bucket, key)
    try:
        conditional_requests.check_read(request, source.facts.etag, source.modified, holdings.now(), "CopySource")
    except BaseException:
        source.stream.close()
        raise
    return source


def source_of(request: Request) -> tuple[str, str]:
    """Bucket and key of a CopySource, which is a text as in the header, or a structure as boto3 takes it.

    Raises: S3Error
    """
    given: Any = request["CopySource"]
    if not isinstance(given, str):
        return target(given)
    path, _, version = given.partition("?versionId=")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    if not bucket or not key:
        raise invalid_argument("Invalid copy source object key", "x-amz-copy-source", "x-amz-copy-source")
    return target({"Bucket": bucket, "Key": key, "VersionId": version or None})


def _changes(request: Request) -> bool:
    replaces = "REPLACE" in (request.get("MetadataDirective"), request.get("TaggingDirective"))
    return replaces or any(request.get(name) for name in _CHANGES)


def _facts(request: Request, asked: Facts, source: Facts) -> Facts:
    headers, metadata, tags = asked.headers, asked.metadata, asked.tags
    if _directive(request, "MetadataDirective") == "COPY":
        kept = {name: source.headers[name] for name in _COPIED if name in source.headers}
        headers = {**{name: value for name, value in headers.items() if name not in _COPIED}, **kept}
        metadata = source.metadata
    if _directive(request, "TaggingDirective") == "COPY":
        tags = source.tags
    return Facts(headers=headers, metadata=metadata, tags=tags)


def _directive(request: Request, name: str) -> str:
    value = request.get(name) or "COPY"
    if value not in ("COPY", "REPLACE"):
        header = "x-amz-metadata-directive" if name == "MetadataDirective" else "x-amz-tagging-directive"
        raise invalid_argument(
            "Unknown metadata directive." if "meta" in header else "Unknown tagging directive.", header, value
        )
    return str(value)


def _copied(source: Object, file: int, facts: Facts, algorithm: str) -> Facts:
    """Copy the bytes: without reading them, where all that must be known of them is known already."""
    known = source.facts
    wanted = {algorithm} if algorithm else set(known.checksums)
    is_known = not known.parts and wanted <= set(known.checksums)
    if is_known:
        copy_data(source.stream.fileno(), file)
        values, etag = {name: known.checksums[name] for name in wanted}, known.etag
    else:
        taken = request_body.copy(source.stream, file, wanted)
        values, etag = dict(taken.checksums), taken.etag
    return dataclasses.replace(facts, etag=etag, checksums=values, checksum_type="FULL_OBJECT" if values else "")
