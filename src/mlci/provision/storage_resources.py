"""The bucket of a flow with its policy, and the ECR repository for its images.

Sources: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-s3-bucket.html and
aws-resource-ecr-repository.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from mlci.plan.names import Names, baselines, install_prefix
from mlci.provision.cloudformation_functions import Resource, Value, get_att, if_, ref, resource, skip_checks, sub
from mlci.provision.image_repositories import encryption
from mlci.provision.stack_names import Role, logical_id, tags

_NONCURRENT_DAYS, _UPLOAD_DAYS = 30, 7
#: The roles that the code of a pull request can use.
_UNTRUSTED: tuple[Role, ...] = ("pull_request_build", "workflow", "job")
#: The roles of builds, state machines and jobs: none of them writes what builds install.
_RUNS: tuple[Role, ...] = (*_UNTRUSTED, "base_build", "protected_workflow", "protected_job")
_WRITES: list[Value] = ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObject"]
_DELETIONS: list[Value] = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
_READS: list[Value] = ["s3:GetObject", "s3:GetObjectVersion"]


def storage_resources(flow: str) -> dict[str, Resource]:
    return {
        "Bucket": resource(
            "AWS::S3::Bucket",
            _bucket(flow),
            Condition="MakesBucket",
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
            Metadata=skip_checks(
                CKV_AWS_18="Access logs need a second bucket and cost at rest; CloudTrail data events show the same",
                CKV_AWS_19="It is encrypted, with AES256 or the parameter KmsKey; the check can't evaluate the choice",
            ),
        ),
        "BucketPolicy": resource(
            "AWS::S3::BucketPolicy",
            {"Bucket": ref("Bucket"), "PolicyDocument": _bucket_policy(flow)},
            Condition="MakesBucket",
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
        ),
        "ImageRepository": resource(
            "AWS::ECR::Repository",
            _image_repository(),
            Condition="HasImageRepository",
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
            Metadata=skip_checks(CKV_AWS_136="ECR encrypts by default; the parameter KmsKey sets another key"),
        ),
    }


def _bucket(flow: str) -> Value:
    return {
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {
                    "BucketKeyEnabled": True,
                    "ServerSideEncryptionByDefault": {
                        "SSEAlgorithm": if_("HasKey", "aws:kms", "AES256"),
                        "KMSMasterKeyID": if_("HasKey", ref("KmsKey")),
                    },
                }
            ]
        },
        "LifecycleConfiguration": {"Rules": list(_rules(flow))},
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        },
        "VersioningConfiguration": {"Status": "Enabled"},
        "Tags": tags(flow),
    }


def _rules(flow: str) -> Iterator[Value]:
    """Yield the lifecycle rules: objects that runs wrote or staged expire, and so do the records of pull requests,
    which name them. Baselines, records of the base branch and what these name stay."""
    for is_protected in (False, True):
        prefix, of = Names(flow, is_protected).prefix, "Protected" if is_protected else ""
        retention = {
            **dict.fromkeys(("runs", "tokens", "reports"), "RunRetention"),
            **dict.fromkeys(("code", "data", "definitions"), "CodeRetention"),
        }
        if not is_protected:
            retention["records"] = "RunRetention"
        for folder, days in retention.items():
            yield {
                "Id": f"{of}{folder.capitalize()}",
                "Status": "Enabled",
                "Prefix": f"{prefix}/{folder}/",
                "ExpirationInDays": ref(days),
            }
    yield {
        "Id": "Overwritten",
        "Status": "Enabled",
        "Prefix": f"mlci/{flow}/",
        "NoncurrentVersionExpiration": {"NoncurrentDays": _NONCURRENT_DAYS},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": _UPLOAD_DAYS},
        "ExpiredObjectDeleteMarker": True,
    }


def _bucket_policy(flow: str) -> Value:
    """Return the bucket policy. It denies requests without TLS. Whatever other policies allow, it denies the roles of
    pull requests to write what builds of the base branch read, and to read task tokens of the base branch; and it
    denies all roles of runs to write what builds install, and to delete records of steps."""
    names = Names(flow, is_protected=True)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "OnlyWithTls",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [get_att("Bucket"), sub("${Bucket.Arn}/*")],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
            _deny("OnlyTheBaseBranchWrites", _WRITES, (baselines(flow), names.prefix), _UNTRUSTED),
            _deny("OnlyBootstrapWrites", _WRITES, (install_prefix(flow),), _RUNS),
            _deny("OnlyTheBaseBranchReads", _READS, (names.tokens,), _UNTRUSTED),
            _deny("RecordsStay", _DELETIONS, (Names(flow).records, names.records), _RUNS),
        ],
    }


def _deny(sid: str, actions: list[Value], prefixes: Iterable[str], roles: Iterable[Role]) -> Value:
    return {
        "Sid": sid,
        "Effect": "Deny",
        "Principal": "*",
        "Action": actions,
        "Resource": [sub(f"${{Bucket.Arn}}/{prefix}/*") for prefix in prefixes],
        "Condition": {"ArnEquals": {"aws:PrincipalArn": [get_att(logical_id(role)) for role in roles]}},
    }


def _image_repository() -> Value:
    expire_untagged = {
        "rulePriority": 1,
        "selection": {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 7},
        "action": {"type": "expire"},
    }
    return {
        "RepositoryName": ref("EcrRepository"),
        "ImageTagMutability": "IMMUTABLE",
        "ImageScanningConfiguration": {"ScanOnPush": True},
        "EncryptionConfiguration": encryption(),
        "LifecyclePolicy": {"LifecyclePolicyText": json.dumps({"rules": [expire_untagged]})},
    }
