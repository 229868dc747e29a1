"""What roles may do, evaluated by moto's own engine; in CI, a simulator of IAM decides about the same."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from moto.cloudformation.parsing import ResourceMap, clean_json

from mlci.flow import load
from mlci.provision.access_requirements import AccessRequirements, Image, image_of
from mlci.provision.access_requirements import access_requirements as access_requirements
from mlci.provision.desired_stack import DesiredStack
from mlci.provision.iam_policies import accepter_policy, policies, policy
from mlci.provision.policy_statements import UNKNOWN, AccountScope
from mlci.provision.stack_names import ROLES, Role, logical_id
from mlci.provision.template import template
from mlci.step_types import STEP_TYPES
from support.iam_calls import ACCOUNT, REGION, Call, arn, read
from support.iam_decisions import decided

BUCKET = "arn:aws:s3:::mlci-breast-cancer-bucket-1"
SCOPE = AccountScope(
    "aws",
    REGION,
    ACCOUNT,
    BUCKET.rpartition(":")[2],
    arn("codeconnections", "connection/1"),
    {role: f"arn:aws:iam::{ACCOUNT}:role/mlci-breast-cancer-{logical_id(role)}-1" for role in ROLES},
    arn("secretsmanager", "secret:github-aBcD12"),
)
#: What the example needs.
REQUIREMENTS = AccessRequirements(
    "breast-cancer",
    frozenset(["processing", "training"]),
    reads_data=True,
    reads_outputs=True,
    has_rules=True,
    images=(Image("683313688378", REGION, "sagemaker-xgboost"),),
)
#: What a flow with every step type needs.
ALL_TYPES = replace(
    REQUIREMENTS,
    uses=frozenset(STEP_TYPES),
    builds_images=True,
    kept=("kept",),
    captures=("s3://captured",),
    model_groups=("group",),
)
#: By role: the calls that whole builds were seen to make (tests/e2e/test_bootstrap_enforced.py holds it to that), those
#: that no build there shows, with their reasons, and those that must be denied.
CALLS = json.loads((Path(__file__).parent / "calls.json").read_text())


def called(role: Role) -> list[Call]:
    output = CALLS[role]
    unseen = itertools.chain(*output["unseen"].values())
    return [read(entry) for entry in [*output["seen"], *unseen]]


def allows(role: Role, action: str, resource: str, requirements: AccessRequirements = REQUIREMENTS) -> bool:
    return decided(policy(role, requirements, SCOPE), Call(action, resource, (("aws:ResourceAccount", ACCOUNT),)))


@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_is_there_for_is_allowed(role: Role) -> None:
    document = policy(role, REQUIREMENTS, SCOPE)
    assert [call for call in called(role) if not decided(document, call)] == []


@pytest.mark.parametrize("role", ROLES)
def test_what_a_pull_request_could_do_harm_with_is_denied(role: Role) -> None:
    document = policy(role, REQUIREMENTS, SCOPE)
    assert CALLS[role]["denied"]
    assert [call for call in map(read, CALLS[role]["denied"]) if decided(document, call)] == []


@pytest.mark.parametrize("role", ROLES)
def test_no_step_type_allows_what_a_pull_request_could_do_harm_with(role: Role) -> None:
    document = policy(role, ALL_TYPES, SCOPE)
    # A flow without endpoints may create none.
    own = Call("sagemaker:CreateEndpoint", arn("sagemaker", "endpoint/mlci-breast-cancer--x"))
    assert {call for call in map(read, CALLS[role]["denied"]) if decided(document, call)} <= {own}


@pytest.mark.parametrize(
    ("role", "sids"),
    [
        ("pull_request_build", {"Decide", "FindJobs", "OpenRegistry"}),
        ("workflow", {"FindLeft"}),
        ("job", {"MeasureMachines", "OpenRegistry"}),
    ],
)
def test_what_the_roles_of_pull_requests_may_do_with_everything(role: Role, sids: set[str]) -> None:
    """Lists, metrics, a registry's token, and the completion of tasks, which takes a token that they can't read."""
    assert {sid for sid, each in _by_sid(role, ALL_TYPES).items() if "*" in each["Resource"]} == sids


@pytest.mark.parametrize("role", ROLES)
def test_every_action_and_every_resource_of_a_policy_is_called_for(role: Role) -> None:
    """Nothing is allowed that no build needs, nor what acts for one."""
    document, calls = policy(role, REQUIREMENTS, SCOPE), called(role)
    parts = [
        {**statement, name: [part]}
        for statement in document["Statement"]  # type: ignore[attr-defined]
        for name in ("Action", "Resource")
        for part in statement[name]
    ]
    assert [part for part in parts if not any(decided({**document, "Statement": [part]}, call) for call in calls)] == []


_JOBS_OF_BUILDS = ("FollowJobs", "FindJobs", "FindJobLogs", "ReadJobLogs")
_BUILD = (
    "WriteBuildLog",
    "ReportTests",
    "ReadSource",
    "ReadSettings",
    "ListBucket",
    "ReadRuns",
    "ReadRecords",
    "WriteRecords",
    "ReadInstall",
)
_WORKFLOW = ("CreateJobs", "FollowJobs", "AwaitJobs", "ListBucket", "ReadRuns", "KeepModels", "PassRole")
_JOB = (
    "ListBucket",
    "ReadInputs",
    "WriteOutputs",
    "FindLogs",
    "WriteLogs",
    "MeasureMachines",
    "OpenRegistry",
    "PullImages",
)
_ACTIONS = ("Build", "FollowBuild", "ReadBuildLog")
#: The roles of builds, state machines and jobs.
_OF_RUNS = [role for role in ROLES if not role.endswith("_actions") and not role.startswith("reporter")]
#: The statements of each role: one that gets another, or another name, is seen here.
SIDS: dict[Role, tuple[str, ...]] = {
    "pull_request_build": (
        *_BUILD,
        "ReadDefinitions",
        "Stage",
        "WriteReports",
        "WriteMisses",
        "DeployFlow",
        "FollowRuns",
        "PassRole",
        *_JOBS_OF_BUILDS,
    ),
    "base_build": (
        *_BUILD,
        "Stage",
        "WriteReports",
        "WriteMisses",
        "WriteBaselines",
        "KeepOutputs",
        "DeployFlow",
        "FollowRuns",
        "PassRole",
        *_JOBS_OF_BUILDS,
    ),
    "workflow": _WORKFLOW,
    "protected_workflow": _WORKFLOW,
    "job": _JOB,
    "protected_job": _JOB,
    "pull_request_actions": _ACTIONS,
    "base_actions": _ACTIONS,
    "reporter": ("WriteLog", "ReadBuilds", "FindReports", "ReadReports", "ReadToken"),
    "reporter_events": ("StartReporter",),
}


@pytest.mark.parametrize("role", ROLES)
def test_the_statements_of_a_role(role: Role) -> None:
    written = policy(role, REQUIREMENTS, SCOPE)
    assert written["Version"] == "2012-10-17"
    output = _by_sid(role, REQUIREMENTS)
    assert tuple(output) == SIDS[role]
    for statement in output.values():
        assert statement["Effect"] == "Allow"
        assert statement["Action"]
        assert statement["Resource"]
        assert all(re.fullmatch(r"[a-z0-9-]+:[A-Z][A-Za-z]+", action) for action in statement["Action"])
    assert policies(REQUIREMENTS, SCOPE)[role] == written


def test_a_job_gets_rights_on_the_flows_inputs_keys_and_network() -> None:
    """No call of the example needs them, so each statement is compared as a whole."""
    requirements = replace(
        REQUIREMENTS,
        outside=("s3://lake/raw/x", "s3://acme", "s3://lake/y/"),
        keys=("1234abcd", f"arn:aws:kms:{REGION}:111111111111:key/5678", "alias/k", arn("kms", "alias/a")),
        subnets=("subnet-1", "subnet-2"),
        security_groups=("sg-1",),
    )
    keys = [arn("kms", "key/1234abcd"), f"arn:aws:kms:{REGION}:111111111111:key/5678"]
    use = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
    aliases = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": ["alias/a", "alias/k"]}}
    for_aws = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    interfaces = arn("ec2", "network-interface/*")
    subnets = [f"arn:aws:ec2:{REGION}:*:subnet/subnet-{number}" for number in (1, 2)]
    describe = [
        f"ec2:Describe{things}" for things in ("DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets", "Vpcs")
    ]
    lend = ["CreateNetworkInterfacePermission", "DeleteNetworkInterface", "DeleteNetworkInterfacePermission"]
    outside = ["arn:aws:s3:::acme/*", "arn:aws:s3:::lake/raw/x*", "arn:aws:s3:::lake/y/*"]
    lake = {"StringLike": {"s3:prefix": ["raw/x*", "y/*"]}}
    expected = [
        _allowed("ReadOutside", ["s3:GetObject"], outside),
        _allowed("ListOutside1", ["s3:ListBucket"], ["arn:aws:s3:::acme"], {"StringLike": {"s3:prefix": ["*"]}}),
        _allowed("ListOutside2", ["s3:ListBucket"], ["arn:aws:s3:::lake"], lake),
        _allowed("UseKeys", use, keys),
        _allowed("LendKeys", ["kms:CreateGrant"], keys, for_aws),
        _allowed("UseKeysByAlias", use, [arn("kms", "key/*")], aliases),
        _allowed("LendKeysByAlias", ["kms:CreateGrant"], [arn("kms", "key/*")], {**aliases, **for_aws}),
        _allowed("LookAround", describe, ["*"]),
        _allowed(
            "JoinNetwork",
            ["ec2:CreateNetworkInterface"],
            [f"arn:aws:ec2:{REGION}:*:security-group/sg-1", *subnets, interfaces],
        ),
        _allowed(
            "LendInterfaces", [f"ec2:{action}" for action in lend], [interfaces], {"ArnLike": {"ec2:Subnet": subnets}}
        ),
    ]
    listing = [each for each in expected if str(each["Sid"]).startswith("ListOutside")]
    builds: tuple[Role, ...] = ("pull_request_build", "base_build")
    for role in builds:
        assert [statement for sid, statement in _by_sid(role, requirements).items() if sid not in SIDS[role]] == listing
    roles: tuple[Role, ...] = ("job", "protected_job")
    for role in roles:
        output = _by_sid(role, requirements)
        assert [statement for sid, statement in output.items() if sid not in SIDS["job"]] == expected
        assert {sid: output[sid] for sid in SIDS["job"]} == _by_sid(role, REQUIREMENTS)


@pytest.mark.parametrize("role", ["workflow", "protected_workflow"])
def test_the_conditions_of_job_creation(role: Role) -> None:
    network = {"sagemaker:VpcSecurityGroupIds": ["sg-1"], "sagemaker:VpcSubnets": ["subnet-1"]}
    types = {"sagemaker:InstanceTypes": ["ml.c5.xlarge", "ml.m5.large"]}
    joined = replace(REQUIREMENTS, subnets=("subnet-1",), security_groups=("sg-1",))
    typed = replace(REQUIREMENTS, instance_types=("ml.c5.xlarge", "ml.m5.large"))
    limit = {"NumericLessThanEqualsIfExists": {"sagemaker:MaxRuntimeInSeconds": "7200"}}
    for requirements, condition in (
        (REQUIREMENTS, None),
        (joined, {"ForAllValues:StringEquals": network}),
        (typed, {"ForAllValues:StringEquals": types}),
        (replace(typed, max_runtime_s=7200), {"ForAllValues:StringEquals": types, **limit}),
        (replace(joined, max_runtime_s=7200), {"ForAllValues:StringEquals": network, **limit}),
    ):
        assert _by_sid(role, requirements)["CreateJobs"].get("Condition") == condition


def test_who_accepts_writes_acceptances_and_reads_what_runs_missed() -> None:
    statements = {each["Sid"]: each for each in accepter_policy("iris", SCOPE)["Statement"]}  # type: ignore[attr-defined]
    prefix = f"{BUCKET}/mlci/iris"
    assert statements["Accept"]["Action"] == ["s3:PutObject"]
    assert statements["Accept"]["Resource"] == [f"{prefix}/baselines/acceptances/*"]
    assert statements["ReadMisses"]["Resource"] == [
        f"{prefix}/{folder}/*/_gate.json" for folder in ("protected/runs", "runs")
    ]
    written = [each for each in statements.values() if "s3:PutObject" in each["Action"]]
    assert written == [statements["Accept"]]


def test_what_a_flow_without_data_outputs_and_rules_lacks() -> None:
    plain = AccessRequirements("plain", frozenset(["processing"]))
    prefix = f"{BUCKET}/mlci/plain"
    assert _by_sid("job", plain)["ReadInputs"]["Resource"] == [f"{prefix}/code/*"]
    assert _by_sid("job", replace(plain, reads_data=True))["ReadInputs"]["Resource"] == [
        f"{prefix}/code/*",
        f"{prefix}/data/*",
    ]
    assert _by_sid("job", replace(plain, reads_outputs=True))["ReadInputs"]["Resource"] == [
        f"{prefix}/code/*",
        f"{prefix}/protected/records/outputs/*",
        f"{prefix}/runs/*",
    ]
    assert _by_sid("pull_request_build", plain)["Stage"]["Resource"] == [f"{prefix}/code/*", f"{prefix}/definitions/*"]
    assert "ListBucket" not in _by_sid("workflow", plain)
    assert _by_sid("workflow", plain)["ReadRuns"]["Resource"] == [f"{prefix}/code/*/requests.json*"]
    assert "ReadRuns" not in _by_sid("workflow", replace(plain, uses=frozenset(["wait"])))


#: A build with one of these would have the project's role, and other commands, another source or another price.
_OVERRIDES = [
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
]


@pytest.mark.parametrize("role", ["pull_request_actions", "base_actions"])
def test_a_workflow_starts_builds_as_the_project_has_them(role: Role) -> None:
    overrides = {f"codebuild:{override}": "true" for override in _OVERRIDES}
    assert _by_sid(role, REQUIREMENTS)["Build"]["Condition"] == {"Null": overrides}


@pytest.mark.parametrize(
    ("role", "passed", "service"),
    [
        ("pull_request_build", "workflow", "states"),
        ("base_build", "protected_workflow", "states"),
        ("workflow", "job", "sagemaker"),
        ("protected_workflow", "protected_job", "sagemaker"),
    ],
)
def test_a_role_is_passed_to_its_service_alone(role: Role, passed: Role, service: str) -> None:
    to = {"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}}
    assert _by_sid(role, REQUIREMENTS)["PassRole"] == _allowed("PassRole", ["iam:PassRole"], [SCOPE.roles[passed]], to)


def test_only_the_base_branchs_build_writes_the_baseline() -> None:
    baseline = f"{BUCKET}/mlci/breast-cancer/baselines/main.json"
    assert [role for role in ROLES if allows(role, "s3:PutObject", baseline)] == ["base_build"]


def test_records_have_scopes_and_are_written_once() -> None:
    own, base = (f"{BUCKET}/mlci/breast-cancer/{prefix}records/{64 * '0'}/1.json" for prefix in ("", "protected/"))
    assert [role for role in ROLES if allows(role, "s3:GetObject", own)] == ["pull_request_build"]
    assert [role for role in ROLES if allows(role, "s3:GetObject", base)] == ["pull_request_build", "base_build"]
    once = (("aws:ResourceAccount", ACCOUNT), ("s3:if-none-match", "*"))
    for record, writer in ((own, "pull_request_build"), (base, "base_build")):
        documents = {role: policy(role, REQUIREMENTS, SCOPE) for role in ROLES}
        assert [role for role in ROLES if decided(documents[role], Call("s3:PutObject", record, once))] == [writer]
        assert not [role for role in ROLES for verb in ("Put", "Delete") if allows(role, f"s3:{verb}Object", record)]
    kept = f"{BUCKET}/mlci/breast-cancer/protected/records/outputs/1/train/model/model.tar.gz"
    assert [role for role in ROLES if allows(role, "s3:PutObject", kept)] == ["base_build"]
    assert not [role for role in _OF_RUNS if not allows(role, "s3:GetObject", kept)]


def test_no_role_writes_what_builds_install() -> None:
    file = f"{BUCKET}/mlci/breast-cancer/install/{64 * '0'}/SHA256SUMS"
    readers = ["pull_request_build", "base_build", "reporter"]
    assert [role for role in ROLES if allows(role, "s3:GetObject", file)] == readers
    assert not [
        role for role in ROLES for action in ("PutObject", "DeleteObject") if allows(role, f"s3:{action}", file)
    ]
    bucket_policy = yaml.safe_load(template(REQUIREMENTS))["Resources"]["BucketPolicy"]["Properties"]["PolicyDocument"]
    [denial] = [each for each in bucket_policy["Statement"] if each["Sid"] == "OnlyBootstrapWrites"]
    assert denial["Resource"] == [{"Fn::Sub": "${Bucket.Arn}/mlci/breast-cancer/install/*"}]
    denied = {each["Fn::GetAtt"][0] for each in denial["Condition"]["ArnEquals"]["aws:PrincipalArn"]}
    assert denied == {logical_id(role) for role in _OF_RUNS}


def test_the_bucket_is_the_accounts_own_where_the_account_is_known() -> None:
    uses_bucket = [
        statement
        for document in policies(REQUIREMENTS, SCOPE).values()
        for statement in document["Statement"]  # type: ignore[attr-defined]
        if any(BUCKET in resource for resource in statement["Resource"])
    ]
    assert len(uses_bucket) > 20
    assert {json.dumps(statement["Condition"]["StringEquals"]) for statement in uses_bucket} == {
        json.dumps({"aws:ResourceAccount": ACCOUNT})
    }
    assert "aws:ResourceAccount" not in json.dumps(policies(REQUIREMENTS, replace(SCOPE, account=UNKNOWN)))


def test_only_the_job_role_is_passed_to_sagemaker() -> None:
    for role, passed in (("workflow", "job"), ("protected_workflow", "protected_job")):
        statement = _statement(role, "PassRole")
        assert statement["Resource"] == [SCOPE.roles[passed]]  # type: ignore[index]
        assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


def test_what_no_step_needs_is_absent() -> None:
    plain = json.dumps(policies(AccessRequirements("plain", frozenset(["processing"])), SCOPE))
    for absent in ("Training", "training-job", "/data/*", "ecr:", "ec2:", "kms:", "KeepModels", "ReadOutside"):
        assert absent not in plain
    full = replace(
        REQUIREMENTS, outside=("s3://lake/raw/x",), keys=("alias/k",), subnets=("subnet-1",), security_groups=("sg-1",)
    )
    output = json.dumps(policies(full, SCOPE))
    for present in ("Training", "/data/*", "ecr:", "ec2:", "kms:", "arn:aws:s3:::lake/raw/x*"):
        assert present in output
    assert allows("job", "s3:GetObject", "arn:aws:s3:::lake/raw/x/1.csv", full)
    assert not allows("job", "s3:PutObject", "arn:aws:s3:::lake/raw/x/1.csv", full)
    assert not allows("pull_request_build", "s3:GetObject", "arn:aws:s3:::lake/raw/x/1.csv", full)


def test_jobs_join_no_network_but_the_flows() -> None:
    requirements = replace(REQUIREMENTS, subnets=("subnet-1", "subnet-2"), security_groups=("sg-1",))
    job = arn("sagemaker", "training-job/mlci-breast-cancer--train-1")

    def creates(subnets: str, groups: str) -> bool:
        network = (("sagemaker:VpcSubnets", subnets), ("sagemaker:VpcSecurityGroupIds", groups))
        return decided(policy("workflow", requirements, SCOPE), Call("sagemaker:CreateTrainingJob", job, network))

    assert creates("subnet-1,subnet-2", "sg-1")
    assert not creates("subnet-1,subnet-9", "sg-1")
    assert not creates("subnet-1", "sg-9")
    assert allows("workflow", "sagemaker:CreateTrainingJob", job, requirements)  # another step, in no network

    assert allows("job", "ec2:CreateNetworkInterface", arn("ec2", "subnet/subnet-1"), requirements)
    assert not allows("job", "ec2:CreateNetworkInterface", arn("ec2", "subnet/subnet-9"), requirements)
    for subnet, is_allowed in (("subnet-2", True), ("subnet-9", False)):
        where = (("ec2:Subnet", arn("ec2", f"subnet/{subnet}")),)
        lend = Call("ec2:CreateNetworkInterfacePermission", arn("ec2", "network-interface/eni-1"), where)
        assert decided(policy("job", requirements, SCOPE), lend) is is_allowed


@pytest.mark.parametrize("key", ["1234abcd", arn("kms", "key/1234abcd"), "alias/models", arn("kms", "alias/models")])
def test_jobs_use_the_flows_key_and_lend_it_to_aws_alone(key: str) -> None:
    requirements = replace(REQUIREMENTS, keys=(key,))
    output, there = policy("job", requirements, SCOPE), arn("kms", "key/1234abcd")
    alias = ("kms:ResourceAliases", "alias/other,alias/models")
    assert decided(output, Call("kms:Encrypt", there, (alias,)))
    assert decided(output, Call("kms:CreateGrant", there, (alias, ("kms:GrantIsForAWSResource", "true"))))
    assert not decided(output, Call("kms:CreateGrant", there, (alias,)))
    another = Call("kms:Decrypt", arn("kms", "key/5678"), (("kms:ResourceAliases", "alias/other"),))
    assert not decided(output, another)


@pytest.mark.parametrize("key", ["1234abcd", arn("kms", "key/1234abcd"), "alias/models", arn("kms", "alias/models")])
def test_who_reads_and_copies_outputs_may_use_their_key(key: str) -> None:
    there, alias = arn("kms", "key/1234abcd"), ("kms:ResourceAliases", "alias/models")
    encrypted, volume = replace(REQUIREMENTS, keys=(key,), output_keys=(key,)), replace(REQUIREMENTS, keys=(key,))
    for role, actions in {
        "workflow": {"kms:Decrypt", "kms:GenerateDataKey"},  # GetObject for rules, CopyObject for models
        "protected_workflow": {"kms:Decrypt", "kms:GenerateDataKey"},
        "pull_request_build": {"kms:Decrypt"},
        "base_build": {"kms:Decrypt"},
    }.items():
        for action in ("kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt", "kms:CreateGrant"):
            call = Call(action, there, (alias,))
            assert decided(policy(role, encrypted, SCOPE), call) is (action in actions), (role, action)  # type: ignore[arg-type]
            assert not decided(policy(role, volume, SCOPE), call)  # type: ignore[arg-type]


def test_outputs_elsewhere_are_written_by_jobs_and_copied_by_the_state_machine() -> None:
    elsewhere = replace(REQUIREMENTS, outside_outputs=("s3://models/best/", "s3://results"))
    for role in ROLES:
        for key, is_there in (("models/best/job/output/model.tar.gz", True), ("results/x", True), ("models/x", False)):
            allowed = {
                action for action in ("GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload")
                if decided(policy(role, elsewhere, SCOPE), Call(f"s3:{action}", f"arn:aws:s3:::{key}"))
            }  # fmt: skip
            expected = {"GetObject"} if "workflow" in role else {"PutObject"} if "job" in role else set()
            assert allowed == (expected if is_there else set()), (role, key)


def test_where_a_steps_request_puts_outputs() -> None:
    flow = load(
        b"""
