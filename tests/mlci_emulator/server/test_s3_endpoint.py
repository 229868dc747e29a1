"""S3's face, driven by boto3: a client that we did not write."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import os
import threading
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from mlci_emulator.server.http_listener import HttpListener, bind
from mlci_emulator.server.request_guard import RequestGuard
from mlci_emulator.server.s3_endpoint import S3Endpoint
from mlci_emulator.services.s3 import S3
from mlci_emulator.store.directory import DirectoryStore

MIB = 1 << 20
KEY = "AKIATEST"
SIGNED = f"AWS4-HMAC-SHA256 Credential={KEY}/20261125/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


@dataclass
class Served:
    port: int
    store: DirectoryStore
    client: Any

    def client_of(self, **options: Any) -> Any:
        return client_of(self.port, **options)


def client_of(port: int, region_name: str = "us-east-1", **options: Any) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=region_name,
        aws_access_key_id=KEY,
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}, **options),
    )


class Current:
    """The WSGI application of the test that runs."""

    def __init__(self) -> None:
        self.face: S3Endpoint | None = None

    def __call__(self, environ: Any, start_response: Any) -> Any:
        assert self.face is not None
        return self.face(environ, start_response)


@pytest.fixture(scope="module")
def listening() -> Iterator[tuple[int, Current, Any]]:
    """One server and one client for all tests: making them takes longer than most."""
    sockets, current = bind(0), Current()
    port = sockets[0].getsockname()[1]
    listener = HttpListener(sockets, current, RequestGuard(port, lambda: [KEY]))
    listener.start()
    client = client_of(port)
    yield port, current, client
    client.close()
    listener.stop(1)


@pytest.fixture
def served(tmp_path: Path, listening: tuple[int, Current, Any]) -> Iterator[Served]:
    port, current, client = listening
    store = DirectoryStore(tmp_path / "store")
    s3 = S3(store, tmp_path / "s3")
    current.face = S3Endpoint(s3)
    yield Served(port, store, client)
    s3.close()


@pytest.fixture
def s3(served: Served) -> Any:
    served.client.create_bucket(Bucket="data")
    return served.client


def code(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_an_object_is_a_plain_file_and_a_plain_file_is_an_object(s3: Any, served: Served) -> None:
    put = s3.put_object(
        Bucket="data", Key="raw/ü 1+2.csv", Body=b"a,b\n", ContentType="text/csv", Metadata={"run": "7"}
    )
    assert (served.store.root / "data" / "raw" / "ü 1+2.csv").read_bytes() == b"a,b\n"
    got = s3.get_object(Bucket="data", Key="raw/ü 1+2.csv")
    assert got["Body"].read() == b"a,b\n"
    assert (got["ContentType"], got["Metadata"], got["ETag"]) == ("text/csv", {"run": "7"}, put["ETag"])
    assert put["ETag"] == f'"{hashlib.md5(b"a,b" + bytes([10])).hexdigest()}"'

    (served.store.root / "data" / "dropped").write_bytes(b"by hand")
    head = s3.head_object(Bucket="data", Key="dropped")
    assert (head["ContentLength"], head["ContentType"]) == (7, "binary/octet-stream")
    assert head["ETag"] == f'"{hashlib.md5(b"by hand").hexdigest()}"'
    assert abs(datetime.now(timezone.utc) - head["LastModified"]) < timedelta(seconds=10)
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket="data")["Contents"]] == ["dropped", "raw/ü 1+2.csv"]


def test_a_file_that_replaces_an_object_loses_what_was_said_of_it(s3: Any, served: Served) -> None:
    s3.put_object(Bucket="data", Key="k", Body=b"old", ContentType="text/csv")
    (served.store.root / "data" / "k").write_bytes(b"new")
    head = s3.head_object(Bucket="data", Key="k")
    assert head["ContentType"] == "binary/octet-stream"
    assert head["ETag"] == f'"{hashlib.md5(b"new").hexdigest()}"'


def test_files_go_up_and_down_in_parts(s3: Any, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(13 * MIB + 5))
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    s3.upload_file(str(source), "data", "big", Config=config, ExtraArgs={"ContentType": "model/gz"})
    s3.download_file("data", "big", str(target), Config=config)
    assert target.read_bytes() == source.read_bytes()
    head = s3.head_object(Bucket="data", Key="big", ChecksumMode="ENABLED")
    digests = [hashlib.md5(source.read_bytes()[at : at + 5 * MIB]).digest() for at in range(0, 13 * MIB, 5 * MIB)]
    assert head["ETag"] == f'"{hashlib.md5(b"".join(digests)).hexdigest()}-3"'
    assert head["ContentType"] == "model/gz"
    assert s3.list_multipart_uploads(Bucket="data").get("Uploads") is None
    part = s3.get_object(Bucket="data", Key="big", PartNumber=3)
    assert (part["PartsCount"], part["ContentLength"]) == (3, 3 * MIB + 5)
    assert part["Body"].read() == source.read_bytes()[10 * MIB :]


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums_are_checked_kept_and_given_back(s3: Any, algorithm: str) -> None:
    # botocore has no CRC32C and CRC64NVME without awscrt, so the values are given. Source: the CRC catalogue's checks.
    values = {
        "CRC32": zlib.crc32(b"123456789").to_bytes(4, "big"),
        "CRC32C": bytes.fromhex("e3069283"),
        "CRC64NVME": bytes.fromhex("ae8b14860a799888"),
        "SHA1": hashlib.sha1(b"123456789").digest(),
        "SHA256": hashlib.sha256(b"123456789").digest(),
    }
    member = f"Checksum{algorithm}"
    value = base64.b64encode(values[algorithm]).decode()
    put = s3.put_object(Bucket="data", Key="k", Body=b"123456789", **{member: value})
    assert (put[member], put["ChecksumType"]) == (value, "FULL_OBJECT")
    head = s3.head_object(Bucket="data", Key="k", ChecksumMode="ENABLED")
    assert head[member] == value
    assert member not in s3.get_object(Bucket="data", Key="k", Range="bytes=1-2", ChecksumMode="ENABLED")
    attributes = s3.get_object_attributes(Bucket="data", Key="k", ObjectAttributes=["Checksum", "ETag", "ObjectSize"])
    assert attributes["Checksum"] == {member: value, "ChecksumType": "FULL_OBJECT"}
    assert (attributes["ObjectSize"], attributes["ETag"]) == (9, hashlib.md5(b"123456789").hexdigest())
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket="data", Key="k", Body=b"123456780", **{member: value})
    assert code(error) == ("BadDigest", 400)
    assert s3.get_object(Bucket="data", Key="k")["Body"].read() == b"123456789"


def test_a_wrong_md5_stores_nothing(s3: Any, served: Served) -> None:
    for value, expected in (("AAAAAAAAAAAAAAAAAAAAAA==", "BadDigest"), ("nonsense", "InvalidDigest")):
        with pytest.raises(ClientError) as error:
            s3.put_object(Bucket="data", Key="k", Body=b"x", ContentMD5=value)
        assert code(error) == (expected, 400)
    assert list((served.store.root / "data").iterdir()) == []


def chunked(*chunks: bytes, trailer: str = "", signature: str = "") -> bytes:
    """As the SDKs send a body whose checksum comes after it."""
    sign = f";chunk-signature={signature}" if signature else ""
    parts = [f"{len(chunk):x}{sign}\r\n".encode() + chunk + b"\r\n" for chunk in chunks]
    end = f"{trailer}\r\n" if trailer else ""
    return b"".join(parts) + f"0{sign}\r\n{end}\r\n".encode()


def ask(served: Served, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """A request as it is, with nothing tidied up on its way."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    try:
        connection.request(method, path, body, {"Authorization": SIGNED, **headers})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def put_raw(served: Served, key: str, body: bytes, headers: Mapping[str, str]) -> int:
    return ask(served, "PUT", f"/data/{key}", body, **headers)[0]


