"""Files that are planned, shown and written; none that exists is changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlci.errors import InputError
from mlci.scaffold.planned_files import PlannedFile, appended, planned, preview, write


def test_files_are_written_and_those_that_exist_stay(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    scaffold = planned(tmp_path, [PlannedFile(Path("mine"), b"theirs"), PlannedFile(Path("a/b"), b"new")])
    assert scaffold.kept == (Path("mine"),)
    assert list(preview(scaffold)) == [f"would write {tmp_path / 'a/b'}"]
    assert not (tmp_path / "a").exists()
    assert list(write(scaffold)) == [f"wrote {tmp_path / 'a/b'}"]
    assert ((tmp_path / "mine").read_text(), (tmp_path / "a/b").read_text()) == ("mine", "new")


def test_a_file_that_appeared_in_between_is_not_overwritten(tmp_path: Path) -> None:
    scaffold = planned(tmp_path, [PlannedFile(Path("a"), b"theirs")])
    (tmp_path / "a").write_text("mine")
    with pytest.raises(InputError, match="can't be written: File exists"):
        list(write(scaffold))
    assert (tmp_path / "a").read_text() == "mine"


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, "x/\n"), ("", "x/\n"), ("*.log", "*.log\nx/\n"), ("*.log\n", "*.log\nx/\n"), ("x/\n", "x/\n")],
)
def test_lines_are_appended_once(tmp_path: Path, before: str | None, after: str) -> None:
    if before is not None:
        (tmp_path / ".gitignore").write_text(before)
    told = list(write(planned(tmp_path, appended(tmp_path, ".gitignore", ["x/"]))))
    assert (tmp_path / ".gitignore").read_text() == after
    assert bool(told) == (before != after)
    if before:
        assert told in ([], [f"appended to {tmp_path / '.gitignore'}: x/"])
