"""The files of the repository, and the border that nothing may cross: a path that leaves it is refused.

What git and mlci keep of their own is beyond the border, too, however a path leads there.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import field
from pathlib import Path

from mlci.stage.file_hashes import FileHashes
from mlci.stage.models import StagedFile
from mlci_dataclasses import dataclass

#: Never part of a unit: what tools leave behind, and mlci's own folder.
IGNORED_NAMES = frozenset({".env", ".git", ".mlci", ".venv", "__pycache__", ".DS_Store", ".ipynb_checkpoints"})

#: So many files are read at once: more than there are cores, because a cold disk or a network answers late.
_READERS = 8
#: The most bytes and files that a thread hashes at a time.
_BATCH_BYTES, _BATCH_FILES = 1 << 20, 64
#: Never staged, not even through a link or as an input: credentials of remotes, variables that mostly hold secrets, and
#: what earlier runs left.
_PRIVATE_NAMES = frozenset({".env", ".git", ".mlci"})
#: Characters that neither an S3 key in XML nor a line of a digest can hold; surrogates stand for bytes not in UTF-8.
_NOT_IN_NAMES = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class OutsideRepository(Exception):
    """A path leads to what is no part of the repository: `args[0]` says how."""


class UnusableFile(Exception):
    """A file is there, and can't be staged: `args` are what is wrong, and what to do."""


