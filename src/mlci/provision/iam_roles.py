"""The roles of the stack: who may take each, and its policy.

Each trust names the service and what it acts for, so that no other account, and nothing else of this one, can have the
service take the role ("confused deputy").
Sources: https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html,
https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html and
https://docs.github.com/en/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-aws
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from typing_extensions import assert_never

from mlci.backends.aws.preflight import GITHUB
from mlci.plan.names import Names
from mlci.provision import iam_policies
from mlci.provision.access_requirements import Needs
from mlci.provision.cloudformation_functions import Resource, Value, either, excepted, filled, ref, resource, sub
from mlci.provision.iam_policies import Place, Statement
from mlci.provision.stack_names import ROLES, Role, logical_id, project, tags

_BUILDS: tuple[Role, Role] = ("pull_request_build", "base_build")
_WORKFLOWS: tuple[Role, Role] = ("workflow", "protected_workflow")
_JOBS: tuple[Role, Role] = ("job", "protected_job")
ACTIONS: tuple[Role, Role] = ("pull_request_actions", "base_actions")
#: What both roles of a kind may do stands in one policy, by its name: a template has no room for everything twice.
_KINDS: Mapping[str, tuple[Role, Role]] = {
    "Builds": _BUILDS,
    "Workflows": _WORKFLOWS,
    "Jobs": _JOBS,
    "Actions": ACTIONS,
}
#: GitHub's limit of a job: a build that outlives the first hour must still be stopped with the job.
_ACTIONS_MAX_S = 21_600
_ABOUT: Mapping[Role, str] = {
    "pull_request_build": "mlci: builds of pull requests",
    "base_build": "mlci: builds of the base branch, which write baselines",
    "workflow": "mlci: the state machine of pull requests",
    "protected_workflow": "mlci: the state machine of the base branch",
    "job": "mlci: the SageMaker jobs of pull requests",
    "protected_job": "mlci: the SageMaker jobs of the base branch",
    "pull_request_actions": "mlci: GitHub Actions of pull requests, which start builds of pull requests",
    "base_actions": "mlci: GitHub Actions of the base branch, which start its builds",
}
#: Account and names as the template knows them.
PLACE = Place(
    partition="${AWS::Partition}",
    region="${AWS::Region}",
    account="${AWS::AccountId}",
    bucket="${BucketName}",
    connection="${ConnectionArn}",
    roles={role: f"${{{logical_id(role)}.Arn}}" for role in ROLES},
)
BUCKET: Value = either("MakesBucket", ref("Bucket"), ref("ExistingBucket"))
CONNECTION: Value = either("MakesConnection", ref("GitHubConnection"), ref("Connection"))
PROVIDER: Value = either("MakesOidcProvider", ref("GitHubOidcProvider"), ref("OidcProvider"))
_ANY_RESOURCE = "What CodeBuild documents: an interface has no name before it is made"


def roles(needs: Needs) -> dict[str, Resource]:
    """Every role with its policy, and the policies for what may be chosen."""
    made: dict[str, Resource] = {}
    for role in ROLES:
        condition = {"Condition": "UsesActions"} if role in ACTIONS else {}
        made[logical_id(role)] = resource(
            "AWS::IAM::Role",
            {
                "Description": _ABOUT[role],
                "AssumeRolePolicyDocument": _trust(role, needs.flow),
                "PermissionsBoundary": either("HasBoundary", ref("PermissionsBoundary")),
                **({"MaxSessionDuration": _ACTIONS_MAX_S} if role in ACTIONS else {}),
                "Tags": tags(needs.flow),
            },
            **condition,
        )
    for kind, pair in _KINDS.items():
        made |= _policies(kind, pair, needs)
    made["EncryptionPolicy"] = _policy(
        "mlci: objects of the bucket under the key", iam_policies.document(_encryption()), ROLES[:6], Condition="HasKey"
    )
    made["NetworkPolicy"] = _policy(
        "mlci: builds in the VPC",
        iam_policies.document(_network()),
        _BUILDS,
        Condition="IsInVpc",
        Metadata=excepted(CKV_AWS_111=_ANY_RESOURCE),
    )
    made["ImagesPolicy"] = _policy(
        "mlci: jobs on images of the repository",
        iam_policies.document(iam_policies.pulling(["${ImageRepository.Arn}"])),
        _JOBS,
        Condition="HasImageRepository",
    )
    return made


def _policies(kind: str, pair: tuple[Role, Role], needs: Needs) -> dict[str, Resource]:
    """The policies of two roles: what both may do, and what each."""
    condition = {"Condition": "UsesActions"} if pair == ACTIONS else {}
    one, other = (iam_policies.statements(role, needs, PLACE) for role in pair)
    common = [statement for statement in one if statement in other]
    made = {}
    for role, statements in zip(pair, (one, other), strict=True):
        own = iam_policies.document(statement for statement in statements if statement not in common)
        made[_own_policy(role)] = _policy(_ABOUT[role], own, (role,), **condition)
    if common:
        about = f"{_ABOUT[pair[0]]}, and {_ABOUT[pair[1]].removeprefix('mlci: ')}"
        made[f"{kind}Policy"] = _policy(about, iam_policies.document(common), pair, **condition)
    return made


def policies_of_builds(role: Role) -> list[str]:
    """The policies that a build's role has, as the template calls them."""
    return [_own_policy(role), "BuildsPolicy"]


