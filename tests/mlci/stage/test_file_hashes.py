"""Hashes of files that are remembered, and those that must not be."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.stage import Cache
from mlci.stage.file_hashes import FileHashes

SECOND_NS = 1_000_000_000


class Files:
    """A folder of files, and the memory of their hashes, `later_s` seconds after they changed."""

    def __init__(self, folder: Path, later_s: int = 10) -> None:
        self.folder, self.cache, self.later_s = folder / "files", folder / "cache", later_s
        self.folder.mkdir()

    def hash(self, name: str) -> tuple[str, int]:
        """Return a file's hash as a process of its own finds it, and the number of bytes that it read."""
        path = self.folder / name
        hashes = FileHashes(Cache(self.cache), self.folder, lambda: path.stat().st_ctime_ns + self.later_s * SECOND_NS)
        with path.open("rb", buffering=0) as file:
            digest, size = hashes.of(name, file)
            read = file.tell()
        hashes.save()
        assert (digest, size) == (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)
        return digest, read


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
        '{"version": 1, "files": {}}',
        '{"version": 2, "files": []}',
        '{"version": 2, "files": {"a": []}}',
        '{"version": 2, "files": {"a": ""}}',
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


@pytest.mark.parametrize("size", [0, 1, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, 3 << 18])
def test_files_of_any_size_are_read_whole(files: Files, size: int) -> None:
    (files.folder / "a").write_bytes(os.urandom(size))
    assert files.hash("a")[1] == size


def _write_state(path: Path) -> tuple[int, ...]:
    """The file's inode, size and times but for that of the last access, which reading it changes."""
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def test_nothing_is_written_where_nothing_was_learnt(files: Files) -> None:
    (files.folder / "a").write_text("one")
    files.hash("a")
    (memory,) = (files.cache / "hashes").iterdir()
    before = _write_state(memory)
    files.hash("a")
    assert _write_state(memory) == before


def test_what_another_process_learnt_meanwhile_is_kept(files: Files) -> None:
    for name in "ab":
        (files.folder / name).write_text(name)
    late = FileHashes(Cache(files.cache), files.folder, lambda: (files.folder / "b").stat().st_ctime_ns * 2)
    with (files.folder / "b").open("rb") as file:
        late.of("b", file)
    files.hash("a")
    late.save()
    assert files.hash("a")[1] == files.hash("b")[1] == 0


def test_a_folder_has_a_memory_that_is_loaded_and_saved_by_itself(files: Files) -> None:
    path = files.folder / "a"
    path.write_text("one")
    for read in (3, 0):
        hashes = FileHashes(Cache(files.cache), files.folder.parent, lambda: path.stat().st_ctime_ns * 2)
        with path.open("rb", buffering=0) as file:
            hashes.below(files.folder).of("a", file)
            assert file.tell() == read
        hashes.save()
    assert len(list((files.cache / "hashes").iterdir())) == 1


def test_hard_links_to_a_file_that_changes_are_read_again(files: Files) -> None:
    (files.folder / "a").write_text("one")
    os.link(files.folder / "a", files.folder / "b")
    files.hash("a"), files.hash("b")
    (files.folder / "b").write_text("two")
    assert files.hash("a")[1] == files.hash("b")[1] == 3


def test_a_link_that_leads_elsewhere_is_read_again(files: Files) -> None:
    for name in ("one", "two"):
        (files.folder / name).write_text(name)
    (files.folder / "a").symlink_to("one")
    files.hash("a")
    assert files.hash("a")[1] == 0
    (files.folder / "a").unlink()
    (files.folder / "a").symlink_to("two")
    assert files.hash("a")[1] == 3


def test_a_file_that_was_written_here_is_known_at_once(files: Files) -> None:
    path = files.folder / "a"
    path.write_text("one")
    status = Status(3, 5_000_000_001, 5_000_000_001, 1)
    hashes = FileHashes(Cache(files.cache), files.folder)
    hashes.learn_written("a", status, "0" * 64)
    assert hashes.known("a", status) == "0" * 64
    coarse = Status(3, 6_000_000_000, 6_000_000_000, 1)
    hashes.learn_written("a", coarse, "1" * 64)
    assert hashes.known("a", coarse) is None


@dataclass(frozen=True)
class Status:
    """The status of a file of a simulated file system."""

    st_size: int
    st_mtime_ns: int
    st_ctime_ns: int
    st_ino: int


class SimulatedFile:
    """A file on a file system whose times have steps of `step_ns`; its clock may be set back."""

    def __init__(self, step_ns: int) -> None:
        self.step_ns, self.now_ns, self.content = step_ns, 1_000 * SECOND_NS, 0
        self.mtime_ns = self.ctime_ns = self.now_ns
        self.inode = 1

    def edit(self) -> None:
        self.content += 1
        self.mtime_ns = self.ctime_ns = self.now_ns // self.step_ns * self.step_ns

    def restore_time(self, mtime_ns: int) -> None:
        self.ctime_ns = self.now_ns // self.step_ns * self.step_ns
        self.mtime_ns = mtime_ns

    @property
    def status(self) -> Status:
        return Status(1, self.mtime_ns, self.ctime_ns, self.inode)


ACTIONS = st.one_of(
    st.sampled_from(["edit", "edit as before", "replace", "replace as before", "hash", "hash", "edit while hashing"]),
    st.integers(0, 5 * SECOND_NS),
)


@given(st.sampled_from([1, 4_000_000, 10_000_000, SECOND_NS, 2 * SECOND_NS]), st.lists(ACTIONS, max_size=40))
def test_no_change_passes_unseen(step_ns: int, actions: list[str | int]) -> None:
    """Edits in the same second, with the times as before, and files that get the inode of another one."""
    file, hashes = SimulatedFile(step_ns), FileHashes(Cache(None), Path("folder"))
    for action in actions:
        mtime_ns = file.mtime_ns
        match action:
            case int():
                file.now_ns += action
            case "edit" | "replace":
                file.edit()
                file.inode += action == "replace"
            case "edit as before" | "replace as before":
                file.edit()
                file.restore_time(mtime_ns)
            case "hash" | "edit while hashing":
                before, started_ns, digest = file.status, file.now_ns, f"{file.content:064x}"
                file.now_ns += 1
                if action == "edit while hashing":
                    file.edit()
                if file.status == before:
                    hashes.learn("a", before, digest, started_ns)
        assert hashes.known("a", file.status) in (None, f"{file.content:064x}")


@given(st.lists(st.tuples(st.booleans(), st.integers(-9 * SECOND_NS, 9 * SECOND_NS)), max_size=40))
def test_a_clock_that_is_set_back_hides_no_change(actions: list[tuple[bool, int]]) -> None:
    """A time in nanoseconds never comes twice, however the clock is set."""
    file, hashes = SimulatedFile(1), FileHashes(Cache(None), Path("folder"))
    for number, (is_edit, change_ns) in enumerate(actions):
        file.now_ns = (file.now_ns + change_ns) // 100 * 100 + number
        if is_edit:
            file.edit()
        else:
            hashes.learn("a", file.status, f"{file.content:064x}", file.now_ns)
        assert hashes.known("a", file.status) in (None, f"{file.content:064x}")
