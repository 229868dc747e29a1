"""What is put beside a bucket, and given back: kept as it came, and without effect here.

Where having no effect would mislead (versions that aren't kept, events that don't come), it is refused.

Source: the pages of each operation below https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from mlci_emulator.protocol.operations import Request, Response
from mlci_emulator.services.s3.context import OWNER, Holdings, target
from mlci_emulator.services.s3.errors import S3Error, invalid_request, malformed_xml, not_here
from mlci_emulator.services.s3.object_metadata import BUCKET_TAGS, PRIVATE_ACLS, checked_tags

Operation: TypeAlias = Callable[[Holdings, Request, str], Response]


@dataclass(frozen=True)
class Setting:
    """A sub-resource: the member of the Put request that holds it, and what is said where nothing was put.

    `missing` is an error's code and message, or what the Get answer has by default. `is_wrapped` says that the Get
    answer has it in a member of the same name; otherwise, the answer is its content.
    """

    name: str
    put: str
    member: str
    missing: tuple[str, str] | Response
    is_wrapped: bool = False
    delete: str = ""
    removed: tuple[str, str] | None = None


OWNERSHIPS = ("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")

_SETTINGS = (
    Setting(
        "Tagging",
        "PutBucketTagging",
        "Tagging",
        ("NoSuchTagSet", "The TagSet does not exist"),
        delete="DeleteBucketTagging",
    ),
    Setting(
        "Policy",
        "PutBucketPolicy",
        "Policy",
        ("NoSuchBucketPolicy", "The bucket policy does not exist"),
        is_wrapped=True,
        delete="DeleteBucketPolicy",
    ),
    Setting(
        "CORS",
        "PutBucketCors",
        "CORSConfiguration",
        ("NoSuchCORSConfiguration", "The CORS configuration does not exist"),
        delete="DeleteBucketCors",
    ),
    Setting(
        "Website",
        "PutBucketWebsite",
        "WebsiteConfiguration",
        ("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"),
        delete="DeleteBucketWebsite",
    ),
    Setting(
        "Lifecycle",
        "PutBucketLifecycleConfiguration",
        "LifecycleConfiguration",
        ("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"),
        delete="DeleteBucketLifecycle",
    ),
    Setting(
        "Encryption",
        "PutBucketEncryption",
        "ServerSideEncryptionConfiguration",
        {
            "Rules": [
                {
                    "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
                    "BucketKeyEnabled": False,
                }
            ]
        },
        is_wrapped=True,
        delete="DeleteBucketEncryption",
    ),
    Setting(
        "PublicAccessBlock",
        "PutPublicAccessBlock",
        "PublicAccessBlockConfiguration",
        dict.fromkeys(_BLOCKS, True),
        is_wrapped=True,
        delete="DeletePublicAccessBlock",
        removed=("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found"),
    ),
    Setting(
        "OwnershipControls",
        "PutBucketOwnershipControls",
        "OwnershipControls",
        {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        is_wrapped=True,
        delete="DeleteBucketOwnershipControls",
        removed=("OwnershipControlsNotFoundError", "The bucket ownership controls were not found"),
    ),
    Setting("Logging", "PutBucketLogging", "BucketLoggingStatus", {}),
    Setting("Accelerate", "PutBucketAccelerateConfiguration", "AccelerateConfiguration", {}),
    Setting("RequestPayment", "PutBucketRequestPayment", "RequestPaymentConfiguration", {"Payer": "BucketOwner"}),
    Setting("Versioning", "PutBucketVersioning", "VersioningConfiguration", {}),
    Setting("Notification", "PutBucketNotificationConfiguration", "NotificationConfiguration", {}),
)

_GET = {
    "Tagging": "GetBucketTagging",
    "Policy": "GetBucketPolicy",
    "CORS": "GetBucketCors",
    "Website": "GetBucketWebsite",
    "Lifecycle": "GetBucketLifecycleConfiguration",
    "Encryption": "GetBucketEncryption",
    "PublicAccessBlock": "GetPublicAccessBlock",
    "OwnershipControls": "GetBucketOwnershipControls",
    "Logging": "GetBucketLogging",
    "Accelerate": "GetBucketAccelerateConfiguration",
    "RequestPayment": "GetBucketRequestPayment",
    "Versioning": "GetBucketVersioning",
    "Notification": "GetBucketNotificationConfiguration",
}

#: Beside the rules of a lifecycle, S3 always says this.
#: Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLifecycleConfiguration.html
_TRANSITION = "TransitionDefaultMinimumObjectSize"

#: What was removed, where that differs from what was never there.
_REMOVED = "removed"


def operations() -> dict[str, Operation]:
    """All operations on settings, by name."""
    table: dict[str, Operation] = {}
    for setting in _SETTINGS:
        table[setting.put] = _putter(setting)
        table[_GET[setting.name]] = _getter(setting)
        if setting.delete:
            table[setting.delete] = _deleter(setting)
    for name, (code, message) in _NEVER_THERE.items():
        table[name] = _missing(code, message)
    for name, answer in _EMPTY.items():
        table[name] = _constant(answer)
    return {
        **table,
        "GetBucketAcl": get_acl,
        "PutBucketAcl": put_acl,
        "GetObjectAcl": get_object_acl,
        "PutObjectAcl": put_object_acl,
        "PutBucketReplication": refuse_replication,
    }


_CONFIGURATION = ("NoSuchConfiguration", "The specified configuration does not exist.")
_NEVER_THERE = {
    "GetBucketReplication": ("ReplicationConfigurationNotFoundError", "The replication configuration was not found"),
    "GetObjectLockConfiguration": (
        "ObjectLockConfigurationNotFoundError",
        "Object Lock configuration does not exist for this bucket",
    ),
    "GetObjectLegalHold": (
        "NoSuchObjectLockConfiguration",
        "The specified object does not have a ObjectLock configuration",
    ),
    "GetObjectRetention": (
        "NoSuchObjectLockConfiguration",
        "The specified object does not have a ObjectLock configuration",
    ),
    "GetBucketAnalyticsConfiguration": _CONFIGURATION,
    "GetBucketIntelligentTieringConfiguration": _CONFIGURATION,
    "GetBucketInventoryConfiguration": _CONFIGURATION,
    "GetBucketMetricsConfiguration": _CONFIGURATION,
}
_EMPTY: dict[str, Response] = {
    "ListBucketAnalyticsConfigurations": {"IsTruncated": False},
    "ListBucketIntelligentTieringConfigurations": {"IsTruncated": False},
    "ListBucketInventoryConfigurations": {"IsTruncated": False},
    "ListBucketMetricsConfigurations": {"IsTruncated": False},
    "DeleteBucketReplication": {},
    "GetBucketAbac": {"AbacStatus": {"Status": "Disabled"}},
}


def get_acl(holdings: Holdings, request: Request, region: str) -> Response:
    """The only one that there is where ACLs are off, as they are in each new bucket."""
    holdings.require_bucket(str(request["Bucket"]))
    return {
        "Owner": {"ID": OWNER},
        "Grants": [{"Grantee": {"ID": OWNER, "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}],
    }


def put_acl(holdings: Holdings, request: Request, region: str) -> Response:
    holdings.require_bucket(str(request["Bucket"]))
    grants = (request.get("AccessControlPolicy") or {}).get("Grants") or []
    is_private = request.get("ACL") in (None, *PRIVATE_ACLS) and all(
        (grant.get("Grantee") or {}).get("ID") == OWNER for grant in grants
    )
    if not is_private or any(request.get(name) for name in request if name.startswith("Grant")):
        ownership = holdings.records.setting(str(request["Bucket"]), "OwnershipControls")
        if ownership not in (None, _REMOVED) and ownership["Rules"][0]["ObjectOwnership"] != "BucketOwnerEnforced":
            raise not_here("Granting access to others, by an ACL,")
        raise S3Error("AccessControlListNotSupported", "The bucket does not allow ACLs", 400)
    return {}


def get_object_acl(holdings: Holdings, request: Request, region: str) -> Response:
    holdings.open(*target(request)).stream.close()
    return get_acl(holdings, request, region)


def put_object_acl(holdings: Holdings, request: Request, region: str) -> Response:
    holdings.open(*target(request)).stream.close()
    return put_acl(holdings, request, region)


def refuse_replication(holdings: Holdings, request: Request, region: str) -> Response:
    holdings.require_bucket(str(request["Bucket"]))
    raise invalid_request("Versioning must be 'Enabled' on the bucket to apply a replication configuration")


def _putter(setting: Setting) -> Operation:
    def put(holdings: Holdings, request: Request, region: str) -> Response:
        bucket = str(request["Bucket"])
        holdings.require_bucket(bucket)
        value = request.get(setting.member)
        if value is None:
            raise malformed_xml()
        if setting.name == "Accelerate" and "." in bucket:
            message = "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names"
            raise invalid_request(message)
        value = _checked(setting, value)
        if setting.name == "Lifecycle":
            value |= {_TRANSITION: request.get(_TRANSITION) or "all_storage_classes_128K"}
        holdings.records.keep_setting(bucket, setting.name, value)
        return {_TRANSITION: value[_TRANSITION]} if setting.name == "Lifecycle" else {}

    return put


def _getter(setting: Setting) -> Operation:
    def get(holdings: Holdings, request: Request, region: str) -> Response:
        bucket = str(request["Bucket"])
        holdings.require_bucket(bucket)
        value = holdings.records.setting(bucket, setting.name)
        if value == _REMOVED and setting.removed is not None:
            raise _not_found(*setting.removed, bucket)
        if value is None or value == _REMOVED:
            if isinstance(setting.missing, tuple):
                raise _not_found(*setting.missing, bucket)
            value = setting.missing
        return {setting.member: value} if setting.is_wrapped else dict(value)

    return get


def _deleter(setting: Setting) -> Operation:
    def delete(holdings: Holdings, request: Request, region: str) -> Response:
        bucket = str(request["Bucket"])
        holdings.require_bucket(bucket)
        holdings.records.keep_setting(bucket, setting.name, _REMOVED)
        return {}

    return delete


def _missing(code: str, message: str) -> Operation:
    def get(holdings: Holdings, request: Request, region: str) -> Response:
        holdings.require_bucket(str(request["Bucket"]))
        raise _not_found(code, message, str(request["Bucket"]))

    return get


def _constant(answer: Response) -> Operation:
    def get(holdings: Holdings, request: Request, region: str) -> Response:
        holdings.require_bucket(str(request["Bucket"]))
        return dict(answer)

    return get


def _checked(setting: Setting, value: Any) -> Any:
    status = value.get("Status") if isinstance(value, Mapping) else None
    match setting.name:
        case "Tagging":
            tags = checked_tags(value.get("TagSet") or [], most=BUCKET_TAGS)
            return {"TagSet": tags} if tags else _REMOVED
        case "Versioning" if status == "Enabled" or value.get("MFADelete") == "Enabled":
            raise not_here("Versioning, which keeps what is overwritten or removed,")
        case "Notification" if any(value.values()) or "EventBridgeConfiguration" in value:
            raise not_here("Sending a bucket's events")
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
            return {name: bool(value.get(name)) for name in _BLOCKS}
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
