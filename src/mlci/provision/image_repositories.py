"""The ECR repositories of the images that a flow's runs build: one for pull requests, and one for the base branch.

A pull request's build can push to its own alone, so nothing of it is pulled where merged code runs. A tag is the hash
of an image's content; it can't be overwritten, so that a later push under the same hash changes nothing.
Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ecr-repository.html
"""

from __future__ import annotations

import json

from mlci.plan.names import Names
from mlci.provision.cloudformation_functions import Resource, Value, if_, ref, resource, skip_checks
from mlci.provision.stack_names import tags

#: Older images are deleted. One that a run needs again is built again.
_KEPT = {False: 20, True: 100}
#: The logical IDs, by whether the repository is the base branch's.
LOGICAL_IDS = {False: "BuiltImages", True: "ProtectedBuiltImages"}


def image_repositories(flow: str) -> dict[str, Resource]:
    return {
        name: resource(
            "AWS::ECR::Repository",
            _repository(flow, is_protected),
            # Images are built from the repository, and can be built again: they go with the stack.
            DeletionPolicy="Delete",
            UpdateReplacePolicy="Delete",
            Metadata=skip_checks(CKV_AWS_136="ECR encrypts by default; the parameter KmsKey sets another key"),
        )
        for is_protected, name in LOGICAL_IDS.items()
    }


def encryption() -> Value:
    """Return the encryption of a repository: by the parameter KmsKey, if it is set."""
    return if_("HasKey", {"EncryptionType": "KMS", "KmsKey": ref("KmsKey")}, {"EncryptionType": "AES256"})


def _repository(flow: str, is_protected: bool) -> Value:
    expire = {
        "rulePriority": 1,
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": _KEPT[is_protected]},
        "action": {"type": "expire"},
    }
    return {
        "RepositoryName": Names(flow, is_protected).images,
        "EmptyOnDelete": True,
        "ImageTagMutability": "IMMUTABLE",
        "ImageScanningConfiguration": {"ScanOnPush": True},
        "EncryptionConfiguration": encryption(),
        "LifecyclePolicy": {"LifecyclePolicyText": json.dumps({"rules": [expire]})},
        "Tags": tags(flow),
    }
