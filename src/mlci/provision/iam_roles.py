"""The roles of the stack: trust policies and managed policies.

Each trust policy names the service and the resource that it acts for, so that the service assumes the role for no other
account and no other resource ("confused deputy").
Sources: https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html,
https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html and
https://docs.github.com/en/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-aws
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from typing_extensions import assert_never

from mlci.errors import InputError
from mlci.plan.names import Names
from mlci.provision import iam_policies
from mlci.provision.access_requirements import AccessRequirements
from mlci.provision.cloudformation_functions import Resource, Value, if_, ref, resource, skip_checks, sub, substitute
from mlci.provision.policy_sizes import POLICY_MAX_CHARS, ROLE_MAX_POLICIES, divided, size_chars
from mlci.provision.policy_statements import AccountScope, Document, Statement, document
from mlci.provision.stack_names import (
    GITHUB_OIDC_HOST,
    ROLES,
    Role,
    logical_id,
    project_name,
    reporter_name,
    tags,
)

_BUILDS: tuple[Role, Role] = ("pull_request_build", "base_build")
_WORKFLOWS: tuple[Role, Role] = ("workflow", "protected_workflow")
_JOBS: tuple[Role, Role] = ("job", "protected_job")
ACTIONS: tuple[Role, Role] = ("pull_request_actions", "base_actions")
_REPORTERS: tuple[Role, Role] = ("reporter", "reporter_events")
#: The conditions of the roles that not every stack has.
_ROLE_CONDITIONS: Mapping[Role, str] = {
    **dict.fromkeys(ACTIONS, "UsesActions"),
    **dict.fromkeys(_REPORTERS, "HasReporter"),
}
_IMPLIED_CONDITIONS: Mapping[str, str] = {"ReportsFromVpc": "HasReporter"}
#: Statements that both roles of a kind have stand in one policy of this name: a template has no room for them twice.
_KINDS: Mapping[str, tuple[Role, Role]] = {
    "Builds": _BUILDS,
    "Workflows": _WORKFLOWS,
    "Jobs": _JOBS,
    "Actions": ACTIONS,
    "Reporters": _REPORTERS,
}
#: GitHub's limit for a job. After the default of one hour, the workflow could no longer stop a build.
_ACTIONS_MAX_S = 21_600
_DESCRIPTIONS: Mapping[Role, str] = {
    "pull_request_build": "mlci: builds of pull requests",
    "base_build": "mlci: builds of the base branch, which write baselines",
    "workflow": "mlci: the state machine of pull requests",
    "protected_workflow": "mlci: the state machine of the base branch",
    "job": "mlci: the SageMaker jobs of pull requests",
    "protected_job": "mlci: the SageMaker jobs of the base branch",
    "pull_request_actions": "mlci: GitHub Actions of pull requests, which start builds of pull requests",
    "base_actions": "mlci: GitHub Actions of the base branch, which start its builds",
    "reporter": "mlci: what posts the reports of pull requests",
    "reporter_events": "mlci: events of builds, which start the reporter",
}
#: The roles that read or write objects, which a key may encrypt.
_KEY_USERS: tuple[Role, ...] = (*_BUILDS, *_WORKFLOWS, *_JOBS, "reporter")
#: The account and names, as Fn::Sub in the template refers to them.
SCOPE = AccountScope(
    partition="${AWS::Partition}",
    region="${AWS::Region}",
    account="${AWS::AccountId}",
    bucket="${BucketName}",
    connection="${ConnectionArn}",
    roles={role: f"${{{logical_id(role)}.Arn}}" for role in ROLES},
    secret="${GitHubSecret}",
)
BUCKET: Value = if_("MakesBucket", ref("Bucket"), ref("ExistingBucket"))
CONNECTION: Value = if_("MakesConnection", ref("GitHubConnection"), ref("Connection"))
PROVIDER: Value = if_("MakesOidcProvider", ref("GitHubOidcProvider"), ref("OidcProvider"))
#: The audience of GitHub's tokens, as ml-ci.yml requests it: in China, the domain ends in .cn.
OIDC_AUDIENCE: Value = sub("sts.${AWS::URLSuffix}")
_ANY_RESOURCE_REASON = "As CodeBuild documents it: a network interface has no ARN before it exists"


def iam_roles(requirements: AccessRequirements) -> dict[str, Resource]:
    """Return every role with its policies, and the policies that depend on parameters.

    Raises: InputError, if IAM would accept no policy of such a size, or attach fewer policies to a role.
    """
    resources: dict[str, Resource] = {}
    for role in ROLES:
        resources[logical_id(role)] = resource(
            "AWS::IAM::Role",
            {
                "Description": _DESCRIPTIONS[role],
                "AssumeRolePolicyDocument": _trust(role, requirements),
                "PermissionsBoundary": if_("HasBoundary", ref("PermissionsBoundary")),
                **({"MaxSessionDuration": _ACTIONS_MAX_S} if role in ACTIONS else {}),
                "Tags": tags(requirements.flow),
            },
            **_condition(role),
        )
    for kind, pair in _KINDS.items():
        resources |= _policies(kind, pair, requirements)
    resources["EncryptionPolicy"] = _policy(
        "mlci: objects of the bucket under the key", document(_encryption()), _KEY_USERS, Condition="HasKey"
    )
    resources["NetworkPolicy"] = _policy(
        "mlci: builds in the VPC",
        document(_join_network()),
        _BUILDS,
        Condition="IsInVpc",
        Metadata=skip_checks(CKV_AWS_111=_ANY_RESOURCE_REASON),
    )
    resources["ReporterNetworkPolicy"] = _policy(
        "mlci: the reporter in the VPC",
        document(_join_network()),
        ("reporter",),
        Condition="ReportsFromVpc",
        Metadata=skip_checks(CKV_AWS_111=_ANY_RESOURCE_REASON),
    )
    resources["ImagesPolicy"] = _policy(
        "mlci: jobs on images of the repository",
        document(iam_policies.pull_images(["${ImageRepository.Arn}"])),
        _JOBS,
        Condition="HasImageRepository",
    )
    for role in ROLES:
        _check_attachments(role, resources)
    return resources


def _policies(kind: str, pair: tuple[Role, Role], requirements: AccessRequirements) -> dict[str, Resource]:
    """Return the policies of two roles: one with their common statements, and one for each."""
    condition = _condition(pair[0])
    one, other = (iam_policies.statements(role, requirements, SCOPE) for role in pair)
    common = [statement for statement in one if statement in other]
    resources: dict[str, Resource] = {}
    for role, statements in zip(pair, (one, other), strict=True):
        own = [statement for statement in statements if statement not in common]
        resources |= _numbered(_own_policy(role), own, _DESCRIPTIONS[role], (role,), condition)
    if common:
        description = f"{_DESCRIPTIONS[pair[0]]}, and {_DESCRIPTIONS[pair[1]].removeprefix('mlci: ')}"
        resources |= _numbered(f"{kind}Policy", common, description, pair, condition)
    return resources


def _numbered(
    name: str, statements: list[Statement], about: str, to: tuple[Role, ...], condition: dict[str, Value]
) -> dict[str, Resource]:
    """Return the policy of this name; where IAM's limit takes several, the others have a number."""
    policies = divided(statements)
    for part in policies:
        _check_size(part, to)
    return {
        f"{name}{number if number > 1 else ''}": _policy(about, document(part), to, **condition)
        for number, part in enumerate(policies, 1)
    }


