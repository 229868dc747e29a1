"""A file of numbers that a step wrote → a chart: CSV with a head, or JSON with a list for each column.

The first column is x, and each other one is a curve. A column that is called `x` is x wherever it stands.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence

from mlci.flow.models import Json
from mlci.report.plots.charts import Curve, CurveChart

#: More curves or points than these can't be told apart in a picture.
_MAX_LINES, MAX_POINTS = 12, 5_000


class NotAChart(Exception):
    """A file holds no columns of numbers. The text says what is wrong with it."""


def parse_chart(data: bytes, title: str, baseline: bytes | None = None) -> CurveChart:
    """Return the chart of a file, with the curves of the baseline's file behind its own.

    A baseline's file that holds no chart is left out, for it is not this run's fault.

    Raises: NotAChart.
    """
    x_name, columns = _columns(data, title)
    lines = _lines(x_name, columns, is_baseline=False)
    if not lines:
        raise NotAChart(f'it has the column "{x_name}" alone, and no values over it')
    if baseline is not None:
        try:
            lines = (*_lines(*_columns(baseline, title), is_baseline=True), *lines)
        except NotAChart:
            pass
    names = [line.label for line in lines if not line.is_baseline]
    return CurveChart(title, x_name, names[0] if len(names) == 1 else "", lines)


def _lines(x_name: str, columns: Mapping[str, Sequence[float]], is_baseline: bool) -> tuple[Curve, ...]:
    others = [name for name in columns if name != x_name][:_MAX_LINES]
    x = columns[x_name]
    step = max(1, math.ceil(len(x) / MAX_POINTS))
    return tuple(
        Curve(
            f"{name}, baseline" if is_baseline else name,
            tuple(x[::step]),
            tuple(columns[name][::step]),
            is_baseline=is_baseline,
        )
        for name in others
    )


def _columns(data: bytes, title: str) -> tuple[str, dict[str, list[float]]]:
    """Return the name of the column of x, and the numbers of each column; those with other values are left out."""
    try:
        text = data.decode("utf-8-sig")
        columns = _json_columns(text) if title.endswith(".json") else _csv_columns(text)
    except (ValueError, RecursionError, csv.Error) as error:
        raise NotAChart(f"it can't be read: {error}") from error
    numbers = {name: found for name, values in columns.items() if (found := _numbers(values)) is not None}
    if not numbers:
        raise NotAChart("it has no column of numbers")
    x_name = "x" if "x" in numbers else next(iter(numbers))
    length = len(numbers[x_name])
    if not length or any(len(values) != length for values in numbers.values()):
        raise NotAChart("its columns have no rows, or are not of one length")
    return x_name, numbers


def _csv_columns(text: str) -> dict[str, list[str]]:
    rows = [row for row in csv.reader(io.StringIO(text), strict=True) if row]
    if len(rows) < 2:
        raise NotAChart("it has no rows below a head")
    head, *body = rows
    if any(len(row) != len(head) for row in body):
        raise NotAChart("its rows are not all as long as its head")
    return {name: [row[number] for row in body] for number, name in enumerate(head)}


def _json_columns(text: str) -> dict[str, list[Json]]:
    document: Json = json.loads(text)
    if isinstance(document, list) and all(isinstance(row, dict) for row in document):
        rows: list[Mapping[str, Json]] = [row for row in document if isinstance(row, dict)]
        names = dict.fromkeys(name for row in rows for name in row)
        return {name: [row.get(name) for row in rows] for name in names}
    if isinstance(document, dict):
        return {str(name): values for name, values in document.items() if isinstance(values, list)}
    raise NotAChart("it is neither an object of lists nor a list of objects")


def _numbers(values: Sequence[Json]) -> list[float] | None:
    """Return the values as finite numbers; None if one of them is none."""
    found = []
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return None
        try:
            number = float(value)
        except (ValueError, OverflowError):
            return None
        if not math.isfinite(number):
            return None
        found.append(number)
    return found
