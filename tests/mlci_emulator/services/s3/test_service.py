"""The S3 service, called in process, and killed while it writes."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci_emulator.protocol.operations import ApiError
from mlci_emulator.protocol.timestamps import parse_date
from mlci_emulator.services.s3 import S3, copy_object
from mlci_emulator.store.directory import DirectoryStore

REGION = "us-east-1"


class S3Harness:
    """A store with S3 on it, which can be opened anew as a restart does."""

    def __init__(self, folder: Path, home: Path | None) -> None:
        self.store, self._home = DirectoryStore(folder / "store"), home
        self.s3 = S3(self.store, home)

    def restart(self) -> None:
        self.s3.close()
        self.s3 = S3(self.store, self._home)

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        return self.s3.call(operation, {"Bucket": "data", **request}, REGION)

    def read(self, key: str) -> bytes:
        with self.call("GetObject", Key=key)["Body"] as body:
            data: bytes = body.read()
        return data


@pytest.fixture(params=["kept", "in memory"])
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[S3Harness]:
    harness = S3Harness(tmp_path, tmp_path / "s3" if request.param == "kept" else None)
    harness.call("CreateBucket")
    yield harness
    harness.s3.close()


def error_code(harness: S3Harness, operation: str, **request: Any) -> str:
    with pytest.raises(ApiError) as error:
        harness.call(operation, **request)
    return error.value.code


def test_bodies_are_bytes_files_or_streams(harness: S3Harness, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"same")
    for body in (b"same", tmp_path / "file", io.BytesIO(b"same")):
        put = harness.call("PutObject", Key="k", Body=body)
        assert put["ETag"] == f'"{hashlib.md5(b"same").hexdigest()}"'
        assert harness.read("k") == b"same"


def test_a_response_has_the_object_as_it_was_at_the_request(harness: S3Harness) -> None:
    harness.call("PutObject", Key="k", Body=b"old" * 1000)
    answer = harness.call("GetObject", Key="k")
    harness.call("PutObject", Key="k", Body=b"new")
    with answer["Body"] as body:
        assert body.read(5) + body.read() == b"old" * 1000
    answer = harness.call("GetObject", Key="k")
    harness.call("DeleteObject", Key="k")
    with answer["Body"] as body:
        assert body.read() == b"new"


def test_no_unknown_operation_and_no_other_account_is_served(harness: S3Harness) -> None:
    assert error_code(harness, "SelectObjectContent", Key="k") == "NotImplemented"
    assert error_code(harness, "ListObjectsV2", ExpectedBucketOwner="123456789012") == "AccessDenied"
    assert harness.call("ListObjectsV2", ExpectedBucketOwner="000000000000")["KeyCount"] == 0


@pytest.mark.parametrize("bucket", ["..", ".", "", "../x", "a/b", ".mlci-tmp-1", "a\0b"])
def test_no_bucket_leads_out_of_the_store(harness: S3Harness, bucket: str) -> None:
    for operation in ("GetObject", "PutObject", "DeleteObject", "ListObjectsV2", "HeadBucket", "DeleteBucket"):
        with pytest.raises(ApiError):
            harness.call(operation, Bucket=bucket, Key="k", Body=b"")


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    harness = S3Harness(tmp_path, tmp_path / "s3")
    harness.call("CreateBucket")
    harness.call("PutObject", Key="k", Body=b"x", ContentType="text/csv", Metadata={"m": "1"}, Tagging="t=1")
    harness.call("PutBucketTagging", Tagging={"TagSet": [{"Key": "team", "Value": "ml"}]})
    upload = harness.call("CreateMultipartUpload", Key="big")["UploadId"]
    etag = harness.call("UploadPart", Key="big", UploadId=upload, PartNumber=1, Body=b"part")["ETag"]
    harness.restart()
    head = harness.call("HeadObject", Key="k")
    assert (head["ContentType"], head["Metadata"], head["TagCount"]) == ("text/csv", {"m": "1"}, 1)
    assert harness.call("GetBucketTagging")["TagSet"] == [{"Key": "team", "Value": "ml"}]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    harness.call("CompleteMultipartUpload", Key="big", UploadId=upload, MultipartUpload=parts)
    assert harness.read("big") == b"part"
    assert list((tmp_path / "s3" / "uploads").iterdir()) == []
    harness.s3.close()


def test_the_bucket_that_comes_after_one_of_the_same_name_knows_nothing_of_it(harness: S3Harness) -> None:
    harness.call("PutBucketPolicy", Policy='{"Statement": []}')
    harness.call("DeleteBucket")
    harness.call("CreateBucket")
    assert error_code(harness, "GetBucketPolicy") == "NoSuchBucketPolicy"


def test_a_folder_that_a_job_created_is_a_bucket(harness: S3Harness) -> None:
    harness.store.put_bytes(b"x", "s3://made-by-job/out/model.tar.gz")
    assert [bucket["Name"] for bucket in harness.call("ListBuckets")["Buckets"]] == ["data", "made-by-job"]
    listed = harness.call("ListObjectsV2", Bucket="made-by-job")["Contents"]
    assert [(entry["Key"], entry["Size"]) for entry in listed] == [("out/model.tar.gz", 1)]
    assert listed[0]["ETag"] == f'"{hashlib.md5(b"x").hexdigest()}"'


def test_an_empty_folder_is_nothing(harness: S3Harness) -> None:
    (harness.store.root / "data" / "empty" / "deeper").mkdir(parents=True)
    assert harness.call("ListObjectsV2", Delimiter="/")["KeyCount"] == 0
    harness.call("DeleteBucket")
    assert not (harness.store.root / "data").exists()


def test_only_one_of_many_makes_the_object(harness: S3Harness) -> None:
    winners: list[int] = []
    refusals: list[str] = []

    def put(number: int) -> None:
        try:
            harness.call("PutObject", Key="k", Body=b"%d" % number, IfNoneMatch="*")
            winners.append(number)
        except ApiError as error:
            refusals.append(error.code)

    threads = [threading.Thread(target=put, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert harness.read("k") == b"%d" % winners[0]
    assert (len(winners), refusals) == (1, ["PreconditionFailed"] * 7)


def test_a_part_that_comes_again_replaces_the_first(harness: S3Harness) -> None:
    upload = harness.call("CreateMultipartUpload", Key="k")["UploadId"]
    harness.call("UploadPart", Key="k", UploadId=upload, PartNumber=7, Body=b"first")
    etag = harness.call("UploadPart", Key="k", UploadId=upload, PartNumber=7, Body=b"second")["ETag"]
    parts = {"Parts": [{"PartNumber": 7, "ETag": etag}]}
    done = harness.call("CompleteMultipartUpload", Key="k", UploadId=upload, MultipartUpload=parts)
    assert done["ETag"] == f'"{hashlib.md5(hashlib.md5(b"second").digest()).hexdigest()}-1"'
    assert harness.read("k") == b"second"
    assert error_code(harness, "ListParts", Key="k", UploadId=upload) == "NoSuchUpload"


def test_uploads_are_listed_in_pages(harness: S3Harness) -> None:
    uploads = [harness.call("CreateMultipartUpload", Key=key)["UploadId"] for key in ("a/1", "a/1", "a/2", "b", "c/1")]
    seen: list[str] = []
    request: dict[str, Any] = {"MaxUploads": 2}
    while True:
        page = harness.call("ListMultipartUploads", **request)
        seen += [upload["UploadId"] for upload in page["Uploads"]]
        if not page["IsTruncated"]:
            break
        request |= {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
    assert sorted(seen) == sorted(uploads)
    page = harness.call("ListMultipartUploads", Delimiter="/")
    assert [common["Prefix"] for common in page["CommonPrefixes"]] == ["a/", "c/"]
    assert [upload["Key"] for upload in page["Uploads"]] == ["b"]


KEYS = st.text("ab/", min_size=1, max_size=5)


@given(
    keys=st.sets(KEYS, max_size=10),
    prefix=st.text("ab/", max_size=2),
    delimiter=st.sampled_from(["", "/", "b"]),
    size=st.integers(1, 4),
)
def test_pages_make_up_the_list_that_s3_would_give(keys: set[str], prefix: str, delimiter: str, size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        harness = S3Harness(Path(folder), None)
        harness.call("CreateBucket")
        for key in keys:
            harness.call("PutObject", Key=key, Body=b"")
        expected = set()
        for key in (key for key in keys if key.startswith(prefix)):
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            expected.add(key if end < 0 else key[: end + len(delimiter)] + "…")
        assert pages(harness, Prefix=prefix, Delimiter=delimiter, MaxKeys=size) == sorted(expected)
        harness.s3.close()


def pages(harness: S3Harness, **request: Any) -> list[str]:
    """Keys, and common prefixes with an ellipsis, of all pages."""
    found: list[str] = []
    while True:
        page = harness.call("ListObjectsV2", **request)
        here = [entry["Key"] for entry in page.get("Contents", [])]
        here += [common["Prefix"] + "…" for common in page.get("CommonPrefixes", [])]
        assert len(here) == page["KeyCount"] <= request["MaxKeys"]
        found += here
        if not page["IsTruncated"]:
            return sorted(found)
        request["ContinuationToken"] = page["NextContinuationToken"]


PROGRAM = """
import sys
from pathlib import Path
from mlci_emulator.services.s3 import S3
from mlci_emulator.protocol.timestamps import parse_date
from mlci_emulator.store.directory import DirectoryStore
folder = Path(sys.argv[1])
s3 = S3(DirectoryStore(folder / "store"), folder / "s3")
print(flush=True)
number = 0
while True:
    number += 1
    body = bytes([number % 256]) * 3_000_000
    s3.call("PutObject", {"Bucket": "data", "Key": "k", "Body": body, "Metadata": {"first": str(body[0])}}, "")
    upload = s3.call("CreateMultipartUpload", {"Bucket": "data", "Key": "m"}, "")["UploadId"]
    at = {"Bucket": "data", "Key": "m", "UploadId": upload}
    etag = s3.call("UploadPart", {**at, "PartNumber": 1, "Body": body}, "")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    s3.call("CompleteMultipartUpload", {**at, "MultipartUpload": parts}, "")
