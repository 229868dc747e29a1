"""The cache of compiled definitions: where it lies, and that losing it costs time only."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlci.stage import Cache, cache_folder


def test_the_same_key_is_made_once(tmp_path: Path) -> None:
    made: list[str] = []

    def make() -> str:
        made.append("x")
        return f"value {len(made)}"

    assert [Cache(tmp_path / "cache").get(["a", {"b": 1}], make) for _ in range(3)] == ["value 1"] * 3
    assert Cache(tmp_path / "cache").get(["a", {"b": 2}], make) == "value 2"
    assert not [file for file in (tmp_path / "cache").iterdir() if file.name.startswith(".")]


def test_a_damaged_entry_is_made_again(tmp_path: Path) -> None:
    Cache(tmp_path).get("key", lambda: "first")
    for file in tmp_path.iterdir():
        file.write_text("{")
    assert Cache(tmp_path).get("key", lambda: "second") == "second"
    assert Cache(tmp_path).get("key", lambda: "third") == "second"


def test_a_place_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert Cache(tmp_path / "file" / "cache").get("key", lambda: "value") == "value"


def test_without_a_folder_nothing_is_kept() -> None:
    assert Cache(None).get("key", lambda: "first") == "first"
    assert Cache(None).get("key", lambda: "second") == "second"


@pytest.mark.parametrize(
    ("environment", "platform", "folder"),
    [
        ({"MLCI_CACHE": "/cache", "XDG_CACHE_HOME": "/xdg", "HOME": "/home/ada"}, "linux", "/cache"),
        ({"XDG_CACHE_HOME": "/xdg", "HOME": "/home/ada"}, "linux", "/xdg/mlci"),
        ({"XDG_CACHE_HOME": ".cache", "HOME": "/home/ada"}, "linux", "/home/ada/.cache/mlci"),
        ({"HOME": "/Users/ada"}, "darwin", "/Users/ada/Library/Caches/mlci"),
        ({"HOME": ""}, "linux", None),
        ({"HOME": "relative"}, "linux", None),
        ({}, "linux", None),
    ],
)
def test_the_folder_is_the_users_own(environment: dict[str, str], platform: str, folder: str | None) -> None:
    assert cache_folder(environment, platform) == (Path(folder) if folder else None)
