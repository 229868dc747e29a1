"""Reads an object's metadata from the members of a request, and writes it to the members of a response."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from mlci_emulator.identity import ACCOUNT
from mlci_emulator.protocol.timestamps import http_date
from mlci_emulator.services.s3.errors import S3Error, invalid_argument, invalid_request, not_implemented
from mlci_emulator.services.s3.metadata_records import ObjectRecord

#: Members that are stored unchanged, and returned by GetObject and HeadObject.
_STORED_MEMBERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "WebsiteRedirectLocation",
    "StorageClass",
    "ServerSideEncryption",
    "SSEKMSKeyId",
    "BucketKeyEnabled",
)
_ENCRYPTION = ("ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled")
_OVERRIDES = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
)

#: S3's defaults. Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html, and
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-bucket-encryption.html
_DEFAULT_TYPE = "binary/octet-stream"
_DEFAULT_ENCRYPTION = "AES256"

#: Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
_METADATA_BYTES = 2048

#: The largest number of tags of an object, and of a bucket.
OBJECT_TAGS, BUCKET_TAGS = 10, 50
_SYSTEM_TAGS = "System tags cannot be added/updated by requester"

_READABLE_STORAGE_CLASSES = {
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
}

#: Members that are not implemented, and are rejected: ignoring them would leave the object less protected than its
#: writer believes.
_UNSUPPORTED_MEMBERS = {
    "SSECustomerAlgorithm": "Encryption with a customer's key (SSE-C)",
    "SSECustomerKey": "Encryption with a customer's key (SSE-C)",
    "CopySourceSSECustomerAlgorithm": "Encryption with a customer's key (SSE-C)",
    "ObjectLockMode": "Object Lock",
    "ObjectLockRetainUntilDate": "Object Lock",
    "ObjectLockLegalHoldStatus": "Object Lock",
    "ObjectLockEventHold": "Object Lock",
    "WriteOffsetBytes": "Appending to an object",
    "GrantFullControl": "Granting access to objects",
    "GrantRead": "Granting access to objects",
    "GrantReadACP": "Granting access to objects",
    "GrantWriteACP": "Granting access to objects",
}
PRIVATE_ACLS = ("private", "bucket-owner-full-control", "bucket-owner-read")


def record_from_request(request: Mapping[str, Any]) -> ObjectRecord:
    """Return the record that a PutObject, CopyObject or CreateMultipartUpload request describes.

    Raises: S3Error: S3 rejects the request, or a feature is not implemented here.
    """
    reject_unsupported(request)
    if request.get("ACL") is not None and request["ACL"] not in PRIVATE_ACLS:
        raise S3Error("AccessControlListNotSupported", "The bucket does not allow ACLs", 400)
    headers = {name: request[name] for name in _STORED_MEMBERS if request.get(name) not in (None, "")}
    if "Expires" in headers:
        headers["Expires"] = http_date(headers["Expires"])
    storage = headers.get("StorageClass", "STANDARD")
    if storage in ("GLACIER", "DEEP_ARCHIVE"):
        raise not_implemented(f"The storage class {storage}, whose objects must be restored before they can be read,")
    if storage not in _READABLE_STORAGE_CLASSES:
        raise S3Error(
            "InvalidStorageClass", "The storage class you specified is not valid", 400, StorageClassRequested=storage
        )
    if headers.get("ServerSideEncryption", "AES256") not in ("AES256", "aws:kms", "aws:kms:dsse"):
        message = "The Encryption request you specified is not valid. Supported value: AES256."
        details = {"ArgumentName": "x-amz-server-side-encryption", "ArgumentValue": headers["ServerSideEncryption"]}
        raise S3Error("InvalidEncryptionAlgorithmError", message, 400, **details)
    return ObjectRecord(headers=headers, metadata=_metadata(request), tags=tag_header(request.get("Tagging")))


def reject_unsupported(request: Mapping[str, Any]) -> None:
    """Raises: S3Error: NotImplemented."""
    for name, what in _UNSUPPORTED_MEMBERS.items():
        if request.get(name) not in (None, ""):
            raise not_implemented(what)


def tag_header(text: Any) -> list[dict[str, str]]:
    """Return the tags of an `x-amz-tagging` header.

    >>> tag_header("team=ml&note=a%20b")
    [{'Key': 'team', 'Value': 'ml'}, {'Key': 'note', 'Value': 'a b'}]
    """
    if not text:
        return []
    tags = [{"Key": key, "Value": value} for key, value in parse_qsl(str(text), keep_blank_values=True)]
    is_plain = all(pair.count("=") <= 1 for pair in str(text).split("&"))
    if not tags or not is_plain or len({tag["Key"] for tag in tags}) < len(tags):
        message = (
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag"
        )
        raise invalid_argument(f"{message} name duplicates.", "x-amz-tagging", text)
    return checked_tags(tags, limit=OBJECT_TAGS)


def checked_tags(tags: list[dict[str, str]], limit: int) -> list[dict[str, str]]:
    """Return the tags if S3 accepts them. Source: userguide/object-tagging.html

    Raises: S3Error
    """
    if len(tags) > limit:
        what = "Object tags" if limit == OBJECT_TAGS else "Bucket tags"
        raise S3Error("BadRequest", f"{what} cannot be greater than {limit}", 400)
    for tag in tags:
        key, value = tag.get("Key", ""), tag.get("Value", "")
        if key.startswith("aws:"):
            is_object = limit == OBJECT_TAGS
            message = "Your TagKey cannot be prefixed with aws:" if is_object else _SYSTEM_TAGS
            raise S3Error("InvalidTag", message, 400, TagKey=key)
        if not 1 <= len(key) <= 128 or not _is_tag_text(key):
            raise S3Error("InvalidTag", "The TagKey you have provided is invalid", 400, TagKey=key)
        if len(value) > 256 or not _is_tag_text(value):
            raise S3Error("InvalidTag", "The TagValue you have provided is invalid", 400, TagKey=key, TagValue=value)
    names = [tag["Key"] for tag in tags]
    for name in names:
        if names.count(name) > 1:
            raise S3Error("InvalidTag", "Cannot provide multiple Tags with the same key", 400, TagKey=name)
    return [{"Key": tag["Key"], "Value": tag.get("Value", "")} for tag in tags]


def _is_tag_text(text: str) -> bool:
    return all(letter.isalnum() or letter.isspace() or letter in "_.:/=+-@" for letter in text)


def encryption(record: ObjectRecord) -> dict[str, Any]:
    return {
        "ServerSideEncryption": _DEFAULT_ENCRYPTION,
        **{name: record.headers[name] for name in _ENCRYPTION if name in record.headers},
    }


def with_default_encryption(record: ObjectRecord, configuration: Any, region: str) -> ObjectRecord:
    """Return a new object's record with the bucket's default encryption where the request asks for none.

    A request for `aws:kms` without a key gets the bucket's Bucket Key setting as well.
    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-bucket-encryption.html, and the recorded tests
    test_s3_sse_default_kms and test_s3_sse_default_kms_key of LocalStack.
    """
    rules = configuration.get("Rules") if isinstance(configuration, Mapping) else None
    rule = rules[0] if rules else {}
    default = rule.get("ApplyServerSideEncryptionByDefault") or {}
    headers = dict(record.headers)
    if "ServerSideEncryption" not in headers and str(default.get("SSEAlgorithm", "")).startswith("aws:kms"):
        headers["ServerSideEncryption"] = default["SSEAlgorithm"]
        if default.get("KMSMasterKeyID"):
            headers["SSEKMSKeyId"] = default["KMSMasterKeyID"]
    if "SSEKMSKeyId" in headers:
        headers["SSEKMSKeyId"] = _key_arn(str(headers["SSEKMSKeyId"]), region)
    if rule.get("BucketKeyEnabled") and headers.get("ServerSideEncryption") == "aws:kms":
        headers.setdefault("BucketKeyEnabled", True)
    return dataclasses.replace(record, headers=headers)


def _key_arn(key: str, region: str) -> str:
    """Return a KMS key's ARN, from its ARN or its id."""
    is_id = not key.startswith(("arn:", "alias/"))
    return f"arn:aws:kms:{region}:{ACCOUNT}:key/{key}" if is_id else key


