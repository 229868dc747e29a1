"""Code units packed the way SageMaker's script mode takes them, the same bytes each time."""

from __future__ import annotations

import io
from collections.abc import Iterable

from mlci.stage.models import StagedFile


def source_archive(files: Iterable[StagedFile]) -> bytes:
    """Returns a sourcedir.tar.gz of staged code. Times, owners and modes are fixed, and the order is by path."""
    import gzip  # late, as tarfile: few runs have anything to pack
    import tarfile

    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for file in sorted(files, key=lambda file: file.path):
            entry = tarfile.TarInfo(file.path)
            entry.size, entry.mode = file.size_bytes, 0o644
            archive.addfile(entry, io.BytesIO(file.content or b""))
    return packed.getvalue()
