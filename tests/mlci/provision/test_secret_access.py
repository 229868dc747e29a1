"""The rights on secrets: the base branch's job role alone, or both where the flow says so, and on nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from mlci.errors import InputError
from mlci.flow import load
from mlci.flow.models import Secret
from mlci.provision.access_requirements import AccessRequirements, access_requirements
from mlci.provision.iam_policies import policy
from mlci.provision.policy_statements import AccountScope
from mlci.provision.stack_names import ROLES, Role, logical_id
from mlci.provision.template import template
from support.flow_texts import AT_TOP, EXAMPLE, IN_TRAIN
from support.iam_calls import ACCOUNT, REGION, Call, arn
from support.iam_decisions import decided

GITHUB = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:github-aBcD12"
ROLE = "arn:aws:iam::0:role/x"
SCOPE = AccountScope("aws", REGION, ACCOUNT, "bucket", "connection", dict.fromkeys(ROLES, ROLE), GITHUB)
HUB = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:hub-AbC123"
SECRETS = (
    Secret("base", "ssm", "/team/base"),
    Secret("keyed", "ssm", "/team/keyed", kms_key="1234abcd"),
    Secret("named", "secretsmanager", "team/named", kms_key="alias/team"),
    Secret("shared", "ssm", "shared", allows_pull_requests=True),
    Secret("hub", "secretsmanager", HUB, allows_pull_requests=True),
)
REQUIREMENTS = AccessRequirements("breast-cancer", frozenset(["processing", "training"]), secrets=SECRETS)
BASE, KEYED, SHARED = (arn("ssm", f"parameter/{name}") for name in ("team/base", "team/keyed", "shared"))
NAMED = arn("secretsmanager", "secret:team/named-Xy12Zz")
KEY, OTHER_KEY = arn("kms", "key/1234abcd"), arn("kms", "key/5678")
_ALIAS = ("kms:ResourceAliases", "alias/team")

FOR_BOTH = [Call("ssm:GetParameter", SHARED), Call("secretsmanager:GetSecretValue", HUB)]
FOR_BASE = [
    Call("ssm:GetParameter", BASE),
    Call("ssm:GetParameter", KEYED),
    Call("secretsmanager:GetSecretValue", NAMED),
    Call("kms:Decrypt", KEY, (("kms:EncryptionContext:PARAMETER_ARN", KEYED),)),
    Call("kms:Decrypt", OTHER_KEY, (("kms:EncryptionContext:SecretARN", NAMED), _ALIAS)),
]
#: Calls that no role may make: other secrets, secrets whose names begin alike, other operations, the keys for other
#: parameters or for other services.
FOR_NOBODY = [
    Call("ssm:GetParameter", arn("ssm", "parameter/team/base/more")),
    Call("ssm:GetParameter", arn("ssm", "parameter/team/other")),
    Call("ssm:GetParameters", BASE),
    Call("ssm:GetParametersByPath", arn("ssm", "parameter/team")),
    Call("ssm:GetParameterHistory", BASE),
    Call("ssm:PutParameter", BASE),
    Call("secretsmanager:GetSecretValue", arn("secretsmanager", "secret:team/named-more-Xy12Zz")),
    Call("secretsmanager:GetSecretValue", arn("secretsmanager", "secret:hub-AbC123")),
    Call("secretsmanager:ListSecrets", "*"),
    Call("secretsmanager:PutSecretValue", NAMED),
    Call("kms:Decrypt", KEY),
    Call("kms:Decrypt", KEY, (("kms:EncryptionContext:PARAMETER_ARN", BASE),)),
    Call("kms:Decrypt", OTHER_KEY, (("kms:EncryptionContext:PARAMETER_ARN", KEYED),)),
    Call("kms:Decrypt", OTHER_KEY, (("kms:EncryptionContext:SecretARN", NAMED),)),
    Call("kms:Encrypt", KEY, (("kms:EncryptionContext:PARAMETER_ARN", KEYED),)),
]


@pytest.mark.parametrize("role", ROLES)
def test_the_base_branchs_jobs_read_all_secrets_and_pull_requests_those_that_allow_it(role: Role) -> None:
    document = policy(role, REQUIREMENTS, SCOPE)
    allowed: dict[Role, list[Call]] = {"job": FOR_BOTH, "protected_job": [*FOR_BOTH, *FOR_BASE]}
    every = [*FOR_BOTH, *FOR_BASE, *FOR_NOBODY]
    assert [call for call in every if decided(document, call)] == allowed.get(role, [])


def test_a_flow_without_secrets_grants_nothing_on_any() -> None:
    none = replace(REQUIREMENTS, secrets=())
    for role in ROLES:
        written: Any = policy(role, none, SCOPE)["Statement"]
        statements = [each for each in written if each["Resource"] != [GITHUB]]
        actions = {action for statement in statements for action in statement["Action"]}
        assert not actions & {"ssm:GetParameter", "secretsmanager:GetSecretValue", "kms:Decrypt"}


def test_rights_follow_from_the_secrets_that_steps_read() -> None:
    text = EXAMPLE.replace(AT_TOP, f"{AT_TOP}secrets: {{used: 'ssm:/a', unused: 'ssm:/b'}}\n")
    text = text.replace(IN_TRAIN, f"{IN_TRAIN}    env: {{A: '${{{{ secrets.used }}}}'}}\n")
    found = access_requirements(load(text.encode(), "flow.yaml"), {})
    assert found.secrets == (Secret("used", "ssm", "/a"),)


def test_a_key_that_is_a_wildcard_is_refused() -> None:
    text = EXAMPLE.replace(AT_TOP, f"{AT_TOP}secrets: {{a: {{from: 'ssm:/a', kms_key: '*'}}}}\n")
    with pytest.raises(InputError, match=r'flow.yaml:2:\d+: secret "a": "\*" is not a valid KMS key'):
        access_requirements(load(text.encode(), "flow.yaml"), {})


def test_the_template_grants_the_base_branchs_role_alone() -> None:
    resources = yaml.safe_load(template(REQUIREMENTS))["Resources"]
    roles_of: dict[str, set[str]] = {}
    for entry in resources.values():
        if entry["Type"] == "AWS::IAM::ManagedPolicy":
            text = str(entry["Properties"]["PolicyDocument"])
            for name in ("parameter/team/base", "parameter/shared", "secret:team/named-??????", "hub-AbC123"):
                if name in text:
                    roles_of.setdefault(name, set()).update(role["Ref"] for role in entry["Properties"]["Roles"])
    both, base = {logical_id("job"), logical_id("protected_job")}, {logical_id("protected_job")}
    assert roles_of == {
        "parameter/team/base": base,
        "secret:team/named-??????": base,
        "parameter/shared": both,
        "hub-AbC123": both,
    }