@dataclass(frozen=True)
class Repository:
    """`root` is the git work tree around the flow file, or else the flow's own folder; `base` is the flow's folder,
    to which the paths in a flow are relative. Both are resolved."""

    root: Path
    base: Path

    def find(self, path: str) -> Path:
        """Returns the file or folder at a path that a flow names.

        Raises: OutsideRepository, where `..` or a symbolic link leads out, or to `.git`; FileNotFoundError.
        """
        lexical = Path(os.path.normpath(self.base / path))
        if not lexical.is_relative_to(self.root):
            raise OutsideRepository(f'"{path}" leaves the repository')
        self.check(lexical, path)
        if not lexical.exists():
            raise FileNotFoundError(path)
        return lexical

    def check(self, location: Path, path: str) -> None:
        """Checks that a file or folder is part of the repository, after all symbolic links; `path` is its name.

        Raises: OutsideRepository.
        """
        resolved = Path(os.path.realpath(location))
        if not resolved.is_relative_to(self.root):
            raise OutsideRepository(f'"{path}" is or contains a symbolic link to {resolved}, outside of the repository')
        git_folder = Path(os.path.realpath(self.root / ".git"))
        names = {name.lower() for name in resolved.relative_to(self.root).parts}
        if names & _PRIVATE_NAMES or (resolved.is_relative_to(git_folder) and git_folder != self.root):
            raise OutsideRepository(f'"{path}" lies in or leads to {resolved}, which is never staged')

    def relative(self, location: Path) -> str:
        """Returns the name of a file inside a unit: its path from the root, with `/`."""
        return location.relative_to(self.root).as_posix()

    def walk(self, folder: Path) -> Iterator[Path]:
        """All files below a folder, in a fixed order.

        Raises: OutsideRepository, for a symbolic link that leads out.
        """
        return (Path(entry.path) for _, entry in self.entries(folder))

    def entries(self, folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """All files below a folder, in a fixed order: the path from the folder, with `/`, and the folder's entry.

        A file that is no link costs no call of the system but its part in the list of its folder.

        Raises: OutsideRepository, for a symbolic link that leads out.
        """
        top = os.path.realpath(folder)
        return self._entries(str(folder), "", top, frozenset({top}))

    def _entries(
        self, folder: str, prefix: str, real: str, seen: frozenset[str]
    ) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """`real` is the folder without links on its way, and `seen` holds the same of all folders above it."""
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            name = entry.name
            if _is_ignored_name(name):
                continue
            is_link = entry.is_symlink()
            if is_link:
                path = Path(entry.path)
                self.check(path, self.relative(path))
            if os.path.isdir(entry.path) if is_link else entry.is_dir():
                target = os.path.realpath(entry.path) if is_link else f"{real}/{name}"
                if target not in seen:  # a link back up would never end
                    yield from self._entries(entry.path, f"{prefix}{name}/", target, seen | {target})
            elif os.path.isfile(entry.path) if is_link else entry.is_file():
                yield prefix + name, entry


@dataclass(frozen=True)
class CheckedRepository(Repository):
    """A repository whose files are checked once each, for as long as it is staged: the steps of a flow share many."""

    _checked: set[Path] = field(default_factory=set, compare=False, repr=False)

    def check(self, location: Path, path: str) -> None:
        if location not in self._checked:
            super().check(location, path)
            self._checked.add(location)


def is_ignored(path: Path) -> bool:
    """Says whether a relative path is, or leads into, a folder that is never part of a unit."""
    return bool(IGNORED_NAMES.intersection(path.parts)) or path.suffix == ".pyc"


def _is_ignored_name(name: str) -> bool:
    return name in IGNORED_NAMES or (name.endswith(".pyc") and is_ignored(Path(name)))


def git_root(folder: Path) -> Path | None:
    """Returns the nearest folder, from this one upwards, that holds `.git`; None outside of a repository.

    A `.git` that is a file, as in a worktree or a submodule, or a broken link counts: git says what is wrong with it.
    """
    folder = folder.resolve()
    return next((parent for parent in (folder, *folder.parents) if os.path.lexists(parent / ".git")), None)


def find_repository(flow_file: Path) -> Repository:
    """Returns the repository that holds a flow file."""
    base = flow_file.resolve().parent
    return Repository(git_root(base) or base, base)


def read_code(location: Path, path: str) -> StagedFile:
    """Reads a file of code, whole: what is hashed here is what is uploaded later.

    Raises: UnusableFile, for a name that S3 can't have.
    """
    _check_name(path)
    content = location.read_bytes()
    return StagedFile(path, hashlib.sha256(content).hexdigest(), len(content), location, content)


def hash_data(location: Path, path: str, hashes: FileHashes) -> StagedFile:
    """Hashes a file of data, which may be larger than memory and is read again when it is uploaded.

    Raises: UnusableFile, for a name that S3 can't have.
    """
    _check_name(path)
    with location.open("rb", buffering=0) as file:
        return StagedFile(path, *hashes.of(str(location), file), location)


def hash_folder(folder: Path, repository: Repository, hashes: FileHashes) -> tuple[StagedFile, ...]:
    """Hashes all files of a folder of data; those that are not known are read in parallel.

    Raises: OutsideRepository, for a symbolic link that leads out; UnusableFile, for a name that S3 can't have.
    """
    hashes = hashes.below(folder)
    staged: dict[str, StagedFile | None] = {}
    unknown: list[tuple[str, str, int]] = []
    for path, entry in repository.entries(folder):
        _check_name(path)
        status = entry.stat()
        sha256 = hashes.known(path, status)
        if sha256 is None:
            unknown.append((path, entry.path, status.st_size))
        staged[path] = None if sha256 is None else StagedFile(path, sha256, status.st_size, entry.path)
    if unknown:
        staged.update((file.path, file) for file in _hash_files(unknown, hashes))
    return tuple(file for file in staged.values() if file is not None)


def _hash_files(files: Sequence[tuple[str, str, int]], hashes: FileHashes) -> Iterator[StagedFile]:
    """Hashes files: the path in the unit, the location and about the size of each. Several wait for a disk at once."""
    from concurrent.futures import ThreadPoolExecutor  # late: a flow whose data is known goes without

    def hash_batch(batch: Sequence[tuple[str, str]]) -> list[StagedFile]:
        return [_hash_file(location, path, hashes) for path, location in batch]

    with ThreadPoolExecutor(_READERS, "hash") as pool:
        work = [pool.submit(hash_batch, batch) for batch in _batches(files)]
        try:
            for each in work:
                yield from each.result()
        finally:
            for each in work:
                each.cancel()  # after an error, nobody waits for the others


def _batches(files: Sequence[tuple[str, str, int]]) -> Iterator[Sequence[tuple[str, str]]]:
    """The work of one thread after another: the largest files first, and each large one by itself."""
    batch: list[tuple[str, str]] = []
    batch_bytes = 0
    for path, location, size_bytes in sorted(files, key=lambda file: -file[2]):
        batch.append((path, location))
        batch_bytes += size_bytes
        if batch_bytes >= _BATCH_BYTES or len(batch) == _BATCH_FILES:
            yield batch
            batch, batch_bytes = [], 0
    if batch:
        yield batch


def _hash_file(location: str, path: str, hashes: FileHashes) -> StagedFile:
    file = os.open(location, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return StagedFile(path, *hashes.of_descriptor(path, file), location)
    finally:
        os.close(file)


def _check_name(path: str) -> None:
    if _NOT_IN_NAMES.search(path):
        shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        shown = "".join(character if character.isprintable() else ascii(character)[1:-1] for character in shown)
        raise UnusableFile(
            f'the name of the file "{shown}" holds control characters or is not UTF-8', "Rename it, or move it away."
        )
