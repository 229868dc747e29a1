"""A metric over the runs that earned the baseline, for `mlci history`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mlci.baseline import Baseline
from mlci.fast_dataclasses import dataclass
from mlci.flow.metric_paths import MetricPath
from mlci.flow.models import Json
from mlci.plan.thresholds import number_at
from mlci.report.formatting import count, figure

_BAR_CHARS = 40
_EIGHTHS = " ▏▎▍▌▋▊▉█"
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


def history_text(metric: str, branch: str, points: Sequence[MetricPoint]) -> str:
    """Return the history as lines with bars, which begin a little below the smallest value."""
    values = [point.value for point in points if point.value is not None]
    if not values:
        return f"no run of {branch} that earned the baseline has {metric}"
    low, high = min(values), max(values)
    spread = f"{figure(low)} … {figure(high)}" if low != high else figure(low)
    lines = [f"{metric} on {branch}, the newest first: {count(len(values), 'run')}, {spread}"]
    width = max(len(figure(value)) for value in values)
    for point in points:
        when = f"{point.committed:%Y-%m-%d %H:%M}" if point.committed else "–".ljust(16)
        bar = "" if point.value is None else _bar(point.value, low, high)
        lines.append(f"  {when}  {(point.commit or '–')[:12]:12}  {figure(point.value):>{width}}  {bar}".rstrip())
    return "\n".join(lines)


def _bar(value: float, low: float, high: float) -> str:
    """Return a bar of blocks, to an eighth of a character.

    >>> _bar(1.0, 0.0, 1.0) == "█" * 40, _bar(0.0, 0.0, 1.0)
    (True, '██')
    """
    share = 1.0 if high == low else _LEAST + (1 - _LEAST) * (value / 2 - low / 2) / (high / 2 - low / 2)
    whole, rest = divmod(round(share * _BAR_CHARS * 8), 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")
