"""What roles may do, evaluated: moto's own engine decides about each document."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import yaml
from moto.iam.access_control import IAMPolicy, PermissionResult

from mlci.cloud.aws.stacks import TEMPLATE_MAX_BYTES
from mlci.infra.names import ROLES, Role
from mlci.infra.needs import Image, Needs, image_of
from mlci.infra.policies import Place, policies, policy
from mlci.infra.template import template

ACCOUNT = "123456789012"
ARN = f"arn:aws:{{}}:eu-west-1:{ACCOUNT}:{{}}"
BUCKET = "arn:aws:s3:::models"
PLACE = Place(
    "aws",
    "eu-west-1",
    ACCOUNT,
    "models",
    ARN.format("codeconnections", "connection/c"),
    {role: f"arn:aws:iam::{ACCOUNT}:role/{role}" for role in ROLES},
)
FRAUD = Needs(
    "fraud",
    frozenset(["processing", "training"]),
    reads_data=True,
    reads_outputs=True,
    has_rules=True,
    images=(Image("683313688378", "eu-west-1", "sagemaker-xgboost"),),
)


def allows(role: Role, action: str, resource: str, needs: Needs = FRAUD) -> bool:
    """Whether some statement allows it, its conditions being met."""
    told = policy(role, needs, PLACE)
    statements = told["Statement"]
    assert isinstance(statements, list)
    for statement in statements:
        statement.pop("Condition", None)
    engine = IAMPolicy(json.dumps(told))
    return engine.is_action_permitted(action, resource) is PermissionResult.PERMITTED


def states(resource: str) -> str:
    return ARN.format("states", resource)


RUN_OF_A_PULL_REQUEST = [
    ("ssm:GetParameters", ARN.format("ssm", "parameter/mlci/fraud/bucket")),
    ("s3:ListBucket", BUCKET),
    ("s3:GetObject", f"{BUCKET}/mlci/fraud/baselines/main.json"),
    ("s3:PutObject", f"{BUCKET}/mlci/fraud/code/d1/train.py"),
    ("s3:PutObject", f"{BUCKET}/mlci/fraud/data/d2/x.csv"),
    ("s3:GetObject", f"{BUCKET}/mlci/fraud/runs/r1/evaluate/evaluation/metrics.json"),
    ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/workflow"),
    ("states:CreateStateMachine", states("stateMachine:mlci-fraud")),
    ("states:TagResource", states("stateMachine:mlci-fraud")),
    ("states:UpdateStateMachine", states("stateMachine:mlci-fraud")),
    ("states:PublishStateMachineVersion", states("stateMachine:mlci-fraud")),
    ("states:DescribeStateMachine", states("stateMachine:mlci-fraud:7")),
    ("states:StartExecution", states("stateMachine:mlci-fraud:7")),
    ("states:GetExecutionHistory", states("execution:mlci-fraud:r1")),
    ("states:StopExecution", states("execution:mlci-fraud:r1")),
    ("sagemaker:DescribeTrainingJob", ARN.format("sagemaker", "training-job/mlci-fraud--train-r1-0-0")),
    ("sagemaker:StopProcessingJob", ARN.format("sagemaker", "processing-job/mlci-fraud--prepare-r1-0-0")),
    ("logs:GetLogEvents", ARN.format("logs", "log-group:/aws/sagemaker/TrainingJobs:log-stream:mlci-fraud--train-x")),
]


@pytest.mark.parametrize(("action", "resource"), RUN_OF_A_PULL_REQUEST)
def test_a_pull_request_may_do_what_a_run_does(action: str, resource: str) -> None:
    assert allows("pull_request_build", action, resource)


@pytest.mark.parametrize("role", ["pull_request_build", "workflow", "job"])
@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("s3:PutObject", f"{BUCKET}/mlci/fraud/baselines/main.json"),
        ("s3:DeleteObject", f"{BUCKET}/mlci/fraud/baselines/main.json"),
        ("s3:PutObject", f"{BUCKET}/mlci/fraud/protected/code/d1/train.py"),
        ("s3:PutObject", f"{BUCKET}/mlci/fraud/protected/runs/r1/evaluate/evaluation/metrics.json"),
        ("s3:PutObject", f"{BUCKET}/mlci/fraud/protected/records/r1.json"),
        ("s3:PutObject", f"{BUCKET}/mlci/fraud-v2/code/d1/train.py"),
        ("s3:GetObject", f"{BUCKET}/mlci/other/runs/r1/x"),
        ("states:StartExecution", states("stateMachine:mlci-fraud_protected:1")),
        ("states:UpdateStateMachine", states("stateMachine:mlci-fraud_protected")),
        ("states:StopExecution", states("execution:mlci-fraud_protected:r1")),
        ("states:StartExecution", states("stateMachine:mlci-fraud-v2")),
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/protected_workflow"),
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/protected_job"),
        ("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/mine"),
        ("ssm:PutParameter", ARN.format("ssm", "parameter/mlci/fraud/job_role")),
        ("sagemaker:StopTrainingJob", ARN.format("sagemaker", "training-job/mlcip-fraud--train-r1-0-0")),
        ("sagemaker:StopTrainingJob", ARN.format("sagemaker", "training-job/mlci-fraud-v2--train-r1-0-0")),
        ("sagemaker:CreateEndpoint", ARN.format("sagemaker", "endpoint/mlci-fraud--x")),
        ("codebuild:StartBuild", ARN.format("codebuild", "project/mlci-fraud-base")),
    ],
)
def test_what_a_pull_request_runs_reaches_neither_the_base_branch_nor_other_flows(
    role: Role, action: str, resource: str
) -> None:
    assert not allows(role, action, resource)


def test_the_base_branchs_build_writes_the_baseline_and_its_jobs_do_not() -> None:
    baseline = f"{BUCKET}/mlci/fraud/baselines/main.json"
    assert allows("base_build", "s3:PutObject", baseline)
    assert not any(allows(role, "s3:PutObject", baseline) for role in ROLES if role != "base_build")
    assert allows("base_build", "states:StartExecution", states("stateMachine:mlci-fraud_protected:1"))
    assert not allows("base_build", "states:StartExecution", states("stateMachine:mlci-fraud:1"))


def test_only_the_job_role_is_passed_to_sagemaker() -> None:
    for role, passed in (("workflow", "job"), ("protected_workflow", "protected_job")):
        statement = _statement(role, "PassRole")
        assert statement["Resource"] == [PLACE.roles[passed]]  # type: ignore[index]
        assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


def test_what_no_step_needs_is_absent() -> None:
    plain = json.dumps(policies(Needs("plain", frozenset(["processing"])), PLACE))
    for absent in ("Training", "training-job", "/data/*", "ecr:", "ec2:", "kms:", "KeepModels", "ReadOutside"):
        assert absent not in plain
    full = replace(FRAUD, outside=("s3://lake/raw/x",), keys=("alias/k",), is_in_vpc=True)
    told = json.dumps(policies(full, PLACE))
    for present in ("Training", "/data/*", "ecr:", "ec2:", "kms:", "arn:aws:s3:::lake/raw/x*"):
        assert present in told
    assert allows("job", "s3:GetObject", "arn:aws:s3:::lake/raw/x/1.csv", full)
    assert not allows("job", "s3:PutObject", "arn:aws:s3:::lake/raw/x/1.csv", full)
    assert not allows("pull_request_build", "s3:GetObject", "arn:aws:s3:::lake/raw/x/1.csv", full)


def test_no_policy_allows_every_action_of_a_service() -> None:
    for document in policies(FRAUD, PLACE).values():
        for statement in document["Statement"]:  # type: ignore[attr-defined]
            assert not any("*" in action for action in statement["Action"])


def test_an_image_outside_of_ecr_needs_no_right() -> None:
    assert image_of("docker.io/library/python:3.12") is None


def test_the_template_fits_and_says_the_same_each_time() -> None:
    text = template(FRAUD)
    whole = yaml.safe_load(text)
    assert text == template(FRAUD)
    assert len(json.dumps(whole, separators=(",", ":")).encode()) < TEMPLATE_MAX_BYTES
    assert not set(whole["Parameters"]) & set(whole["Resources"])
    assert "FullAccess" not in text
    assert "AdministratorAccess" not in text


def test_each_project_waits_for_the_policy_of_its_role() -> None:
    resources = yaml.safe_load(template(FRAUD))["Resources"]
    assert "PullRequestBuildPolicy" in resources["PullRequestProject"]["DependsOn"]
    assert "BaseBuildPolicy" in resources["BaseProject"]["DependsOn"]
    told = {
        each["Name"] for each in resources["PullRequestProject"]["Properties"]["Environment"]["EnvironmentVariables"]
    }
    assert "MLCI_PROTECTED" not in told


def _statement(role: str, sid: str) -> dict[str, object]:
    statements = policies(FRAUD, PLACE)[role]["Statement"]  # type: ignore[index]
    assert isinstance(statements, list)
    return next(statement for statement in statements if statement["Sid"] == sid)
