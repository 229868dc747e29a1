"""The numbers in the metrics files of a run, by the names that rules give them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping

from mlci.flow.models import Json
from mlci.report.result import Result

#: A report shows no more: a metrics file may hold a curve of thousands of points.
MAX_METRICS = 200
#: A key that needs no quotes in a metric's name.
_PLAIN = re.compile(r"[\w-]+")


def metric_values(metrics: Mapping[str, Json]) -> dict[str, float]:
    """Returns each finite number by its name, at most MAX_METRICS of them. `metrics` has a document for each step.

    >>> metric_values({"evaluate": {"auc": 0.9, "by": {"class": [0.8, 0.7]}, "note": "x"}})
    {'evaluate.auc': 0.9, 'evaluate.by.class[0]': 0.8, 'evaluate.by.class[1]': 0.7}
    """
    found: dict[str, float] = {}
    for step, document in metrics.items():
        for name, value in _numbers(step, document):
            if len(found) == MAX_METRICS:
                return found
            found[name] = value
    return found


def ungated_metrics(result: Result) -> dict[str, float]:
    """Returns the metrics of a run that no rule of its gate judges."""
    documents = {step: metrics.document for step, metrics in result.metrics.items()}
    gated = {judged.bound.rule.metric for judged in result.rules}
    return {name: value for name, value in metric_values(documents).items() if name not in gated}


def _numbers(name: str, value: Json) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers(f"{name}.{key}" if _PLAIN.fullmatch(key) else f"{name}[{json.dumps(key)}]", item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _numbers(f"{name}[{index}]", item)
    elif isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value):
        yield name, value


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer that no double holds
        return False