@pytest.mark.parametrize("signature", ["", "ab" * 32])
def test_bodies_in_chunks_with_trailers(s3: Any, served: Served, signature: str) -> None:
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" if signature else "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    checksum = base64.b64encode(zlib.crc32(b"hello world").to_bytes(4, "big")).decode()
    headers = {
        "x-amz-content-sha256": kind,
        "Content-Encoding": "gzip,aws-chunked",
        "x-amz-decoded-content-length": "11",
        "x-amz-trailer": "x-amz-checksum-crc32",
        "Content-Type": "text/plain",
    }
    body = chunked(b"hello ", b"world", trailer=f"x-amz-checksum-crc32:{checksum}", signature=signature)
    assert put_raw(served, "k", body, headers) == 200
    head = s3.head_object(Bucket="data", Key="k", ChecksumMode="ENABLED")
    assert (head["ContentLength"], head["ContentEncoding"], head["ChecksumCRC32"]) == (11, "gzip", checksum)
    assert served.store.read_bytes("s3://data/k") == b"hello world"
    wrong = chunked(b"hello ", b"WORLD", trailer=f"x-amz-checksum-crc32:{checksum}", signature=signature)
    assert put_raw(served, "k", wrong, headers) == 400
    assert put_raw(served, "k", body[:-30], headers) == 400
    assert put_raw(served, "k", body, {**headers, "x-amz-decoded-content-length": "12"}) == 400
    assert served.store.read_bytes("s3://data/k") == b"hello world"


