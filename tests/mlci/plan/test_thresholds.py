"""Rules and a baseline → bounds: exact thresholds, and the doubles that the state machine compares with."""

from __future__ import annotations

import sys
from fractions import Fraction

import pytest

from mlci.flow.models import Json, Op, Rule
from mlci.plan.models import Bound
from mlci.plan.thresholds import ExactFloat, bounds, exact, exact_threshold, number_at


def rule(op: Op, limit: float, is_relative: bool = False) -> Rule:
    return Rule("evaluate", ("auc",), op, limit, is_relative)


@pytest.mark.parametrize(
    ("op", "is_relative", "threshold"),
    [
        ("min", False, Fraction(1, 4)),
        ("max", False, Fraction(1, 4)),
        ("max_drop", False, Fraction(-9, 4)),
        ("max_rise", False, Fraction(-7, 4)),
        ("max_drop", True, Fraction(-5, 2)),
        ("max_rise", True, Fraction(-3, 2)),
    ],
)
def test_a_threshold_is_a_limit_or_leeway_from_the_baseline(op: Op, is_relative: bool, threshold: Fraction) -> None:
    """A relative leeway is a share of the baseline's size, so that a drop of a negative metric is a drop, too."""
    assert exact_threshold(rule(op, 0.25, is_relative), -2.0) == threshold


@pytest.mark.parametrize("op", ["max_drop", "max_rise"])
def test_without_a_baseline_there_is_no_threshold(op: Op) -> None:
    assert exact_threshold(rule(op, 0.25), None) is None
    assert bounds([rule(op, 0.25)], {}) == (Bound(rule(op, 0.25), None),)
    assert bounds([rule(op, 0.25)], {"evaluate": {"other": 1}}) == (Bound(rule(op, 0.25), None, lacks_metric=True),)


def test_a_bound_keeps_its_rule_and_the_baseline() -> None:
    checked = rule("max_drop", 0.25)
    assert bounds([checked], {"evaluate": {"auc": 0.75}}) == (Bound(checked, 0.5, 0.75),)


@pytest.mark.parametrize(
    ("limit", "baseline", "op", "threshold"),
    [
        (sys.float_info.max, 1.7e308, "max_rise", sys.float_info.max),
        (sys.float_info.max, -1.7e308, "max_drop", -sys.float_info.max),
        (9007199254740993, None, "min", 9007199254740993),
        (3, None, "min", 3.0),
        (0.1, 0.3, "max_drop", 0.2),
    ],
)
def test_the_state_machine_gets_the_nearest_double(limit: float, baseline: Json, op: Op, threshold: float) -> None:
    [bound] = bounds([rule(op, limit)], {"evaluate": {"auc": baseline}})
    assert bound.threshold == threshold


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0.1000000000000000000001", Fraction(1000000000000000000001, 10**22)),
        ("1e-400", Fraction(1, 10**400)),
        ("1e-401", Fraction(0)),
        ("-1.5e-400", Fraction(-15, 10**401)),
        ("0e999999999", Fraction(0)),
    ],
)
def test_a_number_is_exact_up_to_an_exponent_that_can_be_worked_with(text: str, number: Fraction) -> None:
    assert exact(ExactFloat(text)) == number


@pytest.mark.parametrize(
    ("metrics", "number"),
    [
        ({"a": {"b": 0.5}}, 0.5),
        ({"a": {"b": 7}}, 7),
        ({"a": {"b": True}}, 1),
        ({"a": {"b": False}}, 0),
        ({"a": {"b": "0.5"}}, None),
        ({"a": {"b": float("nan")}}, None),
        ({"a": {"b": float("-inf")}}, None),
        ({"a": {"b": 10**400}}, None),
        ({"a": {}}, None),
        ({"a": [1]}, None),
        ([{"b": 1}], None),
        (None, None),
    ],
)
def test_a_path_leads_to_a_finite_number_or_to_nothing(metrics: Json, number: float | None) -> None:
    assert number_at(metrics, ("a", "b")) == number
