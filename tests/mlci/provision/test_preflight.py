"""Checks of the resources that parameters refer to."""

from __future__ import annotations

import functools
from collections.abc import Callable

import boto3
import pytest

from mlci.backends.aws.api_calls import Api, AwsError, RetryPolicy
from mlci.backends.aws.s3_objects import Objects
from mlci.provision.preflight import Preflight
from support.fake_aws import ACCOUNT, BUCKET, REGION, PretendAws, waiting_clock
from support.fake_cloudformation import CodeConnections, refusal

CONNECTION = f"arn:aws:codeconnections:{REGION}:{ACCOUNT}:connection/c"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-0000-0000-0000-000000000000"


@pytest.fixture
def connections() -> CodeConnections:
    return CodeConnections()


@pytest.fixture
def problems(pretended: PretendAws, connections: CodeConnections) -> Callable[..., list[str]]:
    """Return the problems of values, as sentences."""

    @functools.cache
    def api(service: str) -> Api:
        client = connections if service == "codeconnections" else boto3.client(service, region_name=REGION)
        return Api(client, RetryPolicy(waiting_clock(), 10.0))

    return lambda **values: [
        str(problem) for problem in Preflight(api, Objects(api("s3"), ACCOUNT), REGION).problems(values)
    ]


def test_nothing_named_is_nothing_wrong(problems: Callable[..., list[str]]) -> None:
    assert problems(Connection="", KmsKey="", VpcId="") == []
    assert problems(Connection=CONNECTION, ExistingBucket=BUCKET) == []


def test_all_that_is_wrong_is_told(problems: Callable[..., list[str]]) -> None:
    wrong = problems(
        KmsKey=KEY, ExistingBucket="there-is-none", PermissionsBoundary=f"arn:aws:iam::{ACCOUNT}:policy/none"
    )
    assert [line.partition(":")[0] for line in wrong] == ["--kms-key", "--permissions-boundary", "--existing-bucket"]


def test_a_key_is_enabled_symmetric_and_of_this_region(problems: Callable[..., list[str]]) -> None:
    kms = boto3.client("kms", region_name=REGION)
    fine, asymmetric = kms.create_key()["KeyMetadata"], kms.create_key(KeySpec="RSA_2048")["KeyMetadata"]
    assert problems(KmsKey=fine["Arn"]) == []
    assert "is RSA_2048, not symmetric" in problems(KmsKey=asymmetric["Arn"])[0]
    kms.disable_key(KeyId=fine["KeyId"])
    assert "is Disabled, not Enabled" in problems(KmsKey=fine["Arn"])[0]
    assert "is in us-east-1, and the stack in eu-west-1" in problems(KmsKey=KEY.replace(REGION, "us-east-1"))[0]


def test_a_connection_may_be_pending_but_not_broken(
    problems: Callable[..., list[str]], connections: CodeConnections
) -> None:
    connections.statuses = ["PENDING"]
    assert problems(Connection=CONNECTION) == []
    connections.statuses = ["ERROR"]
    assert "has the status ERROR" in problems(Connection=CONNECTION)[0]


def test_who_may_not_look_gets_no_verdict(problems: Callable[..., list[str]], connections: CodeConnections) -> None:
    connections.refuses = refusal("GetConnection", "AccessDeniedException", "not authorized", 403)
    assert problems(Connection=CONNECTION) == []
    connections.refuses = refusal("GetConnection", "ValidationException", "odd")
    with pytest.raises(AwsError, match="odd"):
        problems(Connection=CONNECTION)


def test_a_secret_is_there_and_named_by_its_whole_arn(problems: Callable[..., list[str]]) -> None:
    client = boto3.client("secretsmanager", region_name=REGION)
    arn = client.create_secret(Name="github", SecretString="x")["ARN"]
    assert problems(GitHubSecret=arn) == []
    [problem] = problems(GitHubSecret=arn[:-7])
    assert problem == f"--github-secret: {arn[:-7]} is not the whole ARN. It is {arn}"
    assert "--github-secret: there is no secret" in problems(GitHubSecret=arn.replace("github", "gitlab"))[0]
    assert problems(GitHubSecret=arn.replace(REGION, "us-east-1")) == []  # of another region, which is not asked
    client.delete_secret(SecretId=arn)
    assert "is scheduled for deletion" in problems(GitHubSecret=arn)[0]
