"""Operations on single objects: put, get, head and delete, attributes and tags."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Mapping
from typing import Any, BinaryIO

from mlci_emulator.protocol.operations import Request, Response
from mlci_emulator.services.s3 import conditional_requests, request_body
from mlci_emulator.services.s3.context import OpenObject, S3Context, bucket_and_key, object_uri
from mlci_emulator.services.s3.errors import S3Error, invalid_argument, malformed_xml, no_such_bucket
from mlci_emulator.services.s3.metadata_records import ObjectRecord, Upload
from mlci_emulator.services.s3.object_metadata import (
    OBJECT_TAGS,
    checked_tags,
    checksum_members,
    encryption,
    part_checksum,
    record_from_request,
    reject_unsupported,
    response_members,
    response_overrides,
    storage_class,
)
from mlci_emulator.store.directory import Draft

#: A file in an upload's folder: the object of its key was deleted after the upload was created.
CONFLICT = "deleted"
#: Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
_MAX_DELETED = 1000


class ObjectBody:
    """The body of a response: the next `size_bytes` bytes of an open file. The caller closes it."""

    def __init__(self, file: BinaryIO, size_bytes: int) -> None:
        self.file, self.size_bytes = file, size_bytes
        self._left = size_bytes

    def __enter__(self) -> ObjectBody:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def reaches_end_of_file(self) -> bool:
        """True if the file ends with these bytes, so that the whole rest of the file can be sent."""
        return self.file.tell() + self._left == os.fstat(self.file.fileno()).st_size

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data

    def close(self) -> None:
        self.file.close()


def put(context: S3Context, request: Request, region: str) -> Response:
    bucket, key = bucket_and_key(request)
    record = record_from_request(request)
    context.require_bucket(bucket)
    record = context.encrypted(bucket, record, region)
    conditional_requests.check_write(request, key, _etag_for_conditions(context, request, bucket, key))
    with context.store.draft(bucket) as draft:
        digest = request_body.write_body(request, draft.file, has_default=True)
        kind = "FULL_OBJECT" if digest.checksums else ""
        record = dataclasses.replace(record, etag=digest.etag, checksums=digest.checksums, checksum_type=kind)
        publish(context, draft, request, record)
    return {"ETag": f'"{record.etag}"', **checksum_members(record), **encryption(record)}


def publish(context: S3Context, draft: Draft, request: Request, record: ObjectRecord) -> None:
    """Publish the file and its record as the object, at the same time or not at all.

    Raises: S3Error: a condition on the previous object does not hold (any more), or the bucket was deleted.
    """
    bucket, key = bucket_and_key(request)
    status = draft.status()
    with context.object_lock(bucket, key):
        conditional_requests.check_write(request, key, _etag_for_conditions(context, request, bucket, key))
        context.records.save_object(bucket, key, status, record)
        try:
            draft.publish(object_uri(bucket, key))
        except FileNotFoundError as error:
            raise no_such_bucket(bucket) from error
        context.records.delete_replaced_objects(bucket, key, status)


def get(context: S3Context, request: Request, region: str) -> Response:
    opened = _open_checked(context, request)
    try:
        byte_range = conditional_requests.requested_range(request, opened.status.st_size, opened.record)
        opened.stream.seek(byte_range.start)
        return {"Body": ObjectBody(opened.stream, byte_range.size_bytes), **_head(request, opened, byte_range)}
    except BaseException:
        opened.stream.close()
        raise


def head(context: S3Context, request: Request, region: str) -> Response:
    opened = _open_checked(context, request)
    with opened.stream:
        return _head(
            request, opened, conditional_requests.requested_range(request, opened.status.st_size, opened.record)
        )


def attributes(context: S3Context, request: Request, region: str) -> Response:
    opened = _open_checked(context, request)
    opened.stream.close()
    record = opened.record
    response: Response = {
        "ETag": record.etag,  # GetObjectAttributes is the only operation that returns it without quotes
        "Checksum": {name: value.partition("-")[0] for name, value in checksum_members(record).items()} or None,
        "ObjectParts": _parts(request, record) if record.parts else None,
        "StorageClass": storage_class(record),
        "ObjectSize": opened.status.st_size,
    }
    names = request.get("ObjectAttributes") or []
    if not names or set(names) - set(response):
        raise invalid_argument("Invalid attribute name specified.", "x-amz-object-attributes", ",".join(names))
    members = {name: value for name, value in response.items() if name in names and value is not None}
    return {"LastModified": opened.modified, **members}


def delete(context: S3Context, request: Request, region: str) -> Response:
    bucket, key = bucket_and_key(request)
    context.require_bucket(bucket)
    _reject_bypass(request)
    _delete(context, bucket, key, request)
    return {}


def delete_many(context: S3Context, request: Request, region: str) -> Response:
    bucket, deletion = str(request["Bucket"]), request["Delete"]
    context.require_bucket(bucket)
    _reject_bypass(request)
    entries = deletion.get("Objects") or []
    if not 1 <= len(entries) <= _MAX_DELETED:
        raise malformed_xml()
    deleted: list[dict[str, str]] = []
    errors: list[dict[str, str]] = []
    for entry in entries:
        try:
            _delete(context, *bucket_and_key({"Bucket": bucket, **entry}), {"IfMatch": entry.get("ETag")})
        except S3Error as error:
            code, message = error.code, error.message
            if error.details.get("ArgumentName") == "versionId":
                code, message = "NoSuchVersion", "The specified version does not exist."
            errors.append({**_object_identifier(entry), "Code": code, "Message": message})
        else:
            deleted.append(_object_identifier(entry))
    response: Response = {} if deletion.get("Quiet") or not deleted else {"Deleted": deleted}
    return {**response, "Errors": errors} if errors else response


def get_tags(context: S3Context, request: Request, region: str) -> Response:
    opened = _open_checked(context, request)
    opened.stream.close()
    return {"TagSet": list(opened.record.tags)}


def put_tags(context: S3Context, request: Request, region: str) -> Response:
    tags = checked_tags((request.get("Tagging") or {}).get("TagSet") or [], limit=OBJECT_TAGS)
    _save_tags(context, request, tags)
    return {}


def delete_tags(context: S3Context, request: Request, region: str) -> Response:
    _save_tags(context, request, [])
    return {}


def _open_checked(context: S3Context, request: Request) -> OpenObject:
    reject_unsupported(request)
    opened = context.open(*bucket_and_key(request))
    try:
        conditional_requests.check_read(request, opened.record.etag, opened.modified, context.now())
    except BaseException:
        opened.stream.close()
        raise
    return opened


def _head(request: Request, opened: OpenObject, byte_range: conditional_requests.ByteRange) -> Response:
    response = {
        **response_members(opened.record),
        **response_overrides(request),
        "LastModified": opened.modified,
        "ContentLength": byte_range.size_bytes,
    }
    if byte_range.is_partial:
        response["ContentRange"] = byte_range.content_range
    if request.get("PartNumber") is not None and opened.record.parts:
        response["PartsCount"] = len(opened.record.parts)
    if request.get("ChecksumMode") == "ENABLED" and request.get("PartNumber") is not None and opened.record.parts:
        response.update(part_checksum(opened.record, int(request["PartNumber"])))
    elif request.get("ChecksumMode") == "ENABLED" and byte_range.size_bytes == byte_range.whole_bytes:
        response.update(checksum_members(opened.record))
    return response


def _parts(request: Request, record: ObjectRecord) -> Mapping[str, Any]:
    """Return the ObjectParts member. As in S3, it lists the parts only where each has a checksum."""
    response: dict[str, Any] = {"TotalPartsCount": len(record.parts)}
    if record.checksum_type != "COMPOSITE":
        return response
    algorithm = next(iter(record.checksums))
    after, most = int(request.get("PartNumberMarker") or 0), int(request.get("MaxParts") or 1000)
    left = [part for part in record.parts if part.number > after]
    return {
        **response,
        "PartNumberMarker": after,
        "NextPartNumberMarker": left[:most][-1].number if left[:most] else 0,
        "MaxParts": most,
        "IsTruncated": len(left) > most,
        "Parts": [
            {"PartNumber": part.number, "Size": part.size_bytes, f"Checksum{algorithm}": part.checksum}
            for part in left[:most]
        ],
    }


def _delete(context: S3Context, bucket: str, key: str, request: Request) -> None:
    uri = object_uri(bucket, key)
    with context.object_lock(bucket, key):
        condition, etag = request.get("IfMatch"), None
        if condition is not None:
            etag = context.current_etag(bucket, key)
        if condition is not None and (condition != "*" or etag is None):
            conditional_requests.check_write({"IfMatch": str(condition).replace("*", "?")}, key, etag)
        for upload in context.records.uploads(bucket):
            if upload.key == key:
                mark_conflict(context, upload)
        context.store.remove(uri)
        context.records.delete_object(bucket, key)


def mark_conflict(context: S3Context, upload: Upload) -> None:
    """Remember that the upload's object was deleted, so that it cannot be completed with If-None-Match."""
    with contextlib.suppress(FileNotFoundError):  # the upload was completed or aborted
        (context.uploads() / upload.id / CONFLICT).touch()


def _reject_bypass(request: Request) -> None:
    if request.get("BypassGovernanceRetention") is not None:
        name = "x-amz-bypass-governance-retention"
        raise invalid_argument(f"{name} is only applicable to Object Lock enabled buckets.", name, None)


def _object_identifier(entry: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(entry[name]) for name in ("Key", "VersionId") if entry.get(name) is not None}


def _save_tags(context: S3Context, request: Request, tags: list[dict[str, str]]) -> None:
    bucket, key = bucket_and_key(request)
    with context.object_lock(bucket, key):
        opened = context.open(bucket, key)
        opened.stream.close()
        context.records.save_object(bucket, key, opened.status, dataclasses.replace(opened.record, tags=tags))


def _etag_for_conditions(context: S3Context, request: Request, bucket: str, key: str) -> str | None:
    """Return the current ETag if a condition needs it: computing it may mean reading the whole object."""
    if request.get("IfMatch") is None and request.get("IfNoneMatch") is None:
        return None
    return context.current_etag(bucket, key)
