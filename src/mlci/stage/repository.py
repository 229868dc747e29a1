"""The files of the repository, and the border that nothing may cross: a path that leaves it is refused."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlci.stage.models import StagedFile

#: Never part of a unit: what tools leave behind, and mlci's own folder.
IGNORED_NAMES = frozenset({".git", ".mlci", ".venv", "__pycache__", ".DS_Store", ".ipynb_checkpoints"})
_CHUNK_BYTES = 1 << 20


class OutsideRepository(Exception):
    """A path leads out of the repository; `args[0]` says how."""


@dataclass(frozen=True)
class Repository:
    """`root` is the git work tree around the flow file, or else the flow's own folder; `base` is the flow's folder,
    to which the paths in a flow are relative. Both are resolved."""

    root: Path
    base: Path

    def find(self, path: str) -> Path:
        """The place of a path that a flow names.

        Raises: OutsideRepository, where `..` or a symbolic link leads out; FileNotFoundError.
        """
        lexical = Path(os.path.normpath(self.base / path))
        if not lexical.is_relative_to(self.root):
            raise OutsideRepository(f'"{path}" leaves the repository')
        self.check(lexical, path)
        if not lexical.exists():
            raise FileNotFoundError(path)
        return lexical

    def check(self, place: Path, path: str) -> None:
        resolved = place.resolve()
        if not resolved.is_relative_to(self.root):
            raise OutsideRepository(f'"{path}" is or contains a symbolic link to {resolved}, outside of the repository')

    def relative(self, place: Path) -> str:
        """How a place is called inside a unit: relative to the root, with `/`."""
        return place.relative_to(self.root).as_posix()

    def walk(self, folder: Path) -> Iterator[Path]:
        """All files below a folder, in a fixed order.

        Raises: OutsideRepository, for a symbolic link that leads out.
        """
        seen = {folder.resolve()}
        yield from self._walk(folder, seen)

    def _walk(self, folder: Path, seen: set[Path]) -> Iterator[Path]:
        for entry in sorted(folder.iterdir()):
            if is_ignored(Path(entry.name)):
                continue
            if entry.is_symlink():
                self.check(entry, self.relative(entry))
            if entry.is_dir():
                if entry.resolve() not in seen:  # a link back up would never end
                    yield from self._walk(entry, seen | {entry.resolve()})
            elif entry.is_file():
                yield entry


def is_ignored(path: Path) -> bool:
    """Whether a relative path leads into, or is, something that never is part of a unit."""
    return bool(IGNORED_NAMES.intersection(path.parts)) or path.suffix == ".pyc"


def git_root(folder: Path) -> Path | None:
    """Returns the nearest folder, from this one upwards, that holds `.git`; None outside of a repository.

    A `.git` that is a file, as in a worktree or a submodule, or a broken link counts: git says what is wrong with it.
    """
    folder = folder.resolve()
    return next((parent for parent in (folder, *folder.parents) if os.path.lexists(parent / ".git")), None)


def repository_around(flow_file: Path) -> Repository:
    """Returns the repository that holds a flow file."""
    base = flow_file.resolve().parent
    return Repository(git_root(base) or base, base)


def read_code(place: Path, path: str) -> StagedFile:
    """A file of code, whole: what is hashed here is what is uploaded later."""
    content = place.read_bytes()
    return StagedFile(path, hashlib.sha256(content).hexdigest(), len(content), place, content)


def hash_data(place: Path, path: str) -> StagedFile:
    """A file of data, which may be larger than memory: hashed now, read again when it is uploaded."""
    digest, size = hashlib.sha256(), 0
    with place.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return StagedFile(path, digest.hexdigest(), size, place)