"""


@pytest.mark.parametrize("pause_s", [0.05, 0.11, 0.17, 0.23])
def test_a_kill_leaves_whole_objects_with_their_facts(tmp_path: Path, pause_s: float) -> None:
    harness = S3Harness(tmp_path, tmp_path / "s3")
    harness.call("CreateBucket")
    harness.call("PutObject", Key="k", Body=b"\0" * 3_000_000, Metadata={"first": "0"})
    harness.s3.close()
    source = Path(__file__).parents[4] / "src"
    environment = {**os.environ, "PYTHONPATH": str(source)}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(pause_s)
        process.send_signal(signal.SIGKILL)
    harness.restart()
    listed = harness.call("ListObjectsV2")["Contents"]
    assert {entry["Key"] for entry in listed} <= {"k", "m"}
    assert all(entry["Size"] == 3_000_000 for entry in listed)
    answer = harness.call("GetObject", Key="k")
    with answer["Body"] as body:
        data = body.read()
    assert data == data[:1] * 3_000_000
    assert answer["Metadata"] == {"first": str(data[0])}
    assert answer["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    harness.s3.close()


def test_a_start_inside_of_a_folder_still_shows_the_folder(harness: S3Harness) -> None:
    for key in ("a/b/1", "a/c"):
        harness.call("PutObject", Key=key, Body=b"")
    assert harness.call("ListObjectsV2", Delimiter="/", StartAfter="a/b/")["CommonPrefixes"] == [{"Prefix": "a/"}]
    assert harness.call("ListObjectsV2", Delimiter="/", StartAfter="a/c")["KeyCount"] == 0


def test_dates_are_read_in_all_their_forms() -> None:
    for text in ("Wed, 25 Nov 2026 03:00:00 GMT", "2026-11-25T03:00:00Z", "2026-11-25T03:00:00.000Z"):
        found = parse_date(text)
        assert found is not None
        assert found.isoformat() == "2026-11-25T03:00:00+00:00"
    assert parse_date("yesterday") is None


# What follows is as AWS answered, recorded in LocalStack's tests/aws/services/s3 (test_s3*.snapshot.json).


def test_a_composite_checksum_needs_the_checksum_of_each_part(harness: S3Harness) -> None:
    created = harness.call("CreateMultipartUpload", Key="k", ChecksumAlgorithm="CRC32")
    assert created["ChecksumType"] == "COMPOSITE"
    at = {"Key": "k", "UploadId": created["UploadId"]}
    part = harness.call("UploadPart", **at, PartNumber=1, Body=b"abc")
    assert part["ChecksumCRC32"] == "NSRBwg=="
    assert error_code(harness, "UploadPart", **at, PartNumber=2, Body=b"", ChecksumAlgorithm="SHA1") == "InvalidRequest"
    plain = {"PartNumber": 1, "ETag": part["ETag"]}
    for parts, more, code in (
        ([plain], {}, "InvalidRequest"),
        ([{**plain, "ChecksumCRC32": "AAAAAA=="}], {}, "InvalidPart"),
        ([{**plain, "ChecksumCRC32": "NSRBwg=="}], {"ChecksumType": "FULL_OBJECT"}, "InvalidRequest"),
        ([{**plain, "ChecksumCRC32": "NSRBwg=="}], {"ChecksumCRC32": "AAAAAA==-1"}, "BadDigest"),
    ):
        assert error_code(harness, "CompleteMultipartUpload", **at, MultipartUpload={"Parts": parts}, **more) == code
    whole = {"MultipartUpload": {"Parts": [{**plain, "ChecksumCRC32": "NSRBwg=="}]}}
    done = harness.call("CompleteMultipartUpload", **at, **whole)
    assert done["ChecksumCRC32"].endswith("-1")
    attributes = harness.call("GetObjectAttributes", Key="k", ObjectAttributes=["Checksum", "ObjectParts"])
    assert attributes["Checksum"]["ChecksumCRC32"] == done["ChecksumCRC32"].removesuffix("-1")
    assert attributes["ObjectParts"]["Parts"] == [{"PartNumber": 1, "Size": 3, "ChecksumCRC32": "NSRBwg=="}]
    assert harness.call("HeadObject", Key="k", PartNumber=1, ChecksumMode="ENABLED")["ChecksumCRC32"] == "NSRBwg=="


def test_a_marker_inside_of_a_common_prefix_is_past_it(harness: S3Harness) -> None:
    for key in ("folder/sub/1", "folder/sub/2", "folder/x"):
        harness.call("PutObject", Key=key, Body=b"")
        harness.call("CreateMultipartUpload", Key=key)
    request: dict[str, Any] = {"Prefix": "folder/", "Delimiter": "/"}
    listed = harness.call("ListObjects", **request, Marker="folder/sub/1")
    assert ([entry["Key"] for entry in listed["Contents"]], listed.get("CommonPrefixes")) == (["folder/x"], None)
    uploads = harness.call("ListMultipartUploads", **request, KeyMarker="folder/sub/1")
    assert ([entry["Key"] for entry in uploads["Uploads"]], uploads.get("CommonPrefixes")) == (["folder/x"], None)


@pytest.mark.parametrize(
    ("requested", "code"),
    [
        ("bytes=-0", "InvalidArgument"),
        ("0-8", "InvalidArgument"),
        ("bytes=0-100", "InvalidArgument"),
        ("bytes=100-200", "InvalidRequest"),
    ],
)
def test_ranges_of_sources_are_strict(harness: S3Harness, requested: str, code: str) -> None:
    harness.call("PutObject", Key="k", Body=b"0123456789")
    at = {"Key": "m", "UploadId": harness.call("CreateMultipartUpload", Key="m")["UploadId"], "PartNumber": 1}
    assert error_code(harness, "UploadPartCopy", **at, CopySource="data/k", CopySourceRange=requested) == code
    harness.call("UploadPartCopy", **at, CopySource="data/k", CopySourceRange="bytes=0-9")


def test_writes_take_one_condition(harness: S3Harness) -> None:
    etag = harness.call("PutObject", Key="k", Body=b"")["ETag"]
    for condition in ({"IfNoneMatch": etag}, {"IfMatch": "*"}, {"IfMatch": etag, "IfNoneMatch": "*"}):
        assert error_code(harness, "PutObject", Key="k", Body=b"", **condition) == "NotImplemented"
    upload = harness.call("CreateMultipartUpload", Key="k")["UploadId"]
    part = harness.call("UploadPart", Key="k", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    harness.call("PutObject", Key="k", Body=b"")
    parts = {"MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": part}]}}
    code = error_code(harness, "CompleteMultipartUpload", Key="k", UploadId=upload, **parts, IfMatch=etag)
    assert code == "ConditionalRequestConflict"


@pytest.mark.parametrize(
    ("operation", "request_", "code"),
    [
        ("PutBucketPolicy", {"Policy": "no json"}, "MalformedPolicy"),
        ("PutBucketPolicy", {"Policy": "{}"}, "MalformedPolicy"),
        ("PutBucketVersioning", {"VersioningConfiguration": {}}, "IllegalVersioningConfigurationException"),
        ("PutBucketVersioning", {"VersioningConfiguration": {"Status": "enabled"}}, "MalformedXML"),
        ("PutBucketOwnershipControls", {"OwnershipControls": {"Rules": []}}, "MalformedXML"),
        ("PutBucketTagging", {"Tagging": {"TagSet": [{"Key": "a,b", "Value": ""}]}}, "InvalidTag"),
        ("PutObject", {"Key": "k", "Tagging": "a=1&a=2"}, "InvalidArgument"),
        ("PutObject", {"Key": "k", "StorageClass": "OUTPOSTS"}, "InvalidStorageClass"),
        ("DeleteObject", {"Key": "k", "BypassGovernanceRetention": True}, "InvalidArgument"),
        ("HeadBucket", {"ExpectedBucketOwner": "abc"}, "InvalidBucketOwnerAWSAccountID"),
        ("ListObjectsV2", {"ContinuationToken": ""}, "InvalidArgument"),
        ("CreateBucket", {"ObjectOwnership": "Mine"}, "InvalidArgument"),
        ("PutBucketReplication", {"ReplicationConfiguration": {}}, "InvalidRequest"),
    ],
)
def test_a_request_that_aws_rejects(harness: S3Harness, operation: str, request_: dict[str, Any], code: str) -> None:
    assert error_code(harness, operation, **request_) == code


@pytest.mark.parametrize("key", ["1234", "arn:aws:kms:us-east-1:000000000000:key/1234"])
def test_an_object_has_the_default_encryption_of_its_bucket(harness: S3Harness, key: str) -> None:
    """As in the recorded tests test_s3_sse_default_kms and test_s3_sse_default_kms_key of LocalStack."""
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rules = [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]
    harness.call("PutObject", Key="old", Body=b"x")
    harness.call("PutBucketEncryption", ServerSideEncryptionConfiguration={"Rules": rules})
    upload = harness.call("CreateMultipartUpload", Key="m")
    at = {"Key": "m", "UploadId": upload["UploadId"]}
    part = {"PartNumber": 1, "ETag": harness.call("UploadPart", **at, PartNumber=1, Body=b"x")["ETag"]}
    responses = [
        harness.call("PutObject", Key="k", Body=b"x"),
        harness.call("HeadObject", Key="k"),
        harness.call("CopyObject", Key="c", CopySource="data/old"),
        upload,
        harness.call("CompleteMultipartUpload", **at, MultipartUpload={"Parts": [part]}),
        harness.call("HeadObject", Key="m"),
    ]
    names = ("ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled")
    expected = ("aws:kms", "arn:aws:kms:us-east-1:000000000000:key/1234", True)
    assert [tuple(response.get(name) for name in names) for response in responses] == [expected] * len(responses)
    assert harness.call("HeadObject", Key="old")["ServerSideEncryption"] == "AES256"
    asked = harness.call("PutObject", Key="k", Body=b"x", ServerSideEncryption="AES256")
    assert tuple(asked.get(name) for name in names) == ("AES256", None, None)


def test_a_large_source_is_copied_in_parts_alone(harness: S3Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3's limit is 5 GiB: of an object for CopyObject, and of the range for UploadPartCopy."""
    assert copy_object.MAX_SOURCE_BYTES == 5_368_709_120
    monkeypatch.setattr(copy_object, "MAX_SOURCE_BYTES", 10)
    harness.call("PutObject", Key="source", Body=b"0123456789x")
    at = {"Key": "c", "UploadId": harness.call("CreateMultipartUpload", Key="c")["UploadId"], "PartNumber": 1}
    for operation, more in (("CopyObject", {"Key": "c"}), ("UploadPartCopy", at)):
        with pytest.raises(ApiError, match="larger than the maximum allowable size for a copy source: 10") as raised:
            harness.call(operation, CopySource="data/source", **more)
        assert (raised.value.code, raised.value.status) == ("InvalidRequest", 400)
    harness.call("UploadPartCopy", CopySource="data/source", CopySourceRange="bytes=1-10", **at)


