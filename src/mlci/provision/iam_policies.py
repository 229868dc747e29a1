"""A flow's access requirements → the policy of each role: the actions of its step types, on the names of this flow.

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

from typing_extensions import assert_never

from mlci.aws_settings import parameter_folder
from mlci.plan.names import Names, acceptances, baseline_outputs, baselines, install_prefix
from mlci.provision.access_requirements import AccessRequirements
from mlci.provision.policy_statements import UNKNOWN, AccountScope, Document, Statement, document
from mlci.provision.secret_access import secret_statements
from mlci.provision.stack_names import ROLES, Role, build_log_group, project_name, reporter_name
from mlci.s3_uris import split_s3_uri
from mlci.step_types import STEP_TYPES, build_run, gate_judgement, waits_for_decision
from mlci.step_types.deletions import DELETIONS
from mlci.step_types.grants import Grant, Grants

#: Building an image: the layers of an earlier one are read, and the new one is pushed.
#: Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html
_PUSH_IMAGE = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:DescribeImages",
    "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)
_OPEN_REGISTRY = Statement("OpenRegistry", ("ecr:GetAuthorizationToken",), ("*",))
_READ_IMAGE = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")


#: The actions by which a build or a job describes its VPC; IAM can't limit them to a resource.
DESCRIBE_NETWORK = tuple(
    f"ec2:Describe{things}" for things in ("DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets", "Vpcs")
)


def policy(role: Role, requirements: AccessRequirements, scope: AccountScope) -> Document:
    """Return the policy document of a role."""
    return document(statements(role, requirements, scope))


def statements(role: Role, requirements: AccessRequirements, scope: AccountScope) -> list[Statement]:
    """Return the statements of a role."""
    match role:
        case "pull_request_build" | "base_build":
            return list(_build(requirements, scope, is_base=role == "base_build"))
        case "workflow" | "protected_workflow":
            return list(_workflow(requirements, scope, is_protected=role == "protected_workflow"))
        case "job" | "protected_job":
            return list(_job(requirements, scope, is_protected=role == "protected_job"))
        case "pull_request_actions" | "base_actions":
            return list(_actions(requirements, scope, is_base=role == "base_actions"))
        case "reporter":
            return list(_reporter(requirements.flow, scope))
        case "reporter_events":
            project = scope.arn("codebuild", f"project/{reporter_name(requirements.flow)}")
            return [Statement("StartReporter", ("codebuild:StartBuild",), (project,))]
        case _:
            assert_never(role)


def policies(requirements: AccessRequirements, scope: AccountScope) -> dict[Role, Document]:
    return {role: policy(role, requirements, scope) for role in ROLES}


def approver_policies(requirements: AccessRequirements, scope: AccountScope) -> dict[str, Document]:
    """Return the policies of people who decide about approvals: of the base branch's runs, and of all others.

    They are empty for a flow without approvals.
    """
    if not any(map(waits_for_decision, requirements.uses)):
        return {}
    return {
        "approver": document(_approver(requirements, scope, is_protected=False)),
        "protected_approver": document(_approver(requirements, scope, is_protected=True)),
    }


def _approver(requirements: AccessRequirements, scope: AccountScope, is_protected: bool) -> Iterator[Statement]:
    """Yield the statements for the calls of `mlci approve` and `mlci reject`."""
    names = Names(requirements.flow, is_protected)
    yield _read_settings(requirements.flow, scope)
    yield _list_bucket(scope)
    yield _use_objects("ReadTokens", "s3:GetObject", (f"{names.tokens}/",), scope)
    yield _use_objects("ReadDecisions", "s3:GetObject", (f"{names.prefix}/runs/",), scope)
    execution = scope.arn("states", f"execution:{names.machine}:*")
    yield Statement("DescribeRuns", ("states:DescribeExecution",), (execution,))
    yield Statement("Decide", ("states:SendTaskSuccess",), ("*",))


def accepter_policy(flow: str, scope: AccountScope) -> Document:
    """Return the policy of a person who accepts what runs missed: with the baselines, and with nothing else of them."""
    return document(_accepter(flow, scope))


def _accepter(flow: str, scope: AccountScope) -> Iterator[Statement]:
    """Yield the statements for the calls of `mlci accept`."""
    kept = f"{acceptances(flow)}/"
    yield _read_settings(flow, scope)
    yield _list_bucket(scope)
    misses = tuple(_object(Names(flow, is_protected).gate_misses("*"), scope) for is_protected in (False, True))
    yield Statement("ReadMisses", ("s3:GetObject",), misses, scope.owner_condition)
    yield _use_objects("ReadAcceptances", "s3:GetObject", (kept,), scope)
    yield _use_objects("Accept", "s3:PutObject", (kept,), scope)


def gc_policy(flow: str, scope: AccountScope) -> Document:
    """Return the policy of a person who deletes what nothing needs, of the base branch and of pull requests.

    Builds have no right to delete. Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
    """
    return document(_gc(flow, scope))


def _gc(flow: str, scope: AccountScope) -> Iterator[Statement]:
    """Yield the statements for the calls of `mlci gc`."""
    both = (Names(flow), Names(flow, is_protected=True))
    yield _read_settings(flow, scope)
    yield _list_bucket(scope)
    read = (f"{baselines(flow)}/", *(f"{names.records}/" for names in both))
    # The description of a registered model is read where the registry may not be.
    yield _use_objects("ReadReferences", "s3:GetObject", (*read, *(f"{names.prefix}/runs/" for names in both)), scope)
    folders = ("runs", "tokens", "code", "data", "definitions", "records")
    deleted = (f"{names.prefix}/{folder}/" for names in both for folder in folders)
    yield _use_objects("Delete", "s3:DeleteObject", (*deleted, f"{baseline_outputs(flow)}/"), scope)
    machines = tuple(scope.arn("states", f"stateMachine:{names.machine}") for names in both)
    yield Statement("FindRuns", ("states:ListExecutions",), machines)
    executions = tuple(scope.arn("states", f"execution:{names.machine}:*") for names in both)
    yield Statement("DescribeRuns", ("states:DescribeExecution",), executions)
    # Lists of models can be restricted to none of them, and registered models have names of their own.
    lists = ("sagemaker:ListModelPackageGroups", "sagemaker:ListModelPackages", "sagemaker:ListModels")
    yield Statement("FindModels", lists, ("*",))
    # SageMaker writes the names of models in lower case where it makes ARNs of them.
    models = dict.fromkeys(f"model/{jobs}*" for names in both for jobs in (names.jobs, names.jobs.lower()))
    described = (*(scope.arn("sagemaker", model) for model in models), scope.arn("sagemaker", "model-package/*"))
    yield Statement("DescribeModels", ("sagemaker:DescribeModel", "sagemaker:DescribeModelPackage"), described)


def _build(requirements: AccessRequirements, scope: AccountScope, is_base: bool) -> Iterator[Statement]:
    """Yield the statements for the calls of `pipeline.py`, and for those that CodeBuild makes with the role."""
    names = Names(requirements.flow, is_protected=is_base)
    yield from _project(project_name(requirements.flow, is_base), scope)
    yield _read_settings(requirements.flow, scope)
    yield _list_bucket(scope)
    baseline_prefix = f"{baselines(requirements.flow)}/"
    yield _use_objects("ReadRuns", "s3:GetObject", (f"{names.prefix}/runs/", baseline_prefix), scope)
    yield from _records(names, scope)
    yield _use_objects("ReadInstall", "s3:GetObject", (f"{install_prefix(requirements.flow)}/",), scope)
    if not is_base:
        protected = Names(requirements.flow, is_protected=True)
        yield _use_objects("ReadDefinitions", "s3:GetObject", (f"{protected.prefix}/definitions/",), scope)
    staged = ["code/", "definitions/"] + ["data/"] * requirements.reads_data
    # What is there already is asked for its checksum.
    staged_objects = tuple(scope.objects(*(f"{names.prefix}/{folder}" for folder in staged)))
    yield Statement("Stage", ("s3:GetObject", "s3:PutObject"), staged_objects, scope.owner_condition)
    yield _use_objects("WriteReports", "s3:PutObject", (f"{names.prefix}/reports/",), scope)
    misses = Names(names.flow, names.is_protected).gate_misses("*")
    yield Statement("WriteMisses", ("s3:PutObject",), (_object(misses, scope),), scope.owner_condition)
    if is_base:
        yield _use_objects("WriteBaselines", "s3:PutObject", (baseline_prefix,), scope)
        # The bucket's lifecycle ends copies that are broken off.
        yield _use_objects("KeepOutputs", "s3:PutObject", (_kept_outputs(requirements.flow),), scope)
    yield from _executions(names, scope)
    yield from _list_external_inputs(dict.fromkeys((*requirements.outside, *requirements.outside_of_build)), scope)
    if requirements.builds_images:
        yield _OPEN_REGISTRY
        yield Statement("BuildImages", _PUSH_IMAGE, (_built_images(names, scope),))
    yield _pass_role("protected_workflow" if is_base else "workflow", scope, "states.amazonaws.com")
    yield from _granted(
        (grant for of_type in _grants(requirements) for grant in of_type.build), requirements, names, scope
    )
    yield from _read_external_inputs(requirements.outside_of_build, scope)
    yield from _keys(requirements.output_keys, scope, ("kms:Decrypt",))


def _records(names: Names, scope: AccountScope) -> Iterator[Statement]:
    """Yield the statements for the records of steps: each side writes its own, and none twice. Pull requests read those
    of the base branch as well.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
    """
    base = Names(names.flow, is_protected=True)
    readable = dict.fromkeys(f"{each.records}/" for each in (names, base))
    yield _use_objects("ReadRecords", "s3:GetObject", readable, scope)
    once = {**scope.owner_condition, "Null": {"s3:if-none-match": "false"}}
    yield Statement("WriteRecords", ("s3:PutObject",), tuple(scope.objects(f"{names.records}/")), once)


def _project(name: str, scope: AccountScope) -> Iterator[Statement]:
    group = scope.arn("logs", f"log-group:{build_log_group(name)}")
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
        (scope.arn("codebuild", f"report-group/{name}-*"),),
    )
    yield Statement(
        "ReadSource",
        ("codeconnections:GetConnection", "codeconnections:GetConnectionToken", "codeconnections:UseConnection"),
        (scope.connection,),
    )


def _read_settings(flow: str, scope: AccountScope) -> Statement:
    parameters = scope.arn("ssm", f"parameter{parameter_folder(flow)}*")
    return Statement("ReadSettings", ("ssm:GetParameters",), (parameters,))


def _list_bucket(scope: AccountScope) -> Statement:
    bucket = f"arn:{scope.partition}:s3:::{scope.bucket}"
    return Statement("ListBucket", ("s3:ListBucket",), (bucket,), scope.owner_condition)


def _object(key: str, scope: AccountScope) -> str:
    return f"arn:{scope.partition}:s3:::{scope.bucket}/{key}"


def _use_objects(sid: str, action: str, prefixes: Iterable[str], scope: AccountScope) -> Statement:
    return Statement(sid, (action,), tuple(scope.objects(*prefixes)), scope.owner_condition)


def _executions(names: Names, scope: AccountScope) -> Iterator[Statement]:
    """Yield the statements for the state machine, its versions and its executions."""
    machine = scope.arn("states", f"stateMachine:{names.machine}")
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
        (scope.arn("states", f"execution:{names.machine}:*"),),
    )


def _grants(requirements: AccessRequirements) -> list[Grants]:
    """The rights that the flow's step types need, those for steps that the build runs itself, and those for the verdict
    before what stands behind the gate.

    The flow's own rules don't tell whether mlci is asked for it: a pull request is judged by those of the base, too.
    """
    of_types = [STEP_TYPES[uses].grants for uses in sorted(requirements.uses)]
    in_build = [build_run.GRANTS] if requirements.runs_in_build else []
    judgement = [gate_judgement.GRANTS] if requirements.has_steps_behind_gate else []
    return [*of_types, *in_build, *judgement]


def job_services(requirements: AccessRequirements) -> str | list[str]:
    """Return the services that the state machine passes the job's role to: those that assume it."""
    services = sorted({each.passes_role_to for each in _grants(requirements) if each.passes_role_to})
    return services if len(services) > 1 else (services or ["sagemaker.amazonaws.com"])[0]


