"""Rules and a baseline → the numbers that metrics are held against, by the state machine and by mlci alike."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from mlci.flow.models import Json, Rule
from mlci.plan.models import Bound


def bounds(rules: Iterable[Rule], baseline: Mapping[str, Json]) -> tuple[Bound, ...]:
    """Each rule with its threshold. `baseline` maps steps to their metrics.

    >>> rule = Rule("evaluate", ("auc",), "max_drop", 0.02)
    >>> bounds([rule], {"evaluate": {"auc": 0.75}})[0].threshold
    0.73
    """
    return tuple(_bound(rule, number_at(baseline.get(rule.step), rule.path)) for rule in rules)


def number_at(metrics: Json, path: Iterable[str]) -> float | None:
    """The number that a dotted path leads to; None where there is none, or no finite one."""
    value = metrics
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) else None


def _bound(rule: Rule, baseline: float | None) -> Bound:
    if rule.op in ("min", "max"):
        return Bound(rule, rule.limit, baseline)
    if baseline is None:
        return Bound(rule, None)
    leeway = abs(baseline) * rule.limit if rule.is_relative else rule.limit
    return Bound(rule, baseline - leeway if rule.op == "max_drop" else baseline + leeway, baseline)
