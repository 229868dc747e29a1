"""Lists the sub-resources of a bucket: their operations, default values and errors.

Source: the pages of each operation below https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

from __future__ import annotations

from mlci_dataclasses import dataclass
from mlci_emulator.protocol.operations import Response


@dataclass(frozen=True)
class BucketConfiguration:
    """A sub-resource of a bucket, with its operations and the member of the Put request that holds it.

    `missing` is the error (code and message) or the response of Get where nothing was put, and `removed` the error
    after a Delete. The response of Get has the configuration in a member of that name if `is_wrapped`; otherwise, the
    response is its content.
    """

    name: str
    get: str
    put: str
    member: str
    missing: tuple[str, str] | Response
    is_wrapped: bool = False
    delete: str = ""
    removed: tuple[str, str] | None = None


OWNERSHIPS = ("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")
PUBLIC_ACCESS_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")

CONFIGURATIONS = (
    BucketConfiguration(
        "Tagging",
        "GetBucketTagging",
        "PutBucketTagging",
        "Tagging",
        ("NoSuchTagSet", "The TagSet does not exist"),
        delete="DeleteBucketTagging",
    ),
    BucketConfiguration(
        "Policy",
        "GetBucketPolicy",
        "PutBucketPolicy",
        "Policy",
        ("NoSuchBucketPolicy", "The bucket policy does not exist"),
        is_wrapped=True,
        delete="DeleteBucketPolicy",
    ),
    BucketConfiguration(
        "CORS",
        "GetBucketCors",
        "PutBucketCors",
        "CORSConfiguration",
        ("NoSuchCORSConfiguration", "The CORS configuration does not exist"),
        delete="DeleteBucketCors",
    ),
    BucketConfiguration(
        "Website",
        "GetBucketWebsite",
        "PutBucketWebsite",
        "WebsiteConfiguration",
        ("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"),
        delete="DeleteBucketWebsite",
    ),
    BucketConfiguration(
        "Lifecycle",
        "GetBucketLifecycleConfiguration",
        "PutBucketLifecycleConfiguration",
        "LifecycleConfiguration",
        ("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"),
        delete="DeleteBucketLifecycle",
    ),
    BucketConfiguration(
        "Encryption",
        "GetBucketEncryption",
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
    BucketConfiguration(
        "PublicAccessBlock",
        "GetPublicAccessBlock",
        "PutPublicAccessBlock",
        "PublicAccessBlockConfiguration",
        dict.fromkeys(PUBLIC_ACCESS_BLOCKS, True),
        is_wrapped=True,
        delete="DeletePublicAccessBlock",
        removed=("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found"),
    ),
    BucketConfiguration(
        "OwnershipControls",
        "GetBucketOwnershipControls",
        "PutBucketOwnershipControls",
        "OwnershipControls",
        {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        is_wrapped=True,
        delete="DeleteBucketOwnershipControls",
        removed=("OwnershipControlsNotFoundError", "The bucket ownership controls were not found"),
    ),
    BucketConfiguration("Logging", "GetBucketLogging", "PutBucketLogging", "BucketLoggingStatus", {}),
    BucketConfiguration(
        "Accelerate",
        "GetBucketAccelerateConfiguration",
        "PutBucketAccelerateConfiguration",
        "AccelerateConfiguration",
        {},
    ),
    BucketConfiguration(
        "RequestPayment",
        "GetBucketRequestPayment",
        "PutBucketRequestPayment",
        "RequestPaymentConfiguration",
        {"Payer": "BucketOwner"},
    ),
    BucketConfiguration("Versioning", "GetBucketVersioning", "PutBucketVersioning", "VersioningConfiguration", {}),
    BucketConfiguration(
        "Notification",
        "GetBucketNotificationConfiguration",
        "PutBucketNotificationConfiguration",
        "NotificationConfiguration",
        {},
    ),
)

#: S3 always returns this member beside the rules of a lifecycle.
#: Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLifecycleConfiguration.html
TRANSITION_SIZE = "TransitionDefaultMinimumObjectSize"

#: The stored value of a configuration that was deleted, which differs from one that was never put.
DELETED = "removed"

_CONFIGURATION = ("NoSuchConfiguration", "The specified configuration does not exist.")
#: Get operations for configurations that can't be put here, with their errors.
NOT_FOUND = {
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
#: Operations that always have the same response here.
EMPTY_RESPONSES: dict[str, Response] = {
    "ListBucketAnalyticsConfigurations": {"IsTruncated": False},
    "ListBucketIntelligentTieringConfigurations": {"IsTruncated": False},
    "ListBucketInventoryConfigurations": {"IsTruncated": False},
    "ListBucketMetricsConfigurations": {"IsTruncated": False},
    "DeleteBucketReplication": {},
    "GetBucketAbac": {"AbacStatus": {"Status": "Disabled"}},
}
