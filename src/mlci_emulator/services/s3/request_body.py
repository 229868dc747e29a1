"""How a request's body becomes a file: in pieces, hashed on the way, and checked against what is said of it."""

from __future__ import annotations

import base64
import contextlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

from mlci_emulator.services.s3 import checksums
from mlci_emulator.services.s3.errors import S3Error

_PIECE_BYTES = 1 << 20

#: Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html (also one part's)
LARGEST_PUT_BYTES = 5 << 30


class Body(Protocol):
    def read(self, size: int, /) -> bytes: ...


@runtime_checkable
class TrailingBody(Protocol):
    """A body after which more headers come: they are known once it was read."""

    @property
    def trailers(self) -> Mapping[str, str]: ...


@dataclass(frozen=True)
class Taken:
    """What is known of the bytes that were written. `checksums` has the one that was asked for, if any was."""

    size_bytes: int
    md5: bytes
    checksums: Mapping[str, str]

    @property
    def etag(self) -> str:
        return self.md5.hex()


def take(request: Mapping[str, Any], file: int, algorithm: str = "") -> Taken:
    """Write a request's Body to a file.

    Raises: S3Error: it isn't what the request says it is.
    """
    promised = checksums.promised(request)
    wanted = {*promised, *filter(None, [str(request.get("ChecksumAlgorithm") or algorithm).upper()])}
    if algorithm and wanted != {algorithm}:
        message = (
            f"Checksum Type mismatch occurred, expected checksum Type: {algorithm.lower()}, actual checksum Type: "
        )
        raise S3Error("InvalidRequest", message + ", ".join(sorted(name.lower() for name in wanted - {algorithm})), 400)
    with _opened(request.get("Body", b"")) as body:
        taken = copy(body, file, wanted)
        trailers = body.trailers if isinstance(body, TrailingBody) else {}
    _check({**_trailing(trailers), **promised}, request.get("ContentMD5"), taken)
    return taken


def check(request: Mapping[str, Any], data: bytes) -> None:
    """The same for a body that becomes no object.

    Raises: S3Error: it isn't what the request says it is.
    """
    promised = checksums.promised(request)
    digests = checksums.digests({"MD5", *promised})
    for digest in digests.values():
        digest.update(data)
    computed = {name: checksums.text(digest.digest()) for name, digest in digests.items()}
    _check(promised, request.get("ContentMD5"), Taken(len(data), digests["MD5"].digest(), computed))


def _check(promised: Mapping[str, str], md5: Any, taken: Taken) -> None:
    for name, value in promised.items():
        if name not in taken.checksums:  # S3 wants it announced by x-amz-trailer
            message = (
                "The request contained trailing data that was not well-formed or did not conform to our published "
            )
            raise S3Error("MalformedTrailerError", f"{message}schema.", 400)
        checksums.check(name, value, taken.checksums[name])
    _check_md5(md5, taken.md5)


def copy(body: Body, file: int, algorithms: set[str], limit: int = LARGEST_PUT_BYTES) -> Taken:
    """Write all that is left of a stream to a file.

    Raises: S3Error: it is too large.
    """
    digests = checksums.digests({"MD5", *algorithms})
    size_bytes = 0
    with open(file, "wb", closefd=False, buffering=0) as target:
        while piece := body.read(_PIECE_BYTES):
            size_bytes += len(piece)
            if size_bytes > limit:
                details = {"ProposedSize": str(size_bytes), "MaxSizeAllowed": str(limit)}
                raise S3Error("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400, **details)
            for digest in digests.values():
                digest.update(piece)
            written = memoryview(piece)
            while written:
                written = written[target.write(written) :]
    kept = {name: checksums.text(digests[name].digest()) for name in algorithms}
    return Taken(size_bytes, digests["MD5"].digest(), kept)


def _check_md5(given: Any, computed: bytes) -> None:
    if given is None:
        return
    try:
        expected = base64.b64decode(str(given), validate=True)
    except ValueError:
        expected = b""
    if len(expected) != len(computed):
        details = {"Content-MD5": str(given)}
        raise S3Error("InvalidDigest", "The Content-MD5 you specified was invalid.", 400, **details)
    if expected != computed:
        message = "The Content-MD5 you specified did not match what we received."
        details = {"ExpectedDigest": expected.hex(), "CalculatedDigest": checksums.text(computed)}
        raise S3Error("BadDigest", message, 400, **details)


def _trailing(trailers: Mapping[str, str]) -> dict[str, str]:
    prefix = "x-amz-checksum-"
    return {name[len(prefix) :].upper(): value for name, value in trailers.items() if name.startswith(prefix)}


@contextlib.contextmanager
def _opened(body: bytes | str | Path | BinaryIO) -> Iterator[Body]:
    if isinstance(body, Path):
        with open(body, "rb") as stream:
            yield stream
    elif isinstance(body, (bytes, bytearray)):
        yield io.BytesIO(body)
    elif isinstance(body, str):
        yield io.BytesIO(body.encode())
    else:
        yield body