def _granted(
    grants: Iterable[Grant], requirements: AccessRequirements, names: Names, scope: AccountScope
) -> Iterator[Statement]:
    """The grants as statements, one for each sid."""
    by_sid: dict[str, list[Grant]] = {}
    for grant in grants:
        by_sid.setdefault(grant.sid, []).append(grant)
    for sid, alike in by_sid.items():
        creates_jobs = any(grant.joins_network for grant in alike)
        yield Statement(
            sid,
            tuple(dict.fromkeys(action for grant in alike for action in grant.actions)),
            tuple(
                dict.fromkeys(
                    arn
                    for grant in alike
                    for each in grant.resources
                    for arn in _arns(each, requirements, names, scope)
                )
            ),
            {**_conditions(alike, names, scope), **(_job_conditions(requirements) if creates_jobs else {})},
        )


def _arns(resource: str, requirements: AccessRequirements, names: Names, scope: AccountScope) -> Iterator[str]:
    """The ARNs of a grant's resource: one, or one for each name of what is kept."""
    if "{kept}" not in resource:
        yield _arn(resource, names, scope)
        return
    for name in requirements.kept:
        for spelt in dict.fromkeys((name, name.lower())):
            yield _arn(resource.replace("{kept}", spelt), names, scope)


def _arn(resource: str, names: Names, scope: AccountScope) -> str:
    """The ARN of a grant's resource."""
    resource = resource.format(
        jobs=names.jobs,
        jobs_lower=names.jobs.lower(),
        short_jobs=names.short_jobs,
        runs=f"{names.prefix}/runs/",
        records=_kept_outputs(names.flow),
        requests=names.requests("*"),
        tokens=f"{names.tokens}/",
        machine=names.machine,
    )
    service, _, rest = resource.partition(":")
    if service == "s3":
        return scope.objects(rest)[0] if rest else f"arn:{scope.partition}:s3:::{scope.bucket}"
    return scope.arn(service, rest) if rest else resource


