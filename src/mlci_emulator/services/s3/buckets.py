"""Operations on buckets, which are folders below the store's root, whoever created them."""

from __future__ import annotations

import ipaddress
import os
import re
from datetime import datetime, timezone

from mlci_emulator import identity
from mlci_emulator.protocol.operations import Request, Response
from mlci_emulator.services.s3.bucket_subresources import OWNERSHIPS
from mlci_emulator.services.s3.context import OWNER, S3Context, is_bucket_name
from mlci_emulator.services.s3.errors import S3Error, invalid_argument, invalid_request, not_implemented
from mlci_emulator.services.s3.object_metadata import BUCKET_TAGS, PRIVATE_ACLS, checked_tags, reject_unsupported
from mlci_emulator.store import object_keys

#: Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_NAME = re.compile(
    r"(?!xn--|sthree-|amzn-s3-demo-)(?!.*(?:-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$)[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]"
)


def create(context: S3Context, request: Request, region: str) -> Response:
    name = str(request["Bucket"])
    _check_name(name)
    bucket_region = _location(request, region)
    tags = _tags((request.get("CreateBucketConfiguration") or {}).get("Tags") or [])
    ownership = request.get("ObjectOwnership")
    if ownership is not None and ownership not in OWNERSHIPS:
        message = f"Invalid x-amz-object-ownership header: {ownership}"
        raise invalid_argument(message, "x-amz-object-ownership", None)
    if request.get("ObjectLockEnabledForBucket"):
        raise not_implemented("Object Lock")
    reject_unsupported(request)
    if request.get("ACL") not in (None, *PRIVATE_ACLS):
        message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
        raise S3Error("InvalidBucketAclWithObjectOwnership", message, 400)
    with context.object_lock(name, ""):
        if context.has_bucket(name):
            if bucket_region == identity.REGION == _region(context, name) and not tags:
                return _creation_response(name, bucket_region)  # us-east-1 accepts the request twice, for old clients
            message = "Your previous request to create the named bucket succeeded and you already own it."
            raise S3Error("BucketAlreadyOwnedByYou", message, 409, BucketName=name)
        context.records.delete_bucket(name)
        context.records.save_bucket(name, bucket_region, context.now())
        (context.store.root / name).mkdir(parents=True, exist_ok=True)
        if ownership:
            rules = [{"ObjectOwnership": ownership}]
            context.records.save_configuration(name, "OwnershipControls", {"Rules": rules})
        if tags:
            context.records.save_configuration(name, "Tagging", {"TagSet": tags})
    return _creation_response(name, bucket_region)


def _arn(name: str) -> str:
    return f"arn:aws:s3:::{name}"


def _creation_response(name: str, bucket_region: str) -> Response:
    location = f"/{name}" if bucket_region == identity.REGION else f"http://{name}.s3.amazonaws.com/"
    return {"Location": location, "BucketArn": _arn(name)}


def delete(context: S3Context, request: Request, region: str) -> Response:
    name = str(request["Bucket"])
    context.require_bucket(name)
    with context.object_lock(name, ""):
        if next(iter(context.store.walk(name)), None) is not None:
            raise _not_empty(name)
        for upload in context.records.uploads(name):
            raise _not_empty(upload.bucket)
        _remove_folders(context, name)
        context.records.delete_bucket(name)
    return {}


def head(context: S3Context, request: Request, region: str) -> Response:
    name = str(request["Bucket"])
    context.require_bucket(name)
    return {"BucketRegion": _region(context, name), "AccessPointAlias": False, "BucketArn": _arn(name)}


def location(context: S3Context, request: Request, region: str) -> Response:
    name = str(request["Bucket"])
    context.require_bucket(name)
    stored = context.records.bucket(name)
    bucket_region = stored[0] if stored else identity.REGION
    return {"LocationConstraint": None if bucket_region == identity.REGION else bucket_region}


