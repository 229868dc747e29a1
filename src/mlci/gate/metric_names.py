"""The names of the metrics and files that a step wrote, for the message about one that it did not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlci.flow.metric_paths import MetricPath, format_metric
from mlci.flow.models import Json
from mlci.flow.problems import nearest

#: A file may hold thousands of numbers; these many are looked at, and so many are shown.
_MAX_NAMES, _MAX_SHOWN, _MAX_NAME_CHARS = 200, 8, 80


def missing_metric(step: str, path: MetricPath, document: Json) -> str:
    """Return what is wrong with the name of a metric that is not in the metrics: the nearest, and those that are.

    >>> missing_metric("evaluate", ("acu",), {"auc": 0.9, "folds": [0.8]})
    'missing from the metrics; did you mean evaluate.auc? There are: evaluate.auc, evaluate.folds[0]'
    """
    names = metric_names(step, document)
    if not names:
        return "missing from the metrics, which hold no number"
    near = nearest(format_metric("", path), [name.removeprefix(step) for name in names])
    question = f"; did you mean {step}{near}?" if near else "."
    shown = [name if len(name) <= _MAX_NAME_CHARS else f"{name[: _MAX_NAME_CHARS - 1]}…" for name in names]
    count = f"{len(names) - _MAX_SHOWN}" if len(names) < _MAX_NAMES else "many"
    more = f" and {count} more" if len(names) > _MAX_SHOWN else ""
    return f"missing from the metrics{question} There are: {', '.join(shown[:_MAX_SHOWN])}{more}"


def missing_file(path: str, files: Sequence[str]) -> str:
    """Return what is wrong with the path of metrics that are not there: the nearest file, and those that are.

    >>> missing_file("out/metrics.json", ["out/metric.json", "out/plot.png"])
    'missing: there is no file out/metrics.json; did you mean out/metric.json? There are: out/metric.json, out/plot.png'
    """
    if not files:
        return f"missing: there is no file {path}, and no other in that output"
    near = nearest(path, files)
    more = f" and {len(files) - _MAX_SHOWN} more" if len(files) > _MAX_SHOWN else ""
    question = f"; did you mean {near}?" if near else "."
    return f"missing: there is no file {path}{question} There are: {', '.join(files[:_MAX_SHOWN])}{more}"


def metric_names(step: str, document: Json) -> list[str]:
    """Return the names of the numbers in the metrics of a step, the first of them.

    >>> metric_names("evaluate", {"a.b": {"f1": 1, "note": "x"}, "ok": True})
    ['evaluate["a.b"].f1', 'evaluate.ok']
    """
    found = []
    for path in _numbers(document):
        found.append(format_metric(step, path))
        if len(found) == _MAX_NAMES:
            break
    return found


def _numbers(document: Json) -> Iterator[MetricPath]:
    open_values: list[tuple[MetricPath, Json]] = [((), document)]
    while open_values:
        path, value = open_values.pop()
        if isinstance(value, dict):
            open_values += [((*path, key), item) for key, item in reversed(value.items())]
        elif isinstance(value, list):
            open_values += [((*path, index), item) for index, item in reversed(list(enumerate(value)))]
        elif isinstance(value, (int, float)):
            yield path