def _kept_outputs(flow: str) -> str:
    """The prefix of the outputs that records of the base branch name. Those of pull requests name their runs'."""
    return f"{Names(flow, is_protected=True).records}/outputs/"


def _conditions(grants: Sequence[Grant], names: Names, scope: AccountScope) -> Mapping[str, Mapping[str, object]]:
    """Return the conditions of all grants: a key's values are those of each. S3 grants are for the flow's bucket."""
    merged: dict[str, dict[str, list[str]]] = {}
    for grant in grants:
        for operator, keys in grant.condition.items():
            for key, values in keys.items():
                merged.setdefault(operator, {}).setdefault(key, []).extend(_arn(each, names, scope) for each in values)
    if any(not resource.startswith("s3:") for grant in grants for resource in grant.resources):
        return merged
    return {**scope.owner_condition, **merged}


def _workflow(requirements: AccessRequirements, scope: AccountScope, is_protected: bool) -> Iterator[Statement]:
    """The rights of the state machine: what its steps need, and to read the metrics of rules."""
    names, types = Names(requirements.flow, is_protected), _grants(requirements)
    grants = [grant for of_type in types for grant in of_type.workflow]
    if requirements.runs_in_build or any(STEP_TYPES[use].request for use in requirements.uses):
        grants.append(Grant("ReadRuns", ("s3:GetObject",), ("s3:{requests}",)))
    if requirements.has_rules:
        grants += [
            Grant("ListBucket", ("s3:ListBucket",), ("s3:",)),
            Grant("ReadRuns", ("s3:GetObject",), ("s3:{runs}", "s3:{records}")),
        ]
    if is_protected:
        grants += [grant for of_type in types for grant in of_type.protected]
    else:
        grants += _cleaner_grants(requirements)
    yield from _granted(grants, requirements, names, scope)
    yield from _invoke_functions(requirements.functions, scope)
    yield from _register_models(requirements, names, scope)
    yield from _use_outside_outputs("ReadOutsideOutputs", "s3:GetObject", requirements.outside_outputs, scope)
    if any(of_type.passes_role_to for of_type in types):
        yield _pass_role("protected_job" if is_protected else "job", scope, job_services(requirements))
    yield from _keys(requirements.output_keys, scope, _COPY_AND_READ)


