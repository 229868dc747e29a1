"""CloudFormation's AWS::S3::Bucket with the settings that moto's leaves out, and AWS::S3::BucketPolicy, in our S3.

Versions are no setting of ours, so a bucket of a stack has none here, whatever its VersioningConfiguration says.
Sources: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-s3-bucket.html and
aws-resource-s3-bucketpolicy.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from moto.s3.models import FakeBucket

from mlci_emulator.server.moto_services.bridge import Ours, called
from mlci_emulator.server.moto_services.cloudformation_resource import Resource, typed

#: Members of a lifecycle's rule that the API has as they are.
_LIFECYCLE = ("Status", "AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration")


class Bucket(FakeBucket):
    """moto's own, which it is in all else."""

    ours: ClassVar[Ours]

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> FakeBucket:
        made = super().create_from_cloudformation_json(
            resource_name, cloudformation_json, account_id, region_name, **kwargs
        )
        cls._set(made.name, cloudformation_json.get("Properties", {}), region_name)
        return made

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: FakeBucket,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> FakeBucket:
        properties = cloudformation_json["Properties"]
        properties.setdefault("BucketName", original_resource.name)  # moto looks for it where there are tags
        changed = super().update_from_cloudformation_json(
            original_resource, new_resource_name, cloudformation_json, account_id, region_name
        )
        cls._set(changed.name, properties, region_name)
        return changed

    @classmethod
    def _set(cls, bucket: str, properties: Mapping[str, Any], region: str) -> None:
        if not cls.ours.is_replay():
            for operation, request in settings(properties):
                called(cls.ours.s3, operation, {"Bucket": bucket, **request}, region)


class BucketPolicy(Resource):
    """One resource of a stack."""

    kind = "AWS::S3::BucketPolicy"
    ours: ClassVar[Ours]

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> BucketPolicy:
        properties = cloudformation_json["Properties"]
        request = {"Bucket": properties["Bucket"], "Policy": json.dumps(properties["PolicyDocument"])}
        if not cls.ours.is_replay():
            called(cls.ours.s3, "PutBucketPolicy", request, region_name)
        return cls(properties["Bucket"])

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: BucketPolicy,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> BucketPolicy:
        return cls.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> None:
        if not cls.ours.is_replay():
            called(cls.ours.s3, "DeleteBucketPolicy", {"Bucket": resource_name}, region_name)


def settings(properties: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The operations that put a bucket's properties into effect, each with its request.

    >>> list(settings({"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}}))
    [('PutBucketOwnershipControls', {'OwnershipControls': {'Rules': [{'ObjectOwnership': 'BucketOwnerEnforced'}]}})]
    """
    told = typed(properties)
    if "OwnershipControls" in told:
        yield "PutBucketOwnershipControls", {"OwnershipControls": told["OwnershipControls"]}
    if "PublicAccessBlockConfiguration" in told:
        blocks = told["PublicAccessBlockConfiguration"]
        yield "PutPublicAccessBlock", {"PublicAccessBlockConfiguration": blocks}
    if "BucketEncryption" in told:
        rules = [_encryption(rule) for rule in told["BucketEncryption"]["ServerSideEncryptionConfiguration"]]
        yield "PutBucketEncryption", {"ServerSideEncryptionConfiguration": {"Rules": rules}}
    if "LifecycleConfiguration" in told:
        rules = [_lifecycle(rule) for rule in told["LifecycleConfiguration"]["Rules"]]
        yield "PutBucketLifecycleConfiguration", {"LifecycleConfiguration": {"Rules": rules}}


def _encryption(rule: Mapping[str, Any]) -> dict[str, Any]:
    names = {"ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault"}
    return {names.get(name, name): member for name, member in rule.items()}


def _lifecycle(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Rules by days and prefix; CloudFormation hands numbers over as text."""
    told: dict[str, Any] = {"Filter": {"Prefix": rule.get("Prefix", "")}}
    told |= {name: numbered(rule[name]) for name in _LIFECYCLE if name in rule}
    if "Id" in rule:
        told["ID"] = rule["Id"]
    expiration = {
        name: numbered(rule[member])
        for member, name in (("ExpirationInDays", "Days"), ("ExpiredObjectDeleteMarker", "ExpiredObjectDeleteMarker"))
        if member in rule
    }
    return {**told, "Expiration": expiration} if expiration else told


def numbered(value: Any) -> Any:
    """A number that came as text, as one; the same inside of what is put together.

    >>> numbered({"NoncurrentDays": "7"})
    {'NoncurrentDays': 7}
    """
    if isinstance(value, dict):
        return {name: numbered(member) for name, member in value.items()}
    return int(value) if isinstance(value, str) and value.isdigit() else value