def test_a_body_that_changed_since_it_was_signed_is_refused(s3: Any, served: Served) -> None:
    good, bad = hashlib.sha256(b"x").hexdigest(), hashlib.sha256(b"y").hexdigest()
    assert put_raw(served, "k", b"x", {"x-amz-content-sha256": bad}) == 400
    assert not served.store.exists("s3://data/k")
    assert put_raw(served, "k", b"x", {"x-amz-content-sha256": good}) == 200


def test_ranges(s3: Any) -> None:
    s3.put_object(Bucket="data", Key="k", Body=b"0123456789")
    for asked, expected, said in (
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=5-100", b"56789", "bytes 5-9/10"),
        ("bytes=-100", b"0123456789", "bytes 0-9/10"),
    ):
        got = s3.get_object(Bucket="data", Key="k", Range=asked)
        assert (got["Body"].read(), got["ContentRange"]) == (expected, said)
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert s3.get_object(Bucket="data", Key="k", Range="lines=1-2")["Body"].read() == b"0123456789"
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket="data", Key="k", Range="bytes=10-")
    assert code(error) == ("InvalidRange", 416)


def test_conditions(s3: Any) -> None:
    etag = s3.put_object(Bucket="data", Key="k", Body=b"x")["ETag"]
    modified = s3.head_object(Bucket="data", Key="k")["LastModified"]
    before, after = modified - timedelta(hours=1), modified + timedelta(hours=1)
    for holding in (
        {"IfMatch": etag},
        {"IfNoneMatch": '"other"'},
        {"IfModifiedSince": before},
        {"IfUnmodifiedSince": after},
    ):
        assert s3.get_object(Bucket="data", Key="k", **holding)["Body"].read() == b"x"
    for condition, status in (
        ({"IfMatch": '"other"'}, 412),
        ({"IfUnmodifiedSince": before}, 412),
        ({"IfNoneMatch": etag}, 304),
        ({"IfModifiedSince": modified}, 304),
    ):
        for call in (s3.get_object, s3.head_object):
            with pytest.raises(ClientError) as error:
                call(Bucket="data", Key="k", **condition)
            assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket="data", Key="k", Body=b"y", IfNoneMatch="*")
    assert code(error) == ("PreconditionFailed", 412)
    s3.put_object(Bucket="data", Key="new", Body=b"y", IfNoneMatch="*")
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket="data", Key="k", Body=b"y", IfMatch='"other"')
    assert code(error) == ("PreconditionFailed", 412)
    s3.put_object(Bucket="data", Key="k", Body=b"y", IfMatch=etag)


