"""Computes the checksums that S3 stores with objects, from streams of bytes and from the checksums of parts.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib
import sys
import zlib
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

from mlci_emulator.services.s3.errors import S3Error, invalid_request, not_implemented

ChecksumType: TypeAlias = Literal["COMPOSITE", "FULL_OBJECT"]

#: Reflected polynomial and width of each CRC. Source: the catalogue at https://reveng.sourceforge.io/crc-catalogue/
#: (CRC-32/ISO-HDLC, CRC-32/ISCSI, CRC-64/NVME).
_POLYNOMIALS = {"CRC32": (0xEDB88320, 32), "CRC32C": (0x82F63B78, 32), "CRC64NVME": (0x9A6C9329AC4BC9B5, 64)}
_HASHES: Mapping[str, Callable[[], Digest]] = {
    "MD5": functools.partial(hashlib.md5, usedforsecurity=False),
    "SHA1": functools.partial(hashlib.sha1, usedforsecurity=False),
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
}
#: The checksum that S3 computes of an object that came without one.
#: Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
DEFAULT = "CRC64NVME"
#: The largest object whose default checksum is computed in Python: about six seconds of one core.
_MAX_SLOW_BYTES = 64 << 20
ALGORITHMS = (*_POLYNOMIALS, *_HASHES)


class Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class _Crc:
    """A cyclic redundancy check, continued from call to call."""

    def __init__(self, algorithm: str) -> None:
        self._step, self._value = _step(algorithm), 0
        self._size_bytes = _POLYNOMIALS[algorithm][1] // 8

    def update(self, data: bytes, /) -> None:
        self._value = self._step(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size_bytes, "big")


def new(algorithm: str) -> Digest:
    """Return a new checksum of no bytes.

    Raises: S3Error: the algorithm does not exist, or is not implemented here.
    """
    if algorithm in _HASHES:
        return _HASHES[algorithm]()
    if algorithm in _POLYNOMIALS:
        return _Crc(algorithm)
    if algorithm.startswith("XXHASH"):
        raise not_implemented(f"The checksum {algorithm}")
    valid = "[CRC32, CRC32C, CRC64NVME, SHA1, SHA256]"
    message = f"Checksum algorithm provided is unsupported. Please try again with any of the valid types: {valid}"
    raise invalid_request(message)


def is_default_affordable(size_bytes: int) -> bool:
    """Return whether the default checksum of so many bytes is computed: of large objects only in C."""
    return size_bytes <= _MAX_SLOW_BYTES or not isinstance(_step(DEFAULT), functools.partial)


class BoundedDigest:
    """The default checksum, given up where it would take too long."""

    def __init__(self) -> None:
        self._digest, self._size_bytes = new(DEFAULT), 0

    def update(self, data: bytes, /) -> None:
        self._size_bytes += len(data)
        if is_default_affordable(self._size_bytes):
            self._digest.update(data)

    def text(self) -> str:
        """Return the checksum; empty if it was given up."""
        return text(self._digest.digest()) if is_default_affordable(self._size_bytes) else ""


def text(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")


def declared(request: Mapping[str, object]) -> dict[str, str]:
    """Return the checksum that a request declares for its body, by algorithm; empty if it declares none.

    Raises: S3Error: it declares several, or one of a wrong length.
    """
    found = {name[8:]: str(value) for name, value in request.items() if name[:8] == "Checksum" and name[8:] in _SIZES}
    if len(found) > 1:
        raise invalid_request("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
    for algorithm, value in found.items():
        if algorithm in ALGORITHMS and not _is_sized(value.partition("-")[0], _SIZES[algorithm]):
            raise invalid_request(f"Value for x-amz-checksum-{algorithm.lower()} header is invalid.")
    return found


def check(algorithm: str, expected: str, compute_record: str) -> None:
    """Raises: S3Error: BadDigest."""
    if expected != compute_record:
        message = f"The {algorithm} you specified did not match the calculated checksum."
        raise S3Error("BadDigest", message, 400)


def default_type(algorithm: str) -> ChecksumType:
    """Return the checksum type of a multipart upload that was created without one."""
    return "FULL_OBJECT" if algorithm == "CRC64NVME" else "COMPOSITE"


def combined(algorithm: str, kind: ChecksumType, parts: Sequence[tuple[str, int]]) -> str:
    """Return the checksum of an object from the checksums of its parts, each with the part's size.

    >>> combined("CRC32", "FULL_OBJECT", [(text(zlib.crc32(b"ab").to_bytes(4, "big")), 2)] * 2)
    'NtcKpg=='
    >>> text(zlib.crc32(b"abab").to_bytes(4, "big"))
    'NtcKpg=='
    """
    digests = [base64.b64decode(part) for part, _ in parts]
    if kind == "COMPOSITE":
        whole = new(algorithm)
        whole.update(b"".join(digests))
        return f"{text(whole.digest())}-{len(parts)}"
    polynomial, width = _POLYNOMIALS[algorithm]
    value = 0
    for digest, (_, size_bytes) in zip(digests, parts, strict=True):
        value = _shifted(value, size_bytes, polynomial, width) ^ int.from_bytes(digest, "big")
    return text(value.to_bytes(width // 8, "big"))


#: Length in bytes, also of the algorithms that are not implemented here, so that no declared checksum is ignored.
_SIZES = {
    "CRC32": 4,
    "CRC32C": 4,
    "CRC64NVME": 8,
    "MD5": 16,
    "SHA1": 20,
    "SHA256": 32,
    "SHA512": 64,
    "XXHASH64": 8,
    "XXHASH3": 8,
    "XXHASH128": 16,
}


def _is_sized(value: str, size_bytes: int) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == size_bytes
    except ValueError:
        return False


#: Below this many bytes, a table for single bytes is the quicker one.
_LITTLE_BYTES = 16_384


@functools.cache
def _step(algorithm: str) -> Callable[[bytes, int], int]:
    """Return a function that continues a CRC with more bytes, in C where one is installed."""
    if algorithm == "CRC32":
        return zlib.crc32
    try:  # `pip install botocore[crt]` installs it; it is about a hundred times faster than Python code
        native = importlib.import_module("awscrt.checksums")
        function: Callable[[bytes, int], int] = getattr(native, algorithm.lower())
    except (ImportError, AttributeError):
        return functools.partial(_crc, algorithm)
    return function


def _crc(algorithm: str, data: bytes, value: int) -> int:
    """Continue a CRC two bytes at a time: about ten megabytes a second, the fastest way without C.

    The table for that takes 5 ms to make, so a little is continued one byte at a time.
    """
    polynomial, width = _POLYNOMIALS[algorithm]
    full = (1 << width) - 1
    value ^= full
    if len(data) < _LITTLE_BYTES:
        table = _table(polynomial, 8)
        for byte in data:
            value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
        return value ^ full
    table = _table(polynomial, 16)
    words = array("H", data[: len(data) & ~1])
    if sys.byteorder == "big":
        words.byteswap()
    for word in words:
        value = table[(value ^ word) & 0xFFFF] ^ (value >> 16)
    if len(data) & 1:
        value ^= data[-1]
        for _ in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
    return value ^ full


@functools.cache
def _table(polynomial: int, bits: int) -> list[int]:
    """Return what each value of so many bits does to a CRC register."""
    size = 1 << bits
    table = [0] * size
    bit = size >> 1
    table[bit] = step = polynomial
    while bit := bit >> 1:
        step = (step >> 1) ^ (polynomial if step & 1 else 0)
        table[bit] = step
    for index in range(1, size):
        low = index & -index
        if index != low:
            table[index] = table[index ^ low] ^ table[low]
    return table


def _shifted(value: int, zeros: int, polynomial: int, width: int) -> int:
    """Return the CRC register after so many zero bytes: the value times x^(8·zeros), modulo the polynomial."""
    power = 1 << (width - 9)  # x^8: reflected, the highest bit is x^0
    factor = 1 << (width - 1)
    while zeros:
        if zeros & 1:
            factor = _product(factor, power, polynomial, width)
        power = _product(power, power, polynomial, width)
        zeros >>= 1
    return _product(value, factor, polynomial, width)


def _product(one: int, other: int, polynomial: int, width: int) -> int:
    product = 0
    for bit in range(width - 1, -1, -1):
        if (one >> bit) & 1:
            product ^= other
        other = (other >> 1) ^ (polynomial if other & 1 else 0)
    return product


def digests(names: Iterable[str]) -> dict[str, Digest]:
    """Return a new checksum for each algorithm."""
    return {name: new(name) for name in names}
