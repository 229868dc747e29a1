"""Single objects: put, get, head, delete, their attributes and tags."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any, BinaryIO

from mlci_emulator.protocol.operations import Request, Response
from mlci_emulator.services.s3 import conditional_requests, request_body
from mlci_emulator.services.s3.context import Holdings, Object, target, uri_of
from mlci_emulator.services.s3.errors import S3Error, invalid_argument, malformed_xml, no_such_bucket
from mlci_emulator.services.s3.metadata_records import Facts
from mlci_emulator.services.s3.object_metadata import (
    OBJECT_TAGS,
    checked_tags,
    checksum_members,
    described,
    encryption,
    given,
    overridden,
    part_checksum,
    refuse_what_is_not_here,
    storage_class,
)
from mlci_emulator.store.directory import Draft

#: Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
_MOST_DELETED = 1000


class Content:
    """The bytes of an answer: a part of an opened file, which stands at the first of them. To be closed."""

    def __init__(self, file: BinaryIO, size_bytes: int) -> None:
        self.file, self.size_bytes = file, size_bytes
        self._left = size_bytes

    def __enter__(self) -> Content:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def ends_the_file(self) -> bool:
        """Whether nothing comes after these bytes, so that the file itself can be sent on."""
        return self.file.tell() + self._left == os.fstat(self.file.fileno()).st_size

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data

    def close(self) -> None:
        self.file.close()


def put(holdings: Holdings, request: Request, region: str) -> Response:
    bucket, key = target(request)
    facts = given(request)
    holdings.require_bucket(bucket)
    conditional_requests.check_write(request, key, _etag_if_asked(holdings, request, bucket, key))
    with holdings.store.draft(bucket) as draft:
        taken = request_body.take(request, draft.file)
        kind = "FULL_OBJECT" if taken.checksums else ""
        facts = dataclasses.replace(facts, etag=taken.etag, checksums=taken.checksums, checksum_type=kind)
        publish(holdings, draft, request, facts)
    return {"ETag": f'"{facts.etag}"', **checksum_members(facts), **encryption(facts)}


def publish(holdings: Holdings, draft: Draft, request: Request, facts: Facts) -> None:
    """Make the file the object: with its facts from the first moment on, or not at all.

    Raises: S3Error: what was asked of the object that was there does not hold (any more), or the bucket is gone.
    """
    bucket, key = target(request)
    status = draft.status()
    with holdings.object_lock(bucket, key):
        conditional_requests.check_write(request, key, _etag_if_asked(holdings, request, bucket, key))
        holdings.records.keep(bucket, key, status, facts)
        try:
            draft.publish(uri_of(bucket, key))
        except FileNotFoundError as error:
            raise no_such_bucket(bucket) from error
        holdings.records.forget_others(bucket, key, status)


def get(holdings: Holdings, request: Request, region: str) -> Response:
    found = _opened(holdings, request)
    try:
        span = conditional_requests.span(request, found.status.st_size, found.facts)
        found.stream.seek(span.start)
        return {"Body": Content(found.stream, span.size_bytes), **_head(request, found, span)}
    except BaseException:
        found.stream.close()
        raise


def head(holdings: Holdings, request: Request, region: str) -> Response:
    found = _opened(holdings, request)
    with found.stream:
        return _head(request, found, conditional_requests.span(request, found.status.st_size, found.facts))


def attributes(holdings: Holdings, request: Request, region: str) -> Response:
    found = _opened(holdings, request)
    found.stream.close()
    facts = found.facts
    answer: Response = {
        "ETag": facts.etag,  # here, and only here, without quotes
        "Checksum": {name: value.partition("-")[0] for name, value in checksum_members(facts).items()} or None,
        "ObjectParts": _parts(request, facts) if facts.parts else None,
        "StorageClass": storage_class(facts),
        "ObjectSize": found.status.st_size,
    }
    wanted = request.get("ObjectAttributes") or []
    if not wanted or set(wanted) - set(answer):
        raise invalid_argument("Invalid attribute name specified.", "x-amz-object-attributes", ",".join(wanted))
    kept = {name: value for name, value in answer.items() if name in wanted and value is not None}
    return {"LastModified": found.modified, **kept}


def delete(holdings: Holdings, request: Request, region: str) -> Response:
    bucket, key = target(request)
    holdings.require_bucket(bucket)
    _refuse_bypass(request)
    _delete(holdings, bucket, key, request)
    return {}


def delete_many(holdings: Holdings, request: Request, region: str) -> Response:
    bucket, wanted = str(request["Bucket"]), request["Delete"]
    holdings.require_bucket(bucket)
    _refuse_bypass(request)
    entries = wanted.get("Objects") or []
    if not 1 <= len(entries) <= _MOST_DELETED:
        raise malformed_xml()
    deleted: list[dict[str, str]] = []
    errors: list[dict[str, str]] = []
    for entry in entries:
        try:
            _delete(holdings, *target({"Bucket": bucket, **entry}), {"IfMatch": entry.get("ETag")})
        except S3Error as error:
            code, message = error.code, error.message
            if error.details.get("ArgumentName") == "versionId":
                code, message = "NoSuchVersion", "The specified version does not exist."
            errors.append({**_named(entry), "Code": code, "Message": message})
        else:
            deleted.append(_named(entry))
    answer: Response = {} if wanted.get("Quiet") or not deleted else {"Deleted": deleted}
    return {**answer, "Errors": errors} if errors else answer


def get_tags(holdings: Holdings, request: Request, region: str) -> Response:
    found = _opened(holdings, request)
    found.stream.close()
    return {"TagSet": list(found.facts.tags)}


def put_tags(holdings: Holdings, request: Request, region: str) -> Response:
    tags = checked_tags((request.get("Tagging") or {}).get("TagSet") or [], most=OBJECT_TAGS)
    _keep_tags(holdings, request, tags)
    return {}


def delete_tags(holdings: Holdings, request: Request, region: str) -> Response:
    _keep_tags(holdings, request, [])
    return {}


def _opened(holdings: Holdings, request: Request) -> Object:
    refuse_what_is_not_here(request)
    found = holdings.open(*target(request))
    try:
        conditional_requests.check_read(request, found.facts.etag, found.modified, holdings.now())
    except BaseException:
        found.stream.close()
        raise
    return found


def _head(request: Request, found: Object, span: conditional_requests.Span) -> Response:
    answer = {
        **described(found.facts),
        **overridden(request),
        "LastModified": found.modified,
        "ContentLength": span.size_bytes,
    }
    if span.is_partial:
        answer["ContentRange"] = span.content_range
    if request.get("PartNumber") is not None and found.facts.parts:
        answer["PartsCount"] = len(found.facts.parts)
    if request.get("ChecksumMode") == "ENABLED" and request.get("PartNumber") is not None and found.facts.parts:
        answer.update(part_checksum(found.facts, int(request["PartNumber"])))
    elif request.get("ChecksumMode") == "ENABLED" and span.size_bytes == span.whole_bytes:
        answer.update(checksum_members(found.facts))
    return answer


def _parts(request: Request, facts: Facts) -> Mapping[str, Any]:
    """Which parts there are; each by itself only where its checksum is known, as S3 does."""
    answer: dict[str, Any] = {"TotalPartsCount": len(facts.parts)}
    if facts.checksum_type != "COMPOSITE":
        return answer
    algorithm = next(iter(facts.checksums))
    after, most = int(request.get("PartNumberMarker") or 0), int(request.get("MaxParts") or 1000)
    left = [part for part in facts.parts if part.number > after]
    return {
        **answer,
        "PartNumberMarker": after,
        "NextPartNumberMarker": left[:most][-1].number if left[:most] else 0,
        "MaxParts": most,
        "IsTruncated": len(left) > most,
        "Parts": [
            {"PartNumber": part.number, "Size": part.size_bytes, f"Checksum{algorithm}": part.checksum}
            for part in left[:most]
        ],
    }


def _delete(holdings: Holdings, bucket: str, key: str, request: Request) -> None:
    uri = uri_of(bucket, key)
    with holdings.object_lock(bucket, key):
        wanted, etag = request.get("IfMatch"), None
        if wanted is not None:
            etag = holdings.current_etag(bucket, key)
        if wanted is not None and (wanted != "*" or etag is None):
            conditional_requests.check_write({"IfMatch": str(wanted).replace("*", "?")}, key, etag)
        holdings.store.remove(uri)
        holdings.records.forget(bucket, key)


def _refuse_bypass(request: Request) -> None:
    if request.get("BypassGovernanceRetention") is not None:
        name = "x-amz-bypass-governance-retention"
        raise invalid_argument(f"{name} is only applicable to Object Lock enabled buckets.", name, None)


def _named(entry: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(entry[name]) for name in ("Key", "VersionId") if entry.get(name) is not None}


def _keep_tags(holdings: Holdings, request: Request, tags: list[dict[str, str]]) -> None:
    bucket, key = target(request)
    with holdings.object_lock(bucket, key):
        found = holdings.open(bucket, key)
        found.stream.close()
        holdings.records.keep(bucket, key, found.status, dataclasses.replace(found.facts, tags=tags))


def _etag_if_asked(holdings: Holdings, request: Request, bucket: str, key: str) -> str | None:
    """The ETag of what is there, which may take reading it, so only where a condition needs it."""
    if request.get("IfMatch") is None and request.get("IfNoneMatch") is None:
        return None
    return holdings.current_etag(bucket, key)