def list_all(context: S3Context, request: Request, region: str) -> Response:
    prefix, token = str(request.get("Prefix") or ""), request.get("ContinuationToken")
    page_size = int(request.get("MaxBuckets") or 10_000)
    if not 1 <= page_size <= 10_000:
        raise invalid_argument("Argument max-buckets must be an integer between 1 and 10000", "max-buckets", page_size)
    is_filtered = any(request.get(name) for name in ("Prefix", "ContinuationToken", "MaxBuckets", "BucketRegion"))
    found = []
    for name in sorted(_names(context)):
        bucket_region = _region(context, name)
        if (
            name.startswith(prefix)
            and name > str(token or "")
            and request.get("BucketRegion") in (None, "", bucket_region)
        ):
            entry = {"Name": name, "CreationDate": _created(context, name)}
            details = {"BucketRegion": bucket_region, "BucketArn": _arn(name)} if is_filtered else {}
            found.append({**entry, **details})
    response: Response = {"Buckets": found[:page_size], "Owner": {"ID": OWNER}}
    if prefix:
        response["Prefix"] = prefix
    if len(found) > page_size:
        response["ContinuationToken"] = found[page_size - 1]["Name"]
    return response


def _names(context: S3Context) -> list[str]:
    try:
        with os.scandir(context.store.root) as entries:
            return [e.name for e in entries if is_bucket_name(e.name) and e.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def _region(context: S3Context, name: str) -> str:
    stored = context.records.bucket(name)
    bucket_region = stored[0] if stored else identity.REGION
    return "eu-west-1" if bucket_region == "EU" else bucket_region  # EU is S3's old name for it


def _created(context: S3Context, name: str) -> datetime:
    stored = context.records.bucket(name)
    if stored:
        return stored[1]
    changed = (context.store.root / name).stat().st_mtime
    return datetime.fromtimestamp(int(changed), timezone.utc)


def _check_name(name: str) -> None:
    is_valid = 3 <= len(name) <= 63 and _NAME.fullmatch(name) is not None
    try:
        ipaddress.IPv4Address(name)
        is_valid = False
    except ValueError:
        pass
    if not is_valid:
        raise S3Error("InvalidBucketName", "The specified bucket is not valid.", 400, BucketName=name)


def _location(request: Request, region: str) -> str:
    """Return the region that the bucket is created in.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html

    Raises: S3Error: the location constraint is invalid, or does not match the endpoint's region.
    """
    configuration = request.get("CreateBucketConfiguration") or {}
    if configuration.get("Location") or configuration.get("Bucket"):
        raise not_implemented("A directory bucket")
    constraint = configuration.get("LocationConstraint")
    if region != identity.REGION and constraint != region and (constraint, region) != ("EU", "eu-west-1"):
        message = (
            f"The {constraint or 'unspecified'} location constraint is incompatible for the region specific endpoint"
        )
        raise S3Error("IllegalLocationConstraintException", f"{message} this request was sent to.", 400)
    if constraint == identity.REGION or (constraint and re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d|EU", constraint) is None):
        message = "The specified location-constraint is not valid"
        raise S3Error("InvalidLocationConstraint", message, 400, LocationConstraint=constraint)
    return constraint or identity.REGION


def _tags(tags: list[dict[str, str]]) -> list[dict[str, str]]:
    if any(tag.get("Key", "").startswith("aws:") for tag in tags):
        message = 'User-defined tag keys can\'t start with "aws:". This prefix is reserved for system tags.'
        raise S3Error("InvalidTag", f'{message} Remove "aws:" from your tag keys and try again.', 400)
    return checked_tags(tags, limit=BUCKET_TAGS)


def _remove_folders(context: S3Context, name: str) -> None:
    """Remove the bucket's folder, with the empty folders and temporary files in it, which no list shows.

    Raises: S3Error: the bucket is not empty (any more).
    """
    for parent, folders, files in os.walk(context.store.root / name, topdown=False):
        for file in files:
            if file.startswith(object_keys.TEMPORARY):
                os.unlink(os.path.join(parent, file))
        for folder in folders:
            _rmdir(os.path.join(parent, folder), name)
    _rmdir(os.path.join(context.store.root, name), name)


def _rmdir(folder: str, name: str) -> None:
    try:
        os.rmdir(folder)
    except OSError as error:
        if isinstance(error, NotADirectoryError):
            message = f'The bucket contains "{folder}", which is a symbolic link and no object.'
            raise invalid_request(message) from error
        raise _not_empty(name) from error


def _not_empty(name: str) -> S3Error:
    message = "The bucket you tried to delete is not empty"
    return S3Error("BucketNotEmpty", message, 409, BucketName=name)
