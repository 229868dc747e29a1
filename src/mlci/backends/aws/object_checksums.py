"""The SHA-256 checksum that S3 keeps of an upload. S3 computes it when it stores the object: nobody can set another.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html (SHA-256: "full
object" for an object that was uploaded at once, "composite" for one that was uploaded in parts)
"""

from __future__ import annotations

import base64
import hashlib
import os

from mlci.plan.models import Upload
from mlci.stage.archive import source_archive
from mlci.stage.file_hashes import FileHashes, identity
from mlci.stage.models import StagedFile

#: Up to this size, an object is uploaded at once.
SINGLE_MAX_BYTES = 16 << 20
#: Larger objects are uploaded in parts of this size, or in larger parts if these would be too many.
#: Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
PART_BYTES, MAX_PARTS = 16 << 20, 10_000
_CHUNK_BYTES = 1 << 20


def part_bytes(size_bytes: int) -> int:
    """Return the size of the parts of an object of that size."""
    return max(PART_BYTES, -(-size_bytes // MAX_PARTS))


def is_in_parts(file: StagedFile) -> bool:
    """Return whether the file is uploaded in parts."""
    return file.content is None and file.size_bytes > SINGLE_MAX_BYTES


def upload_checksum(upload: Upload, checksums: FileHashes) -> str:
    """Return the checksum of an upload in S3, without the number of parts.

    A file that is uploaded in parts is read, unless the memory of such checksums knows it.
    """
    if upload.is_archive:
        return _base64(hashlib.sha256(source_archive(upload.files)).digest())
    file = upload.files[0]
    if not is_in_parts(file):
        return _base64(bytes.fromhex(file.sha256))
    return _base64(bytes.fromhex(_composite(file, part_bytes(file.size_bytes), checksums)))


def stored_checksum(text: str) -> str:
    """Return the checksum in S3's response, without the number of parts, which follows from the object's size.

    >>> stored_checksum("GJ7P87zLb5j1eaUhtz3w57oz5h03PPU/0T04zDq1I6U=-2")
    'GJ7P87zLb5j1eaUhtz3w57oz5h03PPU/0T04zDq1I6U='
    """
    return text.partition("-")[0]


def _composite(file: StagedFile, size_bytes: int, checksums: FileHashes) -> str:
    """Return the hash, in hexadecimal, of the hashes of all parts, which are computed at the same time."""
    from concurrent.futures import ThreadPoolExecutor

    name = f"{file.source} in parts of {size_bytes}"
    with open(file.source, "rb", buffering=0) as stream:
        before, started = os.fstat(stream.fileno()), checksums.clock_ns()
        known = checksums.known(name, before)
        if known is not None:
            return known
        with ThreadPoolExecutor(os.cpu_count(), "checksum") as pool:
            starts = range(0, before.st_size, size_bytes)
            digests = pool.map(lambda start: _part_digest(stream.fileno(), start, size_bytes), starts)
            composite = hashlib.sha256(b"".join(digests)).hexdigest()
        if identity(os.fstat(stream.fileno())) == identity(before):
            checksums.learn(name, before, composite, started)
    return composite


def _part_digest(file: int, start: int, size_bytes: int) -> bytes:
    digest, end = hashlib.sha256(), start + size_bytes
    while start < end and (data := os.pread(file, min(_CHUNK_BYTES, end - start), start)):
        digest.update(data)
        start += len(data)
    return digest.digest()


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
