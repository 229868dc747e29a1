"""The plots of a run, where nothing can draw them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlci.errors import InputError
from mlci.outcome import plots
from mlci.report.plots.charts import Curve, CurveChart
from mlci.stage.cache import Cache

CHART = CurveChart("train: loss", "epoch", "loss", (Curve("loss", (1, 2), (0.5, 0.25)),))


class OneChart:
    """A reader that finds one chart."""

    def files(self) -> Iterator[plots._Charts]:
        yield plots._Charts(["a chart"], lambda: [CHART])

    def cases(self) -> Iterator[plots._Charts]:
        return iter(())


def drawn(log: Callable[[str], None], folder: Path) -> list[str]:
    reader: Any = OneChart()
    return [picture.title for picture in plots._pictures(reader, Cache(folder), log)]


def test_where_matplotlib_cant_be_installed_a_line_says_so_and_the_report_goes_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(cache: Path | None, log: Callable[[str], None]) -> None:
        raise InputError("matplotlib can't be installed")

    said: list[str] = []
    with monkeypatch.context() as missing:
        missing.setattr(plots, "provide_plots", refused)
        assert drawn(said.append, tmp_path) == []
    assert said == ["no plots are drawn: matplotlib can't be installed"]
    assert drawn(pytest.fail, tmp_path) == ["train: loss"]
    monkeypatch.setattr(plots, "provide_plots", refused)
    assert drawn(pytest.fail, tmp_path) == ["train: loss"], "a picture that is known needs nothing"


def test_a_matplotlib_that_cant_be_imported_is_a_line_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(chart: object) -> str:
        raise ImportError("numpy 2.0 or newer is needed")

    monkeypatch.setattr(plots, "draw", refused)
    said: list[str] = []
    assert drawn(said.append, tmp_path) == []
    assert said == ["no plots are drawn: numpy 2.0 or newer is needed"]
