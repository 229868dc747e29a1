"""The staged files of a run on S3: checked on the way, sent once."""

from __future__ import annotations

import hashlib
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import boto3
import pytest
from botocore.model import OperationModel
from moto.backends import get_backend

from mlci.backends.aws.buckets import Buckets
from mlci.backends.aws.object_checksums import SINGLE_MAX_BYTES
from mlci.backends.aws.s3_objects import Objects
from mlci.backends.aws.s3_uploads import WORKERS, S3Uploads
from mlci.backends.stop_signal import StopSignal
from mlci.errors import CloudError
from mlci.plan.models import REFRESH_AFTER, S3Uri, Upload
from mlci.stage.cache import Cache
from mlci.stage.file_hashes import FileHashes
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


def test_each_object_is_sent_once(objects: Objects, pretended: PretendAws, tmp_path: Path) -> None:
    code = read_code(Path(__file__), "code.py")
    uploads = [
        Upload(S3Uri(f"{PREFIX}/d1/x.csv"), S3Uri(f"{PREFIX}/d1/"), (staged(tmp_path, "x.csv", b"x"),)),
        Upload(S3Uri(f"{PREFIX}/d1/y/z.csv"), S3Uri(f"{PREFIX}/d1/"), (staged(tmp_path, "z.csv", b"zz"),)),
        Upload(S3Uri(f"{CODE}/sourcedir.tar.gz"), S3Uri(f"{CODE}/"), (code,), is_archive=True),
    ]
    assert S3Uploads(objects).missing(uploads) == uploads
    assert S3Uploads(objects).upload(uploads, StopSignal()) == 3
    assert objects.read(f"{PREFIX}/d1/y/z.csv") == b"zz"
    pretended.calls.clear()
    assert S3Uploads(objects).upload(uploads, StopSignal()) == 0
    # One list for each unit, and the checksum of the archive, whose bytes are not at hand.
    assert sorted(pretended.calls) == ["s3.HeadObject"] + ["s3.ListObjectsV2"] * 2


def test_one_that_has_been_there_for_long_is_sent_again(objects: Objects, tmp_path: Path) -> None:
    """So what is in use stays young, and nothing that deletes by age takes it from a run that starts."""
    upload = Upload(S3Uri(f"{PREFIX}/d1/x.csv"), S3Uri(f"{PREFIX}/d1/"), (staged(tmp_path, "x.csv", b"x"),))
    S3Uploads(objects).upload([upload], StopSignal())
    stored = get_backend("s3")[ACCOUNT]["aws"].buckets[BUCKET].keys["mlci/small/data/d1/x.csv"]
    for age, expected in ((REFRESH_AFTER - timedelta(hours=1), []), (REFRESH_AFTER + timedelta(hours=1), [upload])):
        stored.last_modified = datetime.now(timezone.utc).replace(tzinfo=None) - age
        assert S3Uploads(objects).missing([upload]) == expected


def test_one_that_is_there_in_part_is_sent_again(objects: Objects, tmp_path: Path) -> None:
    upload = Upload(S3Uri(f"{PREFIX}/d1/x.csv"), S3Uri(f"{PREFIX}/d1/"), (staged(tmp_path, "x.csv", b"whole"),))
    objects.write(upload.uri, b"who")
    assert S3Uploads(objects).upload([upload], StopSignal()) == 1
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
    assert S3Uploads(objects).upload(uploads, StopSignal()) == 4
    assert S3Uploads(objects).missing(uploads) == []
    objects.write(uploads[0].uri, b"evil")
    objects.write(uploads[1].uri, b"y" + large[1:])
    objects.write(uploads[3].uri, b"an archive of somebody else's")
    assert S3Uploads(objects).missing(uploads) == [uploads[0], uploads[1], uploads[3]]
    assert S3Uploads(objects).upload(uploads, StopSignal()) == 3
    assert objects.read(uploads[0].uri) == b"good"
    assert objects.read(uploads[1].uri) == large


