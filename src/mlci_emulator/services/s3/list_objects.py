"""ListObjects, ListObjectsV2 and ListObjectVersions, page by page.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html, API_ListObjects.html and
API_ListObjectVersions.html
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any
from urllib.parse import quote

from mlci_dataclasses import dataclass
from mlci_emulator.protocol.operations import Request, Response
from mlci_emulator.protocol.pagination import InvalidTokenError, decode_token, encode_token
from mlci_emulator.services.s3.context import OWNER, S3Context, last_modified
from mlci_emulator.services.s3.errors import S3Error, invalid_argument
from mlci_emulator.services.s3.metadata_records import ObjectRecord, file_identity
from mlci_emulator.services.s3.object_metadata import storage_class

_MAX_KEYS = 1000


@dataclass
class ObjectPage:
    """A page of objects and common prefixes. The next page starts after the key or the common prefix `last`."""

    objects: list[tuple[str, os.stat_result]] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    is_truncated: bool = False
    last: str = ""


def page(context: S3Context, request: Request, after: str, most: int, has_shown_common: bool = True) -> ObjectPage:
    """Return the next objects and common prefixes after a key, or after a common prefix and all keys below it.

    `has_shown_common`: an earlier page has listed the common prefix of that key, as a marker implies.
    """
    prefix, delimiter = str(request.get("Prefix") or ""), str(request.get("Delimiter") or "")
    listed = ObjectPage()
    if most == 0:
        return listed
    walk = context.store.walk(str(request["Bucket"]), prefix, after)
    common = common_prefix(after, prefix, delimiter) if after.startswith(prefix) else None
    if common is not None and (common == after or has_shown_common):
        walk.skip_prefix(common)
    for key, status in walk:
        common = common_prefix(key, prefix, delimiter)
        if len(listed.objects) + len(listed.prefixes) == most:
            listed.is_truncated = True
            break
        if common is None:
            listed.objects.append((key, status))
        else:
            listed.prefixes.append(common)
            walk.skip_prefix(common)
        listed.last = key if common is None else common
    return listed


def common_prefix(key: str, prefix: str, delimiter: str) -> str | None:
    """Return the common prefix that stands for a key in a list; None if the key itself is listed.

    >>> common_prefix("a/b/c", "a/", "/"), common_prefix("a/b", "a/", "/")
    ('a/b/', None)
    """
    if not delimiter:
        return None
    end = key.find(delimiter, len(prefix))
    return None if end < 0 else key[: end + len(delimiter)]


def list_v2(context: S3Context, request: Request, region: str) -> Response:
    context.require_bucket(str(request["Bucket"]))
    token, most = request.get("ContinuationToken"), most_of(request, "MaxKeys", "max-keys")
    after = _untoken(token) if token is not None else str(request.get("StartAfter") or "")
    if token == "":
        raise invalid_argument("The continuation token provided is incorrect", "continuation-token", None)
    listed = page(context, request, after, most, has_shown_common=token is not None)
    response: Response = {
        **_echoed_members(request, "Prefix", "Delimiter", *(["StartAfter"] if token is None else [])),
        "Prefix": encoder(request)(str(request.get("Prefix") or "")),
        "Name": request["Bucket"],
        "MaxKeys": most,
        "KeyCount": len(listed.objects) + len(listed.prefixes),
        "IsTruncated": listed.is_truncated,
        **_contents(context, request, listed, has_owner=_is_true(request.get("FetchOwner"))),
    }
    if token is not None:
        response["ContinuationToken"] = token
    if listed.is_truncated:
        response["NextContinuationToken"] = encode_token(listed.last)
    return response


def list_v1(context: S3Context, request: Request, region: str) -> Response:
    context.require_bucket(str(request["Bucket"]))
    marker, most, encode = str(request.get("Marker") or ""), most_of(request, "MaxKeys", "max-keys"), encoder(request)
    listed = page(context, request, marker, most)
    response: Response = {
        **_echoed_members(request, "Delimiter"),
        "Prefix": encode(str(request.get("Prefix") or "")),
        "Marker": encode(marker),
        "Name": request["Bucket"],
        "MaxKeys": most,
        "IsTruncated": listed.is_truncated,
        **_contents(context, request, listed, has_owner=True),
    }
    if listed.is_truncated and request.get("Delimiter"):  # without one, the last key is the next marker
        response["NextMarker"] = encode(listed.last)
    return response


def list_versions(context: S3Context, request: Request, region: str) -> Response:
    """List versions as in a bucket that never had versioning: each object is its only version, named "null"."""
    context.require_bucket(str(request["Bucket"]))
    marker, most, encode = (
        str(request.get("KeyMarker") or ""),
        most_of(request, "MaxKeys", "max-keys"),
        encoder(request),
    )
    if request.get("VersionIdMarker") and not marker:
        raise invalid_argument("A version-id marker cannot be specified without a key marker.", "version-id-marker", "")
    listed = page(context, request, marker, most)
    contents = _contents(context, request, listed, has_owner=True)
    versions = [{**version, "VersionId": "null", "IsLatest": True} for version in contents.pop("Contents", [])]
    response: Response = {
        **_echoed_members(request, "Delimiter"),
        "Prefix": encode(str(request.get("Prefix") or "")),
        "KeyMarker": encode(marker),
        "VersionIdMarker": str(request.get("VersionIdMarker") or ""),
        "Name": request["Bucket"],
        "MaxKeys": most,
        "IsTruncated": listed.is_truncated,
        **contents,
        **({"Versions": versions} if versions else {}),
    }
    if listed.is_truncated:
        response["NextKeyMarker"] = encode(listed.last)
        if not listed.prefixes or listed.prefixes[-1] != listed.last:
            response["NextVersionIdMarker"] = "null"
    return response


def most_of(request: Request, member: str, header: str, limit: int = _MAX_KEYS) -> int:
    """Return the largest number of entries on a page.

    Raises: S3Error
    """
    value = request.get(member)
    if value is None:
        return limit
    if not 0 <= int(value) <= 2_147_483_647:
        raise invalid_argument(f"Argument {header} must be an integer between 0 and 2147483647", header, value)
    return min(int(value), limit)


def encoder(request: Request) -> Callable[[str], str]:
    """Return the function that encodes keys in the response: URL encoding, if the request asks for it.

    Raises: S3Error
    """
    kind = request.get("EncodingType")
    if kind is None:
        return str
    if kind != "url":
        raise invalid_argument("Invalid Encoding Method specified in Request", "encoding-type", kind)
    return quote


def _contents(context: S3Context, request: Request, listed: ObjectPage, has_owner: bool) -> Response:
    encode = encoder(request)
    response: Response = {}
    if listed.objects:
        records = _records(context, str(request["Bucket"]), listed)
        response["Contents"] = [
            {
                "Key": encode(key),
                "LastModified": last_modified(status),
                "ETag": f'"{records[key].etag}"',
                "Size": status.st_size,
                "StorageClass": storage_class(records[key]),
                **_checksums(records[key]),
                **({"Owner": {"ID": OWNER}} if has_owner else {}),
            }
            for key, status in listed.objects
            if key in records
        ]
    if listed.prefixes:
        response["CommonPrefixes"] = [{"Prefix": encode(prefix)} for prefix in listed.prefixes]
    if request.get("EncodingType"):
        response["EncodingType"] = request["EncodingType"]
    return response


def _records(context: S3Context, bucket: str, listed: ObjectPage) -> dict[str, ObjectRecord]:
    """Return the records of the page's objects; an object that was removed in the meantime has none."""
    known = context.records.objects_between(bucket, listed.objects[0][0], listed.objects[-1][0])
    records: dict[str, ObjectRecord] = {}
    for index, (key, status) in enumerate(listed.objects):
        record = known.get(file_identity(key, status))
        if record is None:
            try:
                opened = context.open(bucket, key)
            except S3Error:
                continue
            opened.stream.close()
            record, listed.objects[index] = opened.record, (key, opened.status)
        records[key] = record
    return records


def _checksums(record: ObjectRecord) -> Mapping[str, Any]:
    if not record.checksums:
        return {}
    return {"ChecksumAlgorithm": list(record.checksums), "ChecksumType": record.checksum_type}


def _echoed_members(request: Request, *members: str) -> Response:
    encode = encoder(request)
    return {member: encode(str(request[member])) for member in members if request.get(member) not in (None, "")}


def _is_true(value: Any) -> bool:
    return value is True or str(value).lower() == "true"


def _untoken(token: Any) -> str:
    try:
        return str(decode_token(token))
    except InvalidTokenError as error:
        message = "The continuation token provided is incorrect"
        raise invalid_argument(message, "continuation-token", None) from error
