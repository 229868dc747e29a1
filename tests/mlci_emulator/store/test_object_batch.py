"""Many objects that are written and read one after the other."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from mlci_emulator.errors import OperationError
from mlci_emulator.store.directory import DirectoryStore, NoSuchKey

KEYS = ["a/b/1", "a/b/2", "a/c/1", "a/b/3", "a/b", "a//x", "top", f"long/{300 * 'l'}", "a/b/deep/1"]


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


def version(status: os.stat_result) -> tuple[int, int, int]:
    """The parts of a status by which a file is the same one, and as it was. Reading may change the time of access."""
    return status.st_ino, status.st_size, status.st_mtime_ns


def test_a_batch_stores_what_the_store_reads(store: DirectoryStore) -> None:
    with store.batch() as batch:
        for key in KEYS:
            batch.put_bytes(key.encode(), f"s3://b/{key}")
    assert {uri: store.read_bytes(uri) for uri in store.list("s3://b")} == {
        f"s3://b/{key}": key.encode() for key in KEYS
    }
    with store.batch() as batch:
        for key in KEYS:
            with batch.open(f"s3://b/{key}") as stream:
                assert stream.read() == key.encode()


@pytest.mark.parametrize("size", [0, 1, 1 << 18, (1 << 18) + 1, 5_000_000])
def test_a_file_is_copied_whole_and_its_status_is_that_of_the_object(
    store: DirectoryStore, tmp_path: Path, size: int
) -> None:
    data, source = os.urandom(size), tmp_path / "source"
    source.write_bytes(data)
    with store.batch() as batch:
        status = batch.put_checked(source, "s3://b/a/x", hashlib.sha256(data).hexdigest())
        assert store.read_bytes("s3://b/a/x") == data
        assert {key: version(found) for key, found in store.walk("b")} == {"a/x": version(status)}
        assert status.st_size == size
        batch.fetch_file("s3://b/a/x", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == data


@pytest.mark.parametrize("size", [10, 3 << 20])
def test_a_file_that_changed_is_not_stored(store: DirectoryStore, tmp_path: Path, size: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(size))
    with store.batch() as batch, pytest.raises(OperationError, match="changed while it was being uploaded"):
        batch.put_checked(source, "s3://b/a/x", hashlib.sha256(b"").hexdigest())
    assert list(store.list("s3://b")) == []
    assert [path.name for path in store.root.rglob("*") if path.is_file()] == []


def test_folders_that_another_process_removes_are_made_again(store: DirectoryStore) -> None:
    with store.batch() as batch:
        batch.put_bytes(b"1", "s3://b/a/b/1")
        shutil.rmtree(store.root / "b" / "a")
        batch.put_bytes(b"2", "s3://b/a/b/2")
        with batch.open("s3://b/a/b/2") as stream:
            assert stream.read() == b"2"
        shutil.rmtree(store.root / "b" / "a")
        with pytest.raises(NoSuchKey):
            batch.open("s3://b/a/b/2")
        store.put_bytes(b"3", "s3://b/a/b/2")
        with batch.open("s3://b/a/b/2") as stream:
            assert stream.read() == b"3"


def test_no_link_is_followed(store: DirectoryStore, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "x").write_text("secret")
    store.create_bucket("b")
    (store.root / "b" / "a").symlink_to(tmp_path / "secret")
    (store.root / "b" / "x").symlink_to(tmp_path / "secret" / "x")
    with store.batch() as batch:
        for uri in ("s3://b/a/x", "s3://b/x"):
            with pytest.raises(NoSuchKey):
                batch.open(uri)
        with pytest.raises(OperationError, match="neither a file nor a folder"):
            batch.put_bytes(b"", "s3://b/a/x")
    assert (tmp_path / "secret" / "x").read_text() == "secret"


def test_an_object_that_shares_a_file_is_new_and_stays_when_the_other_goes(store: DirectoryStore) -> None:
    store.put_bytes(b"same", "s3://b/old/x")
    os.utime(store.path("s3://b/old/x"), (0, 0))
    with store.batch() as batch:
        assert batch.link("s3://b/old/x", "s3://b/new/x", lambda status: False) is None
        assert batch.link("s3://b/no/x", "s3://b/new/x", lambda status: True) is None
        assert not store.exists("s3://b/new/x")
        status = batch.link("s3://b/old/x", "s3://b/new/x", lambda status: status.st_size == 4)
    assert status is not None
    assert {key: version(found) for key, found in store.walk("b", "new/")} == {"new/x": version(status)}
    assert status.st_mtime > 0
    store.put_bytes(b"other", "s3://b/old/x")
    assert store.read_bytes("s3://b/new/x") == b"same"
    store.remove("s3://b/old/x")
    assert store.read_bytes("s3://b/new/x") == b"same"
    assert sorted(path.name for path in store.root.rglob("*") if path.is_file()) == ["x"]


def test_no_link_becomes_an_object(store: DirectoryStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    store.put_bytes(b"", "s3://b/old/y")
    (store.root / "b" / "old" / "x").symlink_to(tmp_path / "secret")
    with store.batch() as batch:
        assert batch.link("s3://b/old/x", "s3://b/new/x", lambda status: True) is None
    assert list(store.list("s3://b")) == ["s3://b/old/y"]
    assert [path.name for path in (store.root / "b").iterdir()] == ["old"]
