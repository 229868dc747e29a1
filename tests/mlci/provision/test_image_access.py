"""The repositories of images that runs build, and the rights on them: each side has its own."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml

from mlci.flow import load
from mlci.provision.access_requirements import AccessRequirements, access_requirements
from mlci.provision.iam_policies import policy
from mlci.provision.policy_statements import AccountScope
from mlci.provision.stack_names import ROLES, Role
from mlci.provision.template import template
from support.flow_texts import EXAMPLE
from support.iam_calls import ACCOUNT, REGION, Call, arn
from support.iam_decisions import decided

SCOPE = AccountScope("aws", REGION, ACCOUNT, "bucket", "connection", dict.fromkeys(ROLES, "arn:aws:iam::0:role/x"))
REQUIREMENTS = AccessRequirements("breast-cancer", frozenset(["processing", "training"]), builds_images=True)
OWN, PROTECTED = (arn("ecr", f"repository/mlci-breast-cancer{end}") for end in ("", "_protected"))
LOGIN = Call("ecr:GetAuthorizationToken", "*")
PULL = ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")
PUSH = (*PULL, "CompleteLayerUpload", "DescribeImages", "InitiateLayerUpload", "PutImage", "UploadLayerPart")
#: Nobody deletes images or tags, changes a repository, or reaches another.
NEVER = [
    *(
        Call(f"ecr:{action}", place)
        for place in (OWN, PROTECTED)
        for action in ("BatchDeleteImage", "DeleteRepository")
    ),
    *(Call("ecr:PutImageTagMutability", place) for place in (OWN, PROTECTED)),
    *(Call("ecr:SetRepositoryPolicy", place) for place in (OWN, PROTECTED)),
    *(Call(f"ecr:{action}", arn("ecr", "repository/mlci-breast-cancer-2")) for action in PUSH),
    *(Call(f"ecr:{action}", arn("ecr", "repository/mlci-breast-cancer_protected-2")) for action in PUSH),
]


def on(repository: str, actions: tuple[str, ...]) -> list[Call]:
    return [LOGIN, *(Call(f"ecr:{action}", repository) for action in actions)]


@pytest.mark.parametrize("role", ROLES)
def test_each_side_reaches_its_own_repository_alone(role: Role) -> None:
    allowed: dict[Role, list[Call]] = {
        "pull_request_build": on(OWN, PUSH),
        "base_build": on(PROTECTED, PUSH),
        "job": on(OWN, PULL),
        "protected_job": on(PROTECTED, PULL),
    }
    every = [*on(OWN, PUSH), *on(PROTECTED, PUSH)[1:], *NEVER]
    document = policy(role, REQUIREMENTS, SCOPE)
    assert [call for call in every if decided(document, call)] == allowed.get(role, [])


def test_a_flow_that_builds_no_image_has_neither_rights_nor_repositories_nor_privileges() -> None:
    none = replace(REQUIREMENTS, builds_images=False)
    for role in ROLES:
        statements: Any = policy(role, none, SCOPE)["Statement"]
        assert not [action for each in statements for action in each["Action"] if action.startswith("ecr:")]
    resources = yaml.safe_load(template(none))["Resources"]
    assert not {"BuiltImages", "ProtectedBuiltImages"} & resources.keys()
    for project in ("PullRequestProject", "BaseProject"):
        assert resources[project]["Properties"]["Environment"]["PrivilegedMode"] is False


def test_a_flow_that_builds_images_has_two_repositories_and_privileged_builds() -> None:
    resources = yaml.safe_load(template(REQUIREMENTS))["Resources"]
    for name, repository in (("BuiltImages", OWN), ("ProtectedBuiltImages", PROTECTED)):
        properties = resources[name]["Properties"]
        assert properties["RepositoryName"] == repository.rpartition("/")[2]
        assert properties["ImageTagMutability"] == "IMMUTABLE"
        assert properties["ImageScanningConfiguration"] == {"ScanOnPush": True}
        assert properties["EmptyOnDelete"] is True
        assert resources[name]["DeletionPolicy"] == "Delete"
        [rule] = json.loads(properties["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
        assert rule["selection"]["countType"] == "imageCountMoreThan"
    for project in ("PullRequestProject", "BaseProject"):
        assert resources[project]["Properties"]["Environment"]["PrivilegedMode"] is True


def test_whether_a_flow_builds_images_follows_from_its_steps() -> None:
    built = EXAMPLE.replace("image: xgboost:1.7-1", "image: {build: docker}")
    assert access_requirements(load(built.encode(), "flow.yaml"), {}).builds_images
    assert not access_requirements(load(EXAMPLE.encode(), "flow.yaml"), {}).builds_images
