"""The wheel of the mlci that runs, which `mlci bootstrap` puts into the bucket for builds to install.

Sources: https://packaging.python.org/en/latest/specifications/binary-distribution-format/ and
recording-installed-packages/
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.metadata
import importlib.util
import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from mlci_dataclasses import dataclass

_DISTRIBUTION = "mlci"
_PACKAGES = ("mlci", "mlci_asl", "mlci_dataclasses", "mlci_emulator")
#: A checkout holds these as well. No build needs them, and pyproject.toml leaves them out of a wheel.
_NOT_PACKAGED = frozenset({"mlci/locks/all.txt", "mlci/locks/example.txt"})
_WHEEL = "Wheel-Version: 1.0\nGenerator: mlci\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
#: The earliest time that a zip archive can hold: a wheel of the same files is the same bytes each time.
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Wheel:
    """A wheel: its file name, its version and its bytes."""

    name: str
    version: str
    data: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@functools.cache
def own_wheel() -> Wheel:
    """Returns the wheel of the packages that are imported here, from a checkout or an installation alike.

    What is imported does not change, so the files are read and packed once.
    """
    distribution = importlib.metadata.distribution(_DISTRIBUTION)
    version = distribution.version
    info = f"{_DISTRIBUTION}-{version}.dist-info"
    files = dict(_package_files())
    files[f"{info}/METADATA"] = (distribution.read_text("METADATA") or "").encode()
    files[f"{info}/WHEEL"] = _WHEEL.encode()
    files[f"{info}/entry_points.txt"] = (distribution.read_text("entry_points.txt") or "").encode()
    files[f"{info}/top_level.txt"] = "".join(f"{name}\n" for name in _PACKAGES).encode()
    return Wheel(f"{_DISTRIBUTION}-{version}-py3-none-any.whl", version, _packed(files, f"{info}/RECORD"))


def _package_files() -> Iterator[tuple[str, bytes]]:
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        root = Path(spec.origin).parent
        for path in root.rglob("*"):
            name = f"{package}/{path.relative_to(root).as_posix()}"
            if path.is_file() and "__pycache__" not in path.parts and name not in _NOT_PACKAGED:
                yield name, path.read_bytes()


def _packed(files: Mapping[str, bytes], record: str) -> bytes:
    lines = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in sorted(files.items())]
    everything = {**files, record: "\n".join([*lines, f"{record},,", ""]).encode()}
    packed = io.BytesIO()
    # Stored and not deflated, because versions of zlib compress to different bytes.
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted(everything.items(), key=lambda file: (".dist-info/" in file[0], file[0])):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return packed.getvalue()


def _digest(data: bytes) -> str:
    """Returns a hash as RECORD has it: URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
