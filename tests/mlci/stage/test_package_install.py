"""Packages where a slim install lacks them: by a lock, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlci.errors import InputError
from mlci.stage import package_install
from mlci.stage.package_install import (
    PARQUET,
    PLOTS,
    SDKS,
    STATISTICS,
    PackageSet,
    install,
    install_folder,
    provide,
    provide_parquet,
    provide_plots,
    provide_sdk,
    provide_statistics,
)
from support.wheels import index_settings, write_wheel


def lock(folder: Path, module: str) -> Path:
    """A lock of one wheel, which lies in the folder of an index."""
    wheel = write_wheel(folder / "index", module)
    file = folder / f"{module}.txt"
    file.write_text(f"{module}==1 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    return file


@pytest.fixture(params=["wheels", "sources"])
def packages(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackageSet:
    """Packages that have wheels, and such that may have to be built."""
    for name, value in index_settings(tmp_path / "index").items():
        monkeypatch.setenv(name, value)
    build_lock = lock(tmp_path, "some_tool") if request.param == "sources" else None
    return PackageSet(
        lock(tmp_path, "some_package"), ("some_package",), "some packages", "which are slow", "them", build_lock
    )


@pytest.mark.slow
def test_packages_are_put_in_place_whole_and_their_tools_are_gone(tmp_path: Path, packages: PackageSet) -> None:
    folder = tmp_path / "cache" / "sdk" / "one"
    killed = folder.parent / ".installing-1"
    killed.mkdir(parents=True)
    os.utime(killed, (0, 0))
    install(packages, folder)
    assert (folder / "some_package.py").is_file()
    assert not (folder / "some_tool.py").exists()
    assert list(folder.parent.iterdir()) == [folder]

    (folder / "of another process").touch()  # it was faster
    install(packages, folder)
    assert (folder / "of another process").exists()


def test_a_file_with_another_hash_is_not_installed(tmp_path: Path, packages: PackageSet) -> None:
    write_wheel(tmp_path / "index", "some_package", code="VERSION = 'another'\n")
    folder = tmp_path / "cache" / "sdk" / "one"
    with pytest.raises(InputError, match=r"(?s)some packages can't be installed: .*hash.*Install them, or let"):
        install(packages, folder)
    assert list(folder.parent.iterdir()) == []


def test_a_folder_that_may_not_be_written_is_an_error_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"(?s)numpy and scipy can't be installed into .*File exists.*mlci\[stats\]"):
        install(STATISTICS, tmp_path / "file" / "stats")


def test_packages_are_importable_from_the_first_run_on_and_are_installed_once(
    tmp_path: Path, packages: PackageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "some_package", raising=False)
    assert not packages.is_installed
    said = list[str]()
    for _ in range(2):
        provide(packages, tmp_path / "cache", said.append)
        assert sys.path[-1] == str(install_folder(packages, tmp_path / "cache"))
        assert packages.is_installed
    assert said == ["installing some packages, which are slow"]


def test_what_an_earlier_run_installed_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    folder, said = install_folder(SDKS, tmp_path), list[str]()
    folder.mkdir(parents=True)
    provide_sdk(tmp_path, said.append)
    assert sys.path[-1] == str(folder)
    assert said == []


def test_what_the_environment_has_is_not_installed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = list(sys.path)
    for each in (provide_statistics, provide_parquet, provide_plots):
        each(tmp_path, pytest.fail)
    assert sys.path == before
    assert list(tmp_path.iterdir()) == []


def test_another_lock_has_another_folder(tmp_path: Path) -> None:
    assert len({install_folder(each, tmp_path) for each in (SDKS, STATISTICS, PARQUET, PLOTS)}) == 4
    assert install_folder(SDKS, tmp_path).parent == tmp_path / "sdk"
    assert not install_folder(SDKS, None).parent.is_relative_to(tmp_path / "sdk")


def test_what_could_not_be_installed_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[PackageSet] = []

    def refused(packages: PackageSet, cache: Path | None, log: Callable[[str], None]) -> None:
        tries.append(packages)
        raise InputError("no index can be reached")

    absent = replace(PLOTS, modules=("mlci_no_such_module",))
    monkeypatch.setattr(package_install, "PLOTS", absent)
    monkeypatch.setattr(package_install, "provide", refused)
    monkeypatch.setattr(package_install, "_FAILED", {})
    for _ in range(2):
        with pytest.raises(InputError, match="no index can be reached"):
            provide_plots(tmp_path, pytest.fail)
    assert tries == [absent]
