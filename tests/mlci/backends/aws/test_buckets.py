"""Buckets: tags, emptying and deletion."""

from __future__ import annotations

import boto3
import pytest

from mlci.backends.aws.api_calls import Api, AwsError
from mlci.backends.aws.buckets import Buckets
from support.fake_aws import ACCOUNT, BUCKET, REGION, PretendAws


def test_a_bucket_is_emptied_of_all_versions_and_uploads(pretended: PretendAws) -> None:
    s3 = boto3.client("s3", region_name=REGION)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for key in ("a", "a", "b"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    s3.delete_object(Bucket=BUCKET, Key="b")
    s3.create_multipart_upload(Bucket=BUCKET, Key="c")
    buckets = Buckets(Api(s3), ACCOUNT)
    with pytest.raises(AwsError, match="BucketNotEmpty"):
        buckets.delete(BUCKET)
    assert buckets.empty(BUCKET) == 4
    assert not s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads")
    buckets.delete(BUCKET)
    buckets.delete(BUCKET)
    assert buckets.tags(BUCKET) is None


def test_buckets_are_known_by_name_and_tag(pretended: PretendAws) -> None:
    s3 = boto3.client("s3", region_name=REGION)
    buckets = Buckets(Api(s3), ACCOUNT)
    assert buckets.tags(BUCKET) == {}
    s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": [{"Key": "mlci:flow", "Value": "x"}]})
    assert buckets.tags(BUCKET) == {"mlci:flow": "x"}
    assert list(buckets.list_by_prefix(BUCKET[:5], REGION)) == [BUCKET]
    assert list(buckets.list_by_prefix("other", REGION)) == []
