"""The verdict on a step's `if`, and its words."""

from __future__ import annotations

import json

from mlci.flow.models import Condition, Json, Rule
from mlci.gate import Metrics, holds, judge, missed_texts, parse_metrics, simplified
from mlci.plan import Bound
from mlci.plan.thresholds import bounds

RULES = (
    Rule("a", ("x",), "min", 0.9, place=1),
    Rule("b", ("y",), "max", 2, place=2),
    Rule("a", ("x",), "min", 0.9, place=3, is_negated=True),
)


def when(*rules: Rule, baseline: Json = None) -> tuple[Bound, ...]:
    return bounds(rules or RULES, {"a": baseline} if baseline else {})


def metrics(**values: Json) -> dict[str, Metrics]:
    return {step: parse_metrics(json.dumps(value).encode()) for step, value in values.items()}


def texts(condition: Condition, found: dict[str, Metrics]) -> list[str]:
    return list(missed_texts(when(), (condition,), found))


def test_any_of_some_rules_is_enough_and_all_that_miss_are_named() -> None:
    either = Condition("any", (1, 2))
    assert texts(either, metrics(a={"x": 0.85}, b={"y": 1})) == []
    assert texts(either, metrics(a={"x": 0.85}, b={"y": 3})) == [
        "none of these holds: (a.x 0.85 ≥ 0.9 is missed by 0.05), (b.y 3 ≤ 2 is missed by 1)"
    ]
    both = Condition("all", (1, 2))
    assert texts(both, metrics(a={"x": 0.95}, b={"y": 3})) == ["b.y 3 ≤ 2 is missed by 1"]


def test_a_missing_metric_makes_neither_a_rule_hold_nor_its_negation() -> None:
    values: list[Json] = [{}, {"x": None}, {"x": "0.5"}, {"x": float("nan")}]
    for value in values:
        found = metrics(a=value)
        assert texts(Condition("all", (1,)), found) != []
        assert texts(Condition("all", (3,)), found) != []
    assert texts(Condition("all", (3,)), {}) == ['a.x is missing: step "a" wrote no metrics']
    assert texts(Condition("all", (3,)), metrics(a={"x": 0.5})) == []
    assert texts(Condition("all", (3,)), metrics(a={"x": 0.9})) == ["a.x 0.9 < 0.9 is missed by 0"]


def test_not_of_a_drop_needs_a_baseline() -> None:
    drop = Rule("a", ("x",), "max_drop", 0.1, place=1)
    negated = Rule("a", ("x",), "max_drop", 0.1, place=1, is_negated=True)
    only, found = (Condition("all", (1,)),), metrics(a={"x": 0.5})
    assert list(missed_texts(when(drop), only, found)) == []
    assert list(missed_texts(when(negated), only, found)) == ["a.x 0.5: no baseline to compare with yet"]
    assert list(missed_texts(when(negated, baseline={"x": 0.9}), only, found)) == []


def test_what_is_known_leaves_the_rest_of_a_condition() -> None:
    verdicts = {judged.bound.rule.place: judged for judged in judge(when(), metrics(a={"x": 0.95}, b={"y": 1})).rules}
    only_a = {1: verdicts[1], 3: verdicts[3]}  # the first holds, and the third does not
    assert simplified(Condition("any", (1, 2)), only_a) is True
    assert simplified(Condition("any", (3, 2)), only_a) == Condition("any", (2,))
    assert simplified(Condition("all", (3, 2)), only_a) is False
    assert simplified(Condition("all", (1, Condition("any", (3,)))), only_a) is False
    assert simplified(Condition("all", (1, Condition("any", (1, 2)))), only_a) is True
    assert holds(Condition("all", (1, 2)), verdicts)
