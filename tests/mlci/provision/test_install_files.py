"""The files that builds install: checked by one hash, and complete for pip."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from mlci import __version__
from mlci.provision import install_files as module
from mlci.provision.install_files import InstallFiles, full_install_files, install_files
from mlci.provision.wheel import own_wheel

WHEEL = f"mlci-{__version__}-py3-none-any.whl"


@pytest.mark.parametrize(
    ("made", "locks", "others"),
    [
        (install_files, ["slim.txt"], ["github.txt"]),
        (full_install_files, ["runtime.txt", "slim.txt"], ["build.txt", "github.txt"]),
    ],
)
def test_the_list_has_the_hash_of_every_other_file_and_the_lock_ends_with_the_wheel(
    made: Callable[[], InstallFiles], locks: list[str], others: list[str]
) -> None:
    files = made().files
    lines = [line.split("  ") for line in files["SHA256SUMS"].decode().splitlines()]
    sums = {name: digest for digest, name in lines}
    assert set(sums) == {*locks, *others, WHEEL}
    assert sums == {name: hashlib.sha256(files[name]).hexdigest() for name in sums}
    own = f"./{WHEEL} --hash=sha256:{hashlib.sha256(files[WHEEL]).hexdigest()}"
    assert {files[name].decode().splitlines()[-1] for name in locks} == {own}
    assert b"://" not in b"".join(files[name] for name in (*locks, *others))  # no index


def test_other_contents_lie_under_another_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    one = install_files()
    assert one.uri("bucket", "iris") == f"s3://bucket/mlci/iris/install/{one.sha256}/"
    wheel = own_wheel()
    monkeypatch.setattr(module, "own_wheel", lambda: replace(wheel, data=wheel.data + b"x"))
    assert install_files().sha256 != one.sha256