def test_lists_in_pages_and_folders(s3: Any) -> None:
    keys = [f"{folder}/{number}" for folder in ("a", "b", "c d") for number in range(4)]
    keys += ["top", "z+ü&<>"]
    for key in keys:
        s3.put_object(Bucket="data", Key=key, Body=b"x")
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket="data", PaginationConfig={"PageSize": 3}))
    assert len(pages) == 5
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == keys
    for name in ("list_objects_v2", "list_objects"):
        pages = list(s3.get_paginator(name).paginate(Bucket="data", Delimiter="/", PaginationConfig={"PageSize": 2}))
        assert [p["Prefix"] for page in pages for p in page.get("CommonPrefixes", [])] == ["a/", "b/", "c d/"]
        assert [entry["Key"] for page in pages for entry in page.get("Contents", [])] == ["top", "z+ü&<>"]
    versions = s3.list_object_versions(Bucket="data", Prefix="a/")["Versions"]
    assert (versions[0]["Key"], versions[0]["VersionId"], versions[0]["IsLatest"]) == ("a/0", "null", True)
    found = s3.list_objects_v2(Bucket="data", StartAfter="b/1", Prefix="b/", FetchOwner=True)
    assert [entry["Key"] for entry in found["Contents"]] == ["b/2", "b/3"]
    assert found["Contents"][0]["Owner"]["ID"]
    assert s3.list_objects_v2(Bucket="data", MaxKeys=0)["KeyCount"] == 0
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket="data", Prefix="nothing").get("Contents", [])] == []
    with pytest.raises(ClientError) as error:
        s3.list_objects_v2(Bucket="data", ContinuationToken="?")
    assert code(error) == ("InvalidArgument", 400)


def test_folder_markers_and_odd_keys(s3: Any, served: Served) -> None:
    keys = ["folder/", "folder/x", "a", "a/b", "a//b", "/a", "ä" * 200]
    for key in keys:
        s3.put_object(Bucket="data", Key=key, Body=key.encode())
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket="data")["Contents"]] == sorted(keys)
    assert [s3.get_object(Bucket="data", Key=key)["Body"].read().decode() for key in keys] == keys
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket="data", Key="x" * 1025, Body=b"")
    assert code(error) == ("KeyTooLongError", 400)
    s3.delete_objects(Bucket="data", Delete={"Objects": [{"Key": key} for key in keys]})
    assert list((served.store.root / "data").iterdir()) == []


@pytest.mark.parametrize(
    "path",
    [
        "/data/../../secret",
        "/data/%2e%2e/%2e%2e/secret",
        "/data/..%2f..%2fsecret",
        "/../secret",
        "/%2e%2e/secret",
        "/data/link",
        "/data/folder/secret",
        "/data/%00",
        "/data//etc/passwd",
        "/.mlci-tmp-x/y",
        "/data/..%5c..%5csecret",
    ],
)
def test_no_path_leads_out_of_the_store(s3: Any, served: Served, path: str) -> None:
    secret = served.store.root.parent / "secret"
    secret.write_bytes(b"outside")
    (served.store.root / "data" / "link").symlink_to(secret)
    (served.store.root / "data" / "folder").symlink_to(served.store.root.parent)
    for method in ("GET", "PUT", "DELETE"):
        status, body = ask(served, method, path, b"evil" if method == "PUT" else None)
        assert status in (200, 204, 400, 404, 405)
        assert b"outside" not in body
    assert secret.read_bytes() == b"outside"
    assert sorted(entry.name for entry in served.store.root.parent.iterdir()) == ["s3", "secret", "store"]
    assert [entry.name for entry in served.store.root.iterdir()] == ["data"]


