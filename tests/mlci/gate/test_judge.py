"""Metrics and bounds → verdicts."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.flow.models import Json, Op, Rule
from mlci.gate import METRICS_MAX_BYTES, METRICS_MAX_DEPTH, RuleVerdict, judge, parse_metrics
from mlci.plan.thresholds import bounds

TOO_DEEP = "not JSON that can be read: nested more than 100 levels deep"


def rule(op: Op, limit: float, is_relative: bool = False, path: str = "auc") -> Rule:
    return Rule("evaluate", tuple(path.split(".")), op, limit, is_relative)


def judged(of: Rule, metrics: str, baseline: Json = None) -> RuleVerdict:
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
        ("{}", "missing from the metrics, which hold no number"),
        ('{"auc": null}', "not a number: null"),
        ('{"auc": "0.99"}', 'not a number: "0.99"'),
        ('{"auc": {"deep": 1}}', "not a number"),
        ("[1, 2]", "missing from the metrics. There are: evaluate[0], evaluate[1]"),
        ('{"auc": NaN}', "it holds NaN"),
        ('{"auc": Infinity}', "it holds Infinity"),
        ('{"auc": 1e999}', "not a number"),
        ('{"auc": 0.99, "f1": NaN}', "it holds NaN"),
        ('{"auc": 1' + "0" * 309 + "}", "beyond 1.8e308"),
        ('{"auc": 1' + "0" * 5_000 + "}", "beyond 1.8e308"),
        ('{"auc": 0.99, "trace": ' + "[" * 900 + "]" * 900 + "}", "nested more than 100 levels deep"),
        ('{"auc": ' * 200 + "1" + "}" * 200, "nested more than 100 levels deep"),
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


@pytest.mark.parametrize(
    ("checked", "metrics", "baseline", "value", "held", "text"),
    [
        (rule("min", 0.4), '{"auc": 0.5}', {"auc": 0.95}, 0.5, True, "0.5 ≥ 0.4"),
        (rule("max", 0.6), '{"auc": 0.5}', {"auc": 0.95}, 0.5, True, "0.5 ≤ 0.6"),
        (rule("max", 0.25), '{"auc": 0.5}', None, 0.5, False, "0.5 ≤ 0.25 is missed by 0.25"),
        (
            rule("max_drop", 0.02),
            '{"auc": 0.94}',
            {"auc": 0.95},
            0.94,
            True,
            "0.94 ≥ 0.93 (baseline 0.95, max_drop 0.02)",
        ),
        (
            rule("max_rise", 0.02, is_relative=True),
            '{"auc": 52}',
            {"auc": 50},
            52,
            False,
            "52 ≤ 51 (baseline 50, max_rise 2%) is missed by 1",
        ),
        (rule("max_drop", 0.02), '{"auc": 0.94}', None, 0.94, True, "0.94: no baseline to compare with yet"),
        (rule("max_drop", 0.02), '{"auc": 0.94}', {}, 0.94, True, "0.94: the baseline has no such metric"),
        (rule("min", 0), "{}", None, None, False, "is missing from the metrics, which hold no number"),
        (
            rule("min", 0, path="acu"),
            '{"auc": 1, "f": [0.5], "note": "x"}',
            None,
            None,
            False,
            "is missing from the metrics; did you mean evaluate.auc? There are: evaluate.auc, evaluate.f[0]",
        ),
        (rule("min", 1), '{"auc": true}', None, 1, True, "1 ≥ 1"),
        (rule("min", 0.5), '{"auc": false}', {"auc": True}, 0, False, "0 ≥ 0.5 is missed by 0.5"),
        (rule("min", 0), '{"auc": "' + "x" * 99 + '"}', None, None, False, 'is not a number: "' + "x" * 59),
        (
            rule("min", 0),
            '{"auc": 1e999}',
            None,
            None,
            False,
            "is not a number that can be compared: it is beyond 1.8e308, the largest double",
        ),
        (
            rule("min", 0),
            '{"auc": 1, "f1": NaN}',
            None,
            1,
            False,
            'can\'t be judged: the metrics of "evaluate" are not JSON: it holds NaN',
        ),
        (
            rule("min", 0),
            " " * (METRICS_MAX_BYTES + 1),
            None,
            None,
            False,
            'can\'t be judged: the metrics of "evaluate" are too large: the state machine reads at most 65,536 bytes',
        ),
        (
            rule("min", 0),
            "[" * 101 + "]" * 101,
            None,
            None,
            False,
            f'can\'t be judged: the metrics of "evaluate" are {TOO_DEEP}',
        ),
    ],
)
def test_a_verdict_holds_its_rule_the_value_and_a_text(
    checked: Rule, metrics: str, baseline: Json, value: float | None, held: bool, text: str
) -> None:
    verdict = judged(checked, metrics, baseline)
    [bound] = bounds([checked], {"evaluate": baseline} if baseline is not None else {})
    assert verdict == RuleVerdict(bound, value, "held" if held else "broken", f"{checked.metric} {text}")
    assert type(verdict.held) is bool


def test_a_step_that_wrote_nothing_is_named() -> None:
    [bound] = bounds([rule("min", 0)], {})
    [verdict] = judge([bound], {}).rules
    assert verdict == RuleVerdict(bound, None, "broken", 'evaluate.auc is missing: step "evaluate" wrote no metrics')
    assert verdict.held is False
    assert verdict.margin is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("3.0", "3"),
        ("999999999999999.0", "999999999999999"),
        ("1e15", "1e+15"),
        ("-1e15", "-1e+15"),
        ("1000000000000000", "1000000000000000"),
        ("999999999999999999999", "999999999999999999999"),
        ("1000000000000000000000", "1e+21"),
        ("0.99989123", "0.999891"),
        ("1e-7", "1e-07"),
    ],
)
def test_a_number_is_short_enough_to_read_and_long_enough_to_tell_apart(value: str, shown: str) -> None:
    assert judged(rule("min", -2e15), f'{{"auc": {value}}}').text == f"evaluate.auc {shown} ≥ -2e+15"


def test_constants_that_json_lacks_stay_in_the_document_for_reports() -> None:
    metrics = parse_metrics(b'{"a": Infinity, "b": -Infinity, "c": 0.5}')
    assert metrics.document == {"a": math.inf, "b": -math.inf, "c": 0.5}
    assert metrics.problem == "not JSON: it holds Infinity"


def test_an_integer_stays_an_integer() -> None:
    document = parse_metrics(b'{"n": 3, "x": 3.0}').document
    assert isinstance(document, dict)
    assert [type(document["n"]), document["n"]] == [int, 3]
    assert isinstance(document["x"], float)


def test_a_file_and_a_document_at_their_limits_are_read() -> None:
    text = '{"auc": 1}'
    assert parse_metrics(text.ljust(METRICS_MAX_BYTES).encode()).document == {"auc": 1}
    depth = METRICS_MAX_DEPTH
    assert parse_metrics(("[" * depth + "]" * depth).encode()).problem == ""
    assert parse_metrics(('{"a": ' * (depth - 1) + "1" + "}" * (depth - 1)).encode()).problem == ""
    assert parse_metrics(('{"a": ' * depth + "1" + "}" * depth).encode()).problem != ""


def test_bytes_that_are_no_text_miss() -> None:
    assert not judge(bounds([rule("min", 0)], {}), {"evaluate": parse_metrics(b"\xff\xfe{}")}).held


def test_a_step_that_wrote_nothing_misses_and_an_empty_gate_holds() -> None:
    assert not judge(bounds([rule("min", 0)], {}), {}).held
    assert judge((), {}).held


@pytest.mark.parametrize("op", ["min", "max"])
def test_the_margin_of_a_metric_at_its_limit_has_no_sign(op: Op) -> None:
    assert str(judged(rule(op, 0.5), '{"auc": 0.5}').margin) == "0.0"


def test_the_names_of_a_large_file_are_cut() -> None:
    names = {f"m{number}": number for number in range(500)}
    found = judged(rule("min", 0), json.dumps({"x" * 100: 1, **names})).text
    assert found.endswith(", evaluate.m6 and many more")
    assert "x" * 70 + "…," in found
    assert len(found) < 300


def test_a_dotted_path_leads_into_objects() -> None:
    assert judged(rule("min", 1, path="classes.malignant.recall"), '{"classes": {"malignant": {"recall": 1}}}').held


@pytest.mark.parametrize(
    ("op", "limit", "value", "held"),
    [
        ("min", 9007199254740993, "9007199254740992", False),
        ("min", 9007199254740993, "9007199254740993", True),
        ("max", 9007199254740992, "9007199254740993", False),
        ("min", 0.1, "0.09999999999999999999999", False),
        ("min", 0.1, "0.1", True),
        ("max", 0.1, "0.10000000000000000000001", False),
        ("min", 0.0, "-1e-999999999", True),
        ("max", 0.0, "1e-999999999", True),
        ("min", 0.0, "1" + "0" * 308, True),
        ("max", 1.5e308, "1" + "0" * 308, True),
    ],
)
def test_numbers_are_compared_as_they_are_written(op: Op, limit: float, value: str, held: bool) -> None:
    found = judged(rule(op, limit), f'{{"auc": {value}}}')
    assert found.held is held
    assert found.margin is not None
    assert (found.margin >= 0) is held
    assert held or "is missed by" in found.text


def test_a_drop_is_worked_out_exactly() -> None:
    """0.3 - 0.1 is 0.19999999999999998 in doubles, and 0.7 - 0.6 is less than 0.1."""
    assert judged(rule("max_drop", 0.1), '{"auc": 0.2}', {"auc": 0.3}).held
    assert judged(rule("max_rise", 0.1), '{"auc": 0.7}', {"auc": 0.6}).held
    assert not judged(rule("max_drop", 1), '{"auc": 9007199254740991}', {"auc": 9007199254740993}).held
    assert judged(rule("max_rise", 0.5, is_relative=True), '{"auc": 1.7e308}', {"auc": 1.7e308}).held


def test_the_state_machine_holds_whatever_holds_exactly() -> None:
    """Its limit is the nearest double, or the integer itself, where no double is equal to it."""
    limits = [
        found.threshold for found in bounds([rule("min", 9007199254740993), rule("min", 3), rule("min", 0.1)], {})
    ]
    assert limits == [9007199254740993, 3.0, 0.1]


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(json_values, st.sampled_from(["min", "max", "max_drop", "max_rise"]), st.floats(0, 10))
def test_nothing_but_a_finite_number_on_the_right_side_ever_holds(value: Json, op: Op, limit: float) -> None:
    found = judged(rule(op, limit), json.dumps({"auc": value}), {"auc": 1.0})
    is_number = isinstance(value, (int, float)) and abs(value) < math.inf
    if found.held:
        assert is_number
        assert found.margin is not None
        assert found.margin >= 0
