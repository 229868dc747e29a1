"""Shares of cases, against exact tests and published intervals."""

from __future__ import annotations

from math import comb

import pytest

from mlci.gate.statistics.proportions import PairedShares, SeparateShares, Share


def mcnemar(to_right: int, to_wrong: int) -> float:
    """The exact one-sided test of McNemar: the chance of so many flips to wrong, or more, among all."""
    flips = to_right + to_wrong
    return float(sum(comb(flips, count) for count in range(to_wrong, flips + 1)) / 2**flips)


def fisher(new_hits: int, new_cases: int, base_hits: int, base_cases: int) -> float:
    """The exact one-sided test of Fisher: the chance of so few hits of the new sample, or fewer."""
    hits, cases = new_hits + base_hits, new_cases + base_cases
    ways = (comb(new_cases, count) * comb(base_cases, hits - count) for count in range(new_hits + 1) if count <= hits)
    return float(sum(ways) / comb(cases, hits))


@pytest.mark.parametrize("cases", [10, 114, 5000])
@pytest.mark.parametrize(("to_right", "to_wrong"), [(0, 0), (0, 5), (5, 0), (1, 3), (2, 8), (4, 6), (0, 10)])
def test_at_a_limit_of_zero_pairs_are_judged_as_the_exact_test_of_mcnemar_does(
    to_right: int, to_wrong: int, cases: int
) -> None:
    assert PairedShares(to_right, to_wrong, cases).p(0) == pytest.approx(mcnemar(to_right, to_wrong), abs=1e-9)


@pytest.mark.parametrize(
    "table",
    [(3, 10, 9, 10), (0, 5, 5, 5), (5, 5, 0, 5), (10, 10, 10, 10), (0, 4, 0, 9), (50, 60, 58, 62), (1, 20, 15, 30)],
)
def test_at_a_limit_of_zero_separate_samples_are_judged_as_the_exact_test_of_fisher_does(
    table: tuple[int, int, int, int],
) -> None:
    assert SeparateShares(*table).p(0) == pytest.approx(fisher(*table), abs=1e-9)


def test_fisher_on_the_convictions_of_twins() -> None:
    # The example of R's fisher.test: of 17 dizygotic twins 2 were convicted, of 13 monozygotic ones 10; p = 0.0004652.
    assert SeparateShares(2, 17, 10, 13).p(0) == pytest.approx(0.0004652, abs=5e-8)


def test_the_interval_of_pairs_holds_that_of_tango() -> None:
    # Airway hyper-responsiveness: 1 flips in one direction and 7 in the other, of 21. Tango's interval at 95 % is
    # (-0.517, -0.026), the exact McNemar test has p = 0.0703: Fagerland, Lydersen, Laake, Statist. Med. 33 (2014) 2850.
    low, high = -PairedShares(7, 1, 21).upper(0.025), PairedShares(1, 7, 21).upper(0.025)
    assert -0.57 < low < -0.517
    assert -0.026 < high < 0.03
    assert 2 * PairedShares(1, 7, 21).p(0) == pytest.approx(0.0703, abs=5e-5)


def test_clopper_and_pearson() -> None:
    # 1 of 10 at 95 %, two-sided: (0.0025, 0.4450). None of 10 at 95 %, one-sided: 1 - 0.05^(1/10).
    assert Share(1, 10).upper(0.025) == pytest.approx(0.4450, abs=5e-5)
    assert -Share(1, 10, is_negated=True).upper(0.025) == pytest.approx(0.0025, abs=5e-5)
    assert Share(0, 10).upper(0.05) == pytest.approx(1 - 0.05**0.1)
    assert Share(0, 10, is_negated=True).upper(0.05) == 0


@pytest.mark.parametrize(
    "bound",
    [
        PairedShares(2, 8, 114),
        PairedShares(0, 0, 42),
        PairedShares(3, 0, 20),
        PairedShares(0, 10, 10),
        SeparateShares(30, 42, 40, 42),
        SeparateShares(0, 3, 3, 3),
        Share(3, 42),
        Share(3, 42, is_negated=True),
    ],
)
@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_the_p_value_at_the_end_of_the_interval_is_the_level(
    bound: PairedShares | SeparateShares | Share, alpha: float
) -> None:
    upper = bound.upper(alpha)
    assert bound.p(upper) == pytest.approx(alpha, rel=1e-6)
    assert bound.p(upper + 0.01) < alpha < bound.p(upper - 0.01)


def test_what_nothing_speaks_against_may_be_all() -> None:
    assert SeparateShares(3, 3, 0, 3).upper(0.05) == PairedShares(3, 0, 3).upper(0.05) == Share(3, 3).upper(0.05) == 1


def test_identical_models_leave_the_doubt_that_so_many_cases_do() -> None:
    # The rule of three: what did not happen in 30 cases may happen in up to 10 % of them.
    assert PairedShares(0, 0, 30).upper(0.05) == pytest.approx(1 - 0.05 ** (1 / 30))


@pytest.mark.parametrize(
    ("to_right", "to_wrong", "cases", "limit"), [(0, 0, 114, -0.02), (2, 5, 42, 0.0), (9, 4, 500, -0.05)]
)
def test_the_critical_change_of_pairs_is_the_first_that_breaks_the_rule(
    to_right: int, to_wrong: int, cases: int, limit: float
) -> None:
    noise = min(to_right, to_wrong)
    first = noise - round(PairedShares(to_right, to_wrong, cases).critical(limit, 0.05) * cases)
    assert PairedShares(noise, first, cases).p(limit) <= 0.05 < PairedShares(noise, first - 1, cases).p(limit)


def test_the_critical_difference_of_separate_samples_is_the_first_that_breaks_the_rule() -> None:
    critical = SeparateShares(39, 42, 40, 42).critical(-0.02, 0.05)
    hits = round((critical + 40 / 42) * 42)
    assert SeparateShares(hits, 42, 40, 42).p(-0.02) <= 0.05 < SeparateShares(hits + 1, 42, 40, 42).p(-0.02)
