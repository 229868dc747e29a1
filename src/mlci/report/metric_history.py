"""A metric over the runs that earned the baseline, for `mlci history`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from mlci.baseline import Baseline
from mlci.flow.metric_paths import MetricPath
from mlci.flow.models import Json
from mlci.plan.thresholds import number_at
from mlci.report.formatting import count, figure
from mlci_dataclasses import dataclass

_MAX_BAR_CHARS = 40
#: On a terminal that has no room for such a bar, times and commits are shortened.
_MIN_BAR_CHARS = 8
_EIGHTHS = " ▏▎▍▌▋▊▉█"


class _Columns(NamedTuple):
    """The widths of the columns before the value."""

    time_format: str
    time_chars: int
    commit_chars: int


_WIDE, _NARROW = _Columns("%Y-%m-%d %H:%M", 16, 12), _Columns("%Y-%m-%d", 10, 7)
#: The shortest bar, so that the smallest value is seen as well.
_LEAST = 0.05


@dataclass(frozen=True)
class MetricPoint:
    """The value of a metric in a run; None where the run has none."""

    run_id: str
    commit: str | None
    committed: datetime | None
    value: float | None

    def to_json(self) -> dict[str, Json]:
        return {
            "run_id": self.run_id,
            "commit": self.commit,
            "committed": self.committed.isoformat() if self.committed else None,
            "value": self.value,
        }


def metric_points(baselines: Sequence[Baseline], step: str, path: MetricPath) -> list[MetricPoint]:
    """Return the metric in each of the baselines, in their order."""
    return [
        MetricPoint(each.run_id, each.commit, each.committed, number_at(each.metrics.get(step), path))
        for each in baselines
    ]


def history_text(metric: str, branch: str, points: Sequence[MetricPoint], width: int) -> str:
    """Return the history as lines for a terminal of `width` characters, with bars that begin a little below the
    smallest value."""
    values = [point.value for point in points if point.value is not None]
    if not values:
        return f"no run of {branch} that earned the baseline has {metric}"
    low, high = min(values), max(values)
    spread = f"{figure(low)} … {figure(high)}" if low != high else figure(low)
    lines = [f"{metric} on {branch}, the newest first: {count(len(values), 'run')}, {spread}"]
    figures = [figure(point.value) for point in points]
    value_chars = max(map(len, figures))
    room = width - len("  ") * 4 - value_chars
    is_wide = room >= _WIDE.time_chars + _WIDE.commit_chars + _MIN_BAR_CHARS
    columns = _WIDE if is_wide else _NARROW
    bar_chars = max(1, min(room - columns.time_chars - columns.commit_chars, _MAX_BAR_CHARS))
    for point, shown in zip(points, figures, strict=True):
        when = (format(point.committed, columns.time_format) if point.committed else "–").ljust(columns.time_chars)
        commit = (point.commit or "–")[: columns.commit_chars].ljust(columns.commit_chars)
        bar = "" if point.value is None else _bar(point.value, low, high, bar_chars)
        lines.append(f"  {when}  {commit}  {shown:>{value_chars}}  {bar}".rstrip())
    return "\n".join(lines)


def _bar(value: float, low: float, high: float, chars: int) -> str:
    """Return a bar of blocks, to an eighth of a character.

    >>> _bar(1.0, 0.0, 1.0, 20) == "█" * 20, _bar(0.0, 0.0, 1.0, 20)
    (True, '█')
    """
    span = high / 2 - low / 2  # halves, for the difference of two doubles may be none
    share = _LEAST + (1 - _LEAST) * (value / 2 - low / 2) / span if span else 1.0
    whole, rest = divmod(round(share * chars * 8), 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")