def _check_size(statements: list[Statement], to: tuple[Role, ...]) -> None:
    size = size_chars(statements)
    if size > POLICY_MAX_CHARS:
        [statement] = statements  # only one that can't be divided is too large
        roles = " and ".join(logical_id(role) for role in to)
        what = f'the right "{statement.sid}" of {roles} takes {size:,} characters; IAM accepts {POLICY_MAX_CHARS:,}'
        values = ", ".join(sorted(key for each in statement.condition.values() for key in each))
        raise InputError(what, f"Use fewer values for {values}, or split the flow." if values else "Split the flow.")


def _condition(role: Role) -> dict[str, Value]:
    return {"Condition": _ROLE_CONDITIONS[role]} if role in _ROLE_CONDITIONS else {}


def _check_attachments(role: Role, resources: Mapping[str, Resource]) -> None:
    policies = [each for each in resources.values() if each["Type"] == "AWS::IAM::ManagedPolicy"]
    count = sum(f'"{logical_id(role)}"' in json.dumps(each["Properties"]["Roles"]) for each in policies)
    if count > ROLE_MAX_POLICIES:
        what = f"the rights of {logical_id(role)} take {count} policies; IAM attaches {ROLE_MAX_POLICIES} to a role"
        raise InputError(what, "Group S3 inputs under fewer prefixes, or split the flow.")


def policies_of(role: Role, resources: Mapping[str, Resource]) -> list[str]:
    """Return the logical IDs of a role's policies that every stack has which has the role."""
    return [
        name
        for name, each in resources.items()
        if each["Type"] == "AWS::IAM::ManagedPolicy"
        and ref(logical_id(role)) in each["Properties"]["Roles"]
        and each.get("Condition") == _ROLE_CONDITIONS.get(role)
    ]


def _own_policy(role: Role) -> str:
    return logical_id(role).removesuffix("Role") + "Policy"


