"""CloudFormation's AWS::S3::Bucket, with the settings that moto ignores, and AWS::S3::BucketPolicy.

The emulator's S3 has no versions, so a stack's bucket has none, whatever its VersioningConfiguration is.
Sources: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-s3-bucket.html and
aws-resource-s3-bucketpolicy.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from moto.s3.models import FakeBucket

from mlci_emulator.server.moto_services.bridge import BridgedServices, call_service
from mlci_emulator.server.moto_services.cloudformation_resource import StackResource, typed

#: Members of a lifecycle rule that the API has under the same names.
_LIFECYCLE = ("Status", "AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration")


class BucketResource(FakeBucket):
    """A bucket of a stack: moto's own, with further settings in the emulator's S3."""

    services: ClassVar[BridgedServices]

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> FakeBucket:
        bucket = super().create_from_cloudformation_json(
            resource_name, cloudformation_json, account_id, region_name, **kwargs
        )
        cls._configure(bucket.name, cloudformation_json.get("Properties", {}), region_name)
        return bucket

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
        cls._configure(changed.name, properties, region_name)
        return changed

    @classmethod
    def _configure(cls, bucket: str, properties: Mapping[str, Any], region: str) -> None:
        if not cls.services.is_replay():
            for operation, request in settings(properties):
                call_service(cls.services.s3, operation, {"Bucket": bucket, **request}, region)


class BucketPolicyResource(StackResource):
    """A bucket policy of a stack."""

    kind = "AWS::S3::BucketPolicy"
    services: ClassVar[BridgedServices]

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> BucketPolicyResource:
        properties = cloudformation_json["Properties"]
        request = {"Bucket": properties["Bucket"], "Policy": json.dumps(properties["PolicyDocument"])}
        if not cls.services.is_replay():
            call_service(cls.services.s3, "PutBucketPolicy", request, region_name)
        return cls(properties["Bucket"])

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: BucketPolicyResource,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> BucketPolicyResource:
        return cls.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> None:
        if not cls.services.is_replay():
            call_service(cls.services.s3, "DeleteBucketPolicy", {"Bucket": resource_name}, region_name)


def settings(properties: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the operations that apply a bucket's properties, each with its request.

    >>> list(settings({"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}}))
    [('PutBucketOwnershipControls', {'OwnershipControls': {'Rules': [{'ObjectOwnership': 'BucketOwnerEnforced'}]}})]
    """
    members = typed(properties)
    if "OwnershipControls" in members:
        yield "PutBucketOwnershipControls", {"OwnershipControls": members["OwnershipControls"]}
    if "PublicAccessBlockConfiguration" in members:
        blocks = members["PublicAccessBlockConfiguration"]
        yield "PutPublicAccessBlock", {"PublicAccessBlockConfiguration": blocks}
    if "BucketEncryption" in members:
        rules = [_encryption(rule) for rule in members["BucketEncryption"]["ServerSideEncryptionConfiguration"]]
        yield "PutBucketEncryption", {"ServerSideEncryptionConfiguration": {"Rules": rules}}
    if "LifecycleConfiguration" in members:
        rules = [_lifecycle(rule) for rule in members["LifecycleConfiguration"]["Rules"]]
        yield "PutBucketLifecycleConfiguration", {"LifecycleConfiguration": {"Rules": rules}}


def _encryption(rule: Mapping[str, Any]) -> dict[str, Any]:
    names = {"ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault"}
    return {names.get(name, name): member for name, member in rule.items()}


def _lifecycle(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule by days and prefix; CloudFormation passes numbers as text."""
    members: dict[str, Any] = {"Filter": {"Prefix": rule.get("Prefix", "")}}
    members |= {name: as_number(rule[name]) for name in _LIFECYCLE if name in rule}
    if "Id" in rule:
        members["ID"] = rule["Id"]
    expiration = {
        name: as_number(rule[member])
        for member, name in (("ExpirationInDays", "Days"), ("ExpiredObjectDeleteMarker", "ExpiredObjectDeleteMarker"))
        if member in rule
    }
    return {**members, "Expiration": expiration} if expiration else members


def as_number(value: Any) -> Any:
    """Return a number that came as text as a number, also inside a structure.

    >>> as_number({"NoncurrentDays": "7"})
    {'NoncurrentDays': 7}
    """
    if isinstance(value, dict):
        return {name: as_number(member) for name, member in value.items()}
    return int(value) if isinstance(value, str) and value.isdigit() else value
