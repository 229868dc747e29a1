"""The SDKs where a slim install lacks them: by a lock, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest

from mlci.errors import InputError
from mlci.stage.sdk_install import BUILD_LOCK, SDK_LOCK, install_sdk, provide_sdk, sdk_folder
from support.wheels import index_settings, write_wheel


def lock(folder: Path, module: str) -> Path:
    """A lock of one wheel, which lies in the folder of an index."""
    wheel = write_wheel(folder / "index", module)
    file = folder / f"{module}.txt"
    file.write_text(f"{module}==1 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    return file


@pytest.fixture
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The locks of an SDK, and of what builds it."""
    found = lock(tmp_path, "some_sdk"), lock(tmp_path, "some_tool")
    for name, value in index_settings(tmp_path / "index").items():
        monkeypatch.setenv(name, value)
    return found


def test_the_sdk_is_put_in_place_whole_and_its_tools_are_gone(tmp_path: Path, locks: tuple[Path, Path]) -> None:
    folder = tmp_path / "cache" / "sdk" / "one"
    killed = folder.parent / ".installing-1"
    killed.mkdir(parents=True)
    os.utime(killed, (0, 0))
    install_sdk(folder, *locks)
    assert (folder / "some_sdk.py").is_file()
    assert not (folder / "some_tool.py").exists()
    assert list(folder.parent.iterdir()) == [folder]

    (folder / "of another process").touch()  # it was faster
    install_sdk(folder, *locks)
    assert (folder / "of another process").exists()


def test_a_file_with_another_hash_is_not_installed(tmp_path: Path, locks: tuple[Path, Path]) -> None:
    write_wheel(tmp_path / "index", "some_sdk", code="VERSION = 'another'\n")
    folder = tmp_path / "cache" / "sdk" / "one"
    with pytest.raises(InputError, match=r"(?s)can't be installed: .*hash.*Install mlci with all of its dependencies"):
        install_sdk(folder, *locks)
    assert list(folder.parent.iterdir()) == []


def test_a_folder_that_may_not_be_written_is_an_error_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"can't be installed into .*File exists"):
        install_sdk(tmp_path / "file" / "sdk")


def test_what_an_earlier_run_installed_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    folder, said = sdk_folder(tmp_path), list[str]()
    folder.mkdir(parents=True)
    provide_sdk(tmp_path, said.append)
    assert sys.path[-1] == str(folder)
    assert said == []


def test_another_lock_has_another_folder(tmp_path: Path) -> None:
    assert sdk_folder(tmp_path, SDK_LOCK) != sdk_folder(tmp_path, BUILD_LOCK)
    assert sdk_folder(tmp_path).parent == tmp_path / "sdk"
    assert not sdk_folder(None).parent.is_relative_to(tmp_path / "sdk")
