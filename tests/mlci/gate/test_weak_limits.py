"""Limits that are finer than the cases of an earlier run can tell."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.flow.models import Rule
from mlci.gate.cases_file import Cases, parse_cases
from mlci.gate.weak_limits import weak_limits

RECALL = Rule("evaluate", ("recall",), "max_drop", 0.02, reads_cases=True, confidence=0.95)


def table(positives: int, negatives: int = 10) -> Cases:
    labels = [1] * positives + [0] * negatives
    lines = [f"{number},{label},{label},0.5" for number, label in enumerate(labels)]
    return parse_cases("\n".join(["id,label,predicted,score", *lines]).encode(), "out/cases.csv")


def notes(rule: Rule, cases: Cases, has_statistics: bool = True) -> list[str]:
    return list(weak_limits([rule], {"evaluate": cases}, has_statistics))


def test_a_limit_below_one_case_is_told() -> None:
    assert notes(RECALL, table(42)) == [
        "evaluate.recall: one of 42 cases is 0.024, more than max_drop 0.02: so few can't tell a smaller change"
    ]


def test_a_limit_that_so_many_cases_rarely_show_is_told() -> None:
    pytest.importorskip("scipy")
    [note] = notes(replace(RECALL, limit=0.05), table(42))
    assert note == (
        "evaluate.recall: a change of 0.1, twice max_drop 0.05, shows in 5% of runs with 42 cases; "
        "a change of 0.19 is the smallest that they show"
    )
    assert notes(replace(RECALL, limit=0.05), table(42), has_statistics=False) == []


def test_enough_cases_are_no_note() -> None:
    pytest.importorskip("scipy")
    assert notes(replace(RECALL, limit=0.05), table(500)) == []


@given(st.integers(1, 400), st.floats(0.001, 0.3))
def test_a_limit_is_finer_than_one_case_exactly_where_it_is(positives: int, limit: float) -> None:
    is_told = bool(notes(replace(RECALL, limit=limit), table(positives), has_statistics=False))
    assert is_told == (limit * positives < 1)


def test_each_metric_counts_its_own_cases() -> None:
    accuracy = replace(RECALL, path=("accuracy",))
    assert notes(accuracy, table(10, 30))[0].startswith("evaluate.accuracy: one of 40 cases is 0.025")
    assert notes(replace(RECALL, path=("precision",)), table(10, 30))[0].startswith(
        "evaluate.precision: one of 10 cases"
    )


@pytest.mark.parametrize(
    "rule",
    [
        replace(RECALL, op="min"),
        replace(RECALL, slice="sex"),
        replace(RECALL, path=("auc",)),
        replace(RECALL, reads_cases=False),
        replace(RECALL, step="other"),
        replace(RECALL, positive="malignant"),
    ],
)
def test_of_other_rules_nothing_is_said(rule: Rule) -> None:
    assert notes(rule, table(42)) == []