def _cleaner_grants(requirements: AccessRequirements) -> Iterator[Grant]:
    """Yield the rights of the cleaner, which a run starts if a step of it leaves something to delete.

    Source: https://docs.aws.amazon.com/step-functions/latest/dg/stepfunctions-iam.html
    """
    nouns = {each.noun for uses in requirements.uses for each in STEP_TYPES[uses].cleanup}
    if not nouns:
        return
    yield Grant("StartCleaner", ("states:StartExecution",), ("states:stateMachine:{machine}:*",))
    yield Grant("FollowRuns", ("states:DescribeExecution",), ("states:execution:{machine}:*",))
    for deletion in (each for each in DELETIONS if each.noun in nouns):
        resources = tuple(f"{deletion.service}:{deletion.noun}/{{{name}}}*" for name in ("jobs", "jobs_lower"))
        yield Grant("CleanUp", (deletion.permission,), resources)
        if deletion.listing:
            action = deletion.listing.action
            yield Grant("FindLeft", (f"sagemaker:{action[:1].upper()}{action[1:]}",), ("*",))


def _invoke_functions(functions: Sequence[str], scope: AccountScope) -> Iterator[Statement]:
    """Yield the statement for the Lambda functions of steps, exactly as the steps name them.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-api-permissions-ref.html
    """
    arns = [name if name.startswith("arn:") else scope.arn("lambda", f"function:{name}") for name in functions]
    if arns:
        yield Statement("InvokeFunctions", ("lambda:InvokeFunction",), tuple(arns))


