"""What a flow needs → each role's policy: the actions that its step types use, on the names and prefixes of this flow.

Two facts shape them. Whoever may write an object, a version or a job decides what a later reader sees: so what the base
branch's builds use (`protected`) can be written by their roles alone. And S3 says "forbidden" in place of "missing" to
whom may not list: so who reads an object that may be missing can list the bucket, which shows names and no content.

Sources: https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html;
jobs: https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html; `.sync`:
https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html; builds:
https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html and test-permissions.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from typing_extensions import assert_never

from mlci.flow.s3_uris import split_s3_uri
from mlci.plan.names import Names, baselines
from mlci.provision.access_requirements import Needs
from mlci.provision.stack_names import ROLES, Role, build_log_group, project_name
from mlci.step_types import STEP_TYPES
from mlci.step_types.base import Grant, Grants

Document: TypeAlias = "dict[str, object]"

_READ_IMAGE = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")


#: What tells a build or a job about the VPC that it joins; it can't be limited to a resource.
DESCRIBE_NETWORK = tuple(
    f"ec2:Describe{things}" for things in ("DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets", "Vpcs")
)


@dataclass(frozen=True)
class AccountScope:
    """The account that policies are for, and what lies in it: names, ARNs, or CloudFormation's words for them.

    `roles` are the ARNs of those that policies pass on.
    """

    partition: str
    region: str
    account: str
    bucket: str
    connection: str
    roles: Mapping[Role, str]

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def objects(self, *prefixes: str) -> list[str]:
        return [f"arn:{self.partition}:s3:::{self.bucket}/{prefix}*" for prefix in prefixes]

    def log_streams(self, group: str, stream: str) -> str:
        return self.arn("logs", f"log-group:{group}:log-stream:{stream}")


@dataclass(frozen=True)
class Statement:
    """One statement that allows something; `when` is its Condition."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    when: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def document(self) -> Document:
        document: Document = {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": sorted(self.actions),
            "Resource": sorted(self.resources),
        }
        return {**document, "Condition": self.when} if self.when else document


def policy(role: Role, needs: Needs, place: AccountScope) -> Document:
    """A role's policy document."""
    return document(statements(role, needs, place))


def statements(role: Role, needs: Needs, place: AccountScope) -> list[Statement]:
    """What a role may do."""
    match role:
        case "pull_request_build" | "base_build":
            return list(_build(needs, place, is_base=role == "base_build"))
        case "workflow" | "protected_workflow":
            return list(_workflow(needs, place, is_protected=role == "protected_workflow"))
        case "job" | "protected_job":
            return list(_job(needs, place, is_protected=role == "protected_job"))
        case "pull_request_actions" | "base_actions":
            return list(_actions(needs, place, is_base=role == "base_actions"))
        case _:
            assert_never(role)


def policies(needs: Needs, place: AccountScope) -> dict[Role, Document]:
    return {role: policy(role, needs, place) for role in ROLES}


def document(statements: Iterable[Statement]) -> Document:
    return {"Version": "2012-10-17", "Statement": [statement.document() for statement in statements]}


def _build(needs: Needs, place: AccountScope, is_base: bool) -> Iterator[Statement]:
    """What `pipeline.py` calls, and what CodeBuild itself does in the name of the role."""
    names = Names(needs.flow, is_protected=is_base)
    yield from _project(project_name(needs.flow, is_base), place)
    yield Statement("ReadSettings", ("ssm:GetParameters",), (place.arn("ssm", f"parameter/mlci/{needs.flow}/*"),))
    yield _list_bucket(place)
    baseline_prefix = f"{baselines(needs.flow)}/"
    yield Statement("ReadRuns", ("s3:GetObject",), tuple(place.objects(f"{names.prefix}/runs/", baseline_prefix)))
    staged = ["code/"] + ["data/"] * needs.reads_data
    yield Statement(
        "Stage", ("s3:PutObject",), tuple(place.objects(*(f"{names.prefix}/{folder}" for folder in staged)))
    )
    if is_base:
        yield Statement("WriteBaselines", ("s3:PutObject",), tuple(place.objects(baseline_prefix)))
    yield from _executions(names, place)
    yield _pass_role("protected_workflow" if is_base else "workflow", "states.amazonaws.com", place)
    yield from _granted((grant for of_type in _grants(needs) for grant in of_type.build), needs, names, place)


