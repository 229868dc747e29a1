"""RMSE and MAE: what few cases can't show, and draws that can be repeated."""

from __future__ import annotations

import pytest

from mlci.gate.statistics import MetricName, Outcomes, change
from mlci.gate.statistics.bootstrap import DRAWS


def outcomes(*errors: float) -> Outcomes:
    return Outcomes((0.0,) * len(errors), errors)


@pytest.mark.parametrize("metric", ["mae", "rmse"])
@pytest.mark.parametrize("cases", [3, 5])
def test_cases_that_are_all_worse_are_judged_as_the_sign_test_does(metric: MetricName, cases: int) -> None:
    # With one case more that is as much better, the change is at 0 where its weight is a half: a chance of 2^-cases.
    new, base = outcomes(*(2.0,) * cases), outcomes(*(1.0,) * cases)
    assert change(metric, new, base, is_paired=True).p_value(0.0) == pytest.approx(0.5**cases, abs=0.01)


def test_no_p_value_is_below_what_the_draws_can_tell() -> None:
    new, base = outcomes(*(9.0,) * 200), outcomes(*(1.0,) * 200)
    assert change("mae", new, base, is_paired=True).p_value(0.0) == 1 / (DRAWS + 1)
    assert change("mae", new, base, is_paired=True).interval(1e-9)[0] == float("-inf")


def test_separate_samples_are_weighted_independently() -> None:
    # Equal weights on both would cancel all that they share: the interval would be far too narrow.
    errors = tuple(float(case % 10) for case in range(100))
    low, high = change("mae", outcomes(*errors), outcomes(*errors), is_paired=False).interval(0.05)
    # The standard error of a mean is 2.87 / 10, and of a difference of two 1.41 times as much; 1.645 of them.
    assert high == pytest.approx(1.645 * 2.87 / 10 * 1.414, rel=0.25)
    assert low == -high


def test_the_models_that_differ_on_no_case_may_differ_on_others() -> None:
    same = outcomes(*(float(case % 5) for case in range(30)))
    low, high = change("mae", same, same, is_paired=True).interval(0.05)
    # Of cases like these, up to a share of 1 - 0.05^(1/30) may go from an error of 0 to one of 4.
    assert high == -low == pytest.approx(4 * (1 - 0.05 ** (1 / 30)), rel=1e-2)
