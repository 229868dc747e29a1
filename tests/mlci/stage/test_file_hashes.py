"""Hashes of files that are remembered, and those that must not be."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

import pytest

from mlci.stage import Cache
from mlci.stage.file_hashes import FileHashes

SECOND_NS = 1_000_000_000


class CountedReads:
    """An open file that counts the bytes that are read from it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.bytes = file, 0

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self.bytes += len(data)
        return data

    def fileno(self) -> int:
        return self._file.fileno()


class Files:
    """A folder of files, and the memory of their hashes, `later_s` seconds after they changed."""

    def __init__(self, folder: Path, later_s: int = 10) -> None:
        self.folder, self.cache, self.later_s = folder / "files", folder / "cache", later_s
        self.folder.mkdir()

    def hash(self, name: str) -> tuple[str, int]:
        """Return a file's hash as a process of its own finds it, and the number of bytes that it read."""
        path = self.folder / name
        hashes = FileHashes(Cache(self.cache), self.folder, lambda: path.stat().st_ctime_ns + self.later_s * SECOND_NS)
        with path.open("rb") as file:
            reads = CountedReads(file)
            digest, size = hashes.of(name, reads)  # type: ignore[arg-type]
        hashes.save()
        assert (digest, size) == (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)
        return digest, reads.bytes


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_a_file_is_read_once(files: Files) -> None:
    (files.folder / "a").write_text("one")
    first, read = files.hash("a")
    assert read == 3
    assert files.hash("a") == (first, 0)


def test_a_file_that_changed_is_read_again(files: Files) -> None:
    path = files.folder / "a"
    path.write_text("one")
    files.hash("a")
    before = path.stat()
    path.write_text("two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as an unpacked archive sets it
    assert files.hash("a")[1] == 3


def test_another_file_in_its_place_is_read(files: Files) -> None:
    path = files.folder / "a"
    path.write_text("one")
    files.hash("a")
    (files.folder / "b").write_text("two")
    os.replace(files.folder / "b", path)
    assert files.hash("a")[1] == 3


@pytest.mark.parametrize(("later_s", "read"), [(0, 3), (1, 3), (2, 3), (3, 0)])
def test_a_file_that_just_changed_may_change_without_a_trace(tmp_path: Path, later_s: int, read: int) -> None:
    files = Files(tmp_path, later_s)
    (files.folder / "a").write_text("one")
    files.hash("a")
    assert files.hash("a")[1] == read


def test_the_folder_of_another_clone_has_a_memory_of_its_own(tmp_path: Path) -> None:
    for clone in ("one", "two"):
        (tmp_path / clone).mkdir()
        files = Files(tmp_path / clone)
        files.cache = tmp_path / "cache"
        (files.folder / "a").write_text(clone)
        assert files.hash("a")[1] == 3
    assert len(list((tmp_path / "cache" / "hashes").iterdir())) == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"version": 2, "files": {}}',
        '{"version": 1, "files": []}',
        '{"version": 1, "files": {"a": []}}',
        '{"version": 1, "files": {"a": [1]}}',
        100_000 * "[",
    ],
)
def test_a_damaged_memory_is_none(files: Files, text: str) -> None:
    (files.folder / "a").write_text("one")
    files.hash("a")
    (memory,) = (files.cache / "hashes").iterdir()
    memory.write_text(text)
    assert files.hash("a")[1] == 3
    assert files.hash("a")[1] == 0


def test_a_hash_that_is_none_is_not_taken(files: Files) -> None:
    (files.folder / "a").write_text("one")
    digest, _ = files.hash("a")
    (memory,) = (files.cache / "hashes").iterdir()
    memory.write_text(memory.read_text().replace(digest, "0" * 63))
    assert files.hash("a")[1] == 3


def test_a_cache_that_cannot_be_written_costs_time_only(files: Files) -> None:
    files.cache.write_text("")
    (files.folder / "a").write_text("one")
    assert files.hash("a")[1] == 3
    assert files.hash("a")[1] == 3
