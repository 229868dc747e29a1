"""The lists of a bucket's objects, page by page.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html and its kin
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from mlci_emulator.protocol.operations import Request, Response
from mlci_emulator.services.s3.context import OWNER, Holdings, last_modified
from mlci_emulator.services.s3.errors import S3Error, invalid_argument
from mlci_emulator.services.s3.metadata_records import Facts, identity
from mlci_emulator.services.s3.object_metadata import storage_class

_MOST = 1000


@dataclass
class Page:
    """`last` is the key or the common prefix after which the next page begins."""

    objects: list[tuple[str, os.stat_result]] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    is_truncated: bool = False
    last: str = ""


def page(holdings: Holdings, request: Request, after: str, most: int, has_shown_common: bool = True) -> Page:
    """The next objects and common prefixes after a key, or after a common prefix and all that is below it.

    `has_shown_common`: a common prefix in which that key lies has been listed, as markers say.
    """
    prefix, delimiter = str(request.get("Prefix") or ""), str(request.get("Delimiter") or "")
    found = Page()
    if most == 0:
        return found
    walk = holdings.store.walk(str(request["Bucket"]), prefix, after)
    common = common_prefix(after, prefix, delimiter) if after.startswith(prefix) else None
    if common is not None and (common == after or has_shown_common):
        walk.pass_by(common)
    for key, status in walk:
        common = common_prefix(key, prefix, delimiter)
        if len(found.objects) + len(found.prefixes) == most:
            found.is_truncated = True
            break
        if common is None:
            found.objects.append((key, status))
        else:
            found.prefixes.append(common)
            walk.pass_by(common)
        found.last = key if common is None else common
    return found


def common_prefix(key: str, prefix: str, delimiter: str) -> str | None:
    """What a key is listed as, where it isn't listed itself.

    >>> common_prefix("a/b/c", "a/", "/"), common_prefix("a/b", "a/", "/")
    ('a/b/', None)
    """
    if not delimiter:
        return None
    end = key.find(delimiter, len(prefix))
    return None if end < 0 else key[: end + len(delimiter)]


def list_v2(holdings: Holdings, request: Request, region: str) -> Response:
    holdings.require_bucket(str(request["Bucket"]))
    token, most = request.get("ContinuationToken"), most_of(request, "MaxKeys", "max-keys")
    after = _untoken(token) if token is not None else str(request.get("StartAfter") or "")
    if token == "":
        raise invalid_argument("The continuation token provided is incorrect", "continuation-token", None)
    found = page(holdings, request, after, most, has_shown_common=token is not None)
    answer: Response = {
        **_said(request, "Prefix", "Delimiter", *(["StartAfter"] if token is None else [])),
        "Prefix": encoder(request)(str(request.get("Prefix") or "")),
        "Name": request["Bucket"],
        "MaxKeys": most,
        "KeyCount": len(found.objects) + len(found.prefixes),
        "IsTruncated": found.is_truncated,
        **_contents(holdings, request, found, has_owner=_is_true(request.get("FetchOwner"))),
    }
    if token is not None:
        answer["ContinuationToken"] = token
    if found.is_truncated:
        answer["NextContinuationToken"] = _token(found.last)
    return answer


def list_v1(holdings: Holdings, request: Request, region: str) -> Response:
    holdings.require_bucket(str(request["Bucket"]))
    marker, most, encode = str(request.get("Marker") or ""), most_of(request, "MaxKeys", "max-keys"), encoder(request)
    found = page(holdings, request, marker, most)
    answer: Response = {
        **_said(request, "Delimiter"),
        "Prefix": encode(str(request.get("Prefix") or "")),
        "Marker": encode(marker),
        "Name": request["Bucket"],
        "MaxKeys": most,
        "IsTruncated": found.is_truncated,
        **_contents(holdings, request, found, has_owner=True),
    }
    if found.is_truncated and request.get("Delimiter"):  # without one, the last key is the next marker
        answer["NextMarker"] = encode(found.last)
    return answer


def list_versions(holdings: Holdings, request: Request, region: str) -> Response:
    """As a bucket that never had versions answers: each object is the only version of itself, named "null"."""
    holdings.require_bucket(str(request["Bucket"]))
    marker, most, encode = (
        str(request.get("KeyMarker") or ""),
        most_of(request, "MaxKeys", "max-keys"),
        encoder(request),
    )
    if request.get("VersionIdMarker") and not marker:
        raise invalid_argument("A version-id marker cannot be specified without a key marker.", "version-id-marker", "")
    found = page(holdings, request, marker, most)
    contents = _contents(holdings, request, found, has_owner=True)
    versions = [{**version, "VersionId": "null", "IsLatest": True} for version in contents.pop("Contents", [])]
    answer: Response = {
        **_said(request, "Delimiter"),
        "Prefix": encode(str(request.get("Prefix") or "")),
        "KeyMarker": encode(marker),
        "VersionIdMarker": str(request.get("VersionIdMarker") or ""),
        "Name": request["Bucket"],
        "MaxKeys": most,
        "IsTruncated": found.is_truncated,
        **contents,
        **({"Versions": versions} if versions else {}),
    }
    if found.is_truncated:
        answer["NextKeyMarker"] = encode(found.last)
        if not found.prefixes or found.prefixes[-1] != found.last:
            answer["NextVersionIdMarker"] = "null"
    return answer


def most_of(request: Request, member: str, header: str, limit: int = _MOST) -> int:
    """How many entries a page may have.

    Raises: S3Error
    """
    value = request.get(member)
    if value is None:
        return limit
    if not 0 <= int(value) <= 2_147_483_647:
        raise invalid_argument(f"Argument {header} must be an integer between 0 and 2147483647", header, value)
    return min(int(value), limit)


def encoder(request: Request) -> Callable[[str], str]:
    """How keys are written in the answer: as they are, or so that XML can hold them.

    Raises: S3Error
    """
    kind = request.get("EncodingType")
    if kind is None:
        return str
    if kind != "url":
        raise invalid_argument("Invalid Encoding Method specified in Request", "encoding-type", kind)
    return quote


def _contents(holdings: Holdings, request: Request, found: Page, has_owner: bool) -> Response:
    encode = encoder(request)
    answer: Response = {}
    if found.objects:
        facts = _facts(holdings, str(request["Bucket"]), found)
        answer["Contents"] = [
            {
                "Key": encode(key),
                "LastModified": last_modified(status),
                "ETag": f'"{facts[key].etag}"',
                "Size": status.st_size,
                "StorageClass": storage_class(facts[key]),
                **_checksums(facts[key]),
                **({"Owner": {"ID": OWNER}} if has_owner else {}),
            }
            for key, status in found.objects
            if key in facts
        ]
    if found.prefixes:
        answer["CommonPrefixes"] = [{"Prefix": encode(prefix)} for prefix in found.prefixes]
    if request.get("EncodingType"):
        answer["EncodingType"] = request["EncodingType"]
    return answer


def _facts(holdings: Holdings, bucket: str, found: Page) -> dict[str, Facts]:
    """What is known of the page's objects; one that was removed meanwhile has nothing."""
    known = holdings.records.facts_between(bucket, found.objects[0][0], found.objects[-1][0])
    facts: dict[str, Facts] = {}
    for index, (key, status) in enumerate(found.objects):
        record = known.get(identity(key, status))
        if record is None:
            try:
                opened = holdings.open(bucket, key)
            except S3Error:
                continue
            opened.stream.close()
            record, found.objects[index] = opened.facts, (key, opened.status)
        facts[key] = record
    return facts


def _checksums(facts: Facts) -> Mapping[str, Any]:
    if not facts.checksums:
        return {}
    return {"ChecksumAlgorithm": list(facts.checksums), "ChecksumType": facts.checksum_type}


def _said(request: Request, *members: str) -> Response:
    encode = encoder(request)
    return {member: encode(str(request[member])) for member in members if request.get(member) not in (None, "")}


def _is_true(value: Any) -> bool:
    return value is True or str(value).lower() == "true"


def _token(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode("ascii")


def _untoken(token: Any) -> str:
    try:
        return base64.b64decode(str(token), altchars=b"-_", validate=True).decode()
    except ValueError as error:
        message = "The continuation token provided is incorrect"
        raise invalid_argument(message, "continuation-token", None) from error