def _policy(about: str, document: Document, to: tuple[Role, ...], **attributes: Value) -> Resource:
    condition = str(attributes.get("Condition"))
    return resource(
        "AWS::IAM::ManagedPolicy",
        {
            "Description": about,
            "PolicyDocument": substitute(document, BucketName=BUCKET, ConnectionArn=CONNECTION),
            "Roles": [
                ref(logical_id(role))
                if _ROLE_CONDITIONS.get(role) in (None, condition, _IMPLIED_CONDITIONS.get(condition))
                else if_(_ROLE_CONDITIONS[role], ref(logical_id(role)))
                for role in to
            ],
        },
        **attributes,
    )


def _encryption() -> Iterator[Statement]:
    yield Statement(
        "UseKeyForObjects",
        ("kms:Decrypt", "kms:GenerateDataKey"),
        ("${KmsKey}",),
        {"StringEquals": {"kms:ViaService": "s3.${AWS::Region}.${AWS::URLSuffix}"}},
    )


def _join_network() -> Iterator[Statement]:
    """Yield the statements that CodeBuild needs to run a build in a VPC.

    Source: https://docs.aws.amazon.com/codebuild/latest/userguide/auth-and-access-control-iam-identity-based-access-control.html
    """
    make = ("ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface")
    yield Statement("JoinNetwork", (*make, *iam_policies.DESCRIBE_NETWORK), ("*",))
    yield Statement(
        "LendInterfaces",
        ("ec2:CreateNetworkInterfacePermission",),
        (SCOPE.arn("ec2", "network-interface/*"),),
        {"StringEquals": {"ec2:AuthorizedService": "codebuild.${AWS::URLSuffix}"}},
    )


def _trust(role: Role, requirements: AccessRequirements) -> Value:
    flow = requirements.flow
    match role:
        case "pull_request_build" | "base_build":
            source = SCOPE.arn("codebuild", f"project/{project_name(flow, role == 'base_build')}")
            return _service_trust("codebuild.amazonaws.com", source)
        case "workflow" | "protected_workflow":
            machine = Names(flow, role == "protected_workflow").machine
            # Step Functions does not document whether the source ARN has a version.
            return _service_trust(
                "states.amazonaws.com", *(SCOPE.arn("states", f"stateMachine:{machine}{end}") for end in ("", ":*"))
            )
        case "job" | "protected_job":
            return _service_trust(iam_policies.job_services(requirements))
        case "pull_request_actions":
            return _github_trust("pull_request")
        case "reporter":
            return _service_trust("codebuild.amazonaws.com", SCOPE.arn("codebuild", f"project/{reporter_name(flow)}"))
        case "reporter_events":
            return _service_trust("events.amazonaws.com", SCOPE.arn("events", f"rule/{reporter_name(flow)}"))
        case "base_actions":
            workflow = "${Repository}/.github/workflows/ml-ci.yml@refs/heads/${BaseBranch}"
            return _github_trust("ref:refs/heads/${BaseBranch}", job_workflow_ref=sub(workflow))
        case _:
            assert_never(role)


def _service_trust(service: Value, *sources: str) -> Value:
    condition: Value = {"StringEquals": {"aws:SourceAccount": ref("AWS::AccountId")}}
    if sources:
        condition["ArnLike"] = {"aws:SourceArn": [sub(source) for source in sources]}
    return _trust_policy({"Service": service}, "sts:AssumeRole", condition)


def _github_trust(subject: str, **equal: Value) -> Value:
    """Return the trust policy for tokens of the repository's workflows.

    The repository is trusted by its ID: another owner can register a name that was given up. Newer repositories have
    IDs in the subject as well: `repo:octo@1234/model@5678:pull_request`. No owner and no repository has an `@` or a `:`
    in its name, so `*` matches nothing else.

    Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html and
    https://docs.github.com/en/actions/reference/security/oidc
    """
    owner, name = ({"Fn::Select": [number, {"Fn::Split": ["/", ref("Repository")]}]} for number in (0, 1))
    with_ids = sub(f"repo:${{Owner}}@*/${{Name}}@${{RepositoryId}}:{subject}", Owner=owner, Name=name)
    condition = {
        "StringEquals": {
            f"{GITHUB_OIDC_HOST}:aud": OIDC_AUDIENCE,
            f"{GITHUB_OIDC_HOST}:repository_id": ref("RepositoryId"),
            **{f"{GITHUB_OIDC_HOST}:{claim}": value for claim, value in equal.items()},
        },
        "StringLike": {f"{GITHUB_OIDC_HOST}:sub": [sub(f"repo:${{Repository}}:{subject}"), with_ids]},
    }
    return _trust_policy({"Federated": PROVIDER}, "sts:AssumeRoleWithWebIdentity", condition)


def _trust_policy(principal: Value, action: str, condition: Value) -> Value:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action, "Condition": condition}
    return {"Version": "2012-10-17", "Statement": [statement]}
