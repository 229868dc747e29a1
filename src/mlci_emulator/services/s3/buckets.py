"""Buckets: folders below the store's root. One that a job or a user made is a bucket, too."""

from __future__ import annotations

import ipaddress
import os
import re
from datetime import datetime, timezone

from mlci_emulator import identity
from mlci_emulator.protocol.operations import Request, Response
from mlci_emulator.services.s3.bucket_configuration import OWNERSHIPS
from mlci_emulator.services.s3.context import OWNER, Holdings, is_bucket_like
from mlci_emulator.services.s3.errors import S3Error, invalid_argument, invalid_request, not_here
from mlci_emulator.services.s3.object_metadata import BUCKET_TAGS, PRIVATE_ACLS, checked_tags, refuse_what_is_not_here
from mlci_emulator.store import object_keys

#: Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_NAME = re.compile(
    r"(?!xn--|sthree-|amzn-s3-demo-)(?!.*(?:-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$)[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]"
)


def create(holdings: Holdings, request: Request, region: str) -> Response:
    name = str(request["Bucket"])
    _check_name(name)
    where = _location(request, region)
    tags = _tags((request.get("CreateBucketConfiguration") or {}).get("Tags") or [])
    ownership = request.get("ObjectOwnership")
    if ownership is not None and ownership not in OWNERSHIPS:
        message = f"Invalid x-amz-object-ownership header: {ownership}"
        raise invalid_argument(message, "x-amz-object-ownership", None)
    if request.get("ObjectLockEnabledForBucket"):
        raise not_here("Object Lock")
    refuse_what_is_not_here(request)
    if request.get("ACL") not in (None, *PRIVATE_ACLS):
        message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
        raise S3Error("InvalidBucketAclWithObjectOwnership", message, 400)
    with holdings.object_lock(name, ""):
        if holdings.has_bucket(name):
            if where == identity.REGION == _region(holdings, name) and not tags:
                return _made(name, where)  # there, for old clients' sake, making it twice is no error
            message = "Your previous request to create the named bucket succeeded and you already own it."
            raise S3Error("BucketAlreadyOwnedByYou", message, 409, BucketName=name)
        holdings.records.forget_bucket(name)
        holdings.records.keep_bucket(name, where, holdings.now())
        (holdings.store.root / name).mkdir(parents=True, exist_ok=True)
        if ownership:
            rules = [{"ObjectOwnership": ownership}]
            holdings.records.keep_setting(name, "OwnershipControls", {"Rules": rules})
        if tags:
            holdings.records.keep_setting(name, "Tagging", {"TagSet": tags})
    return _made(name, where)


def _arn(name: str) -> str:
    return f"arn:aws:s3:::{name}"


def _made(name: str, where: str) -> Response:
    location = f"/{name}" if where == identity.REGION else f"http://{name}.s3.amazonaws.com/"
    return {"Location": location, "BucketArn": _arn(name)}


def delete(holdings: Holdings, request: Request, region: str) -> Response:
    name = str(request["Bucket"])
    holdings.require_bucket(name)
    with holdings.object_lock(name, ""):
        if next(iter(holdings.store.walk(name)), None) is not None:
            raise _not_empty(name)
        for upload in holdings.records.uploads(name):
            raise _not_empty(upload.bucket)
        _remove_folders(holdings, name)
        holdings.records.forget_bucket(name)
    return {}


def head(holdings: Holdings, request: Request, region: str) -> Response:
    name = str(request["Bucket"])
    holdings.require_bucket(name)
    return {"BucketRegion": _region(holdings, name), "AccessPointAlias": False, "BucketArn": _arn(name)}


def location(holdings: Holdings, request: Request, region: str) -> Response:
    name = str(request["Bucket"])
    holdings.require_bucket(name)
    known = holdings.records.bucket(name)
    where = known[0] if known else identity.REGION
    return {"LocationConstraint": None if where == identity.REGION else where}


