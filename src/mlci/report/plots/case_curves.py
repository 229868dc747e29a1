"""Cases → charts: what a step tested says more than its metrics. Pure.

A binary classifier with scores gets its ROC curve, precision over recall, and calibration; a classifier the table of
its confusions; a regressor its residuals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from mlci.report.plots.charts import Chart, CountChart, Curve, CurveChart
from mlci_dataclasses import dataclass

#: More classes make no table that can be read, and more residuals no picture.
MAX_CLASSES, _MAX_POINTS = 12, 3_000
_BINS = 10
#: So many different labels that are numbers are values, and not classes.
_VALUES = 20


@dataclass(frozen=True)
class TestedCases:
    """The columns of a table of cases that are drawn. `scores` is None where it has none."""

    labels: tuple[str, ...]
    predicted: tuple[str, ...]
    scores: tuple[float, ...] | None


def case_charts(step: str, cases: TestedCases, baseline: TestedCases | None, positive: str = "1") -> Iterator[Chart]:
    """Yield the charts of a step's cases, with those of the baseline behind them."""
    labels = set(cases.labels)
    if len(labels) > _VALUES and (values := _values(cases)) is not None:
        yield _residuals(step, values, None if baseline is None else _values(baseline))
        return
    both = [(cases, False), *([(baseline, True)] if baseline is not None else [])]
    if cases.scores is not None and len(labels) == 2 and positive in labels:
        scored = [(each, is_base) for each, is_base in both if each.scores is not None and positive in each.labels]
        drawn = [(_Ranked.of(each, positive), is_base) for each, is_base in reversed(scored)]
        drawn = [(ranked, is_base) for ranked, is_base in drawn if 0 < ranked.positives < len(ranked.hits)]
        yield _curves(f"{step}: ROC", "false positive rate", "true positive rate", drawn, _roc, diagonal=True)
        yield _curves(f"{step}: precision and recall", "recall", "precision", drawn, _precision_recall)
        if all(0 <= score <= 1 for each, _ in scored for score in each.scores or ()):
            yield _curves(f"{step}: calibration", "score", "share of positives", drawn, _calibration, diagonal=True)
    names = tuple(sorted({name for each, _ in both for name in (*each.labels, *each.predicted)}))
    if len(names) <= MAX_CLASSES:
        yield CountChart(
            f"{step}: confusion",
            "label",
            "predicted",
            names,
            _confusion(cases, names),
            None if baseline is None else _confusion(baseline, names),
        )


@dataclass(frozen=True)
class _Ranked:
    """The cases by falling score: the scores, and whether each is positive."""

    scores: tuple[float, ...]
    hits: tuple[bool, ...]
    positives: int

    @classmethod
    def of(cls, cases: TestedCases, positive: str) -> _Ranked:
        pairs = sorted(zip(cases.scores or (), cases.labels, strict=True), key=lambda pair: -pair[0])
        hits = tuple(label == positive for _, label in pairs)
        return cls(tuple(score for score, _ in pairs), hits, sum(hits))

    def counts(self) -> Iterator[tuple[int, int]]:
        """Yield the true and false positives at each threshold, from the highest."""
        true = 0
        for place, hit in enumerate(self.hits):
            true += hit
            if place + 1 == len(self.hits) or self.scores[place + 1] != self.scores[place]:
                yield true, place + 1 - true


def _curves(
    title: str,
    x_label: str,
    y_label: str,
    drawn: Sequence[tuple[_Ranked, bool]],
    points: Callable[[_Ranked], Iterator[tuple[float, float]]],
    diagonal: bool = False,
) -> CurveChart:
    lines = []
    for ranked, is_baseline in drawn:
        x, y = zip(*points(ranked), strict=True)
        lines.append(Curve("baseline" if is_baseline else "this run", x, y, "line", is_baseline))
    return CurveChart(title, x_label, y_label, tuple(lines), is_unit=True, diagonal=diagonal)


def _roc(ranked: _Ranked) -> Iterator[tuple[float, float]]:
    yield 0.0, 0.0
    negatives = len(ranked.hits) - ranked.positives
    for true, false in ranked.counts():
        yield false / negatives, true / ranked.positives


def _precision_recall(ranked: _Ranked) -> Iterator[tuple[float, float]]:
    for true, false in ranked.counts():
        yield true / ranked.positives, true / (true + false)


def _calibration(ranked: _Ranked) -> Iterator[tuple[float, float]]:
    """Yield the mean score and the share of positives of each tenth of the scores' range that has cases."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for score, hit in zip(ranked.scores, ranked.hits, strict=True):
        bins.setdefault(min(int(score * _BINS), _BINS - 1), []).append((score, hit))
    for _, each in sorted(bins.items()):
        yield sum(score for score, _ in each) / len(each), sum(hit for _, hit in each) / len(each)


def _confusion(cases: TestedCases, names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    counts = {(row, column): 0 for row in names for column in names}
    for label, predicted in zip(cases.labels, cases.predicted, strict=True):
        counts[label, predicted] += 1
    return tuple(tuple(counts[row, column] for column in names) for row in names)


def _values(cases: TestedCases) -> list[tuple[float, float]] | None:
    """Return the label and the prediction of each case as numbers; None if one of them is none."""
    try:
        return [
            (float(label), float(predicted)) for label, predicted in zip(cases.labels, cases.predicted, strict=True)
        ]
    except ValueError:
        return None


def _residuals(step: str, values: list[tuple[float, float]], baseline: list[tuple[float, float]] | None) -> CurveChart:
    def line(pairs: list[tuple[float, float]], is_baseline: bool) -> Curve:
        some = pairs[:: max(1, -(-len(pairs) // _MAX_POINTS))]
        x, y = tuple(label for label, _ in some), tuple(predicted - label for label, predicted in some)
        return Curve("baseline" if is_baseline else "this run", x, y, "points", is_baseline)

    lines = (*([line(baseline, True)] if baseline else []), line(values, False))
    reach = _round_reach(max(abs(predicted - label) for label, predicted in [*values, *(baseline or [])]))
    return CurveChart(f"{step}: residuals", "label", "predicted minus label", lines, y_reach=reach)


def _round_reach(largest: float) -> float | None:
    """Return 1, 2 or 5 times a power of ten that is not less: pictures of like runs are side by side, and have the
    same axis then. None where there is no such number.

    >>> _round_reach(3.9), _round_reach(4.7), _round_reach(0.012), _round_reach(0.0)
    (5.0, 5.0, 0.02, None)
    """
    if not 0 < largest < math.inf:
        return None
    power = math.floor(math.log10(largest))
    reaches = (float(f"{digit}e{power}") for digit in (1, 2, 5, 10))
    return next((reach for reach in reaches if largest <= reach < math.inf), None)
