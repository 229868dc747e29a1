"""Charts as values, before anything is drawn."""

from __future__ import annotations

from typing import Literal, TypeAlias

from mlci_dataclasses import dataclass

CurveKind = Literal["line", "points"]


@dataclass(frozen=True)
class Curve:
    """The points of one curve. That of the baseline is drawn behind the others."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    kind: CurveKind = "line"
    is_baseline: bool = False


@dataclass(frozen=True)
class CurveChart:
    """A chart of curves. `is_unit` says that both axes go from 0 to 1, and `diagonal` that equal values are marked.
    `y_reach` is as far as the y axis goes to both sides of 0; None where the curves decide."""

    title: str
    x_label: str
    y_label: str
    lines: tuple[Curve, ...]
    is_unit: bool = False
    diagonal: bool = False
    y_reach: float | None = None


@dataclass(frozen=True)
class CountChart:
    """A table of counts: `counts[row][column]`, and those of the baseline where there are any."""

    title: str
    row_label: str
    column_label: str
    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    baseline: tuple[tuple[int, ...], ...] | None = None


Chart: TypeAlias = "CurveChart | CountChart"