def test_an_object_without_a_checksum_gets_crc64nvme(harness: S3Harness) -> None:
    """As in the recorded tests test_post_object_default_checksum and test_multipart_if_none_match_with_delete."""
    checksum = {"ChecksumCRC64NVME": "rosUhgp5mIg=", "ChecksumType": "FULL_OBJECT"}
    at = {"Key": "m", "UploadId": harness.call("CreateMultipartUpload", Key="m")["UploadId"]}
    part = {"PartNumber": 1, "ETag": harness.call("UploadPart", **at, PartNumber=1, Body=b"123456789")["ETag"]}
    responses = [
        harness.call("PutObject", Key="k", Body=b"123456789"),
        harness.call("HeadObject", Key="k", ChecksumMode="ENABLED"),
        harness.call("CopyObject", Key="c", CopySource="data/k")["CopyObjectResult"],
        harness.call("CompleteMultipartUpload", **at, MultipartUpload={"Parts": [part]}),
        harness.call("HeadObject", Key="m", ChecksumMode="ENABLED"),
        harness.call("CopyObject", Key="c", CopySource="data/m")["CopyObjectResult"],
    ]
    assert [{name: response.get(name) for name in checksum} for response in responses] == [checksum] * len(responses)
    declared = harness.call("PutObject", Key="k", Body=b"123456789", ChecksumAlgorithm="CRC32")
    assert "ChecksumCRC64NVME" not in declared


def test_an_upload_whose_object_was_deleted_cannot_be_completed_with_if_none_match(harness: S3Harness) -> None:
    """As in the recorded test test_multipart_if_none_match_with_delete of LocalStack."""
    harness.call("PutObject", Key="k", Body=b"x")

    def completion() -> dict[str, Any]:
        at = {"Key": "k", "UploadId": harness.call("CreateMultipartUpload", Key="k")["UploadId"]}
        part = {"PartNumber": 1, "ETag": harness.call("UploadPart", **at, PartNumber=1, Body=b"y")["ETag"]}
        return {**at, "MultipartUpload": {"Parts": [part]}, "IfNoneMatch": "*"}

    first = completion()
    assert error_code(harness, "CompleteMultipartUpload", **first) == "PreconditionFailed"
    harness.call("DeleteObjects", Delete={"Objects": [{"Key": "k"}]})
    assert error_code(harness, "CompleteMultipartUpload", **first) == "ConditionalRequestConflict"
    harness.call("CompleteMultipartUpload", **completion())
    assert harness.read("k") == b"y"
