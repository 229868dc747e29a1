"""The directory that stands for S3."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.cloud.local.store import TEMPORARY, DirectoryStore, NoSuchKey
from mlci.errors import CloudError

PART = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda part: part not in (".", "..")
)
KEY = st.lists(PART, min_size=1, max_size=4).map("/".join)


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


@given(key=KEY, data=st.binary(max_size=200))
def test_what_is_put_is_read_listed_and_nothing_else_is_there(key: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = DirectoryStore(Path(folder))
        uri = f"s3://bucket/{key}"
        assert not store.exists(uri)
        store.put_bytes(b"old", uri)
        store.put_bytes(data, uri)
        assert store.exists(uri)
        assert store.read_bytes(uri) == data
        assert list(store.list("s3://bucket/")) == [uri]
        assert [path for path in Path(folder).rglob("*") if path.is_file()] == [store.path(uri)]


@given(
    keys=st.lists(st.text("abc", min_size=1, max_size=3), unique=True, max_size=8), prefix=st.text("abc", max_size=2)
)
def test_a_prefix_is_a_text_as_on_s3(keys: list[str], prefix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = DirectoryStore(Path(folder))
        for key in keys:
            store.put_bytes(b"", f"s3://bucket/f/{key}")
        expected = sorted(f"s3://bucket/f/{key}" for key in keys if key.startswith(prefix))
        assert list(store.list(f"s3://bucket/f/{prefix}")) == expected


@pytest.mark.parametrize(
    "uri", ["s3://b/../x", "s3://b/a/../../x", "s3://../x", "s3://b/a//c", "s3://b/./c", "s3://b/\0"]
)
def test_a_key_that_would_leave_the_root_or_is_no_path_is_refused(store: DirectoryStore, uri: str) -> None:
    with pytest.raises(CloudError, match="can't be part of a path"):
        store.put_bytes(b"", uri)


@pytest.mark.parametrize("uri", ["s3://b/..x", "s3://b/a/b..", "s3://b/...", "s3://b/a b/ü"])
def test_a_key_that_only_looks_like_it_is_taken(store: DirectoryStore, uri: str) -> None:
    store.put_bytes(b"x", uri)
    assert store.read_bytes(uri) == b"x"


@pytest.mark.parametrize("uri", ["http://b/k", "b/k", "s3://", "s3://b", "s3://b/k/"])
def test_what_is_no_object_uri_is_refused(store: DirectoryStore, uri: str) -> None:
    with pytest.raises(CloudError):
        store.put_bytes(b"", uri)


def test_what_is_missing_is_a_missing_key(store: DirectoryStore) -> None:
    store.put_bytes(b"", "s3://b/a")
    for uri in ("s3://b/x", "s3://c/x", "s3://b/a/x"):
        with pytest.raises(NoSuchKey, match=uri):
            store.read_bytes(uri)
        with pytest.raises(NoSuchKey, match=uri):
            store.copy(uri, "s3://b/copy")
    assert list(store.list("s3://nowhere/")) == []


def test_an_object_and_objects_below_it_are_refused_with_a_reason(store: DirectoryStore) -> None:
    store.put_bytes(b"", "s3://b/a")
    store.put_bytes(b"", "s3://b/d/x")
    for uri in ("s3://b/a/x", "s3://b/d"):
        with pytest.raises(CloudError, match="a part of its key is an object"):
            store.put_bytes(b"", uri)
    assert sorted(path.name for path in store.root.rglob("*")) == ["a", "b", "d", "x"]


def test_files_are_copied_taken_and_fetched(store: DirectoryStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(300_000))
    data = source.read_bytes()
    store.put_file(source, "s3://b/put")
    store.copy("s3://b/put", "s3://b/copy")
    store.take_file(source, "s3://b/taken")
    assert not source.exists()
    assert [store.read_bytes(f"s3://b/{name}") for name in ("put", "copy", "taken")] == [data] * 3
    store.fetch_file("s3://b/put", tmp_path / "fetched")
    (tmp_path / "fetched").write_bytes(b"a script writes to its input")
    assert store.read_bytes("s3://b/put") == data


def test_a_file_that_changed_since_it_was_hashed_is_not_stored(store: DirectoryStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    digest = hashlib.sha256(b"x").hexdigest()
    store.put_checked(source, "s3://b/k", digest)
    assert store.read_bytes("s3://b/k") == b"x"
    source.write_bytes(b"y")
    with pytest.raises(CloudError, match="changed while it was being uploaded"):
        store.put_checked(source, "s3://b/new", digest)
    assert [path.name for path in store.root.rglob("*")] == ["b", "k"]


def test_a_file_with_a_second_name_is_copied_and_not_taken(store: DirectoryStore, tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"x")
    os.link(tmp_path / "one", tmp_path / "two")
    store.take_file(tmp_path / "one", "s3://b/k")
    (tmp_path / "two").write_bytes(b"changed")
    assert store.read_bytes("s3://b/k") == b"x"


def test_readers_see_whole_objects_while_many_write(store: DirectoryStore) -> None:
    contents = [bytes([number]) * 100_000 for number in range(4)]
    store.put_bytes(contents[0], "s3://b/k")

    def write(data: bytes) -> None:
        for _ in range(30):
            store.put_bytes(data, "s3://b/k")

    writers = [threading.Thread(target=write, args=[data]) for data in contents]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert store.read_bytes("s3://b/k") in contents
    assert [path.name for path in store.root.rglob("*")] == ["b", "k"]


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="needs unnamed temporary files")
def test_a_writer_that_is_killed_leaves_nothing(store: DirectoryStore) -> None:
    source = Path(__file__).parents[3] / "src"
    program = (
        f"import sys; sys.path.insert(0, {str(source)!r})\n"
        "from pathlib import Path; from mlci.cloud.local.store import DirectoryStore\n"
        f"store = DirectoryStore(Path({str(store.root)!r})); print(flush=True)\n"
        "while True: store.put_bytes(b'x' * 20_000_000, 's3://b/k')"
    )
    for pause_s in (0.0, 0.03, 0.06):
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(pause_s)
            process.send_signal(signal.SIGKILL)
    left = [path.name for path in store.root.rglob(f"{TEMPORARY}*")]
    assert len(left) == 0