def test_copies(s3: Any) -> None:
    s3.put_object(Bucket="data", Key="a +ü", Body=b"x", ContentType="text/csv", Metadata={"m": "1"}, Tagging="t=1")
    copied = s3.copy_object(Bucket="data", Key="b", CopySource={"Bucket": "data", "Key": "a +ü"})
    got = s3.get_object(Bucket="data", Key="b")
    assert (got["Body"].read(), got["ContentType"], got["Metadata"]) == (b"x", "text/csv", {"m": "1"})
    assert copied["CopyObjectResult"]["ETag"] == got["ETag"]
    assert s3.get_object_tagging(Bucket="data", Key="b")["TagSet"] == [{"Key": "t", "Value": "1"}]
    source = {"Bucket": "data", "Key": "b"}
    with pytest.raises(ClientError) as error:
        s3.copy_object(Bucket="data", Key="b", CopySource=source)
    assert code(error) == ("InvalidRequest", 400)
    s3.copy_object(Bucket="data", Key="b", CopySource=source, MetadataDirective="REPLACE", Metadata={"n": "2"})
    head = s3.head_object(Bucket="data", Key="b")
    assert (head["Metadata"], head["ContentType"]) == ({"n": "2"}, "binary/octet-stream")
    with pytest.raises(ClientError) as error:
        s3.copy_object(Bucket="data", Key="c", CopySource=source, CopySourceIfNoneMatch=head["ETag"])
    assert code(error) == ("PreconditionFailed", 412)
    with pytest.raises(ClientError) as error:
        s3.copy_object(Bucket="data", Key="c", CopySource="data/missing")
    assert code(error) == ("NoSuchKey", 404)


def test_multipart_refusals(s3: Any, served: Served) -> None:
    upload = s3.create_multipart_upload(Bucket="data", Key="k")["UploadId"]
    at = {"Bucket": "data", "Key": "k", "UploadId": upload}
    first = s3.upload_part(**at, PartNumber=1, Body=b"small")["ETag"]
    second = s3.upload_part(**at, PartNumber=2, Body=b"last")["ETag"]
    assert [(part["PartNumber"], part["Size"]) for part in s3.list_parts(**at)["Parts"]] == [(1, 5), (2, 4)]
    assert [entry["Key"] for entry in s3.list_multipart_uploads(Bucket="data")["Uploads"]] == ["k"]
    both = [{"PartNumber": 1, "ETag": first}, {"PartNumber": 2, "ETag": second}]
    for parts, expected in (
        (both, "EntityTooSmall"),
        (both[::-1], "InvalidPartOrder"),
        ([{"PartNumber": 3, "ETag": first}], "InvalidPart"),
        ([{"PartNumber": 1, "ETag": second}], "InvalidPart"),
        ([], "InvalidRequest"),
    ):
        with pytest.raises(ClientError) as error:
            s3.complete_multipart_upload(**at, MultipartUpload={"Parts": parts})
        assert code(error) == (expected, 400)
    with pytest.raises(ClientError) as error:
        s3.delete_bucket(Bucket="data")
    assert code(error) == ("BucketNotEmpty", 409)
    s3.abort_multipart_upload(**at)
    for call in (s3.list_parts, s3.abort_multipart_upload):
        with pytest.raises(ClientError) as error:
            call(**at)
        assert code(error) == ("NoSuchUpload", 404)
    assert list((served.store.root / "data").iterdir()) == []


