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


KEYS = ("data/train/a", "data/train/b/c", "data/train-x", "data/train2/y", "data/raw", "data2/z")


@pytest.mark.parametrize(
    ("uri", "names"),
    [
        ("s3://bucket/data/train/", ["a", "b/c"]),
        ("s3://bucket/data/train", ["a", "b/c", "train-x", "train2/y"]),
        ("s3://bucket/data/train-", ["train-x"]),
        ("s3://bucket/data/raw", ["raw"]),
        ("s3://bucket/data/", ["raw", "train-x", "train/a", "train/b/c", "train2/y"]),
        ("s3://bucket/data", ["data2/z", "raw", "train-x", "train/a", "train/b/c", "train2/y"]),
        ("s3://bucket", sorted(KEYS)),
        ("s3://bucket/", sorted(KEYS)),
    ],
)
def test_an_input_is_a_prefix_of_keys(tmp_path: Path, uri: str, names: list[str]) -> None:
    store = DirectoryStore(tmp_path / "store")
    for key in KEYS:
        store.put_bytes(key.encode(), f"s3://bucket/{key}")
    download(store, uri, tmp_path / "input", never)
    files = [path for path in (tmp_path / "input").rglob("*") if path.is_file()]
    assert sorted(path.relative_to(tmp_path / "input").as_posix() for path in files) == names


@pytest.mark.parametrize("uri", ["s3://bucket/no", "s3://bucket/data/train/a/", "s3://other"])
def test_a_prefix_of_no_key_fails_the_job(tmp_path: Path, uri: str) -> None:
    store = DirectoryStore(tmp_path / "store")
    store.put_bytes(b"x", "s3://bucket/data/train/a")
    with pytest.raises(TransferFailed, match=f'No S3 objects found under S3 URL "{uri}"'):
        download(store, uri, tmp_path / "input", never)
