"""GetBucketAcl, PutBucketAcl and their object twins: only private ACLs exist here.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
"""

from __future__ import annotations

from mlci_emulator.protocol.operations import Request, Response
from mlci_emulator.services.s3.bucket_subresources import DELETED
from mlci_emulator.services.s3.context import OWNER, S3Context, bucket_and_key
from mlci_emulator.services.s3.errors import S3Error, not_implemented
from mlci_emulator.services.s3.object_metadata import PRIVATE_ACLS


def get_acl(context: S3Context, request: Request, region: str) -> Response:
    """Return the only ACL of a bucket with ACLs disabled, as in each new bucket: the owner has full control."""
    context.require_bucket(str(request["Bucket"]))
    return {
        "Owner": {"ID": OWNER},
        "Grants": [{"Grantee": {"ID": OWNER, "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}],
    }


def put_acl(context: S3Context, request: Request, region: str) -> Response:
    context.require_bucket(str(request["Bucket"]))
    grants = (request.get("AccessControlPolicy") or {}).get("Grants") or []
    is_private = request.get("ACL") in (None, *PRIVATE_ACLS) and all(
        (grant.get("Grantee") or {}).get("ID") == OWNER for grant in grants
    )
    if not is_private or any(request.get(name) for name in request if name.startswith("Grant")):
        ownership = context.records.configuration(str(request["Bucket"]), "OwnershipControls")
        if ownership not in (None, DELETED) and ownership["Rules"][0]["ObjectOwnership"] != "BucketOwnerEnforced":
            raise not_implemented("Granting access to others, by an ACL,")
        raise S3Error("AccessControlListNotSupported", "The bucket does not allow ACLs", 400)
    return {}


def get_object_acl(context: S3Context, request: Request, region: str) -> Response:
    context.open(*bucket_and_key(request)).stream.close()
    return get_acl(context, request, region)


def put_object_acl(context: S3Context, request: Request, region: str) -> Response:
    context.open(*bucket_and_key(request)).stream.close()
    return put_acl(context, request, region)
