"""Writes a request's body to a file in chunks, and checks its size, MD5 and checksums."""

from __future__ import annotations

import base64
import contextlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

from mlci_dataclasses import dataclass
from mlci_emulator.services.s3 import checksums
from mlci_emulator.services.s3.errors import S3Error

_CHUNK_BYTES = 1 << 20

#: Also the limit of one part. Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MAX_PUT_BYTES = 5 << 30


class Body(Protocol):
    def read(self, size: int, /) -> bytes: ...


@runtime_checkable
class TrailingBody(Protocol):
    """A body followed by trailing headers, which are available once the body was read."""

    @property
    def trailers(self) -> Mapping[str, str]: ...


@dataclass(frozen=True)
class BodyDigest:
    """The size and the hashes of a body. `checksums` holds the requested checksum, if any was requested."""

    size_bytes: int
    md5: bytes
    checksums: Mapping[str, str]

    @property
    def etag(self) -> str:
        return self.md5.hex()


def write_body(request: Mapping[str, Any], file: int, algorithm: str = "", *, has_default: bool = False) -> BodyDigest:
    """Write a request's Body to a file. With `has_default`, a body without a checksum gets S3's default one.

    Raises: S3Error: the body does not match what the request declares.
    """
    declared = checksums.declared(request)
    algorithms = {*declared, *filter(None, [str(request.get("ChecksumAlgorithm") or algorithm).upper()])}
    if algorithm and algorithms != {algorithm}:
        message = (
            f"Checksum Type mismatch occurred, expected checksum Type: {algorithm.lower()}, actual checksum Type: "
        )
        raise S3Error(
            "InvalidRequest", message + ", ".join(sorted(name.lower() for name in algorithms - {algorithm})), 400
        )
    with _open_checked(request.get("Body", b"")) as body:
        digest = write_stream(body, file, algorithms, has_default=has_default and not algorithms)
        trailers = body.trailers if isinstance(body, TrailingBody) else {}
    _check({**_trailing(trailers), **declared}, request.get("ContentMD5"), digest)
    return digest


def check_body(request: Mapping[str, Any], data: bytes) -> None:
    """Check a body that does not become an object.

    Raises: S3Error: the body does not match what the request declares.
    """
    declared = checksums.declared(request)
    digests = checksums.digests({"MD5", *declared})
    for digest in digests.values():
        digest.update(data)
    compute_record = {name: checksums.text(digest.digest()) for name, digest in digests.items()}
    _check(declared, request.get("ContentMD5"), BodyDigest(len(data), digests["MD5"].digest(), compute_record))


def _check(declared: Mapping[str, str], md5: Any, digest: BodyDigest) -> None:
    for name, value in declared.items():
        if name not in digest.checksums:  # S3 wants it announced by x-amz-trailer
            message = (
                "The request contained trailing data that was not well-formed or did not conform to our published "
            )
            raise S3Error("MalformedTrailerError", f"{message}schema.", 400)
        checksums.check(name, value, digest.checksums[name])
    _check_md5(md5, digest.md5)


def write_stream(
    body: Body, file: int, algorithms: set[str], limit: int = MAX_PUT_BYTES, *, has_default: bool = False
) -> BodyDigest:
    """Write the rest of a stream to a file.

    Raises: S3Error: the body is too large.
    """
    digests = checksums.digests({"MD5", *algorithms})
    default = checksums.BoundedDigest() if has_default else None
    size_bytes = 0
    with open(file, "wb", closefd=False, buffering=0) as bucket_and_key:
        while chunk := body.read(_CHUNK_BYTES):
            size_bytes += len(chunk)
            if size_bytes > limit:
                details = {"ProposedSize": str(size_bytes), "MaxSizeAllowed": str(limit)}
                raise S3Error("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400, **details)
            for digest in digests.values():
                digest.update(chunk)
            if default is not None:
                default.update(chunk)
            written = memoryview(chunk)
            while written:
                written = written[bucket_and_key.write(written) :]
    computed = {name: checksums.text(digests[name].digest()) for name in algorithms}
    if default is not None and default.text():
        computed[checksums.DEFAULT] = default.text()
    return BodyDigest(size_bytes, digests["MD5"].digest(), computed)


def _check_md5(record_from_request: Any, compute_record: bytes) -> None:
    if record_from_request is None:
        return
    try:
        expected = base64.b64decode(str(record_from_request), validate=True)
    except ValueError:
        expected = b""
    if len(expected) != len(compute_record):
        details = {"Content-MD5": str(record_from_request)}
        raise S3Error("InvalidDigest", "The Content-MD5 you specified was invalid.", 400, **details)
    if expected != compute_record:
        message = "The Content-MD5 you specified did not match what we received."
        details = {"ExpectedDigest": expected.hex(), "CalculatedDigest": checksums.text(compute_record)}
        raise S3Error("BadDigest", message, 400, **details)


def _trailing(trailers: Mapping[str, str]) -> dict[str, str]:
    prefix = "x-amz-checksum-"
    return {name[len(prefix) :].upper(): value for name, value in trailers.items() if name.startswith(prefix)}


@contextlib.contextmanager
def _open_checked(body: bytes | str | Path | BinaryIO) -> Iterator[Body]:
    if isinstance(body, Path):
        with open(body, "rb") as stream:
            yield stream
    elif isinstance(body, (bytes, bytearray)):
        yield io.BytesIO(body)
    elif isinstance(body, str):
        yield io.BytesIO(body.encode())
    else:
        yield body
