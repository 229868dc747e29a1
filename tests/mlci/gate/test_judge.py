"""Metrics and bounds → verdicts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.flow.models import Json, Op, Rule
from mlci.gate import METRICS_MAX_BYTES, Judged, judge, parse_metrics
from mlci.plan.thresholds import bounds


def rule(op: Op, limit: float, is_relative: bool = False, path: str = "auc") -> Rule:
    return Rule("evaluate", tuple(path.split(".")), op, limit, is_relative)


def judged(of: Rule, metrics: str, baseline: Json = None) -> Judged:
    given_baseline = {"evaluate": baseline} if baseline is not None else {}
    return judge(bounds([of], given_baseline), {"evaluate": parse_metrics(metrics.encode())}).rules[0]


@pytest.mark.parametrize(
    ("op", "limit", "value", "held"),
    [
        ("min", 0.9, 0.9, True),
        ("min", 0.9, 0.89, False),
        ("max", 3, 3, True),
        ("max", 3, 3.01, False),
        ("max_drop", 0.25, 0.5, True),
        ("max_drop", 0.25, 0.4, False),
        ("max_rise", 0.25, 1.0, True),
        ("max_rise", 0.25, 1.1, False),
    ],
)
def test_each_operation_at_and_beyond_its_limit(op: Op, limit: float, value: float, held: bool) -> None:
    assert judged(rule(op, limit), f'{{"auc": {value}}}', {"auc": 0.75}).held is held


def test_a_miss_says_by_how_much() -> None:
    missed = judged(rule("min", 0.9999), '{"auc": 0.9951}')
    assert missed.text == "evaluate.auc 0.9951 ≥ 0.9999 is missed by 0.0048"
    assert missed.margin == pytest.approx(-0.0048)


def test_a_relative_drop_is_a_share_of_the_baseline() -> None:
    assert judged(rule("max_drop", 0.02, is_relative=True), '{"auc": 49}', {"auc": 50}).held
    assert not judged(rule("max_drop", 0.02, is_relative=True), '{"auc": 48.9}', {"auc": 50}).held
    assert judged(rule("max_rise", 0.5, is_relative=True), '{"auc": -0.5}', {"auc": -1}).held


def test_without_a_baseline_a_drop_is_not_limited_but_the_metric_must_be_there() -> None:
    assert judged(rule("max_drop", 0.02), '{"auc": 0.1}').held
    assert not judged(rule("max_drop", 0.02), "{}").held


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ("{}", "missing from the metrics file"),
        ('{"auc": null}', "not a number: null"),
        ('{"auc": "0.99"}', 'not a number: "0.99"'),
        ('{"auc": true}', "not a number: true"),
        ('{"auc": {"deep": 1}}', "not a number"),
        ("[1, 2]", "missing from the metrics file"),
        ('{"auc": NaN}', "it holds NaN"),
        ('{"auc": Infinity}', "it holds Infinity"),
        ('{"auc": 1e999}', "not a number"),
        ('{"auc": 0.99, "f1": NaN}', "it holds NaN"),
        ("auc: 0.99", "not JSON"),
        ("", "not JSON"),
        ("[" * 50_000, "not JSON"),
        (" " * (METRICS_MAX_BYTES + 1), "too large"),
    ],
)
def test_what_is_no_finite_number_misses_and_says_why(metrics: str, words: str) -> None:
    found = judged(rule("min", 0.0), metrics)
    assert not found.held
    assert words in found.text


def test_bytes_that_are_no_text_miss() -> None:
    assert not judge(bounds([rule("min", 0)], {}), {"evaluate": parse_metrics(b"\xff\xfe{}")}).held


def test_a_step_that_wrote_nothing_misses_and_an_empty_gate_holds() -> None:
    assert not judge(bounds([rule("min", 0)], {}), {}).held
    assert judge((), {}).held


def test_a_dotted_path_leads_into_objects() -> None:
    assert judged(rule("min", 1, path="classes.malignant.recall"), '{"classes": {"malignant": {"recall": 1}}}').held


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(json_values, st.sampled_from(["min", "max", "max_drop", "max_rise"]), st.floats(0, 10))
def test_nothing_but_a_finite_number_on_the_right_side_ever_holds(value: Json, op: Op, limit: float) -> None:
    import json

    found = judged(rule(op, limit), json.dumps({"auc": value}), {"auc": 1.0})
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < math.inf
    if found.held:
        assert is_number
        assert found.margin is not None
        assert found.margin >= 0
