"""What a stack is to use of others, looked at before anything is made; and buckets at the end of their time."""

from __future__ import annotations

import functools
from collections.abc import Callable

import boto3
import pytest

from mlci.backends.aws.api_calls import Api, AwsError, Patience
from mlci.backends.aws.buckets import Buckets
from mlci.backends.aws.preflight import Preflight
from support.fake_aws import ACCOUNT, BUCKET, REGION, PretendAws, waiting_clock
from support.fake_cloudformation import CodeConnections, refusal

CONNECTION = f"arn:aws:codeconnections:{REGION}:{ACCOUNT}:connection/c"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-0000-0000-0000-000000000000"


@pytest.fixture
def connections() -> CodeConnections:
    return CodeConnections()


@pytest.fixture
def told(pretended: PretendAws, connections: CodeConnections) -> Callable[..., list[str]]:
    """What is wrong with values, in sentences."""

    @functools.cache
    def api(service: str) -> Api:
        client = connections if service == "codeconnections" else boto3.client(service, region_name=REGION)
        return Api(client, Patience(waiting_clock(), 10.0))

    return lambda **values: [str(problem) for problem in Preflight(api, REGION).problems(values)]


def test_nothing_named_is_nothing_wrong(told: Callable[..., list[str]]) -> None:
    assert told(Connection="", KmsKey="", VpcId="") == []
    assert told(Connection=CONNECTION, ExistingBucket=BUCKET) == []


def test_all_that_is_wrong_is_told(told: Callable[..., list[str]]) -> None:
    wrong = told(KmsKey=KEY, ExistingBucket="there-is-none", PermissionsBoundary=f"arn:aws:iam::{ACCOUNT}:policy/none")
    assert [line.partition(":")[0] for line in wrong] == ["--kms-key", "--permissions-boundary", "--existing-bucket"]


def test_a_key_is_enabled_symmetric_and_of_this_region(told: Callable[..., list[str]]) -> None:
    kms = boto3.client("kms", region_name=REGION)
    fine, asymmetric = kms.create_key()["KeyMetadata"], kms.create_key(KeySpec="RSA_2048")["KeyMetadata"]
    assert told(KmsKey=fine["Arn"]) == []
    assert "is RSA_2048, not symmetric" in told(KmsKey=asymmetric["Arn"])[0]
    kms.disable_key(KeyId=fine["KeyId"])
    assert "is Disabled, not Enabled" in told(KmsKey=fine["Arn"])[0]
    assert "is in us-east-1, and the stack in eu-west-1" in told(KmsKey=KEY.replace(REGION, "us-east-1"))[0]


def test_a_connection_may_be_pending_but_not_broken(
    told: Callable[..., list[str]], connections: CodeConnections
) -> None:
    connections.statuses = ["PENDING"]
    assert told(Connection=CONNECTION) == []
    connections.statuses = ["ERROR"]
    assert "has the status ERROR" in told(Connection=CONNECTION)[0]


def test_who_may_not_look_gets_no_verdict(told: Callable[..., list[str]], connections: CodeConnections) -> None:
    connections.refuses = refusal("GetConnection", "AccessDeniedException", "not authorized", 403)
    assert told(Connection=CONNECTION) == []
    connections.refuses = refusal("GetConnection", "ValidationException", "odd")
    with pytest.raises(AwsError, match="odd"):
        told(Connection=CONNECTION)


def test_a_bucket_is_emptied_of_all_versions_and_uploads(pretended: PretendAws) -> None:
    s3 = boto3.client("s3", region_name=REGION)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for key in ("a", "a", "b"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    s3.delete_object(Bucket=BUCKET, Key="b")
    s3.create_multipart_upload(Bucket=BUCKET, Key="c")
    buckets = Buckets(Api(s3))
    with pytest.raises(AwsError, match="BucketNotEmpty"):
        buckets.delete(BUCKET)
    assert buckets.empty(BUCKET) == 4
    assert not s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads")
    buckets.delete(BUCKET)
    buckets.delete(BUCKET)
    assert buckets.tags(BUCKET) is None


def test_buckets_are_known_by_name_and_tag(pretended: PretendAws) -> None:
    s3 = boto3.client("s3", region_name=REGION)
    buckets = Buckets(Api(s3))
    assert buckets.tags(BUCKET) == {}
    s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": [{"Key": "mlci:flow", "Value": "x"}]})
    assert buckets.tags(BUCKET) == {"mlci:flow": "x"}
    assert list(buckets.named(BUCKET[:5], REGION)) == [BUCKET]
    assert list(buckets.named("other", REGION)) == []