def _project(name: str, place: AccountScope) -> Iterator[Statement]:
    group = place.arn("logs", f"log-group:{build_log_group(name)}")
    yield Statement(
        "WriteBuildLog", ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"), (group, f"{group}:*")
    )
    yield Statement(
        "ReportTests",
        (
            "codebuild:BatchPutTestCases",
            "codebuild:CreateReport",
            "codebuild:CreateReportGroup",
            "codebuild:UpdateReport",
        ),
        (place.arn("codebuild", f"report-group/{name}-*"),),
    )
    yield Statement(
        "ReadSource",
        ("codeconnections:GetConnection", "codeconnections:GetConnectionToken", "codeconnections:UseConnection"),
        (place.connection,),
    )


def _list_bucket(place: AccountScope) -> Statement:
    return Statement("ListBucket", ("s3:ListBucket",), (f"arn:{place.partition}:s3:::{place.bucket}",))


def _executions(names: Names, place: AccountScope) -> Iterator[Statement]:
    """The state machine with its versions, and its executions."""
    machine = place.arn("states", f"stateMachine:{names.machine}")
    yield Statement(
        "DeployFlow",
        tuple(
            f"states:{action}"
            for action in (
                "CreateStateMachine",
                "DeleteStateMachineVersion",
                "DescribeStateMachine",
                "ListExecutions",
                "ListStateMachineVersions",
                "ListTagsForResource",
                "PublishStateMachineVersion",
                "StartExecution",
                "TagResource",
                "UpdateStateMachine",
            )
        ),
        (machine, f"{machine}:*"),
    )
    yield Statement(
        "FollowRuns",
        ("states:DescribeExecution", "states:GetExecutionHistory", "states:StopExecution"),
        (place.arn("states", f"execution:{names.machine}:*"),),
    )


def _grants(needs: Needs) -> list[Grants]:
    """The rights that the flow's step types need."""
    return [STEP_TYPES[uses].grants for uses in sorted(needs.uses)]


def _granted(grants: Iterable[Grant], needs: Needs, names: Names, place: AccountScope) -> Iterator[Statement]:
    """The grants as statements, one for each sid."""
    by_sid: dict[str, list[Grant]] = {}
    for grant in grants:
        by_sid.setdefault(grant.sid, []).append(grant)
    for sid, alike in by_sid.items():
        creates_jobs = any(grant.joins_network for grant in alike)
        yield Statement(
            sid,
            tuple(dict.fromkeys(action for grant in alike for action in grant.actions)),
            tuple(dict.fromkeys(_arn(resource, names, place) for grant in alike for resource in grant.resources)),
            {**_conditions(alike), **(_job_conditions(needs) if creates_jobs else {})},
        )


def _arn(resource: str, names: Names, place: AccountScope) -> str:
    """The ARN of a grant's resource."""
    resource = resource.format(jobs=names.jobs, jobs_lower=names.jobs.lower(), runs=f"{names.prefix}/runs/")
    service, _, rest = resource.partition(":")
    if service == "s3":
        return place.objects(rest)[0] if rest else f"arn:{place.partition}:s3:::{place.bucket}"
    return place.arn(service, rest) if rest else resource


def _conditions(grants: Iterable[Grant]) -> dict[str, dict[str, list[str]]]:
    """The conditions of all grants: a key's values are those of each."""
    merged: dict[str, dict[str, list[str]]] = {}
    for grant in grants:
        for operator, keys in grant.condition.items():
            for key, values in keys.items():
                merged.setdefault(operator, {}).setdefault(key, []).extend(values)
    return merged


