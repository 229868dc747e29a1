"""The gated metrics over the runs of the base branch, and in this run: a small drawing for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlci.commits import short_commit
from mlci.gate import RuleVerdict
from mlci.plan.models import GatedMetrics
from mlci.report.formatting import count, figure
from mlci.report.result import Result
from mlci.report.untrusted_text import html_text
from mlci_dataclasses import dataclass

#: With fewer runs of the base branch, the table of the gate says it all.
_LEAST_RUNS = 2
_MOST_METRICS = 24
_WIDTH, _HEIGHT, _MARGIN = 260, 64, 8


@dataclass(frozen=True)
class _Point:
    title: str
    value: float


def history_drawings(result: Result) -> str:
    """Return the drawings; "" where no metric of the gate has enough runs."""
    drawn = list(_drawings(result))
    more = len(drawn) - _MOST_METRICS
    note = f'<p class="muted">and {count(more, "metric")} more: mlci history METRIC</p>' if more > 0 else ""
    return f'<div class="plots">{"".join(drawn[:_MOST_METRICS])}</div>{note}' if drawn else ""


def _drawings(result: Result) -> Iterator[str]:
    seen: set[str] = set()
    for judged in result.rules:
        metric = judged.bound.rule.metric
        if judged.value is None or judged.group or metric in seen:
            continue
        seen.add(metric)
        former = [each for each in result.baseline.history if metric in each.values]
        if len(former) >= _LEAST_RUNS:
            yield _drawing(judged, judged.value, former)


def _drawing(judged: RuleVerdict, value: float, former: Sequence[GatedMetrics]) -> str:
    metric, limit = judged.bound.rule.metric, judged.bound.threshold
    points = [*(_Point(_title(each), each.values[metric]) for each in former), _Point("this run", value)]
    values = [point.value for point in points]
    least, most = min(values), max(values)
    span = most - least
    # A limit that is far away would make one line of all runs.
    is_near = limit is not None and least - span <= limit <= most + span
    if limit is not None and is_near:
        least, most = min(least, limit), max(most, limit)
    height = most / 2 - least / 2 or 1.0  # halves: the difference of two doubles may be none

    def y(at: float) -> float:
        share = (at / 2 - least / 2) / height if most != least else 0.5
        return round(_HEIGHT - _MARGIN - share * (_HEIGHT - 2 * _MARGIN), 1)

    step = (_WIDTH - 2 * _MARGIN) / (len(points) - 1)
    places = [(round(_MARGIN + index * step, 1), y(point.value)) for index, point in enumerate(points)]
    line = " ".join(f"{across},{down}" for across, down in places[:-1])
    (x1, y1), (x2, y2) = places[-2:]
    shapes = []
    if limit is not None and is_near:
        shapes.append(f'<line class="limit" x1="0" x2="{_WIDTH}" y1="{y(limit)}" y2="{y(limit)}"/>')
    shapes += [
        f'<polyline class="line" points="{line}"/>',
        f'<line class="next" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>',
    ]
    for point, (across, down) in zip(points, places, strict=True):
        is_own = point is points[-1]
        css, radius = (f"own {judged.outcome}", 4.5) if is_own else ("dot", 2.5)
        title = f"<title>{html_text(point.title)}: {figure(point.value)}</title>"
        shapes.append(f'<circle class="{css}" cx="{across}" cy="{down}" r="{radius}">{title}</circle>')
    runs = count(len(former), "run")
    words = f"{metric} over {runs} of the base branch: {figure(min(values[:-1]))} to {figure(max(values[:-1]))}"
    label = html_text(f"{words}; this run {figure(value)}")
    spread = f"{figure(min(values[:-1]))} … {figure(max(values[:-1]))} in {runs}"
    spread += f", limit {figure(limit)}" if is_near else ""
    return (
        f'<figure class="history"><figcaption><code>{html_text(metric)}</code> <b>{figure(value)}</b></figcaption>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(shapes)}</svg>'
        f'<div class="muted small">{spread}</div></figure>'
    )


def _title(former: GatedMetrics) -> str:
    commit = f"commit {short_commit(former.commit)}" if former.commit else f"run {former.run_id}"
    return f"{commit}, {former.committed:%Y-%m-%d}" if former.committed else commit