def list_all(holdings: Holdings, request: Request, region: str) -> Response:
    prefix, token = str(request.get("Prefix") or ""), request.get("ContinuationToken")
    most = int(request.get("MaxBuckets") or 10_000)
    if not 1 <= most <= 10_000:
        raise invalid_argument("Argument max-buckets must be an integer between 1 and 10000", "max-buckets", most)
    is_asked = any(request.get(name) for name in ("Prefix", "ContinuationToken", "MaxBuckets", "BucketRegion"))
    found = []
    for name in sorted(_names(holdings)):
        where = _region(holdings, name)
        if name.startswith(prefix) and name > str(token or "") and request.get("BucketRegion") in (None, "", where):
            entry = {"Name": name, "CreationDate": _created(holdings, name)}
            more = {"BucketRegion": where, "BucketArn": _arn(name)} if is_asked else {}
            found.append({**entry, **more})
    answer: Response = {"Buckets": found[:most], "Owner": {"ID": OWNER}}
    if prefix:
        answer["Prefix"] = prefix
    if len(found) > most:
        answer["ContinuationToken"] = found[most - 1]["Name"]
    return answer


def _names(holdings: Holdings) -> list[str]:
    try:
        with os.scandir(holdings.store.root) as entries:
            return [e.name for e in entries if is_bucket_like(e.name) and e.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def _region(holdings: Holdings, name: str) -> str:
    known = holdings.records.bucket(name)
    where = known[0] if known else identity.REGION
    return "eu-west-1" if where == "EU" else where  # S3's first name for it


def _created(holdings: Holdings, name: str) -> datetime:
    known = holdings.records.bucket(name)
    if known:
        return known[1]
    changed = (holdings.store.root / name).stat().st_mtime
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
    """The region that the bucket shall be in.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html

    Raises: S3Error: not the one that was asked.
    """
    configuration = request.get("CreateBucketConfiguration") or {}
    if configuration.get("Location") or configuration.get("Bucket"):
        raise not_here("A directory bucket")
    asked = configuration.get("LocationConstraint")
    if region != identity.REGION and asked != region and (asked, region) != ("EU", "eu-west-1"):
        message = f"The {asked or 'unspecified'} location constraint is incompatible for the region specific endpoint"
        raise S3Error("IllegalLocationConstraintException", f"{message} this request was sent to.", 400)
    if asked == identity.REGION or (asked and re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d|EU", asked) is None):
        message = "The specified location-constraint is not valid"
        raise S3Error("InvalidLocationConstraint", message, 400, LocationConstraint=asked)
    return asked or identity.REGION


def _tags(tags: list[dict[str, str]]) -> list[dict[str, str]]:
    if any(tag.get("Key", "").startswith("aws:") for tag in tags):
        message = 'User-defined tag keys can\'t start with "aws:". This prefix is reserved for system tags.'
        raise S3Error("InvalidTag", f'{message} Remove "aws:" from your tag keys and try again.', 400)
    return checked_tags(tags, most=BUCKET_TAGS)


def _remove_folders(holdings: Holdings, name: str) -> None:
    """Remove the bucket's folder; empty ones and unfinished files in it, which no list shows, go with it.

    Raises: S3Error: it isn't empty (any more).
    """
    for place, folders, files in os.walk(holdings.store.root / name, topdown=False):
        for file in files:
            if file.startswith(object_keys.TEMPORARY):
                os.unlink(os.path.join(place, file))
        for folder in folders:
            _rmdir(os.path.join(place, folder), name)
    _rmdir(os.path.join(holdings.store.root, name), name)


def _rmdir(folder: str, name: str) -> None:
    try:
        os.rmdir(folder)
    except OSError as error:
        if isinstance(error, NotADirectoryError):
            message = f'The bucket has what is no object: "{folder}" is a link.'
            raise invalid_request(message) from error
        raise _not_empty(name) from error


def _not_empty(name: str) -> S3Error:
    message = "The bucket you tried to delete is not empty"
    return S3Error("BucketNotEmpty", message, 409, BucketName=name)
