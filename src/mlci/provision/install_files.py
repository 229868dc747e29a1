"""The files that builds install mlci from: its wheel, locks, and the list of their hashes.

`mlci bootstrap` puts them into the bucket, under the hash of the list. The buildspec names this hash, so a build
installs what the repository's reviewers saw, whatever else the bucket or a package index offers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlci.plan.models import S3Uri, Upload
from mlci.plan.names import install_prefix
from mlci.provision.wheel import own_wheel
from mlci.stage.models import StagedFile
from mlci_dataclasses import dataclass

_LOCKS = Path(__file__).parent.parent / "locks"
_SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class InstallFiles:
    """The files by their names. SHA256SUMS lists the hashes of the others."""

    version: str
    files: Mapping[str, bytes]

    @property
    def sha256(self) -> str:
        """The hash of SHA256SUMS, which stands for all files."""
        return _sha256(self.files[_SUMS])

    def uri(self, bucket: str, flow: str) -> S3Uri:
        """Return the folder of these files in a flow's bucket."""
        return S3Uri(f"s3://{bucket}/{install_prefix(flow)}/{self.sha256}/")

    def uploads(self, bucket: str, flow: str) -> list[Upload]:
        folder = self.uri(bucket, flow)
        return [
            Upload(
                S3Uri(f"{folder}{name}"),
                folder,
                (StagedFile(name, _sha256(data), len(data), Path(name), content=data),),
            )
            for name, data in self.files.items()
        ]


def install_files() -> InstallFiles:
    """Return the files of a slim install of the mlci that runs here, for builds on AWS.

    It lacks the SDKs: a build compiles only what no earlier build has kept, and then installs them by their own lock.
    """
    return _files(("slim.txt",), "github.txt")


def full_install_files() -> InstallFiles:
    """Return the files of a whole install, for builds that run the jobs themselves and compile each time. The jobs that
    post reports take the slim one, and GitHub's client."""
    return _files(("runtime.txt", "slim.txt"), "build.txt", "github.txt")


def _files(locks: Sequence[str], *more: str) -> InstallFiles:
    """Return the files. A lock names its packages with their hashes; each of `locks` ends with the wheel, relative to
    its own folder."""
    wheel = own_wheel()
    own = f"./{wheel.name} --hash=sha256:{wheel.sha256}\n".encode()
    whole = {name: (_LOCKS / name).read_bytes() + own for name in locks}
    files = {**{name: (_LOCKS / name).read_bytes() for name in more}, wheel.name: wheel.data, **whole}
    sums = "".join(f"{_sha256(data)}  {name}\n" for name, data in files.items())
    return InstallFiles(wheel.version, {**files, _SUMS: sums.encode()})


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