def response_members(record: ObjectRecord) -> dict[str, Any]:
    """Return the members of GetObject's and HeadObject's responses, except size and time."""
    response = {"ContentType": _DEFAULT_TYPE, **record.headers, **encryption(record), "ETag": f'"{record.etag}"'}
    if response.get("StorageClass") == "STANDARD":
        del response["StorageClass"]
    if record.tags:
        response["TagCount"] = len(record.tags)
    return {**response, "Metadata": dict(record.metadata), "AcceptRanges": "bytes"}


def response_overrides(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that a GetObject request overrides (ResponseContentType and the others)."""
    overrides = {name: request.get(f"Response{name}") for name in _OVERRIDES}
    return {name: http_date(value) if name == "Expires" else str(value) for name, value in overrides.items() if value}


def checksum_members(record: ObjectRecord) -> dict[str, str]:
    if not record.checksums:
        return {}
    members = {f"Checksum{algorithm}": value for algorithm, value in record.checksums.items()}
    return {**members, "ChecksumType": record.checksum_type}


def part_checksum(record: ObjectRecord, number: int) -> dict[str, str]:
    """Return the members for the checksum of one part; empty if the object's checksum is not composite."""
    if record.checksum_type != "COMPOSITE":
        return {}
    algorithm = next(iter(record.checksums))
    return {f"Checksum{algorithm}": record.parts[number - 1].checksum, "ChecksumType": "COMPOSITE"}


def storage_class(record: ObjectRecord) -> str:
    return str(record.headers.get("StorageClass", "STANDARD"))


def _metadata(request: Mapping[str, Any]) -> dict[str, str]:
    metadata = {str(name).lower(): str(value) for name, value in (request.get("Metadata") or {}).items()}
    size_bytes = sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
    if size_bytes > _METADATA_BYTES:
        message = "Your metadata headers exceed the maximum allowed metadata size"
        details = {"Size": str(size_bytes), "MaxSizeAllowed": str(_METADATA_BYTES)}
        raise S3Error("MetadataTooLarge", message, 400, **details)
    if any(not name for name in metadata):
        raise invalid_request("A metadata header needs a name")
    return metadata