def _workflow(needs: Needs, place: AccountScope, is_protected: bool) -> Iterator[Statement]:
    """The rights of the state machine: what its steps need, and to read the metrics of rules."""
    names, types = Names(needs.flow, is_protected), _grants(needs)
    grants = [grant for of_type in types for grant in of_type.workflow]
    if needs.has_rules:
        grants += [
            Grant("ListBucket", ("s3:ListBucket",), ("s3:",)),
            Grant("ReadRuns", ("s3:GetObject",), ("s3:{runs}",)),
        ]
    yield from _granted(grants, needs, names, place)
    for service in sorted({of_type.passes_role_to for of_type in types if of_type.passes_role_to}):
        yield _pass_role("protected_job" if is_protected else "job", service, place)


def _job_conditions(needs: Needs) -> Mapping[str, Mapping[str, object]]:
    """Return the conditions of job creation: the flow's instance types, its longest time limit, and its network.

    A flow without a network needs no condition for it: its job role can't join one. IAM has no key for the instance
    count. `IfExists` allows a request whose context lacks the key.

    Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
    """
    allowed: dict[str, tuple[str, ...]] = {}
    if needs.instance_types:
        allowed["sagemaker:InstanceTypes"] = needs.instance_types
    if needs.subnets:
        allowed |= {"sagemaker:VpcSecurityGroupIds": needs.security_groups, "sagemaker:VpcSubnets": needs.subnets}
    conditions: dict[str, Mapping[str, object]] = {}
    if allowed:
        conditions["ForAllValues:StringEquals"] = {key: list(values) for key, values in allowed.items()}
    if needs.max_runtime_s is not None:
        limit = {"sagemaker:MaxRuntimeInSeconds": str(needs.max_runtime_s)}
        conditions["NumericLessThanEqualsIfExists"] = limit
    return conditions


def _job(needs: Needs, place: AccountScope, is_protected: bool) -> Iterator[Statement]:
    """What SageMaker, and the script itself, do in the name of a job."""
    names = Names(needs.flow, is_protected)
    folders = ["code/"] + ["data/"] * needs.reads_data + ["runs/"] * needs.reads_outputs
    yield _list_bucket(place)
    yield Statement(
        "ReadInputs", ("s3:GetObject",), tuple(place.objects(*(f"{names.prefix}/{folder}" for folder in folders)))
    )
    yield Statement("WriteOutputs", ("s3:PutObject",), tuple(place.objects(f"{names.prefix}/runs/")))
    yield from _outside(needs, place)
    yield from _granted((grant for of_type in _grants(needs) for grant in of_type.job), needs, names, place)
    yield from _images(needs, place)
    yield from _keys(needs, place)
    if needs.subnets:
        yield from _join_network(needs, place)


def _outside(needs: Needs, place: AccountScope) -> Iterator[Statement]:
    """Yield the statements for reading inputs elsewhere in S3. A URI is a prefix of keys: `s3://acme` is a bucket."""
    s3 = f"arn:{place.partition}:s3:::"
    locations = [split_s3_uri(uri) for uri in needs.outside]
    if locations:
        yield Statement("ReadOutside", ("s3:GetObject",), tuple(f"{s3}{bucket}/{key}*" for bucket, key in locations))
    for number, bucket in enumerate(sorted({bucket for bucket, _ in locations}), 1):
        prefixes = [f"{key}*" for other, key in locations if other == bucket]
        yield Statement(
            f"ListOutside{number}", ("s3:ListBucket",), (f"{s3}{bucket}",), {"StringLike": {"s3:prefix": prefixes}}
        )


def _images(needs: Needs, place: AccountScope) -> Iterator[Statement]:
    arns = [
        f"arn:{place.partition}:ecr:{image.region}:{image.account}:repository/{image.name}" for image in needs.images
    ]
    if arns:
        yield from pull_images(arns)


def pull_images(repositories: Sequence[str]) -> Iterator[Statement]:
    """Images are pulled from these; the token that opens a registry can't be limited to one."""
    yield Statement("OpenRegistry", ("ecr:GetAuthorizationToken",), ("*",))
    yield Statement("PullImages", _READ_IMAGE, tuple(repositories))


