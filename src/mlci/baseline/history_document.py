"""The history in a baseline: the gated metrics of the runs that became the baseline before, and of its own.

A baseline carries it, so that a report draws the metrics of the base branch without reading one object for each run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TypeGuard

from mlci.flow.models import Json
from mlci.plan.models import Baseline, GatedMetrics

#: So many runs, and so many metrics of each, are carried.
MAX_RUNS, _MAX_METRICS = 20, 50


def with_metrics(baseline: Baseline, values: Mapping[str, float]) -> Baseline:
    """Returns a baseline whose history has its own metrics alone."""
    finite = {name: value for name, value in values.items() if math.isfinite(value)}
    own = GatedMetrics(baseline.run_id, baseline.commit, baseline.committed, dict([*finite.items()][:_MAX_METRICS]))
    return replace(baseline, history=(own,))


def with_history(baseline: Baseline, former: Baseline) -> Baseline:
    """Returns a baseline with the history of the one before it, and its own metrics, if it has any, at the end.

    A run of the same commit, which was started again, takes the place of the first one.
    """
    own = baseline.history[-1:]
    others = [each for each in former.history if not any(_is_same(each, mine) for mine in own)]
    return replace(baseline, history=(*others, *own)[-MAX_RUNS:])


def _is_same(left: GatedMetrics, right: GatedMetrics) -> bool:
    return left.run_id == right.run_id or (left.commit is not None and left.commit == right.commit)


def render_history(history: tuple[GatedMetrics, ...]) -> Json:
    """Returns a history as JSON."""
    return [
        {
            "run_id": each.run_id,
            "commit": each.commit,
            "committed": each.committed.isoformat() if each.committed else None,
            "metrics": dict(each.values),
        }
        for each in history
    ]


def parse_history(document: Json) -> tuple[GatedMetrics, ...]:
    """Returns the history that a document has, without what is not understood: it decides nothing."""
    return tuple(_runs(document))[-MAX_RUNS:]


def _runs(document: Json) -> Iterator[GatedMetrics]:
    for each in document if isinstance(document, list) else ():
        match each:
            case {"run_id": str(run_id), "commit": commit, "committed": committed, "metrics": dict(metrics)}:
                values = {str(name): value for name, value in metrics.items() if _is_number(value)}
                yield GatedMetrics(run_id, commit if isinstance(commit, str) else None, _time(committed), values)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1e308


def _time(value: Json) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return None
