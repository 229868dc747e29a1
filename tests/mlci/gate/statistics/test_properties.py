"""Properties of any two models on any cases."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from mlci.gate.statistics import MetricName, Outcomes, UndefinedMetric, change

CLASSES: tuple[MetricName, ...] = ("accuracy", "recall", "precision", "f1", "auc")
METRICS: tuple[MetricName, ...] = (*CLASSES, "rmse", "mae")
ALPHAS = st.sampled_from([0.05, 0.01, 0.001])
LIMITS = st.sampled_from([0.0, 0.02, 0.05, 0.1])

#: Label, new prediction, prediction of the baseline, and the scores of both: few values, so that many are tied.
Row = tuple[bool, bool, bool, int, int]
ROW = st.tuples(st.booleans(), st.booleans(), st.booleans(), st.integers(0, 4), st.integers(0, 4))
ROWS = st.lists(ROW, min_size=1, max_size=30)


def models(rows: list[Row], metric: MetricName) -> tuple[Outcomes, Outcomes]:
    labels = tuple(row[0] for row in rows)
    scores = [tuple(float(row[place]) for row in rows) for place in (3, 4)]
    if metric in ("rmse", "mae"):
        return Outcomes(labels, scores[0]), Outcomes(labels, scores[1])
    new, base = (tuple(row[place] for row in rows) for place in (1, 2))
    return Outcomes(labels, new, scores[0]), Outcomes(labels, base, scores[1])


@pytest.mark.parametrize("is_paired", [True, False])
@given(rows=ROWS, metric=st.sampled_from(METRICS), alpha=ALPHAS)
@settings(deadline=None)
def test_swapping_the_models_mirrors_the_interval(
    is_paired: bool, rows: list[Row], metric: MetricName, alpha: float
) -> None:
    new, base = models(rows, metric)
    try:
        one = change(metric, new, base, is_paired)
    except UndefinedMetric:
        with pytest.raises(UndefinedMetric):
            change(metric, base, new, is_paired)
        return
    other = change(metric, base, new, is_paired)
    assert other.value == -one.value
    assert other.interval(alpha) == tuple(-end for end in reversed(one.interval(alpha)))


@pytest.mark.parametrize("is_paired", [True, False])
@given(rows=ROWS, metric=st.sampled_from(METRICS), alpha=ALPHAS, order=st.randoms())
@settings(deadline=None)
def test_the_order_of_the_cases_means_nothing(
    is_paired: bool, rows: list[Row], metric: MetricName, alpha: float, order: object
) -> None:
    shuffled = list(rows)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    try:
        one = change(metric, *models(rows, metric), is_paired)
    except UndefinedMetric:
        reject()
    other = change(metric, *models(shuffled, metric), is_paired)
    assert (other.value, other.interval(alpha)) == (one.value, one.interval(alpha))


@pytest.mark.parametrize("is_paired", [True, False])
@given(rows=ROWS, metric=st.sampled_from(METRICS), alpha=ALPHAS, limit=LIMITS)
@settings(deadline=None)
def test_the_p_value_and_the_interval_agree(
    is_paired: bool, rows: list[Row], metric: MetricName, alpha: float, limit: float
) -> None:
    try:
        estimate = change(metric, *models(rows, metric), is_paired)
    except UndefinedMetric:
        reject()
    low, high = estimate.interval(alpha)
    wider = estimate.interval(alpha / 2)
    assert wider[0] <= low <= estimate.value <= high <= wider[1]
    signed = limit if estimate.is_lower_better else -limit
    is_beyond = low > signed if estimate.is_lower_better else high < signed
    end = low if estimate.is_lower_better else high
    assume(abs(end - signed) > 1e-6)
    assert (estimate.p_value(signed) <= alpha) == is_beyond
    assert 0 < estimate.p_value(signed) <= 1


@given(
    rows=st.lists(ROW, max_size=4),
    metric=st.sampled_from(["accuracy", "recall", "precision", "f1", "rmse", "mae"]),
    limit=LIMITS,
    counts=st.tuples(st.integers(50, 300), st.integers(50, 300)),
    added=st.tuples(st.booleans(), st.booleans(), st.integers(0, 4), st.integers(1, 50)),
)
@settings(deadline=None)
def test_cases_on_which_both_agree_never_turn_held_into_broken(
    rows: list[Row],
    metric: MetricName,
    limit: float,
    counts: tuple[int, int],
    added: tuple[bool, bool, int, int],
) -> None:
    rows = rows + [(True, True, True, 1, 1)] * counts[0] + [(False, False, False, 0, 0)] * counts[1]
    label, predicted, score, count = added
    before = change(metric, *models(rows, metric), True)
    signed = limit if before.is_lower_better else -limit
    low, high = before.interval(0.05)
    if high <= signed if before.is_lower_better else low >= signed:
        after = change(metric, *models([*rows, *[(label, predicted, predicted, score, score)] * count], metric), True)
        assert after.p_value(signed) > 0.05


@given(rows=ROWS, limit=LIMITS)
@settings(deadline=None)
def test_nothing_is_broken_that_the_exact_test_of_mcnemar_does_not_reject(rows: list[Row], limit: float) -> None:
    estimate = change("accuracy", *models(rows, "accuracy"), True)
    to_wrong = sum(row[0] != row[1] and row[0] == row[2] for row in rows)
    flips = sum(row[1] != row[2] for row in rows)
    exact = sum(comb(flips, count) for count in range(to_wrong, flips + 1)) / 2**flips
    assert estimate.p_value(-limit) >= exact - 1e-9