def _keys(needs: Needs, place: AccountScope) -> Iterator[Statement]:
    """The flow's keys, for what jobs write and for their disks. By an alias, a condition tells a key from others."""
    keys = [key for key in needs.keys if "alias/" not in key]
    aliases = sorted({key.rpartition(":")[2] for key in needs.keys if "alias/" in key})
    if keys:
        arns = tuple(key if key.startswith("arn:") else place.arn("kms", f"key/{key}") for key in keys)
        yield from _use_keys("", arns, {})
    if aliases:
        named = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": aliases}}
        yield from _use_keys("ByAlias", (place.arn("kms", "key/*"),), named)


def _use_keys(ending: str, keys: tuple[str, ...], when: Mapping[str, Mapping[str, object]]) -> Iterator[Statement]:
    """SageMaker hands a key on to EBS by a grant, and nobody else is to get one: it would outlast the job.

    Source: https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html (kms:GrantIsForAWSResource)
    """
    yield Statement(f"UseKeys{ending}", ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"), keys, when)
    for_aws = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    yield Statement(f"LendKeys{ending}", ("kms:CreateGrant",), keys, {**when, **for_aws})


def _join_network(needs: Needs, place: AccountScope) -> Iterator[Statement]:
    """A job has an interface in its subnets, which it lends to SageMaker, and takes back. A subnet may be another
    account's, which shares it.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html ("… API: Execution Role Permissions")
    """
    interfaces = place.arn("ec2", "network-interface/*")
    subnets = tuple(f"arn:{place.partition}:ec2:{place.region}:*:subnet/{subnet}" for subnet in needs.subnets)
    groups = (f"arn:{place.partition}:ec2:{place.region}:*:security-group/{group}" for group in needs.security_groups)
    yield Statement("LookAround", DESCRIBE_NETWORK, ("*",))
    yield Statement("JoinNetwork", ("ec2:CreateNetworkInterface",), (interfaces, *subnets, *groups))
    lent = ("CreateNetworkInterfacePermission", "DeleteNetworkInterface", "DeleteNetworkInterfacePermission")
    only_there = {"ArnLike": {"ec2:Subnet": list(subnets)}}
    yield Statement("LendInterfaces", tuple(f"ec2:{action}" for action in lent), (interfaces,), only_there)


#: What StartBuild could put in the place of the project's own, and must not: a build with other commands, of another
#: repository or on another image would still have the project's role, and one with another status check could pass for
#: another tool's.
#: Source: https://docs.aws.amazon.com/codebuild/latest/userguide/action-context-keys.html
_OVERRIDES = (
    "artifacts",
    "environment.computeType",
    "environment.environmentVariables.name",
    "environment.image",
    "environment.privilegedMode",
    "logsConfig",
    "secondaryArtifacts",
    "secondarySources",
    "serviceRole",
    "source.auth.type",
    "source.buildspec",
    "source.buildStatusConfig.context",
    "source.location",
)


def _actions(needs: Needs, place: AccountScope, is_base: bool) -> Iterator[Statement]:
    """What .github/workflows/ml-ci.yml does with a build project: it starts a build, follows its log, and stops it."""
    name = project_name(needs.flow, is_base)
    arns = (place.arn("codebuild", f"project/{name}"),)
    as_it_is = {f"codebuild:{override}": "true" for override in _OVERRIDES}
    yield Statement("Build", ("codebuild:StartBuild",), arns, {"Null": as_it_is})
    yield Statement("FollowBuild", ("codebuild:BatchGetBuilds", "codebuild:StopBuild"), arns)
    yield Statement("ReadBuildLog", ("logs:GetLogEvents",), (place.log_streams(build_log_group(name), "*"),))


def _pass_role(role: Role, service: str, place: AccountScope) -> Statement:
    return Statement(
        "PassRole", ("iam:PassRole",), (place.roles[role],), {"StringEquals": {"iam:PassedToService": service}}
    )