def _own_policy(role: Role) -> str:
    return logical_id(role).removesuffix("Role") + "Policy"


def _policy(about: str, document: iam_policies.Document, to: tuple[Role, ...], **attributes: Value) -> Resource:
    return resource(
        "AWS::IAM::ManagedPolicy",
        {
            "Description": about,
            "PolicyDocument": filled(document, BucketName=BUCKET, ConnectionArn=CONNECTION),
            "Roles": [ref(logical_id(role)) for role in to],
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


def _network() -> Iterator[Statement]:
    """What CodeBuild does to put a build into a VPC.

    Source: https://docs.aws.amazon.com/codebuild/latest/userguide/auth-and-access-control-iam-identity-based-access-control.html
    """
    make = ("ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface")
    yield Statement("JoinNetwork", (*make, *iam_policies.LOOK_AROUND), ("*",))
    yield Statement(
        "LendInterfaces",
        ("ec2:CreateNetworkInterfacePermission",),
        (PLACE.arn("ec2", "network-interface/*"),),
        {"StringEquals": {"ec2:AuthorizedService": "codebuild.${AWS::URLSuffix}"}},
    )


def _trust(role: Role, flow: str) -> Value:
    match role:
        case "pull_request_build" | "base_build":
            source = PLACE.arn("codebuild", f"project/{project(flow, role == 'base_build')}")
            return _service("codebuild.amazonaws.com", source)
        case "workflow" | "protected_workflow":
            machine = Names(flow, role == "protected_workflow").machine
            # With its end, or with the version that runs: which of them Step Functions names is not documented.
            return _service(
                "states.amazonaws.com", *(PLACE.arn("states", f"stateMachine:{machine}{end}") for end in ("", ":*"))
            )
        case "job" | "protected_job":
            return _service("sagemaker.amazonaws.com")
        case "pull_request_actions":
            return _github("pull_request")
        case "base_actions":
            return _github("ref:refs/heads/${BaseBranch}")
        case _:
            assert_never(role)


def _service(service: str, *sources: str) -> Value:
    condition: Value = {"StringEquals": {"aws:SourceAccount": ref("AWS::AccountId")}}
    if sources:
        condition["ArnLike"] = {"aws:SourceArn": [sub(source) for source in sources]}
    return _trusting({"Service": service}, "sts:AssumeRole", condition)


def _github(what: str) -> Value:
    """Newer repositories have ids in what their tokens are about: `repo:octo@1234/model@5678:pull_request`. No name of
    an owner or a repository has an `@`, and none has a `:`, so `*` reaches nothing else."""
    owner, name = ({"Fn::Select": [number, {"Fn::Split": ["/", ref("Repository")]}]} for number in (0, 1))
    newer = sub(f"repo:${{Owner}}@*/${{Name}}@*:{what}", Owner=owner, Name=name)
    condition = {
        "StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com"},
        "StringLike": {f"{GITHUB}:sub": [sub(f"repo:${{Repository}}:{what}"), newer]},
    }
    return _trusting({"Federated": PROVIDER}, "sts:AssumeRoleWithWebIdentity", condition)


def _trusting(principal: Value, action: str, condition: Value) -> Value:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action, "Condition": condition}
    return {"Version": "2012-10-17", "Statement": [statement]}
