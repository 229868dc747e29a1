"""The bodies of S3's requests: in chunks with signatures and trailers, as the SDKs send them, or hashed as a whole.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html, sigv4-streaming-trailers.html

The chunks' signatures are not verified, since the server does not know the secret key: the key id alone identifies the
caller (see request_guard.py). Hashes are verified, which finds data that was damaged on its way.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import BinaryIO

from mlci_emulator.services.s3.errors import S3Error

_MAX_LINE_BYTES = 4096
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,16})(?:;.*)?\r?\n")


class ChunkedBody:
    """The content of an `aws-chunked` body. `trailers` is set once the body was read."""

    def __init__(self, stream: BinaryIO, size_bytes: int | None, announced: str = "") -> None:
        self._stream, self._expected, self._announced = stream, size_bytes, announced
        self._left, self._read, self._is_over = 0, 0, False
        self.trailers: Mapping[str, str] = {}

    def read(self, size: int, /) -> bytes:
        """Return the next bytes; none at the end.

        Raises: S3Error: the body ends too early, or a chunk is malformed.
        """
        if self._left == 0 and not self._is_over:
            self._next_chunk()
        if self._is_over:
            return b""
        data = self._stream.read(min(size, self._left))
        if not data:
            raise _incomplete()
        self._left -= len(data)
        self._read += len(data)
        if self._left == 0 and self._stream.readline(_MAX_LINE_BYTES).strip():
            raise _incomplete()
        return data

    def _next_chunk(self) -> None:
        chunk = _CHUNK.fullmatch(self._stream.readline(_MAX_LINE_BYTES))
        if chunk is None:
            raise _incomplete()
        self._left = int(chunk[1], 16)
        if self._left == 0:
            self._is_over = True
            self.trailers = self._read_trailers()
            if self._expected is not None and self._read != self._expected:
                raise _incomplete()

    def _read_trailers(self) -> dict[str, str]:
        trailers = {}
        while line := self._stream.readline(_MAX_LINE_BYTES).strip():
            name, _, value = line.decode("latin-1").partition(":")
            trailers[name.strip().lower()] = value.strip()
        if self._announced and self._announced not in trailers:
            message = (
                "The request contained trailing data that was not well-formed or did not conform to our published "
            )
            raise S3Error("MalformedTrailerError", f"{message}schema.", 400)
        return trailers


class HashedBody:
    """A body that is checked at its end against the hash in the request's signature."""

    def __init__(self, stream: BinaryIO, sha256: str) -> None:
        self._stream, self._expected = stream, sha256
        self._digest = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes; none at the end.

        Raises: S3Error: the hash of the bytes is another one.
        """
        data = self._stream.read(size)
        self._digest.update(data)
        if not data or size < 0:
            self._check()
        return data

    def _check(self) -> None:
        computed = self._digest.hexdigest()
        if computed != self._expected:
            message = "The provided 'x-amz-content-sha256' header does not match what was computed."
            details = {"ClientComputedContentSHA256": self._expected, "S3ComputedContentSHA256": computed}
            raise S3Error("XAmzContentSHA256Mismatch", message, 400, **details)


def _incomplete() -> S3Error:
    message = "You did not provide the number of bytes specified by the Content-Length HTTP header"
    return S3Error("IncompleteBody", message, 400)