def _register_models(requirements: AccessRequirements, names: Names, scope: AccountScope) -> Iterator[Statement]:
    """Yield the statements for model package groups: those that the flow names for merged code; for any other, groups
    whose names begin as its jobs' names, in which nothing may be approved. No group of a flow's has two - in a row.

    Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
    """
    if not requirements.model_groups:
        return
    is_base = names.is_protected
    groups = list(requirements.model_groups) if is_base else [f"{names.jobs}*"]
    group_arns = tuple(scope.arn("sagemaker", f"model-package-group/{group}") for group in groups)
    packages = tuple(scope.arn("sagemaker", f"model-package/{group}/*") for group in groups)
    yield Statement("CreateModelGroups", ("sagemaker:AddTags", "sagemaker:CreateModelPackageGroup"), group_arns)
    pending = {"StringEquals": {"sagemaker:ModelApprovalStatus": "PendingManualApproval"}}
    condition = {} if is_base else pending
    yield Statement("RegisterModels", ("sagemaker:CreateModelPackage",), (*group_arns, *packages), condition)
    repositories = _image_arns(requirements, names, scope)
    if repositories:
        yield Statement("DescribeImages", ("ecr:BatchGetImage", "ecr:DescribeImages"), tuple(repositories))


def _job_conditions(requirements: AccessRequirements) -> Mapping[str, Mapping[str, object]]:
    """Return the conditions of job creation: the flow's instance types, its longest time limit, and its network.

    A flow without a network needs no condition for it: its job role can't join one. IAM has no key for the instance
    count. `IfExists` allows a request whose context lacks the key.

    Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
    """
    allowed: dict[str, tuple[str, ...]] = {}
    if requirements.instance_types:
        allowed["sagemaker:InstanceTypes"] = requirements.instance_types
    if requirements.subnets:
        allowed |= {
            "sagemaker:VpcSecurityGroupIds": requirements.security_groups,
            "sagemaker:VpcSubnets": requirements.subnets,
        }
    conditions: dict[str, Mapping[str, object]] = {}
    if allowed:
        conditions["ForAllValues:StringEquals"] = {key: list(values) for key, values in allowed.items()}
    if requirements.max_runtime_s is not None:
        limit = {"sagemaker:MaxRuntimeInSeconds": str(requirements.max_runtime_s)}
        conditions["NumericLessThanEqualsIfExists"] = limit
    return conditions


def _job(requirements: AccessRequirements, scope: AccountScope, is_protected: bool) -> Iterator[Statement]:
    """Yield the statements for the calls that SageMaker and the script make with a job's role."""
    names = Names(requirements.flow, is_protected)
    reads_data = requirements.reads_data and not requirements.only_build_reads_data
    folders = ["code/"] + ["data/"] * reads_data + ["runs/"] * requirements.reads_outputs
    inputs = [
        *(f"{names.prefix}/{each}" for each in folders),
        *[_kept_outputs(names.flow)] * requirements.reads_outputs,
        *[f"{baseline_outputs(names.flow)}/"] * requirements.reads_baseline,
    ]
    yield _list_bucket(scope)
    yield _use_objects("ReadInputs", "s3:GetObject", inputs, scope)
    yield _use_objects("WriteOutputs", "s3:PutObject", (f"{names.prefix}/runs/",), scope)
    yield from _read_external_inputs(requirements.outside, scope)
    yield from _list_external_inputs(requirements.outside, scope)
    # What serves merged code's model is watched by what it captures: no job of a pull request's writes there.
    elsewhere = (*requirements.outside_outputs, *(requirements.captures if is_protected else ()))
    yield from _use_outside_outputs("WriteOutsideOutputs", "s3:PutObject", elsewhere, scope)
    yield from _granted(
        (grant for of_type in _grants(requirements) for grant in of_type.job), requirements, names, scope
    )
    yield from secret_statements(requirements.secrets, scope, is_protected)
    yield from _images(requirements, names, scope)
    yield from _keys(requirements.keys, scope, _ENCRYPT_AND_DECRYPT, creates_grants=True)
    if requirements.subnets:
        yield from _join_network(requirements, scope)


