"""The store on S3: whole objects, checked on the way, sent once."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlci.backends.aws import s3_objects as module
from mlci.backends.aws.s3_objects import Objects
from mlci.errors import InputError
from support.fake_aws import ACCOUNT, BUCKET, REGION, PretendAws, response

PREFIX = f"s3://{BUCKET}/mlci/small/data"
CODE = f"s3://{BUCKET}/mlci/small/code/d2"


@pytest.fixture
def objects(pretended: PretendAws) -> Objects:
    return Objects(pretended.session().api("s3"), ACCOUNT)


def test_what_was_written_is_read(objects: Objects) -> None:
    uri = f"s3://{BUCKET}/a/ü b.json"
    assert objects.read(uri) is None
    objects.write(uri, b"{}")
    assert objects.read(uri) == b"{}"


def test_an_object_has_an_address_at_the_endpoint(pretended: PretendAws) -> None:
    api = pretended.session().api("s3")
    address = Objects(api, ACCOUNT).url(f"s3://{BUCKET}/a/b.yaml")
    assert address == f"{api.client.meta.endpoint_url}/{BUCKET}/a/b.yaml"
    assert address.startswith("https://s3.")


def test_nothing_is_said_about_encryption(objects: Objects, tmp_path: Path) -> None:
    source = Path(module.__file__).read_text()
    assert "ServerSideEncryption" not in source
    assert "SSEKMS" not in source


@pytest.mark.parametrize(
    ("status", "words"), [(404, "does not exist"), (403, "may not be used"), (400, "can't be used")]
)
def test_a_bucket_that_is_not_ours(objects: Objects, pretended: PretendAws, status: int, words: str) -> None:
    pretended.fault = lambda name: response(status, "") if name == "s3.HeadBucket" else None
    with pytest.raises(InputError, match=words):
        objects.check_bucket(BUCKET, REGION)


def test_a_bucket_in_another_region_is_refused_by_name(pretended: PretendAws) -> None:
    objects = Objects(pretended.session().api("s3"), ACCOUNT)
    objects.check_bucket(BUCKET, REGION)
    with pytest.raises(InputError, match=f'"{BUCKET}" is in {REGION}, and the run in us-east-1'):
        objects.check_bucket(BUCKET, "us-east-1")
