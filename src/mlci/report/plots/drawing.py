"""Charts → SVG, by matplotlib, whose import takes most of the time. The same chart gives the same bytes."""

from __future__ import annotations

import io
import sys
import warnings
from typing import TYPE_CHECKING

if sys.version_info >= (3, 11):
    from typing import assert_never
else:  # 4 ms
    from typing_extensions import assert_never

from mlci.report.plots.charts import Chart, CountChart, Curve, CurveChart
from mlci.report.untrusted_text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Grey is readable on a light page and on a dark one.
_INK, _FAINT, _OWN, _BASELINE = "#7d8590", "#7d859044", "#0969da", "#9a9fa6"
#: The cells of a table are light on both.
_ON_SHADE = "#1f2328"
_COLOURS = (_OWN, "#bf5af2", "#1a7f37", "#d29922", "#cf222e", "#1b7c83")
#: Larger numbers are drawn at the edge: the difference of two of them may be infinite.
_LARGEST = 1e300
_UNIT_ROOM = {"left": 0.13, "right": 0.98, "bottom": 0.14, "top": 0.98}
_STYLE = {
    "font.family": "sans-serif",
    "font.size": 10,
    "svg.fonttype": "none",
    "svg.hashsalt": "mlci",
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _FAINT,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(chart: Chart) -> str:
    """Return the chart as an SVG document.

    Raises: ImportError, where matplotlib is not installed (the extra `plots`).
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # The browser has the fonts: it is none of the user's business that matplotlib's lack a character.
    with rc_context(_STYLE), warnings.catch_warnings():  # type: ignore[arg-type]
        warnings.simplefilter("ignore")
        is_unit = isinstance(chart, CurveChart) and chart.is_unit
        # The texts of such axes are as wide as ever, and finding the room for texts takes half of the time.
        figure = Figure(figsize=(4.6, 3.6), layout=None if is_unit else "constrained")
        axes = figure.subplots(gridspec_kw=_UNIT_ROOM if is_unit else None)
        match chart:
            case CurveChart():
                _draw_curves(axes, chart)
            case CountChart():
                _draw_counts(axes, chart)
            case _:
                assert_never(chart)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return text.getvalue()


def _draw_curves(axes: Axes, chart: CurveChart) -> None:
    if chart.diagonal:
        axes.plot((0, 1), (0, 1), color=_INK, linestyle=":", linewidth=1)
    number = 0
    for line in chart.lines:
        colour = _BASELINE if line.is_baseline else _COLOURS[number % len(_COLOURS)]
        number += not line.is_baseline
        _draw_line(axes, line, colour)
    axes.set_xlabel(_plain(chart.x_label))
    axes.set_ylabel(_plain(chart.y_label))
    if chart.is_unit:
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
    elif all(float(x).is_integer() for line in chart.lines for x in line.x):  # epochs: there is none between two
        from matplotlib.ticker import MaxNLocator

        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
    if chart.y_reach:
        axes.set_ylim(-1.05 * chart.y_reach, 1.05 * chart.y_reach)
    axes.grid(visible=True, linewidth=0.5)
    if len(chart.lines) > 1:
        _draw_legend(axes, chart)


def _draw_legend(axes: Axes, chart: CurveChart) -> None:
    """Draw the legend in a frame; above the axes where its markers would pass for points."""
    if any(line.kind == "points" for line in chart.lines):
        axes.legend(frameon=False, fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(chart.lines))
    else:
        axes.legend(facecolor="none", edgecolor=_FAINT, fontsize=9)


def _draw_line(axes: Axes, line: Curve, colour: str) -> None:
    label = _plain(line.label)
    x, y = ([max(-_LARGEST, min(value, _LARGEST)) for value in values] for values in (line.x, line.y))
    if line.kind == "points":
        axes.plot(x, y, ".", color=colour, markersize=4, alpha=0.6, label=label)
        return
    style = "--" if line.is_baseline else "-"
    marker = "o" if len(line.x) <= 15 else ""
    axes.plot(x, y, style, color=colour, marker=marker, markersize=3, label=label)


def _draw_counts(axes: Axes, chart: CountChart) -> None:
    largest = max((count for row in chart.counts for count in row), default=0) or 1
    shades = [[count / largest for count in row] for row in chart.counts]
    axes.pcolormesh(shades, cmap="Blues", vmin=0, vmax=2, linewidth=0)
    axes.invert_yaxis()
    for row, counts in enumerate(chart.counts):
        for column, count in enumerate(counts):
            before = "" if chart.baseline is None else f"\n({chart.baseline[row][column]})"
            axes.text(
                column + 0.5, row + 0.5, f"{count}{before}", ha="center", va="center", fontsize=9, color=_ON_SHADE
            )
    places = [number + 0.5 for number in range(len(chart.names))]
    names = [_plain(name) for name in chart.names]
    axes.set_xticks(places, names, rotation=45 if len(names) > 4 else 0)
    axes.set_yticks(places, names)
    axes.set_xlabel(f"{chart.column_label} (baseline in parentheses)" if chart.baseline else chart.column_label)
    axes.set_ylabel(chart.row_label)


def _plain(text: str) -> str:
    """Return the text in one line, without what matplotlib takes for mathematics, and not too long for a label."""
    return one_line(text)[:40].replace("$", r"\$")