def _read_external_inputs(uris: Iterable[str], scope: AccountScope) -> Iterator[Statement]:
    """Yield the statements for reading inputs elsewhere in S3. A URI is a prefix of keys: `s3://acme` is a bucket."""
    s3 = f"arn:{scope.partition}:s3:::"
    locations = [split_s3_uri(uri) for uri in uris]
    if locations:
        yield Statement("ReadOutside", ("s3:GetObject",), tuple(f"{s3}{bucket}/{key}*" for bucket, key in locations))


def _list_external_inputs(uris: Iterable[str], scope: AccountScope) -> Iterator[Statement]:
    """Yield the statements for listing inputs elsewhere in S3: jobs fetch them, and their ETags count in step keys."""
    s3 = f"arn:{scope.partition}:s3:::"
    locations = [split_s3_uri(uri) for uri in uris]
    for number, bucket in enumerate(sorted({bucket for bucket, _ in locations}), 1):
        prefixes = [f"{key}*" for other, key in locations if other == bucket]
        yield Statement(
            f"ListOutside{number}", ("s3:ListBucket",), (f"{s3}{bucket}",), {"StringLike": {"s3:prefix": prefixes}}
        )


def _use_outside_outputs(sid: str, action: str, uris: Iterable[str], scope: AccountScope) -> Iterator[Statement]:
    """Yield the statement for outputs that a step puts elsewhere in S3: jobs write them, and models are copied."""
    folders = list(dict.fromkeys("/".join(split_s3_uri(uri)).rstrip("/") for uri in uris))
    if folders:
        yield Statement(sid, (action,), tuple(f"arn:{scope.partition}:s3:::{folder}/*" for folder in folders))


def _built_images(names: Names, scope: AccountScope) -> str:
    return scope.arn("ecr", f"repository/{names.images}")


def _images(requirements: AccessRequirements, names: Names, scope: AccountScope) -> Iterator[Statement]:
    arns = _image_arns(requirements, names, scope)
    if arns:
        yield from pull_images(arns)


def _image_arns(requirements: AccessRequirements, names: Names, scope: AccountScope) -> list[str]:
    """Return the ARNs of the repositories of the flow's images."""
    named = [
        f"arn:{scope.partition}:ecr:{image.region}:{image.account}:repository/{image.name}"
        for image in requirements.images
    ]
    return [*named, _built_images(names, scope)] if requirements.builds_images else named


def pull_images(repositories: Sequence[str]) -> Iterator[Statement]:
    """Yield the statements for pulling images. IAM can't limit the authorization token to a registry."""
    yield _OPEN_REGISTRY
    yield Statement("PullImages", _READ_IMAGE, tuple(repositories))


#: The actions on keys by which the state machine reads metrics, and copies models.
#: Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html ("Permissions")
_COPY_AND_READ = ("kms:Decrypt", "kms:GenerateDataKey")
_ENCRYPT_AND_DECRYPT = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey")


def _keys(
    named: Iterable[str], scope: AccountScope, actions: tuple[str, ...], creates_grants: bool = False
) -> Iterator[Statement]:
    """Yield the statements for KMS keys. A condition limits the keys to those with the flow's aliases."""
    named = list(named)
    keys = [key for key in named if "alias/" not in key]
    aliases = sorted({key.rpartition(":")[2] for key in named if "alias/" in key})
    if keys:
        arns = tuple(key if key.startswith("arn:") else scope.arn("kms", f"key/{key}") for key in keys)
        yield from _use_keys("", arns, {}, actions, creates_grants)
    if aliases:
        condition = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": aliases}}
        yield from _use_keys("ByAlias", (scope.arn("kms", "key/*"),), condition, actions, creates_grants)


