"""The directory in place of S3."""

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

from mlci_emulator.errors import OperationError
from mlci_emulator.store.directory import DirectoryStore, NoSuchKey
from mlci_emulator.store.object_keys import TEMPORARY

PART = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda part: part not in (".", "..")
)
KEY = st.lists(PART, min_size=1, max_size=4).map("/".join)


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


def test_a_bucket_is_created_once(store: DirectoryStore) -> None:
    store.create_bucket("models")
    store.put_bytes(b"kept", "s3://models/a")
    store.create_bucket("models")
    assert store.read_bytes("s3://models/a") == b"kept"


@given(key=KEY, data=st.binary(max_size=200))
def test_stored_objects_are_read_and_listed_and_no_others(key: str, data: bytes) -> None:
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


ODD_KEYS = [
    "../x",
    "a/../../x",
    "a//c",
    "/a",
    "./c",
    "a/",
    "/",
    "//",
    ".mlci-tmp-1",
    ".mlci-part-x",
    ".mlci-at-a",
    ".mlci-long-",
    "a/.mlci-part-",
    "x" * 231,
    "x" * 1024,
    "ü" * 300 + "/y",
    "x" * 230 + "/",
]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_keys_that_a_folder_cannot_hold_are_objects_inside_of_it(store: DirectoryStore, key: str) -> None:
    store.put_bytes(b"x", f"s3://b/{key}")
    assert store.read_bytes(f"s3://b/{key}") == b"x"
    assert store.path(f"s3://b/{key}").is_file()
    assert list(store.list("s3://b/")) == [f"s3://b/{key}"]
    assert [path.name for path in store.root.parent.iterdir()] == ["store"]
    assert [path.name for path in store.root.iterdir()] == ["b"]
    store.remove(f"s3://b/{key}")
    assert list((store.root / "b").iterdir()) == []


def test_odd_keys_do_not_meet(store: DirectoryStore) -> None:
    for number, key in enumerate(ODD_KEYS):
        store.put_bytes(b"%d" % number, f"s3://b/{key}")
    assert [int(store.read_bytes(f"s3://b/{key}")) for key in ODD_KEYS] == list(range(len(ODD_KEYS)))
    assert list(store.list("s3://b/")) == sorted(f"s3://b/{key}" for key in ODD_KEYS)
    long = "x" * 300
    assert list(store.list(f"s3://b/{long}")) == ["s3://b/" + "x" * 1024]


@given(
    keys=st.sets(st.text("ab/.", min_size=1, max_size=6), max_size=8),
    removed=st.sets(st.text("ab/.", min_size=1, max_size=6), max_size=3),
    prefix=st.text("ab/.", max_size=3),
    after=st.text("ab/.", max_size=3),
)
def test_any_keys_can_be_objects_together(keys: set[str], removed: set[str], prefix: str, after: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = DirectoryStore(Path(folder))
        for key in keys:
            store.put_bytes(key.encode(), f"s3://b/{key}")
        for key in removed:
            store.remove(f"s3://b/{key}")
        left = sorted(keys - removed)
        assert [store.read_bytes(f"s3://b/{key}").decode() for key in left] == left
        walked = [key for key, _ in store.walk("b", prefix, after)]
        assert walked == [key for key in left if key.startswith(prefix) and key > after]


@pytest.mark.parametrize(
    "uri", ["s3://../x", "s3://b/\0", "s3://.mlci-tmp-1/x", "s3://b/" + "a/" * 300, "s3://b/\ud800"]
)
def test_a_uri_that_can_not_be_a_path_is_rejected(store: DirectoryStore, uri: str) -> None:
    with pytest.raises(OperationError, match="local store can't hold"):
        store.put_bytes(b"", uri)


def test_links_are_not_followed(store: DirectoryStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"outside")
    store.put_bytes(b"", "s3://b/k")
    (store.root / "b" / "file").symlink_to(tmp_path / "secret")
    (store.root / "b" / "folder").symlink_to(tmp_path)
    (store.root / "elsewhere").symlink_to(tmp_path)
    for uri in ("s3://b/file", "s3://b/folder/secret", "s3://elsewhere/secret"):
        assert not store.exists(uri)
        with pytest.raises(NoSuchKey):
            store.read_bytes(uri)
        store.remove(uri)
    assert list(store.list("s3://b/")) == ["s3://b/k"]
    assert list(store.list("s3://elsewhere/")) == []
    for uri in ("s3://b/folder/new", "s3://elsewhere/new"):
        with pytest.raises(OperationError, match="in its way"):
            store.put_bytes(b"", uri)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret", "store"]
    store.put_bytes(b"inside", "s3://b/file")  # replaces the link, not what it leads to
    assert (tmp_path / "secret").read_bytes() == b"outside"


@pytest.mark.parametrize("uri", ["s3://b/..x", "s3://b/a/b..", "s3://b/...", "s3://b/a b/ü"])
def test_a_key_that_only_looks_like_it_is_taken(store: DirectoryStore, uri: str) -> None:
    store.put_bytes(b"x", uri)
    assert store.read_bytes(uri) == b"x"


@pytest.mark.parametrize("uri", ["http://b/k", "b/k", "s3://", "s3://b", "s3://b/"])
def test_a_uri_of_no_object_is_rejected(store: DirectoryStore, uri: str) -> None:
    with pytest.raises(OperationError):
        store.put_bytes(b"", uri)


def test_a_missing_object_is_a_missing_key(store: DirectoryStore) -> None:
    store.put_bytes(b"", "s3://b/a")
    for uri in ("s3://b/x", "s3://c/x", "s3://b/a/x"):
        with pytest.raises(NoSuchKey, match=uri):
            store.read_bytes(uri)
        with pytest.raises(NoSuchKey, match=uri):
            store.copy(uri, "s3://b/copy")
    assert list(store.list("s3://nowhere/")) == []


def test_an_object_and_objects_below_it_are_both_there(store: DirectoryStore) -> None:
    for first, second in (("a", "a/x"), ("d/x", "d"), ("e", "e/f/g")):
        store.put_bytes(first.encode(), f"s3://b/{first}")
        store.put_bytes(second.encode(), f"s3://b/{second}")
    keys = ["a", "a/x", "d", "d/x", "e", "e/f/g"]
    assert list(store.list("s3://b/")) == [f"s3://b/{key}" for key in keys]
    assert [store.read_bytes(f"s3://b/{key}").decode() for key in keys] == keys
    assert [store.path(f"s3://b/{key}").read_text() for key in keys] == keys
    store.remove("s3://b/a/x")
    assert store.read_bytes("s3://b/a") == b"a"
    store.put_bytes(b"new", "s3://b/a")
    store.remove("s3://b/a")
    assert not store.exists("s3://b/a")


def test_files_are_copied_taken_and_fetched(store: DirectoryStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(300_000))
    data = source.read_bytes()
    store.put_file(source, "s3://b/put")
    store.copy("s3://b/put", "s3://b/copy")
    store.move_file(source, "s3://b/taken")
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
    with pytest.raises(OperationError, match="changed while it was being uploaded"):
        store.put_checked(source, "s3://b/new", digest)
    assert [path.name for path in store.root.rglob("*")] == ["b", "k"]


def test_a_file_with_a_second_name_is_copied_and_not_taken(store: DirectoryStore, tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"x")
    os.link(tmp_path / "one", tmp_path / "two")
    store.move_file(tmp_path / "one", "s3://b/k")
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
        "from pathlib import Path; from mlci_emulator.store.directory import DirectoryStore\n"
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