@pytest.mark.parametrize(("size", "count"), [(4, 0), (2 << 20, 1)])
def test_a_larger_object_without_a_checksum_of_ours_is_sent_again(
    objects: Objects, tmp_path: Path, size: int, count: int
) -> None:
    """The list shows the MD5 of a small one, whoever wrote it."""
    data = b"s" * size
    upload = Upload(S3Uri(f"{PREFIX}/d1/x.csv"), S3Uri(f"{PREFIX}/d1/"), (staged(tmp_path, "x.csv", data),))
    boto3.client("s3").put_object(Bucket=BUCKET, Key=upload.uri.partition(f"{BUCKET}/")[2], Body=data)
    assert S3Uploads(objects).upload([upload], StopSignal()) == count
    assert S3Uploads(objects).missing([upload]) == []


def test_a_larger_object_that_may_not_be_read_is_sent_again(
    objects: Objects, pretended: PretendAws, tmp_path: Path
) -> None:
    data = b"s" * (2 << 20)
    upload = Upload(S3Uri(f"{PREFIX}/d1/x.csv"), S3Uri(f"{PREFIX}/d1/"), (staged(tmp_path, "x.csv", data),))
    assert S3Uploads(objects).upload([upload], StopSignal()) == 1
    pretended.fault = lambda name: response(403, "") if name == "s3.HeadObject" else None
    assert S3Uploads(objects).missing([upload]) == [upload]


def test_an_etag_that_is_no_md5_decides_nothing(objects: Objects, pretended: PretendAws, tmp_path: Path) -> None:
    """As in a bucket that encrypts with a key of KMS: objects in parts have such ETags as well."""
    upload = Upload(S3Uri(f"{PREFIX}/d1/x.csv"), S3Uri(f"{PREFIX}/d1/"), (staged(tmp_path, "x.csv", b"same"),))
    key, client = upload.uri.partition(f"{BUCKET}/")[2], boto3.client("s3")
    began = client.create_multipart_upload(Bucket=BUCKET, Key=key, ChecksumAlgorithm="SHA256")
    part = {"Bucket": BUCKET, "Key": key, "UploadId": began["UploadId"]}
    sent = client.upload_part(**part, PartNumber=1, Body=b"same", ChecksumAlgorithm="SHA256")
    parts = [{"PartNumber": 1, "ETag": sent["ETag"]}]
    client.complete_multipart_upload(**part, MultipartUpload={"Parts": parts})
    pretended.calls.clear()
    S3Uploads(objects).missing([upload])
    assert pretended.calls == ["s3.ListObjectsV2", "s3.HeadObject"]


def test_a_file_that_changed_since_it_was_hashed_is_not_taken_for_what_is_there(
    objects: Objects, tmp_path: Path
) -> None:
    upload = Upload(S3Uri(f"{PREFIX}/d1/x.csv"), S3Uri(f"{PREFIX}/d1/"), (staged(tmp_path, "x.csv", b"same"),))
    objects.write(upload.uri, b"evil")
    (tmp_path / "x.csv").write_bytes(b"evil")
    assert S3Uploads(objects).missing([upload]) == [upload]


def test_the_checksum_of_a_large_file_is_remembered(objects: Objects, tmp_path: Path) -> None:
    data = bytes(2 * SINGLE_MAX_BYTES + 5)
    upload = Upload(S3Uri(f"{PREFIX}/d1/x.bin"), S3Uri(f"{PREFIX}/d1/"), (staged(tmp_path, "x.bin", data),))
    memory = FileHashes(Cache(tmp_path / "cache"), Path("checksums"), lambda: time.time_ns() + 10**10)
    assert S3Uploads(objects, memory).upload([upload], StopSignal()) == 1
    assert S3Uploads(objects, memory).missing([upload]) == []
    name = f"{tmp_path / 'x.bin'} in parts of {SINGLE_MAX_BYTES}"
    again = FileHashes(Cache(tmp_path / "cache"), Path("checksums"))
    assert again.known(name, (tmp_path / "x.bin").stat()) is not None
    assert S3Uploads(objects, again).missing([upload]) == []