flow: small
defaults: {image: "mine.example/image:7"}
steps:
  train: {uses: training, run: t.py, request: {OutputDataConfig: {S3OutputPath: s3://models/best}}}
  test:
    uses: processing
    run: t.py
    request: {ProcessingOutputConfig: {Outputs: [{OutputName: o, S3Output: {S3Uri: s3://results/o}}]}}
""",
        "flow.yaml",
    )
    assert access_requirements(flow, {}).outside_outputs == ("s3://models/best", "s3://results/o")


def test_what_a_steps_request_says_of_keys_and_networks() -> None:
    flow = load(
        b"""
flow: small
defaults: {image: "mine.example/image:7"}
steps:
  train:
    uses: training
    run: t.py
    request:
      VpcConfig: {Subnets: [subnet-1], SecurityGroupIds: [sg-1, sg-2]}
      OutputDataConfig: {KmsKeyId: alias/models}
      ResourceConfig: {VolumeKmsKeyId: alias/volumes}
  test:
    uses: processing
    run: t.py
    request: {NetworkConfig: {VpcConfig: {Subnets: [subnet-2], SecurityGroupIds: [sg-1]}}}
""",
        "flow.yaml",
    )
    found = access_requirements(flow, {})
    assert found.output_keys == ("alias/models",)
    assert (found.subnets, found.security_groups) == (("subnet-1", "subnet-2"), ("sg-1", "sg-2"))
    assert found.keys == ("alias/models", "alias/volumes")


def test_the_base_branch_and_none_besides_starts_its_builds() -> None:
    """The filters of webhooks are regular expressions, and a branch's name is none."""
    written = yaml.safe_load(template(REQUIREMENTS))
    for branch, others in (("main", ("main2", "xmain")), ("release/1.0", ("release/1x0", "release/1.0/x"))):
        resources = ResourceMap(
            "1", "mlci-x", {"Repository": "o/r", "BaseBranch": branch}, {}, REGION, ACCOUNT, written, {}
        )
        resources.load_parameters()
        resources.load_conditions()
        for project in ("PullRequestProject", "BaseProject"):
            triggers = clean_json(written["Resources"][project]["Properties"]["Triggers"], resources)
            [filters] = triggers["FilterGroups"]
            [pattern] = [each["Pattern"] for each in filters if each["Type"] in ("BASE_REF", "HEAD_REF")]
            assert re.search(pattern, f"refs/heads/{branch}")
            assert not any(re.search(pattern, f"refs/heads/{other}") for other in others)


def test_no_policy_allows_every_action_of_a_service() -> None:
    for document in policies(REQUIREMENTS, SCOPE).values():
        for statement in document["Statement"]:  # type: ignore[attr-defined]
            assert not any("*" in action for action in statement["Action"])


def test_an_image_outside_of_ecr_needs_no_right() -> None:
    assert image_of("docker.io/library/python:3.12") is None


def test_the_template_fits_and_says_the_same_each_time() -> None:
    text = template(REQUIREMENTS)
    whole = yaml.safe_load(text)
    assert text == template(REQUIREMENTS)
    assert DesiredStack("breast-cancer", text, {}).body is not None
    assert not set(whole["Parameters"]) & set(whole["Resources"])
    assert "FullAccess" not in text
    assert "AdministratorAccess" not in text


def test_a_template_is_sent_with_the_same_statements_without_a_reporter_that_nobody_asked_for() -> None:
    text = template(REQUIREMENTS)
    sent = DesiredStack("breast-cancer", text, {"GitHubSecret": ""}).body
    assert sent is not None
    assert sent.count("Fn::Split") > 10
    assert "HasReporter" not in sent
    whole = yaml.safe_load(text)
    gone = whole["Resources"].keys() - json.loads(sent)["Resources"].keys()
    assert gone == {name for name in whole["Resources"] if name.startswith("Reporter")}
    assert not any(f'"{name}"' in sent for name in gone)
    assert _stated(json.loads(sent)) == {each for each in _stated(whole) if not each.startswith('["Reporter')}


def test_what_is_sent_is_made_once_and_the_rest_of_the_stack_is_as_before() -> None:
    desired = DesiredStack("breast-cancer", template(REQUIREMENTS), {"GitHubSecret": ""})
    before = desired.with_bucket_alone
    assert desired.body is desired.body
    assert desired.with_bucket_alone == before


def test_a_template_with_a_reporter_is_not_sent_in_a_request() -> None:
    assert DesiredStack("breast-cancer", template(REQUIREMENTS), {"GitHubSecret": "arn:…"}).body is None


def _stated(written: Mapping[str, Any]) -> set[str]:
    """The statements of a template's policies, an action and a resource at a time."""
    return {
        json.dumps([name, statement["Effect"], action, resource, condition], sort_keys=True)
        for name, part in written["Resources"].items()
        for statement in part["Properties"].get("PolicyDocument", {}).get("Statement", ())
        for condition in [_evaluated(statement.get("Condition"))]
        for action in statement["Action"]
        for resource in _evaluated(statement["Resource"])
    }


def _evaluated(value: Any) -> Any:
    """A value without functions of lists and texts; those of conditions, parameters and resources stay."""
    match value:
        case {"Fn::Sub": str(text)}:
            return text
        case {"Fn::Sub": [str(text), dict(values)]}:
            for name, each in values.items():
                text = text.replace(f"${{{name}}}", str(_evaluated(each)))
            return text
        case {"Fn::Split": [str(separator), text]}:
            return _evaluated(text).split(separator)
        case {"Fn::GetAtt": [name, attribute]}:
            return f"${{{name}.{attribute}}}"
        case dict():
            return {name: _evaluated(member) for name, member in value.items()}
        case list():
            return [_evaluated(element) for element in value]
    return value


def test_each_project_waits_for_the_policy_of_its_role() -> None:
    resources = yaml.safe_load(template(REQUIREMENTS))["Resources"]
    assert "PullRequestBuildPolicy" in resources["PullRequestProject"]["DependsOn"]
    assert "BaseBuildPolicy" in resources["BaseProject"]["DependsOn"]
    output = {
        each["Name"] for each in resources["PullRequestProject"]["Properties"]["Environment"]["EnvironmentVariables"]
    }
    assert "MLCI_PROTECTED" not in output


def _by_sid(role: Role, requirements: AccessRequirements) -> dict[str, dict[str, Any]]:
    statements: Any = policy(role, requirements, SCOPE)["Statement"]
    assert len({statement["Sid"] for statement in statements}) == len(statements)
    return {statement["Sid"]: statement for statement in statements}


def _allowed(
    sid: str, actions: list[str], resources: list[str], condition: Mapping[str, object] | None = None
) -> dict[str, object]:
    statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
    return {**statement, "Condition": condition} if condition else dict(statement)


def _statement(role: str, sid: str) -> dict[str, object]:
    statements = policies(REQUIREMENTS, SCOPE)[role]["Statement"]  # type: ignore[index]
    assert isinstance(statements, list)
    return next(statement for statement in statements if statement["Sid"] == sid)


@pytest.mark.parametrize(
    ("step", "reads"),
    [
        ("{uses: training, run: a.py, metrics: m.json}", True),
        ("{uses: training, run: a.py}", False),
        ("{uses: processing, run: a.py, metrics: m.json}", False),
    ],
)
def test_a_training_job_reads_its_own_metrics_back_where_it_starts_again(step: str, reads: bool) -> None:
    flow = load(f'{{flow: f, defaults: {{image: "mine.example/i:1"}}, steps: {{s: {step}}}}}'.encode(), "f", {}, {})
    assert access_requirements(flow, {}).reads_outputs is reads


def test_the_state_machine_may_read_the_metrics_by_which_it_chooses_a_cell() -> None:
    text = """
flow: folds
defaults: {image: "mine.example/image:7"}
steps:
  score: {uses: processing, run: a.py, matrix: {fold: [1, 2]}, outputs: [out], metrics: out/m.json}
  best: {uses: processing, run: a.py, inputs: {m: SOURCE}}
"""
    output = "${{ steps.score.outputs.out }}"
    all_cells = load(text.replace("SOURCE", f'"{output}"').encode(), "flow.yaml")
    best = load(text.replace("SOURCE", f'{{from: "{output}", select: {{metric: score.x, best: max}}}}').encode(), "f")
    assert [access_requirements(flow, {}).has_rules for flow in (all_cells, best)] == [False, True]


@pytest.mark.parametrize("role", ["job", "protected_job"])
def test_jobs_of_a_flow_that_reads_the_baseline_read_its_outputs_alone(role: Role) -> None:
    reads = replace(REQUIREMENTS, reads_baseline=True)
    kept = f"{BUCKET}/mlci/breast-cancer/baselines/outputs/20260101-000000-000000/train/model/model.tar.gz"
    assert allows(role, "s3:GetObject", kept, reads)
    assert not allows(role, "s3:GetObject", kept)
    assert not allows(role, "s3:GetObject", f"{BUCKET}/mlci/breast-cancer/baselines/main.json", reads)
    assert not allows(role, "s3:GetObject", kept.replace("/breast-cancer/", "/other/"), reads)
    assert not any(allows(role, f"s3:{action}", kept, reads) for action in ("PutObject", "DeleteObject"))


def test_what_reads_of_the_baseline_may_read_what_stands_for_nothing() -> None:
    """It is staged as data, also where no step reads data of the repository."""
    flow = load(
        b"""
flow: small
defaults: {image: "mine.example/image:7"}
steps:
  fit: {uses: training, run: fit.py, inputs: {own: "${{ baseline.steps.fit.outputs.model }}"}}
""",
        "flow.yaml",
        {},
        {},
    )
    found = access_requirements(flow, {})
    assert (found.reads_baseline, found.reads_data, found.only_build_reads_data) == (True, True, False)
    empty = f"{BUCKET}/mlci/small/data/0123/.mlci-empty"
    assert allows("job", "s3:GetObject", empty, found)
    assert allows("pull_request_build", "s3:PutObject", empty, found)
    in_build = replace(flow, steps={"fit": replace(flow.steps["fit"], runs_on="build")})
    found = access_requirements(in_build, {})
    assert (found.reads_baseline, found.reads_data, found.only_build_reads_data) == (False, True, True)
