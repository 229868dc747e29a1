"""Baselines, as `mlci baseline` tells them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from mlci.baseline import Baseline
from mlci.commits import short_commit
from mlci.flow.models import Json, Rule
from mlci.report.formatting import figure

HISTORY_HEAD = ("run", "commit", "committed", "metrics", "")
_ORIGINS = {"run": "written by the run", "set": "set by hand", "reset": "reset"}
_SHOWN = 4


def describe_baseline(baseline: Baseline | None, branch: str, uri: str) -> str:
    """A baseline in full: its run and its metrics."""
    if baseline is None:
        return f"{branch} has no baseline yet: its next passing run writes one\nin: {uri}"
    if not baseline.run_id:
        return f"the baseline of {branch} was reset: the next passing run of {branch} writes it\nin: {uri}"
    lines = [
        f"the baseline of {branch} is run {baseline.run_id}, commit {_commit(baseline)}, {_ORIGINS[baseline.origin]}",
        *(f"  {name} {figure(value)}" for name, value in numbers(baseline.metrics)),
    ]
    return "\n".join([*lines, f"in: {uri}"])


def history_row(baseline: Baseline, current: Baseline | None, rules: Sequence[Rule]) -> tuple[str, ...]:
    """A run of the history in a line, with the metrics that the gate judges, or else the first ones."""
    found = dict(numbers(baseline.metrics))
    named = [rule.metric for rule in rules if rule.metric in found]
    shown = list(dict.fromkeys(named or list(found)))[:_SHOWN]
    is_current = current is not None and current.run_id == baseline.run_id
    return (
        baseline.run_id,
        _commit(baseline),
        f"{baseline.committed:%Y-%m-%d %H:%M}" if baseline.committed else "–",
        ", ".join(f"{name} {figure(found[name])}" for name in shown) or "–",
        "◀ the baseline" if is_current else "",
    )


def baseline_json(baseline: Baseline | None) -> Json:
    """A baseline for other programs; null if there is none."""
    if baseline is None:
        return None
    return {
        "run_id": baseline.run_id or None,
        "commit": baseline.commit,
        "committed": baseline.committed.isoformat() if baseline.committed else None,
        "origin": baseline.origin,
        "metrics": dict(baseline.metrics),
        "outputs": {step: dict(uris) for step, uris in baseline.outputs.items()},
    }


def numbers(metrics: Mapping[str, Json], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yields each number in metrics, by the name that a rule has for it.

    >>> list(numbers({"evaluate": {"auc": 0.9, "by": {"fold": 2}, "note": "x"}}))
    [('evaluate.auc', 0.9), ('evaluate.by.fold', 2.0)]
    """
    for name, value in metrics.items():
        if isinstance(value, dict):
            yield from numbers(value, f"{prefix}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            yield f"{prefix}{name}", float(value)


def _commit(baseline: Baseline) -> str:
    return short_commit(baseline.commit) if baseline.commit else "–"
