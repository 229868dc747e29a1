"""Evaluates the conditions of a request (If-Match and the others), its range and its part number.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, RFC 9110 section 13 and 14
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mlci_dataclasses import dataclass
from mlci_emulator.protocol.timestamps import http_date, parse_date
from mlci_emulator.services.s3.errors import (
    S3Error,
    invalid_request,
    no_such_key,
    not_implemented_header,
    precondition_failed,
)
from mlci_emulator.services.s3.metadata_records import ObjectRecord

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class ByteRange:
    """The bytes of an object that a response contains."""

    start: int
    size_bytes: int
    whole_bytes: int
    is_partial: bool

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.start + self.size_bytes - 1}/{self.whole_bytes}"


def check_read(request: Mapping[str, Any], etag: str, modified: datetime, now: datetime, source: str = "") -> None:
    """Check the conditions of a read. `source` is the prefix of their names in a copy's request.

    Raises: S3Error: 304 or 412.
    """
    match, none_match = request.get(f"{source}IfMatch"), request.get(f"{source}IfNoneMatch")
    prefix = "x-amz-copy-source-" if source else ""
    if match is not None:
        if not _matches_any(match, etag):
            raise precondition_failed(f"{prefix}If-Match")
    elif (since := parse_date(request.get(f"{source}IfUnmodifiedSince"))) is not None and modified > since:
        raise precondition_failed(f"{prefix}If-Unmodified-Since")
    failed = ""
    if none_match is not None:
        failed = "If-None-Match" if _matches_any(none_match, etag) else ""
    elif (since := parse_date(request.get(f"{source}IfModifiedSince"))) is not None and modified <= since <= now:
        failed = "If-Modified-Since"  # a date to come is ignored
    if failed:
        raise precondition_failed(f"{prefix}{failed}") if source else _not_modified(etag, modified)


def check_write(request: Mapping[str, Any], key: str, etag: str | None) -> None:
    """Check the conditions of a write against the ETag of the object that it replaces; None if there is no object.

    Raises: S3Error
    """
    match, none_match = request.get("IfMatch"), request.get("IfNoneMatch")
    if match is not None and none_match is not None:
        message = "Multiple conditional request headers present in the request"
        raise not_implemented_header("If-Match,If-None-Match", message)
    if none_match is not None:
        if none_match != "*":
            message = "We don't accept the provided value of If-None-Match header for this API"
            raise not_implemented_header("If-None-Match", message)
        if etag is not None:
            raise precondition_failed("If-None-Match")
    if match is not None:
        if match == "*":
            raise not_implemented_header(
                "If-Match", "We don't accept the provided value of If-Match header for this API"
            )
        if etag is None:
            raise no_such_key(key)
        if not _matches_any(match, etag):
            raise precondition_failed("If-Match")


def requested_range(request: Mapping[str, Any], size_bytes: int, record: ObjectRecord) -> ByteRange:
    """Return the bytes that the request asks for: a range, a part, or the whole object.

    Raises: S3Error: 416, the range or part does not exist.
    """
    if request.get("PartNumber") is not None:
        if request.get("Range") is not None:
            raise invalid_request("Cannot specify both Range header and partNumber query parameter")
        return _part(int(request["PartNumber"]), size_bytes, record)
    whole = ByteRange(0, size_bytes, size_bytes, is_partial=False)
    # S3 ignores a Range header that is not valid, or that has several ranges.
    range_header = _RANGE.fullmatch(str(request.get("Range") or "").replace(" ", ""))
    if range_header is None or range_header.groups() == ("", ""):
        return whole
    first, last = range_header.groups()
    if first and last and int(last) < int(first):
        return whole
    start = int(first) if first else max(size_bytes - int(last), 0)
    end = min(int(last), size_bytes - 1) if first and last else size_bytes - 1
    if start > end:
        message = "The requested range is not satisfiable"
        details = {"RangeRequested": str(request["Range"]), "ActualObjectSize": str(size_bytes)}
        raise S3Error("InvalidRange", message, 416, **details)
    return ByteRange(start, end - start + 1, size_bytes, is_partial=True)


def _part(number: int, size_bytes: int, record: ObjectRecord) -> ByteRange:
    sizes = [part.size_bytes for part in record.parts] or [size_bytes]
    if not 1 <= number <= len(sizes):
        details = {"PartNumberRequested": str(number), "ActualPartCount": str(len(sizes))}
        raise S3Error("InvalidPartNumber", "The requested partnumber is not satisfiable", 416, **details)
    return ByteRange(sum(sizes[: number - 1]), sizes[number - 1], size_bytes, is_partial=True)


def _matches_any(condition: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in condition.split(",")]
    return "*" in tags or etag in tags


def _not_modified(etag: str, modified: datetime) -> S3Error:
    return S3Error("NotModified", "Not Modified", 304, ETag=f'"{etag}"', LastModified=http_date(modified))