def test_parts_can_be_copies_and_one_checksum_is_made_of_theirs(s3: Any) -> None:
    data = os.urandom(6 * MIB)
    s3.put_object(Bucket="data", Key="source", Body=data)
    made = s3.create_multipart_upload(Bucket="data", Key="k", ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    at = {"Bucket": "data", "Key": "k", "UploadId": made["UploadId"]}
    source = {"Bucket": "data", "Key": "source"}
    first = s3.upload_part_copy(**at, PartNumber=1, CopySource=source, CopySourceRange=f"bytes=0-{5 * MIB - 1}")
    second = s3.upload_part(**at, PartNumber=2, Body=data[5 * MIB :], ChecksumAlgorithm="CRC32")
    parts = [{"PartNumber": 1, "ETag": first["CopyPartResult"]["ETag"]}, {"PartNumber": 2, "ETag": second["ETag"]}]
    whole = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
    with pytest.raises(ClientError) as error:
        s3.complete_multipart_upload(**at, MultipartUpload={"Parts": parts}, ChecksumCRC32="AAAAAA==")
    assert code(error) == ("BadDigest", 400)
    done = s3.complete_multipart_upload(**at, MultipartUpload={"Parts": parts}, ChecksumCRC32=whole)
    assert done["ChecksumCRC32"] == whole
    got = s3.get_object(Bucket="data", Key="k", ChecksumMode="ENABLED")  # boto3 checks it while it reads
    assert got["Body"].read() == data


def test_errors_of_what_is_not_there(s3: Any) -> None:
    calls: tuple[tuple[Callable[[], object], tuple[str, int]], ...] = (
        (lambda: s3.get_object(Bucket="data", Key="x"), ("NoSuchKey", 404)),
        (lambda: s3.head_object(Bucket="data", Key="x"), ("404", 404)),
        (lambda: s3.head_bucket(Bucket="nowhere"), ("404", 404)),
        (lambda: s3.get_object(Bucket="nowhere", Key="x"), ("NoSuchBucket", 404)),
        (lambda: s3.put_object(Bucket="nowhere", Key="x", Body=b""), ("NoSuchBucket", 404)),
        (lambda: s3.list_objects_v2(Bucket="nowhere"), ("NoSuchBucket", 404)),
        (lambda: s3.get_object(Bucket="data", Key="x", VersionId="v"), ("InvalidArgument", 400)),
        (lambda: s3.get_bucket_tagging(Bucket="data"), ("NoSuchTagSet", 404)),
        (lambda: s3.get_bucket_policy(Bucket="data"), ("NoSuchBucketPolicy", 404)),
        (lambda: s3.get_bucket_cors(Bucket="data"), ("NoSuchCORSConfiguration", 404)),
        (lambda: s3.restore_object(Bucket="data", Key="x"), ("NotImplemented", 501)),
        (lambda: s3.list_objects_v2(Bucket="data", ExpectedBucketOwner="1" * 12), ("AccessDenied", 403)),
    )
    for call, expected in calls:
        with pytest.raises(ClientError) as error:
            call()
        assert code(error) == expected
    s3.delete_object(Bucket="data", Key="never-there")


def test_a_document_that_changed_on_its_way_is_refused(s3: Any, served: Served) -> None:
    s3.put_object(Bucket="data", Key="k", Body=b"")
    body = b"<Delete><Object><Key>k</Key></Object></Delete>"
    for headers in ({"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}, {"x-amz-checksum-crc32": "AAAAAA=="}):
        assert ask(served, "POST", "/data?delete", body, **headers)[0] == 400
    s3.head_object(Bucket="data", Key="k")
    assert ask(served, "POST", "/data?delete", body)[0] == 200
    with pytest.raises(ClientError):
        s3.head_object(Bucket="data", Key="k")


def test_buckets(served: Served) -> None:
    s3 = served.client
    s3.create_bucket(Bucket="one")
    s3.create_bucket(Bucket="one")  # in us-east-1 that is no error
    west = served.client_of(region_name="eu-west-1")
    west.create_bucket(Bucket="two", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    with pytest.raises(ClientError) as error:
        west.create_bucket(Bucket="two", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert code(error) == ("BucketAlreadyOwnedByYou", 409)
    with pytest.raises(ClientError) as error:
        west.create_bucket(Bucket="three")
    assert code(error) == ("IllegalLocationConstraintException", 400)
    assert s3.get_bucket_location(Bucket="one")["LocationConstraint"] is None
    assert s3.get_bucket_location(Bucket="two")["LocationConstraint"] == "eu-west-1"
    assert s3.head_bucket(Bucket="two")["BucketRegion"] == "eu-west-1"
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["one", "two"]
    for name in ("Upper", "1.2.3.4", "a..b"):
        with pytest.raises(ClientError) as error:
            s3.create_bucket(Bucket=name)
        assert code(error) == ("InvalidBucketName", 400)
    s3.put_object(Bucket="one", Key="k", Body=b"")
    with pytest.raises(ClientError) as error:
        s3.delete_bucket(Bucket="one")
    assert code(error) == ("BucketNotEmpty", 409)
    s3.delete_object(Bucket="one", Key="k")
    s3.delete_bucket(Bucket="one")
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["two"]


def test_settings_are_given_back_as_they_were_put(s3: Any) -> None:
    assert "Status" not in s3.get_bucket_versioning(Bucket="data")
    rules = [{"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 3}}]
    s3.put_bucket_lifecycle_configuration(Bucket="data", LifecycleConfiguration={"Rules": rules})
    found = s3.get_bucket_lifecycle_configuration(Bucket="data")
    assert (found["Rules"], found["TransitionDefaultMinimumObjectSize"]) == (rules, "all_storage_classes_128K")
    cors = [{"AllowedMethods": ["GET", "PUT"], "AllowedOrigins": ["*"], "MaxAgeSeconds": 3}]
    s3.put_bucket_cors(Bucket="data", CORSConfiguration={"CORSRules": cors})
    assert s3.get_bucket_cors(Bucket="data")["CORSRules"] == cors
    s3.put_bucket_policy(Bucket="data", Policy='{"Statement": []}')
    assert s3.get_bucket_policy(Bucket="data")["Policy"] == '{"Statement": []}'
    s3.put_bucket_tagging(Bucket="data", Tagging={"TagSet": [{"Key": "k", "Value": "a@b"}]})
    assert s3.get_bucket_tagging(Bucket="data")["TagSet"] == [{"Key": "k", "Value": "a@b"}]
    s3.delete_bucket_tagging(Bucket="data")
    with pytest.raises(ClientError) as error:
        s3.get_bucket_tagging(Bucket="data")
    assert code(error) == ("NoSuchTagSet", 404)
    block = s3.get_public_access_block(Bucket="data")["PublicAccessBlockConfiguration"]
    assert block["BlockPublicAcls"] is True
    s3.put_public_access_block(Bucket="data", PublicAccessBlockConfiguration={**block, "BlockPublicAcls": False})
    assert s3.get_public_access_block(Bucket="data")["PublicAccessBlockConfiguration"]["BlockPublicAcls"] is False
    encryption = s3.get_bucket_encryption(Bucket="data")["ServerSideEncryptionConfiguration"]["Rules"]
    assert encryption[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    acl = s3.get_bucket_acl(Bucket="data")
    assert acl["Grants"][0]["Grantee"] == {"ID": acl["Owner"]["ID"], "Type": "CanonicalUser"}
    s3.put_bucket_acl(Bucket="data", AccessControlPolicy={"Grants": acl["Grants"], "Owner": acl["Owner"]})
    s3.put_bucket_versioning(Bucket="data", VersioningConfiguration={"Status": "Suspended"})
    assert s3.get_bucket_versioning(Bucket="data")["Status"] == "Suspended"


def test_what_would_mislead_is_refused(s3: Any) -> None:
    calls: tuple[Callable[[], object], ...] = (
        lambda: s3.put_bucket_versioning(Bucket="data", VersioningConfiguration={"Status": "Enabled"}),
        lambda: s3.put_bucket_notification_configuration(
            Bucket="data", NotificationConfiguration={"EventBridgeConfiguration": {}}
        ),
        lambda: s3.put_object(Bucket="data", Key="k", Body=b"", SSECustomerAlgorithm="AES256", SSECustomerKey="k" * 32),
        lambda: s3.put_object(Bucket="data", Key="k", Body=b"", ObjectLockLegalHoldStatus="ON"),
        lambda: s3.put_object(Bucket="data", Key="k", Body=b"", StorageClass="GLACIER"),
    )
    for call in calls:
        with pytest.raises(ClientError) as error:
            call()
        assert code(error) == ("NotImplemented", 501)


def test_tags_of_objects(s3: Any) -> None:
    s3.put_object(Bucket="data", Key="k", Body=b"x", Tagging="a=1&b=x%20y", Metadata={"m": "1"})
    assert s3.get_object_tagging(Bucket="data", Key="k")["TagSet"] == [
        {"Key": "a", "Value": "1"},
        {"Key": "b", "Value": "x y"},
    ]
    s3.put_object_tagging(Bucket="data", Key="k", Tagging={"TagSet": [{"Key": "c", "Value": ""}]})
    head = s3.head_object(Bucket="data", Key="k")
    assert (head["TagCount"], head["Metadata"]) == (1, {"m": "1"})
    s3.delete_object_tagging(Bucket="data", Key="k")
    assert s3.get_object_tagging(Bucket="data", Key="k")["TagSet"] == []
    many = [{"Key": str(number), "Value": ""} for number in range(11)]
    with pytest.raises(ClientError) as error:
        s3.put_object_tagging(Bucket="data", Key="k", Tagging={"TagSet": many})
    assert code(error) == ("BadRequest", 400)


def test_links_for_a_while(s3: Any, served: Served) -> None:
    s3.put_object(Bucket="data", Key="k", Body=b"x")
    v4 = served.client_of(signature_version="s3v4")
    asked = {"Bucket": "data", "Key": "k", "ResponseContentType": "text/html"}
    with urllib.request.urlopen(v4.generate_presigned_url("get_object", Params=asked)) as response:
        assert (response.read(), response.headers["Content-Type"]) == (b"x", "text/html")
    url = v4.generate_presigned_url("put_object", Params={"Bucket": "data", "Key": "new"})
    with urllib.request.urlopen(urllib.request.Request(url, b"new", method="PUT")) as response:
        assert response.status == 200
    assert served.store.read_bytes("s3://data/new") == b"new"
    old = v4.generate_presigned_url("get_object", Params={"Bucket": "data", "Key": "k"}, ExpiresIn=-60)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(old)


def test_buckets_in_the_host_name(s3: Any, served: Served) -> None:
    for host in ("data.localhost", "data.s3.localhost", "data.s3.us-east-1.localhost"):
        assert ask(served, "PUT", f"/{host}", b"x", Host=f"{host}:{served.port}")[0] == 200
        assert served.store.read_bytes(f"s3://data/{host}") == b"x"


def test_entities_are_refused(s3: Any, served: Served) -> None:
    bomb = b'<!DOCTYPE d [<!ENTITY a "aaaa">]><Delete><Object><Key>&a;</Key></Object></Delete>'
    for body in (bomb, b"<Delete>", b"nonsense", b""):
        status, answer = ask(served, "POST", "/data?delete", body)
        assert status == 400
        assert b"aaaa" not in answer


def test_many_write_read_and_list_at_once(s3: Any, served: Served) -> None:
    bodies = [bytes([number]) * 50_000 for number in range(4)]
    wrong: list[object] = []

    def work(body: bytes) -> None:
        client = served.client_of()
        for number in range(8):
            client.put_object(Bucket="data", Key="same", Body=body, Metadata={"first": str(body[0])})
            client.put_object(Bucket="data", Key=f"f{body[0]}/{number}", Body=body)
            got = client.get_object(Bucket="data", Key="same")
            data = got["Body"].read()
            if data not in bodies or got["Metadata"] != {"first": str(data[0])}:
                wrong.append(got)
            listed = client.list_objects_v2(Bucket="data")["Contents"]
            if any(entry["Size"] != 50_000 for entry in listed):
                wrong.append(listed)

    threads = [threading.Thread(target=work, args=[body]) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert s3.list_objects_v2(Bucket="data")["KeyCount"] == 33


def test_streams_go_up(s3: Any) -> None:
    s3.upload_fileobj(io.BytesIO(b"stream"), "data", "k")
    assert s3.get_object(Bucket="data", Key="k")["Body"].read() == b"stream"


def test_empty_objects_and_parts_share_a_connection(served: Served) -> None:
    """boto3 asks for `100 Continue` also before an empty body, and misreads the next answer where it does not come."""
    s3 = served.client_of(max_pool_connections=1, read_timeout=30)
    s3.create_bucket(Bucket="data")
    for number in range(4):
        s3.put_object(Bucket="data", Key="empty/", Body=b"")
        s3.put_object(Bucket="data", Key="k", Body=b"%d" % number)
        assert s3.get_object(Bucket="data", Key="k")["Body"].read() == b"%d" % number


def test_names_of_metadata_come_back_as_they_were(s3: Any) -> None:
    s3.put_object(Bucket="data", Key="k", Body=b"", Metadata={"job_id": "1", "two-words": "2"})
    assert s3.head_object(Bucket="data", Key="k")["Metadata"] == {"job_id": "1", "two-words": "2"}
