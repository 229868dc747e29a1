"""The store on S3: whole objects, checked on the way, sent once."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone
from pathlib import Path

import boto3
import pytest
from botocore.model import OperationModel
from moto.backends import get_backend

from mlci.backends.aws import s3_objects as module
from mlci.backends.aws.buckets import Buckets
from mlci.backends.aws.object_checksums import SINGLE_MAX_BYTES
from mlci.backends.aws.s3_objects import Objects
from mlci.backends.stop_signal import StopSignal
from mlci.errors import CloudError, InputError
from mlci.plan.models import REFRESH_AFTER, S3Uri, Upload
from mlci.stage.models import StagedFile
from mlci.stage.repository import read_code
from support.fake_aws import ACCOUNT, BUCKET, REGION, PretendAws, response
from support.staged_files import staged_data

PREFIX = f"s3://{BUCKET}/mlci/small/data"
CODE = f"s3://{BUCKET}/mlci/small/code/d2"


@pytest.fixture
def objects(pretended: PretendAws) -> Objects:
    return Objects(pretended.session().api("s3"), ACCOUNT)


def staged(folder: Path, name: str, data: bytes) -> StagedFile:
    (folder / name).write_bytes(data)
    return staged_data(folder / name, name)


def test_what_was_written_is_read(objects: Objects) -> None:
    uri = f"s3://{BUCKET}/a/ü b.json"
    assert objects.read(uri) is None
    objects.write(uri, b"{}")
    assert objects.read(uri) == b"{}"


def test_each_object_is_sent_once(objects: Objects, pretended: PretendAws, tmp_path: Path) -> None:
    code = read_code(Path(__file__), "code.py")
    uploads = [
        Upload(S3Uri(f"{PREFIX}/d1/x.csv"), S3Uri(f"{PREFIX}/d1/"), (staged(tmp_path, "x.csv", b"x"),)),
        Upload(S3Uri(f"{PREFIX}/d1/y/z.csv"), S3Uri(f"{PREFIX}/d1/"), (staged(tmp_path, "z.csv", b"zz"),)),
        Upload(S3Uri(f"{CODE}/sourcedir.tar.gz"), S3Uri(f"{CODE}/"), (code,), is_archive=True),
    ]
    assert objects.missing(uploads) == uploads
    assert objects.upload(uploads, StopSignal()) == 3
    assert objects.read(f"{PREFIX}/d1/y/z.csv") == b"zz"
    pretended.calls.clear()
    assert objects.upload(uploads, StopSignal()) == 0
    # One list for each unit, and one checksum for each object.
    assert sorted(pretended.calls) == ["s3.HeadObject"] * 3 + ["s3.ListObjectsV2"] * 2


def test_one_that_has_been_there_for_long_is_sent_again(objects: Objects, tmp_path: Path) -> None:
    """So what is in use stays young, and nothing that deletes by age takes it from a run that starts."""
    upload = Upload(S3Uri(f"{PREFIX}/d1/x.csv"), S3Uri(f"{PREFIX}/d1/"), (staged(tmp_path, "x.csv", b"x"),))
    objects.upload([upload], StopSignal())
    stored = get_backend("s3")[ACCOUNT]["aws"].buckets[BUCKET].keys["mlci/small/data/d1/x.csv"]
    for age, expected in ((REFRESH_AFTER - timedelta(hours=1), []), (REFRESH_AFTER + timedelta(hours=1), [upload])):
        stored.last_modified = datetime.now(timezone.utc).replace(tzinfo=None) - age
        assert objects.missing([upload]) == expected


def test_one_that_is_there_in_part_is_sent_again(objects: Objects, tmp_path: Path) -> None:
    upload = Upload(S3Uri(f"{PREFIX}/d1/x.csv"), S3Uri(f"{PREFIX}/d1/"), (staged(tmp_path, "x.csv", b"whole"),))
    objects.write(upload.uri, b"who")
    assert objects.upload([upload], StopSignal()) == 1
    assert objects.read(upload.uri) == b"whole"


def test_an_object_of_the_same_size_is_compared_by_its_hash(objects: Objects, tmp_path: Path) -> None:
    """Whoever may write beside a run's code and data could put others' in their place."""
    large = b"x" * (SINGLE_MAX_BYTES + 10)
    at = S3Uri(f"{PREFIX}/d2/")
    uploads = [
        Upload(S3Uri(f"{at}{name}"), at, (staged(tmp_path, name, data),))
        for name, data in (("small.csv", b"good"), ("large.bin", large), ("other.csv", b"also good"))
    ]
    uploads.append(Upload(S3Uri(f"{at}code.tar.gz"), at, (read_code(Path(__file__), "code.py"),), is_archive=True))
    assert objects.upload(uploads, StopSignal()) == 4
    assert objects.missing(uploads) == []
    objects.write(uploads[0].uri, b"evil")
    objects.write(uploads[1].uri, b"y" + large[1:])
    objects.write(uploads[3].uri, b"an archive of somebody else's")
    assert objects.missing(uploads) == [uploads[0], uploads[1], uploads[3]]
    assert objects.upload(uploads, StopSignal()) == 3
    assert objects.read(uploads[0].uri) == b"good"
    assert objects.read(uploads[1].uri) == large


def test_an_object_without_a_checksum_of_ours_is_sent_again(objects: Objects, tmp_path: Path) -> None:
    upload = Upload(S3Uri(f"{PREFIX}/d1/x.csv"), S3Uri(f"{PREFIX}/d1/"), (staged(tmp_path, "x.csv", b"same"),))
    key = upload.uri.partition(f"{BUCKET}/")[2]
    boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"same")
    assert objects.upload([upload], StopSignal()) == 1
    assert objects.missing([upload]) == []


def test_an_object_that_may_not_be_read_is_sent_again(objects: Objects, pretended: PretendAws, tmp_path: Path) -> None:
    upload = Upload(S3Uri(f"{PREFIX}/d1/x.csv"), S3Uri(f"{PREFIX}/d1/"), (staged(tmp_path, "x.csv", b"same"),))
    assert objects.upload([upload], StopSignal()) == 1
    pretended.fault = lambda name: response(403, "") if name == "s3.HeadObject" else None
    assert objects.missing([upload]) == [upload]


@pytest.mark.parametrize("size", [0, 1, SINGLE_MAX_BYTES, SINGLE_MAX_BYTES + 1, 3 * SINGLE_MAX_BYTES])
def test_a_file_arrives_whole_in_one_piece_or_in_many(objects: Objects, tmp_path: Path, size: int) -> None:
    data = hashlib.sha256(b"seed").digest() * (size // 32 + 1)
    file = staged(tmp_path, "big.bin", data[:size])
    uri = S3Uri(f"{PREFIX}/d3/big.bin")
    objects.upload([Upload(uri, S3Uri(uri.rpartition("/")[0] + "/"), (file,))], StopSignal())
    assert hashlib.sha256(objects.read(uri) or b"").hexdigest() == file.sha256
    response = boto3.client("s3").head_object(Bucket=BUCKET, Key=uri.partition(f"{BUCKET}/")[2], ChecksumMode="ENABLED")
    assert response["ContentLength"] == size
    assert "ChecksumSHA256" in response
    assert ("-" in response["ETag"]) == (size > SINGLE_MAX_BYTES)
    assert objects.missing([Upload(uri, S3Uri(uri.rpartition("/")[0] + "/"), (file,))]) == []


@pytest.mark.parametrize("size", [100, SINGLE_MAX_BYTES + 100])
@pytest.mark.parametrize("after", [b"other", b"", b"x" * 200])
def test_a_file_that_changed_since_it_was_hashed_is_not_stored(
    objects: Objects, pretended: PretendAws, tmp_path: Path, size: int, after: bytes
) -> None:
    file = staged(tmp_path, "x.csv", b"1" * size)
    (tmp_path / "x.csv").write_bytes(after if size == 100 else b"2" * size + after)
    with pytest.raises(CloudError, match="changed while the run was being staged"):
        objects.upload([Upload(S3Uri(f"{PREFIX}/d4/x.csv"), S3Uri(f"{PREFIX}/d4/"), (file,))], StopSignal())
    assert pretended.objects() == []
    assert not boto3.client("s3").list_multipart_uploads(Bucket=BUCKET).get("Uploads")


def test_nothing_is_said_about_encryption(objects: Objects, tmp_path: Path) -> None:
    source = Path(module.__file__).read_text()
    assert "ServerSideEncryption" not in source
    assert "SSEKMS" not in source


def test_every_request_names_the_owner_of_the_bucket(pretended: PretendAws, tmp_path: Path) -> None:
    api, owners = pretended.session().api("s3"), set[tuple[str, object]]()

    def note(params: dict[str, object], model: OperationModel, **_: object) -> None:
        owners.add((model.name, params.get("ExpectedBucketOwner")))

    api.client.meta.events.register("before-parameter-build.s3", note)
    objects, buckets = Objects(api, ACCOUNT), Buckets(api, ACCOUNT)
    uploads = [
        Upload(S3Uri(f"{PREFIX}/d1/{name}"), S3Uri(f"{PREFIX}/d1/"), (staged(tmp_path, name, data),))
        for name, data in (("x", b"x"), ("large", bytes(SINGLE_MAX_BYTES + 1)))
    ]
    objects.check_bucket(BUCKET, REGION)
    objects.upload(uploads, StopSignal())
    objects.read(uploads[0].uri)
    buckets.tags(BUCKET)
    api.client.create_multipart_upload(Bucket=BUCKET, Key="left", ExpectedBucketOwner=ACCOUNT)
    buckets.empty(BUCKET)
    buckets.delete(BUCKET)
    operations = {"HeadBucket", "ListObjectsV2", "PutObject", "CreateMultipartUpload", "UploadPart", "GetObject"}
    operations |= {"CompleteMultipartUpload", "GetBucketTagging", "ListMultipartUploads", "AbortMultipartUpload"}
    operations |= {"ListObjectVersions", "DeleteObjects", "DeleteBucket"}
    assert owners == {(operation, ACCOUNT) for operation in operations}


def test_a_stopped_upload_ends_early(objects: Objects, pretended: PretendAws, tmp_path: Path) -> None:
    stop = StopSignal()
    stop.set()
    objects.upload(
        [Upload(S3Uri(f"{PREFIX}/d1/x.csv"), S3Uri(f"{PREFIX}/d1/"), (staged(tmp_path, "x.csv", b"x"),))], stop
    )
    assert pretended.objects() == []


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
