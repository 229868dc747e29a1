"""What is remembered, and that losing it costs time only."""

from __future__ import annotations

from pathlib import Path

from mlci.stage import Memo


def test_the_same_key_is_made_once(tmp_path: Path) -> None:
    made: list[str] = []

    def make() -> str:
        made.append("x")
        return f"value {len(made)}"

    assert [Memo(tmp_path / "cache").recall(["a", {"b": 1}], make) for _ in range(3)] == ["value 1"] * 3
    assert Memo(tmp_path / "cache").recall(["a", {"b": 2}], make) == "value 2"
    assert not [file for file in (tmp_path / "cache").iterdir() if file.name.startswith(".")]


def test_a_damaged_entry_is_made_again(tmp_path: Path) -> None:
    Memo(tmp_path).recall("key", lambda: "first")
    for file in tmp_path.iterdir():
        file.write_text("{")
    assert Memo(tmp_path).recall("key", lambda: "second") == "second"
    assert Memo(tmp_path).recall("key", lambda: "third") == "second"


def test_a_place_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert Memo(tmp_path / "file" / "cache").recall("key", lambda: "value") == "value"
