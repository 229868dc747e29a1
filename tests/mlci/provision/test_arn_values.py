"""Values of a flow that would be wildcards or variables in a policy are rejected, and only those."""

from __future__ import annotations

import json

import pytest

from mlci.errors import InputError
from mlci.flow import load
from mlci.provision.access_requirements import access_requirements, check_arn_values
from mlci.provision.arn_values import ValueKind, problem_of
from mlci.provision.iam_policies import policies, policy
from mlci.provision.policy_statements import AccountScope
from mlci.provision.stack_names import ROLES
from support.iam_calls import ACCOUNT, REGION, Call
from support.iam_decisions import decided

SCOPE = AccountScope("aws", REGION, ACCOUNT, "bucket", "connection", dict.fromkeys(ROLES, "arn:role"))
FLOW = """
flow: small
defaults: {{image: "{image}"}}
steps:
  train:
    uses: training
    run: t.py
    instance: ml.m5.large
    timeout: 1h
    inputs: {{raw: "{uri}"}}
    request:
      VpcConfig: {{Subnets: ["{subnet}"], SecurityGroupIds: ["{group}"]}}
      OutputDataConfig: {{KmsKeyId: "{key}", S3OutputPath: "{output}"}}
"""
FINE = {
    "image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/model:7",
    "uri": "s3://acme/raw/x",
    "subnet": "subnet-0123456789abcdef0",
    "group": "sg-0123456789abcdef0",
    "key": "alias/models",
    "output": "s3://acme/models",
}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("S3 URI", "s3://acme"),
        ("S3 URI", "s3://acme/"),
        ("S3 URI", "s3://acme/a b/$x/{y}/z.csv"),
        ("image", "xgboost:1.7-1"),
        ("image", "123456789012.dkr.ecr.us-east-1.amazonaws.com/a/b@sha256:0123"),
        ("KMS key", "1234abcd-12ab-34cd-56ef-1234567890ab"),
        ("KMS key", "mrk-1234abcd12ab34cd56ef1234567890ab"),
        ("KMS key", "alias/team/models"),
        ("KMS key", "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/1234abcd"),
        ("KMS key", "arn:aws:kms:us-east-1:123456789012:alias/models"),
    ],
)
def test_a_value_that_names_one_thing_is_accepted(kind: ValueKind, value: str) -> None:
    assert problem_of(kind, value) is None


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("S3 URI", "s3://acme*"),
        ("S3 URI", "s3://acme/*"),
        ("S3 URI", "s3://acme/x?"),
        ("S3 URI", "s3://acme/${aws:username}"),
        ("image", "123456789012.dkr.ecr.us-east-1.amazonaws.com/*:1"),
        ("image", "${ImageRepository}"),
        ("KMS key", "*"),
        ("KMS key", "alias/*"),
        ("KMS key", "arn:aws:kms:*:123456789012:key/1234abcd"),
        ("KMS key", "arn:aws:kms:us-east-1:123456789012:key/*"),
        ("KMS key", "arn:aws:kms:us-east-1:123456789012:1234abcd"),
        ("KMS key", "${KmsKey}"),
        ("subnet", "*"),
        ("subnet", "subnet-${AWS::AccountId}"),
        ("security group", "sg-?"),
        ("security group", ""),
    ],
)
def test_a_value_that_grants_more_than_it_names_is_rejected(kind: ValueKind, value: str) -> None:
    problem = problem_of(kind, value)
    assert problem is not None
    assert f"is not a valid {kind}" in problem[0]


def flow_with(**values: str) -> bytes:
    return FLOW.format(**{**FINE, **values}).encode()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/*:1"}, "valid image"),
        ({"uri": "s3://acme/raw/*"}, "valid S3 URI"),
        ({"subnet": "*"}, "valid subnet"),
        ({"group": "*"}, "valid security group"),
        ({"key": "*"}, "valid KMS key"),
        ({"output": "s3://acme/*"}, "valid S3 URI"),
    ],
)
def test_validate_policy_and_bootstrap_reject_a_flow_alike(values: dict[str, str], words: str) -> None:
    flow = load(flow_with(**values), "flow.yaml")
    for check in (check_arn_values, access_requirements):
        with pytest.raises(InputError, match=rf'flow\.yaml:\d+:\d+: step "train": .*{words}'):
            check(flow, {})


def test_all_problems_are_reported_at_once() -> None:
    flow = load(flow_with(subnet="*", key="*", uri="s3://acme/*"), "flow.yaml")
    with pytest.raises(InputError) as raised:
        access_requirements(flow, {})
    assert len(raised.value.problems) == 3


@pytest.mark.parametrize(
    ("uri", "allowed", "denied"),
    [
        ("s3://acme", ("acme/raw/x",), ("acme-private/raw/x",)),
        ("s3://acme/raw/x", ("acme/raw/x", "acme/raw/x2.csv"), ("acme/raw/y", "acme-private/raw/x")),
    ],
)
def test_an_input_grants_its_own_bucket_alone(uri: str, allowed: tuple[str, ...], denied: tuple[str, ...]) -> None:
    document = policy("job", access_requirements(load(flow_with(uri=uri), "flow.yaml"), {}), SCOPE)
    for keys, is_allowed in ((allowed, True), (denied, False)):
        for key in keys:
            assert decided(document, Call("s3:GetObject", f"arn:aws:s3:::{key}")) is is_allowed
    listing = (("s3:prefix", "raw/x"),)
    assert decided(document, Call("s3:ListBucket", "arn:aws:s3:::acme", listing))
    assert not decided(document, Call("s3:ListBucket", "arn:aws:s3:::acme-private", listing))


@pytest.mark.parametrize(
    ("context", "is_allowed"),
    [
        ((("sagemaker:InstanceTypes", "ml.m5.large"), ("sagemaker:MaxRuntimeInSeconds", "3600")), True),
        ((("sagemaker:InstanceTypes", "ml.p4d.24xlarge"), ("sagemaker:MaxRuntimeInSeconds", "3600")), False),
        ((("sagemaker:InstanceTypes", "ml.m5.large"), ("sagemaker:MaxRuntimeInSeconds", "3601")), False),
    ],
)
@pytest.mark.parametrize("role", ["workflow", "protected_workflow"])
def test_a_job_has_an_instance_type_and_a_time_limit_of_the_flow(
    role: str, context: tuple[tuple[str, str], ...], is_allowed: bool
) -> None:
    documents = policies(access_requirements(load(flow_with(), "flow.yaml"), {}), SCOPE)
    name = "mlcip-small--train-1" if role == "protected_workflow" else "mlci-small--train-1"
    call = Call("sagemaker:CreateTrainingJob", f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{name}", context)
    assert decided(documents[role], call) is is_allowed  # type: ignore[index]


def test_a_request_that_names_another_instance_type_is_allowed_as_well() -> None:
    text = flow_with().decode() + "      ResourceConfig: {InstanceType: ml.c5.xlarge}\n"
    text += "      StoppingCondition: {MaxRuntimeInSeconds: 7200}\n"
    found = access_requirements(load(text.encode(), "flow.yaml"), {})
    assert (found.instance_types, found.max_runtime_s) == (("ml.c5.xlarge", "ml.m5.large"), 7200)
    assert "ml.c5.xlarge" in json.dumps(policies(found, SCOPE))
