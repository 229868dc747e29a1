"""The numbers in the metrics files of a run, by the names that rules give them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from mlci.flow.metric_paths import MetricPath, format_metric

if TYPE_CHECKING:
    from mlci.flow.models import Json
    from mlci.report.result import Result

#: A report shows no more: a metrics file may hold a curve of thousands of points.
MAX_METRICS = 200


def metric_values(metrics: Mapping[str, Json]) -> dict[str, float]:
    """Returns each finite number by its name, at most MAX_METRICS of them. `metrics` has a document for each step.

    >>> metric_values({"evaluate": {"auc": 0.9, "by": {"class": [0.8, 0.7]}, "is_good": True, "note": "x"}})
    {'evaluate.auc': 0.9, 'evaluate.by.class[0]': 0.8, 'evaluate.by.class[1]': 0.7, 'evaluate.is_good': 1}
    """
    found: dict[str, float] = {}
    for step, document in metrics.items():
        for path, value in _numbers((), document):
            if len(found) == MAX_METRICS:
                return found
            found[format_metric(step, path)] = value
    return found


def ungated_metrics(result: Result) -> dict[str, float]:
    """Returns the metrics of a run that no rule of its gate judges."""
    documents = {step: metrics.document for step, metrics in result.metrics.items()}
    rules = [judged.bound.rule for judged in result.rules]
    gated = {format_metric(step, rule.path) for rule in rules for step in rule.steps}
    return {name: value for name, value in metric_values(documents).items() if name not in gated}


def _numbers(path: MetricPath, value: Json) -> Iterator[tuple[MetricPath, float]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers((*path, key), item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _numbers((*path, index), item)
    elif isinstance(value, bool):
        yield path, int(value)
    elif isinstance(value, int | float) and _is_finite(value):
        yield path, value


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer that no double holds
        return False
