"""Stores the configurations of a bucket and returns them unchanged; they have no effect here.

Where having no effect would mislead (versions that are not kept, events that are not sent), the request is rejected.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from mlci_emulator.protocol.operations import Request, Response
from mlci_emulator.services.s3.bucket_subresources import (
    CONFIGURATIONS,
    DELETED,
    EMPTY_RESPONSES,
    NOT_FOUND,
    OWNERSHIPS,
    PUBLIC_ACCESS_BLOCKS,
    TRANSITION_SIZE,
    BucketConfiguration,
)
from mlci_emulator.services.s3.context import S3Context
from mlci_emulator.services.s3.errors import S3Error, invalid_request, malformed_xml, not_implemented
from mlci_emulator.services.s3.object_metadata import BUCKET_TAGS, checked_tags

Operation: TypeAlias = Callable[[S3Context, Request, str], Response]


def operations() -> dict[str, Operation]:
    """Return all operations on the configurations of buckets, by name."""
    table: dict[str, Operation] = {}
    for configuration in CONFIGURATIONS:
        table[configuration.put] = _put_operation(configuration)
        table[configuration.get] = _get_operation(configuration)
        if configuration.delete:
            table[configuration.delete] = _delete_operation(configuration)
    for name, (code, message) in NOT_FOUND.items():
        table[name] = _not_found_operation(code, message)
    for name, response in EMPTY_RESPONSES.items():
        table[name] = _constant_operation(response)
    table["PutBucketReplication"] = reject_replication
    return table


def reject_replication(context: S3Context, request: Request, region: str) -> Response:
    context.require_bucket(str(request["Bucket"]))
    raise invalid_request("Versioning must be 'Enabled' on the bucket to apply a replication configuration")


def _put_operation(configuration: BucketConfiguration) -> Operation:
    def put(context: S3Context, request: Request, region: str) -> Response:
        bucket = str(request["Bucket"])
        context.require_bucket(bucket)
        value = request.get(configuration.member)
        if value is None:
            raise malformed_xml()
        if configuration.name == "Accelerate" and "." in bucket:
            message = "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names"
            raise invalid_request(message)
        value = _checked(configuration, value)
        if configuration.name == "Lifecycle":
            value |= {TRANSITION_SIZE: request.get(TRANSITION_SIZE) or "all_storage_classes_128K"}
        context.records.save_configuration(bucket, configuration.name, value)
        return {TRANSITION_SIZE: value[TRANSITION_SIZE]} if configuration.name == "Lifecycle" else {}

    return put


def _get_operation(configuration: BucketConfiguration) -> Operation:
    def get(context: S3Context, request: Request, region: str) -> Response:
        bucket = str(request["Bucket"])
        context.require_bucket(bucket)
        value = context.records.configuration(bucket, configuration.name)
        if value == DELETED and configuration.removed is not None:
            raise _not_found(*configuration.removed, bucket)
        if value is None or value == DELETED:
            if isinstance(configuration.missing, tuple):
                raise _not_found(*configuration.missing, bucket)
            value = configuration.missing
        return {configuration.member: value} if configuration.is_wrapped else dict(value)

    return get


def _delete_operation(configuration: BucketConfiguration) -> Operation:
    def delete(context: S3Context, request: Request, region: str) -> Response:
        bucket = str(request["Bucket"])
        context.require_bucket(bucket)
        context.records.save_configuration(bucket, configuration.name, DELETED)
        return {}

    return delete


def _not_found_operation(code: str, message: str) -> Operation:
    def get(context: S3Context, request: Request, region: str) -> Response:
        context.require_bucket(str(request["Bucket"]))
        raise _not_found(code, message, str(request["Bucket"]))

    return get


def _constant_operation(response: Response) -> Operation:
    def get(context: S3Context, request: Request, region: str) -> Response:
        context.require_bucket(str(request["Bucket"]))
        return dict(response)

    return get


def _checked(configuration: BucketConfiguration, value: Any) -> Any:
    status = value.get("Status") if isinstance(value, Mapping) else None
    match configuration.name:
        case "Tagging":
            tags = checked_tags(value.get("TagSet") or [], limit=BUCKET_TAGS)
            return {"TagSet": tags} if tags else DELETED
        case "Versioning" if status == "Enabled" or value.get("MFADelete") == "Enabled":
            raise not_implemented("Versioning, which keeps what is overwritten or removed,")
        case "Notification" if any(value.values()) or "EventBridgeConfiguration" in value:
            raise not_implemented("Sending a bucket's events")
        case "Versioning" if not status:
            message = "The Versioning element must be specified"
            raise S3Error("IllegalVersioningConfigurationException", message, 400)
        case "Versioning" | "Accelerate" if status not in ("Enabled", "Suspended"):
            raise malformed_xml()
        case "OwnershipControls":
            rules = [rule.get("ObjectOwnership") for rule in value.get("Rules") or []]
            if len(rules) != 1 or rules[0] not in OWNERSHIPS:
                raise malformed_xml()
            return value
        case "PublicAccessBlock":
            return {name: bool(value.get(name)) for name in PUBLIC_ACCESS_BLOCKS}
        case "Policy":
            return _policy(value if isinstance(value, str) else bytes(value).decode())
        case _:
            return value


def _policy(text: str) -> str:
    try:
        policy = json.loads(text)
    except ValueError:
        policy = None
    if not isinstance(policy, dict):
        raise S3Error("MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'", 400)
    if "Statement" not in policy:
        raise S3Error("MalformedPolicy", "Missing required field Statement", 400)
    return text


def _not_found(code: str, message: str, bucket: str) -> S3Error:
    details = {} if code == "NoSuchConfiguration" else {"BucketName": bucket}
    return S3Error(code, message, 404, **details)