def _use_keys(
    ending: str,
    keys: tuple[str, ...],
    condition: Mapping[str, Mapping[str, object]],
    actions: tuple[str, ...],
    creates_grants: bool,
) -> Iterator[Statement]:
    """Yield the statements for keys. SageMaker creates a grant for EBS; any other grant would outlast the job.

    Source: https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html (kms:GrantIsForAWSResource)
    """
    yield Statement(f"UseKeys{ending}", actions, keys, condition)
    if creates_grants:
        for_aws = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
        yield Statement(f"LendKeys{ending}", ("kms:CreateGrant",), keys, {**condition, **for_aws})


def _join_network(requirements: AccessRequirements, scope: AccountScope) -> Iterator[Statement]:
    """Yield the statements for network interfaces, which a job creates for SageMaker. A subnet may be another
    account's, which shares it.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html ("… API: Execution Role Permissions")
    """
    interfaces = scope.arn("ec2", "network-interface/*")
    subnets = tuple(f"arn:{scope.partition}:ec2:{scope.region}:*:subnet/{subnet}" for subnet in requirements.subnets)
    groups = (
        f"arn:{scope.partition}:ec2:{scope.region}:*:security-group/{group}" for group in requirements.security_groups
    )
    yield Statement("LookAround", DESCRIBE_NETWORK, ("*",))
    yield Statement("JoinNetwork", ("ec2:CreateNetworkInterface",), (interfaces, *subnets, *groups))
    lent = ("CreateNetworkInterfacePermission", "DeleteNetworkInterface", "DeleteNetworkInterfacePermission")
    only_there = {"ArnLike": {"ec2:Subnet": list(subnets)}}
    yield Statement("LendInterfaces", tuple(f"ec2:{action}" for action in lent), (interfaces,), only_there)


#: The overrides that StartBuild may not have: a build with other commands, of another repository or on another image
#: would still have the project's role, another compute type costs more, and another status check could pass for another
#: tool's. Source: https://docs.aws.amazon.com/codebuild/latest/userguide/action-context-keys.html
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


def _actions(requirements: AccessRequirements, scope: AccountScope, is_base: bool) -> Iterator[Statement]:
    """Yield the statements for .github/workflows/ml-ci.yml: it starts a build, follows its log, and stops it."""
    name = project_name(requirements.flow, is_base)
    arns = (scope.arn("codebuild", f"project/{name}"),)
    as_it_is = {f"codebuild:{override}": "true" for override in _OVERRIDES}
    yield Statement("Build", ("codebuild:StartBuild",), arns, {"Null": as_it_is})
    yield Statement("FollowBuild", ("codebuild:BatchGetBuilds", "codebuild:StopBuild"), arns)
    yield Statement("ReadBuildLog", ("logs:GetLogEvents",), (scope.log_streams(build_log_group(name), "*"),))


def _reporter(flow: str, scope: AccountScope) -> Iterator[Statement]:
    """Yield the statements for `mlci report` in the reporter. It lists the reports of a build before it reads them,
    since S3 says "forbidden" of one that is missing."""
    group = scope.arn("logs", f"log-group:{build_log_group(reporter_name(flow))}")
    yield Statement("WriteLog", ("logs:CreateLogStream", "logs:PutLogEvents"), (f"{group}:*",))
    builds = scope.arn("codebuild", f"project/{project_name(flow, is_base=False)}")
    yield Statement("ReadBuilds", ("codebuild:BatchGetBuilds",), (builds,))
    reports = Names(flow).reports("")
    bucket = f"arn:{scope.partition}:s3:::{scope.bucket}"
    within = {**scope.owner_condition, "StringLike": {"s3:prefix": f"{reports}*"}}
    yield Statement("FindReports", ("s3:ListBucket",), (bucket,), within)
    yield _use_objects("ReadReports", "s3:GetObject", (reports, f"{install_prefix(flow)}/"), scope)
    secret = scope.secret if scope.secret != UNKNOWN else scope.arn("secretsmanager", "secret:*")
    yield Statement("ReadToken", ("secretsmanager:GetSecretValue",), (secret,))


def _pass_role(role: Role, scope: AccountScope, services: str | list[str]) -> Statement:
    return Statement(
        "PassRole", ("iam:PassRole",), (scope.roles[role],), {"StringEquals": {"iam:PassedToService": services}}
    )
