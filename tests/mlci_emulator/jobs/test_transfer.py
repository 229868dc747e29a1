"""Objects that can be a job's files, and those that can't."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlci_emulator.jobs.transfer import TransferFailed, download
from mlci_emulator.store.directory import DirectoryStore


def never() -> bool:
    return False


def test_markers_of_folders_are_no_files(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    for key in ("data/", "data/inner/", "data/inner/x"):
        store.put_bytes(b"x", f"s3://bucket/{key}")
    for uri in ("s3://bucket/data", "s3://bucket/data/"):
        folder = tmp_path / uri.replace("/", "_")
        download(store, uri, folder, never)
        assert [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*"))] == ["inner", "inner/x"]


@pytest.mark.parametrize("key", ["data/../evil", "data/a/../../../evil", "data//evil", "data/./evil"])
def test_no_key_leads_out_of_the_folder(tmp_path: Path, key: str) -> None:
    store = DirectoryStore(tmp_path / "store")
    store.put_bytes(b"evil", f"s3://bucket/{key}")
    with pytest.raises(TransferFailed, match="can't be a file below"):
        download(store, "s3://bucket/data", tmp_path / "job" / "input", never)
    assert [path.name for path in tmp_path.rglob("evil") if not path.is_relative_to(store.root)] == []


def test_one_object_keeps_its_name_inside_of_the_folder(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    store.put_bytes(b"x", "s3://bucket/data/x")
    store.put_bytes(b"evil", "s3://bucket/data/..")
    download(store, "s3://bucket/data/x", tmp_path / "input", never)
    assert (tmp_path / "input" / "x").read_bytes() == b"x"
    with pytest.raises(TransferFailed):
        download(store, "s3://bucket/data/..", tmp_path / "input", never)


def test_an_object_beside_objects_below_it_fails_as_an_input(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    for key in ("data/a", "data/a/b"):
        store.put_bytes(b"x", f"s3://bucket/{key}")
    with pytest.raises(TransferFailed, match="other objects of the input lie below it"):
        download(store, "s3://bucket/data", tmp_path / "input", never)