def test_the_first_error_ends_an_upload(objects: Objects, pretended: PretendAws, tmp_path: Path) -> None:
    at = S3Uri(f"{PREFIX}/d1/")
    uploads = [Upload(S3Uri(f"{at}{number}"), at, (staged(tmp_path, f"{number}", b"x"),)) for number in range(200)]
    pretended.fault = lambda name: response(403, "") if name == "s3.PutObject" else None
    pretended.calls.clear()
    with pytest.raises(CloudError, match="PutObject: 403"):
        S3Uploads(objects).upload(uploads, StopSignal())
    assert pretended.calls.count("s3.PutObject") <= 2 * WORKERS


def test_a_stop_ends_the_upload_of_a_large_file(objects: Objects, pretended: PretendAws, tmp_path: Path) -> None:
    stop = StopSignal()
    file = staged(tmp_path, "x.bin", bytes(6 * SINGLE_MAX_BYTES))
    upload = Upload(S3Uri(f"{PREFIX}/d1/x.bin"), S3Uri(f"{PREFIX}/d1/"), (file,))

    def fault(name: str) -> None:
        if name == "s3.CreateMultipartUpload":
            stop.set()

    pretended.fault = fault
    S3Uploads(objects).upload([upload], stop)
    assert pretended.objects() == []
    assert not boto3.client("s3").list_multipart_uploads(Bucket=BUCKET).get("Uploads")


@pytest.mark.parametrize("size", [0, 1, SINGLE_MAX_BYTES, SINGLE_MAX_BYTES + 1, 3 * SINGLE_MAX_BYTES])
def test_a_file_arrives_whole_in_one_piece_or_in_many(objects: Objects, tmp_path: Path, size: int) -> None:
    data = hashlib.sha256(b"seed").digest() * (size // 32 + 1)
    file = staged(tmp_path, "big.bin", data[:size])
    uri = S3Uri(f"{PREFIX}/d3/big.bin")
    S3Uploads(objects).upload([Upload(uri, S3Uri(uri.rpartition("/")[0] + "/"), (file,))], StopSignal())
    assert hashlib.sha256(objects.read(uri) or b"").hexdigest() == file.sha256
    response = boto3.client("s3").head_object(Bucket=BUCKET, Key=uri.partition(f"{BUCKET}/")[2], ChecksumMode="ENABLED")
    assert response["ContentLength"] == size
    assert "ChecksumSHA256" in response
    assert ("-" in response["ETag"]) == (size > SINGLE_MAX_BYTES)
    assert S3Uploads(objects).missing([Upload(uri, S3Uri(uri.rpartition("/")[0] + "/"), (file,))]) == []


@pytest.mark.parametrize("size", [100, SINGLE_MAX_BYTES + 100])
@pytest.mark.parametrize("after", [b"other", b"", b"x" * 200])
def test_a_file_that_changed_since_it_was_hashed_is_not_stored(
    objects: Objects, pretended: PretendAws, tmp_path: Path, size: int, after: bytes
) -> None:
    file = staged(tmp_path, "x.csv", b"1" * size)
    (tmp_path / "x.csv").write_bytes(after if size == 100 else b"2" * size + after)
    with pytest.raises(CloudError, match="changed while the run was being staged"):
        S3Uploads(objects).upload([Upload(S3Uri(f"{PREFIX}/d4/x.csv"), S3Uri(f"{PREFIX}/d4/"), (file,))], StopSignal())
    assert pretended.objects() == []
    assert not boto3.client("s3").list_multipart_uploads(Bucket=BUCKET).get("Uploads")


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
    S3Uploads(objects).upload(uploads, StopSignal())
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
    S3Uploads(objects).upload(
        [Upload(S3Uri(f"{PREFIX}/d1/x.csv"), S3Uri(f"{PREFIX}/d1/"), (staged(tmp_path, "x.csv", b"x"),))], stop
    )
    assert pretended.objects() == []
