"""The result of staging: every file that a run needs, read and hashed, but not uploaded yet."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import field
from functools import cached_property
from pathlib import Path

from mlci.step_types.script_start import ScriptStart
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class StagedFile:
    """One file as it was when it was hashed.

    `path` is where it stands in its unit, with `/`. `content` holds the bytes of code, which is small; data is read
    from `source` again when it is uploaded, and checked against `sha256` on the way.
    """

    path: str
    sha256: str
    size_bytes: int
    source: Path | str = field(compare=False)
    content: bytes | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Requirements:
    """The requirements files that a job installs: the first one, by its path in the code, and those that it includes.

    `locations` are the files in the repository.
    """

    file: str
    files: tuple[StagedFile, ...]
    locations: tuple[Path, ...] = field(default=(), compare=False, repr=False)

    @property
    def digest(self) -> str:
        """The content address of what is installed: the bytes, and the names by which the files include each other."""
        folder = os.path.dirname(self.file) or "."
        lines = sorted(f"{file.sha256}  {os.path.relpath(file.path, folder)}\n" for file in self.files[1:])
        return hashlib.sha256("".join([f"{self.files[0].sha256}\n", *lines]).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class CodeUnit:
    """The files that one step needs, relative to the repository's root.

    `start` says how its script starts. `package` is what is uploaded: the files in the layout of the step's container,
    and the starter. `requirements` are installed before the script starts.
    """

    start: ScriptStart
    files: tuple[StagedFile, ...]
    package: tuple[StagedFile, ...]
    requirements: Requirements | None = None

    @property
    def digest(self) -> str:
        return digest_of(self.package)


@dataclass(frozen=True)
class DataUnit:
    """A file or a folder of the repository that steps read. A file keeps its own name."""

    path: str
    files: tuple[StagedFile, ...]
    is_folder: bool

    @cached_property
    def digest(self) -> str:
        return digest_of(self.files)


@dataclass(frozen=True)
class ImageContext:
    """The files that an image is built from, the path of the Dockerfile among them, and the build's arguments.

    `folder` is the path in the flow. `executables` are the paths of files that can be executed: an image keeps that.
    """

    folder: str
    dockerfile: str
    args: Mapping[str, str]
    files: tuple[StagedFile, ...]
    executables: frozenset[str] = frozenset()

    @property
    def digest(self) -> str:
        """The content address of the image: all that its build reads of the repository and of the flow."""
        build = json.dumps([self.dockerfile, dict(self.args), sorted(self.executables)], sort_keys=True)
        return hashlib.sha256(f"{digest_of(self.files)}\n{build}".encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Staged:
    """The files that a flow needs: `code` and `images` (full URIs) by step, `data` by path in the flow.

    `image_contexts` has what images are built from, by step.
    """

    code: Mapping[str, CodeUnit]
    data: Mapping[str, DataUnit]
    images: Mapping[str, str]
    image_contexts: Mapping[str, ImageContext] = field(default_factory=dict)


def digest_of(files: Iterable[StagedFile]) -> str:
    """Returns the content address of a set of files: 32 hexadecimal digits over their sorted paths and hashes.

    Names count as well as bytes: a renamed file is another unit. Modes and times do not, because S3 keeps neither.
    """
    lines = sorted(f"{file.sha256}  {file.path}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:32]
