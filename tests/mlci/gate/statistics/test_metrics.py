"""The metrics, and what is said of their change."""

from __future__ import annotations

import pytest

from mlci.gate.statistics import MetricName, Outcomes, UndefinedMetric, change, gap, number, value

LABELS = (True,) * 4 + (False,) * 6
NEW = Outcomes(LABELS, (True, True, False, True) + (True,) + (False,) * 5, (9, 8, 3, 7, 6, 5, 4, 3, 2, 1))
BASE = Outcomes(LABELS, (True, True, True, True) + (False,) * 6, (9, 8, 7, 6, 5, 4, 3, 2, 1, 0))
CLASSES: tuple[MetricName, ...] = ("accuracy", "recall", "precision", "f1", "auc")
ERRORS: tuple[MetricName, ...] = ("rmse", "mae")


@pytest.mark.parametrize(
    ("metric", "expected"),
    # The third positive case is below three negative ones and equal to a fourth: (24 - 3.5) / 24.
    [("accuracy", 0.8), ("recall", 0.75), ("precision", 0.75), ("f1", 0.75), ("auc", 20.5 / 24)],
)
def test_values_of_classes(metric: MetricName, expected: float) -> None:
    assert value(metric, NEW) == pytest.approx(expected)


def test_values_of_numbers() -> None:
    outcomes = Outcomes(label=(1.0, 2.0, 3.0), predicted=(1.0, 4.0, 2.0))
    assert value("mae", outcomes) == 1.0
    assert value("rmse", outcomes) == pytest.approx((5 / 3) ** 0.5)


def test_accuracy_compares_any_classes() -> None:
    assert value("accuracy", Outcomes(("cat", "dog", "cow"), ("cat", "dog", "dog"))) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("metric", "outcomes", "reason"),
    [
        ("accuracy", Outcomes((), ()), "no cases"),
        ("recall", Outcomes((False,), (True,)), "no positive cases"),
        ("precision", Outcomes((True,), (False,)), "no positive predictions"),
        ("f1", Outcomes((False,), (True,)), "no positive cases"),
        ("auc", Outcomes((True, False), (True, False)), "no scores"),
        ("auc", Outcomes((), (), ()), "no cases"),
        ("auc", Outcomes((True,), (True,), (1.0,)), "no negative cases"),
        ("auc", Outcomes((False,), (True,), (1.0,)), "no positive cases"),
        ("rmse", Outcomes((), ()), "no cases"),
        ("mae", Outcomes((), ()), "no cases"),
    ],
)
def test_an_undefined_metric_has_a_reason(metric: MetricName, outcomes: Outcomes, reason: str) -> None:
    for compute in (value, number):
        with pytest.raises(UndefinedMetric) as undefined:
            compute(metric, outcomes)
        assert (undefined.value.metric, undefined.value.reason) == (metric, reason)
        assert str(undefined.value) == f"{metric} is undefined: there are {reason}"


def test_f1_of_a_model_that_finds_nothing_is_zero() -> None:
    assert value("f1", Outcomes((True, False), (False, False))) == 0


@pytest.mark.parametrize("metric", CLASSES)
@pytest.mark.parametrize("is_paired", [True, False])
def test_a_model_that_is_worse_on_few_cases_may_be_as_good(metric: MetricName, is_paired: bool) -> None:
    estimate = change(metric, NEW, BASE, is_paired)
    low, high = estimate.interval(0.05)
    assert estimate.value == value(metric, NEW) - value(metric, BASE) < 0
    assert low < estimate.value < 0 < high
    assert estimate.p_value(0.0) > 0.05


@pytest.mark.parametrize("metric", CLASSES + ERRORS)
@pytest.mark.parametrize("is_paired", [True, False])
def test_a_model_that_is_much_worse_is_found(metric: MetricName, is_paired: bool) -> None:
    labels = tuple(bool(case % 2) for case in range(80))
    good = Outcomes(labels, labels, tuple(label + case / 99 for case, label in enumerate(labels)))
    bad = Outcomes(labels, tuple(case % 3 == 0 for case in range(80)), tuple(float(case % 7) for case in range(80)))
    worse, better = change(metric, bad, good, is_paired), change(metric, good, bad, is_paired)
    limit = 0.02 if metric in ERRORS else -0.02
    assert worse.p_value(limit) < 0.01
    assert better.p_value(limit) > 0.99
    low, high = worse.interval(0.01)
    assert (low > limit) if metric in ERRORS else (high < limit)
    assert 0 < worse.smallest_change(limit, 0.05) < 0.5


def test_pairs_see_what_separate_samples_do_not() -> None:
    labels = (True,) * 100
    base = Outcomes(labels, (True,) * 90 + (False,) * 10)
    new = Outcomes(labels, (True,) * 82 + (False,) * 18)
    assert change("recall", new, base, is_paired=True).p_value(0) < 0.01
    assert change("recall", new, base, is_paired=False).p_value(0) > 0.05


def test_a_gap_is_judged_as_separate_samples() -> None:
    assert gap("recall", NEW, BASE) == change("recall", NEW, BASE, is_paired=False)


@pytest.mark.parametrize("metric", CLASSES + ERRORS)
def test_identical_models_are_no_certainty(metric: MetricName) -> None:
    low, high = change(metric, NEW, NEW, is_paired=True).interval(0.05)
    assert low == -high < 0


@pytest.mark.parametrize("is_paired", [True, False])
def test_perfect_separation_is_no_certainty(is_paired: bool) -> None:
    # Of both models the area is 1, and its standard error 0.
    few = Outcomes((True,) * 5 + (False,) * 20, (True,) * 25, tuple(float(30 - case) for case in range(25)))
    low, high = change("auc", few, few, is_paired).interval(0.05)
    # Five positive cases can't exclude that every second one is below all others.
    assert low == -high
    assert low <= -(1 - 0.05 ** (1 / 5))


@pytest.mark.parametrize("metric", CLASSES + ERRORS)
def test_the_interval_of_a_number_lies_within_its_range(metric: MetricName) -> None:
    low, high = number(metric, NEW).interval(0.05)
    assert 0 <= low < value(metric, NEW) < high
    assert high <= 1 or metric in ERRORS


@pytest.mark.parametrize("metric", ERRORS)
def test_errors_of_many_cases(metric: MetricName) -> None:
    labels = tuple(float(case % 17) for case in range(3000))
    base = Outcomes(labels, tuple(label + case % 5 for case, label in enumerate(labels)))
    new = Outcomes(labels, tuple(label + case % 5 + (case % 11) / 10 for case, label in enumerate(labels)))
    for is_paired in (True, False):
        estimate = change(metric, new, base, is_paired)
        assert estimate.method == "normal approximation"
        assert estimate.p_value(0.0) < 0.01
        low, high = estimate.interval(0.05)
        assert 0 < low < estimate.value < high
    # All errors are alike: it does not end in a division by zero, nor in certainty.
    low, high = number(metric, Outcomes(labels, tuple(label + 1 for label in labels))).interval(0.05)
    assert low < 1 < high


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        Outcomes((True, False), (True,))
    with pytest.raises(ValueError, match="differ in length"):
        Outcomes((True, False), (True, False), (0.5,))


def test_pairs_are_judged_by_the_labels_of_the_new_model() -> None:
    relabelled = Outcomes((False,) * 10, BASE.predicted, BASE.score)
    for metric in CLASSES:
        one, other = (change(metric, NEW, base, is_paired=True) for base in (relabelled, BASE))
        assert (one.value, one.interval(0.05)) == (other.value, other.interval(0.05))
