"""Charts → SVG. Pure: the same chart gives the same bytes, and a picture needs neither a library nor a font."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

if sys.version_info >= (3, 11):
    from typing import assert_never
else:  # 4 ms
    from typing_extensions import assert_never

from mlci.fast_dataclasses import dataclass
from mlci.report.plots.axes import Axis
from mlci.report.plots.charts import Chart, CountChart, Curve, CurveChart
from mlci.report.untrusted_text import html_text, one_line

#: The size of a picture without its legend, the space around the plot, and a usual character of a text, in pixels.
_WIDTH, _HEIGHT, _MARGIN, _CHARACTER = 460, 340, 12, 6.0
#: The space below a plot: for its values, and for the label of the axis.
_BELOW = 46
_LEGEND_ROW = 18
#: Grey is readable on a light page and on a dark one.
_INK, _FAINT, _OWN, _BASELINE = "#7d8590", "#7d859044", "#0969da", "#9a9fa6"
_COLOURS = (_OWN, "#bf5af2", "#1a7f37", "#d29922", "#cf222e", "#1b7c83")
#: The cells of a table are light on both pages.
_ON_SHADE, _LIGHTEST, _DARKEST = "#1f2328", (247, 251, 255), (107, 174, 214)
#: The characters of a label and of a class that are shown; the points of a line that are marked.
_MAX_LABEL, _MAX_NAME, _MAX_MARKED = 40, 16, 15
#: More classes, or longer names, stand at an angle.
_MAX_LEVEL_NAMES, _MAX_LEVEL_NAME = 4, 9


def draw(chart: Chart) -> str:
    """Return the chart as an SVG document."""
    match chart:
        case CurveChart():
            legend = _Legend.of(chart.lines)
            return _document(_HEIGHT + legend.height, [*legend.elements(), *_curves(chart, _MARGIN + legend.height)])
        case CountChart():
            return _counts(chart)
        case _:
            assert_never(chart)


def _document(height: float, elements: Iterable[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}" width="{_WIDTH}" '
        f'height="{height:g}" font-family="system-ui, sans-serif" font-size="11" fill="{_INK}">'
        f"{''.join(elements)}</svg>"
    )


# --- Curves ---


def _curves(chart: CurveChart, top: float) -> Iterator[str]:
    bottom = top + _HEIGHT - _MARGIN - _BELOW
    unit = (0.0, 1.0) if chart.is_unit else ()
    y = Axis.of(chain(unit, *(line.y for line in chart.lines)), bottom, top)
    left = _left_of([text for _, text in y.ticks()])
    right = float(_WIDTH - _MARGIN)
    x = Axis.of(chain(unit, *(line.x for line in chart.lines)), left, right)
    for at, text in y.ticks():
        yield f'<path d="M{left:g} {at:.1f}H{right:g}" stroke="{_FAINT}" stroke-width=".5"/>'
        yield _text(text, left - 6, at + 4, "end")
    for at, text in x.ticks():
        yield f'<path d="M{at:.1f} {top:g}V{bottom:g}" stroke="{_FAINT}" stroke-width=".5"/>'
        yield _text(text, at, bottom + 16)
    yield f'<path d="M{left:g} {top:g}V{bottom:g}H{right:g}" stroke="{_FAINT}" fill="none"/>'
    yield from _labels(_shown(chart.x_label), _shown(chart.y_label), left, top, bottom)
    if chart.diagonal:
        ends = f"M{x.at(0):.1f} {y.at(0):.1f}L{x.at(1):.1f} {y.at(1):.1f}"
        yield f'<path d="{ends}" stroke="{_INK}" stroke-dasharray="1 4" fill="none"/>'
    for line, colour in _coloured(chart.lines):
        yield _line(line, x, y, colour)


def _line(line: Curve, x: Axis, y: Axis, colour: str) -> str:
    places = [f"{x.at(one):.1f} {y.at(other):.1f}" for one, other in zip(line.x, line.y, strict=True)]
    dots = f'<path d="M{"h0M".join(places)}h0" stroke="{colour}" stroke-linecap="round"'
    if line.kind == "points":
        return f'{dots} stroke-width="4" opacity=".6"/>'
    drawn = f'<path d="M{"L".join(places)}" stroke="{colour}" {_stroke(line)}/>'
    return drawn if len(places) > _MAX_MARKED else f'{drawn}{dots} stroke-width="5"/>'


def _stroke(line: Curve) -> str:
    dashes = ' stroke-dasharray="6 3"' if line.is_baseline else ""
    return f'stroke-width="1.5" fill="none"{dashes}'


def _coloured(lines: Iterable[Curve]) -> Iterator[tuple[Curve, str]]:
    number = 0
    for line in lines:
        yield line, _BASELINE if line.is_baseline else _COLOURS[number % len(_COLOURS)]
        number += not line.is_baseline


@dataclass(frozen=True)
class _Legend:
    """The names of curves above a plot, in rows."""

    rows: tuple[tuple[tuple[Curve, str], ...], ...]

    @classmethod
    def of(cls, lines: Sequence[Curve]) -> _Legend:
        """Return the legend of these curves. One that is alone needs none."""
        rows: list[list[tuple[Curve, str]]] = []
        free = 0.0
        for line, colour in _coloured(lines) if len(lines) > 1 else ():
            width = cls._width(line)
            if width > free:
                rows.append([])
                free = float(_WIDTH - 2 * _MARGIN)
            rows[-1].append((line, colour))
            free -= width
        return cls(tuple(map(tuple, rows)))

    @property
    def height(self) -> int:
        return _LEGEND_ROW * len(self.rows)

    def elements(self) -> Iterator[str]:
        for number, row in enumerate(self.rows):
            x, y = float(_MARGIN), _MARGIN + number * _LEGEND_ROW
            for line, colour in row:
                yield f'<path d="M{x:g} {y:g}h20" stroke="{colour}" {_stroke(line)}/>'
                yield _text(_shown(line.label), x + 26, y + 4, "start")
                x += self._width(line)

    @staticmethod
    def _width(line: Curve) -> float:
        return 44 + _CHARACTER * len(_shown(line.label))


# --- Counts ---


def _counts(chart: CountChart) -> str:
    names = [_shown(name, _MAX_NAME) for name in chart.names]
    longest = max(map(len, names))
    is_level = len(names) <= _MAX_LEVEL_NAMES and longest <= _MAX_LEVEL_NAME
    left, right, top, bottom = _left_of(names), float(_WIDTH - _MARGIN), float(_MARGIN), float(_HEIGHT - _BELOW)
    width, height = (right - left) / len(names), (bottom - top) / len(names)
    lower = 0.0 if is_level else longest * _CHARACTER * math.sqrt(0.5)
    return _document(_HEIGHT + lower, _cells(chart, names, (left, top, width, height), is_level, lower))


def _cells(
    chart: CountChart, names: Sequence[str], cells: tuple[float, float, float, float], is_level: bool, lower: float
) -> Iterator[str]:
    left, top, width, height = cells
    bottom = top + height * len(names)
    largest = max(map(max, chart.counts)) or 1
    for row, (name, counts) in enumerate(zip(names, chart.counts, strict=True)):
        middle = top + (row + 0.5) * height
        yield _text(name, left - 6, middle + 4, "end")
        for column, count in enumerate(counts):
            x = left + column * width
            shade = ",".join(
                f"{light + (dark - light) * count / largest:.0f}"
                for light, dark in zip(_LIGHTEST, _DARKEST, strict=True)
            )
            place = f'x="{x:.1f}" y="{middle - height / 2:.1f}" width="{width:.1f}" height="{height:.1f}"'
            yield f'<rect {place} fill="rgb({shade})"/>'
            before = "" if chart.baseline is None else f" ({chart.baseline[row][column]})"
            yield _text(f"{count}{before}", x + width / 2, middle + 4, colour=_ON_SHADE)
    for column, name in enumerate(names):
        middle = left + (column + 0.5) * width
        yield _text(name, middle, bottom + 16) if is_level else _text(name, middle, bottom + 14, "end", angle=-45)
    column_label = f"{chart.column_label} (baseline in parentheses)" if chart.baseline else chart.column_label
    yield from _labels(column_label, chart.row_label, left, top, bottom, lower)


# --- Texts ---


def _left_of(texts: Iterable[str]) -> float:
    """Return the left side of a plot: there is room for these texts, and for the label of the axis."""
    return 2 * _MARGIN + 12 + _CHARACTER * max(map(len, texts), default=0)


def _labels(x_label: str, y_label: str, left: float, top: float, bottom: float, lower: float = 0.0) -> Iterator[str]:
    """Yield the labels of both axes."""
    yield _text(x_label, (left + _WIDTH - _MARGIN) / 2, bottom + 36 + lower)
    yield _text(y_label, _MARGIN + 4, (top + bottom) / 2, angle=-90)


def _text(text: str, x: float, y: float, anchor: str = "middle", colour: str = "", angle: int = 0) -> str:
    turned = f' transform="rotate({angle} {x:.1f} {y:.1f})"' if angle else ""
    fill = f' fill="{colour}"' if colour else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{fill}{turned}>{html_text(text)}</text>'


def _shown(text: str, most: int = _MAX_LABEL) -> str:
    """Return a text in one line, and not too long."""
    text = one_line(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"
