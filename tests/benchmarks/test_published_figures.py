from __future__ import annotations

from pathlib import Path

import pytest

from published_figures import read_figures


def write(folder: Path, text: str) -> Path:
    file = folder / "figures.yaml"
    file.write_text(text)
    return file


def test_each_figure_says_where_it_comes_from() -> None:
    counts = read_figures().counts()
    assert counts["published"] > counts["assumption"]


def test_takes_one_number_of_the_observations(tmp_path: Path) -> None:
    lines = "".join(f"- {{value: {value}, kind: assumption, reason: none better}}\n" for value in (1, 2, 9))
    figures = read_figures(write(tmp_path, f"queue:\n{lines}"))
    assert [figures.with_choice(name)["queue"] for name in ("lowest", "median", "highest")] == [1, 2, 9]
    assert figures.with_values({"queue": 5})["queue"] == 5


@pytest.mark.parametrize(
    "fields",
    [
        "kind: published, date: 2024-01, measured: a build",
        "kind: measured, measured: a build",
        "kind: assumption",
        "kind: guess, reason: none",
    ],
)
def test_refuses_a_figure_without_its_source(tmp_path: Path, fields: str) -> None:
    with pytest.raises(ValueError, match="queue: "):
        read_figures(write(tmp_path, f"queue:\n- {{value: 1, {fields}}}\n"))


@pytest.mark.parametrize(
    "fields",
    [
        "kind: published, date: 2024-01, measured: a build, source: https://example.com",
        "kind: measured, date: 2024-01, measured: a build",
        "kind: assumption, reason: nobody says",
    ],
)
def test_accepts_a_figure_with_its_source(tmp_path: Path, fields: str) -> None:
    assert read_figures(write(tmp_path, f"queue:\n- {{value: 1, {fields}}}\n"))["queue"] == 1
