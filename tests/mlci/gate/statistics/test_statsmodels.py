"""The statistics beside those of statsmodels, which `.ci/nightly` installs in an environment of its own."""

from __future__ import annotations

import random
from typing import Any

import pytest

from mlci.gate.statistics import MetricName, Outcomes, change, holm, number
from mlci.gate.statistics.auc import paired_bounds, placements
from mlci.gate.statistics.symmetric import Student

proportion: Any = pytest.importorskip("statsmodels.stats.proportion", reason="statsmodels is not installed")
contingency_tables: Any = pytest.importorskip("statsmodels.stats.contingency_tables")
multitest: Any = pytest.importorskip("statsmodels.stats.multitest")
nonparametric: Any = pytest.importorskip("statsmodels.stats.nonparametric")
weightstats: Any = pytest.importorskip("statsmodels.stats.weightstats")

#: Flips to right, flips to wrong, and cases: no flips, one-sided ones, few of few, and many.
PAIRS = [(0, 0, 10), (0, 5, 5), (5, 0, 20), (1, 1, 2), (2, 8, 114), (4, 6, 42), (40, 60, 1000)]
#: Hits and cases of both samples.
SAMPLES = [(3, 10, 9, 10), (0, 5, 5, 5), (38, 42, 41, 42), (50, 60, 58, 62), (880, 1000, 910, 1000)]


def pairs(to_right: int, to_wrong: int, cases: int) -> tuple[Outcomes, Outcomes]:
    steady = cases - to_right - to_wrong
    labels = (True,) * cases
    new = (True,) * to_right + (False,) * to_wrong + (True,) * steady
    base = (False,) * to_right + (True,) * to_wrong + (True,) * steady
    return Outcomes(labels, new), Outcomes(labels, base)


@pytest.mark.parametrize("metric", ["accuracy", "recall"])
@pytest.mark.parametrize("table", PAIRS)
def test_pairs(table: tuple[int, int, int], metric: MetricName) -> None:
    to_right, to_wrong, cases = table
    counts = [[cases - to_right - to_wrong, to_wrong], [to_right, 0]]
    expected = contingency_tables.mcnemar(counts, exact=True).pvalue
    new, base = pairs(*table)
    p = change(metric, new, base, True).p_value(0.0), change(metric, base, new, True).p_value(0.0)
    assert min(2 * min(p), 1.0) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("table", SAMPLES)
def test_the_interval_of_separate_samples_holds_those_of_score_methods(
    table: tuple[int, int, int, int],
) -> None:
    hits, cases, base_hits, base_cases = table
    new, base = (
        Outcomes((True,) * count, (True,) * found + (False,) * (count - found))
        for found, count in ((hits, cases), (base_hits, base_cases))
    )
    low, high = change("recall", new, base, is_paired=False).interval(0.05)
    # It has no solution for tiny samples with `score`, which is Miettinen and Nurminen's.
    method = "score" if cases > 40 else "newcomb"
    expected = proportion.confint_proportions_2indep(
        hits, cases, base_hits, base_cases, compare="diff", method=method, alpha=0.1
    )
    assert low <= expected[0] + 1e-6
    assert high >= expected[1] - 1e-6
    if cases >= 1000:
        assert low == pytest.approx(expected[0], abs=2e-3)
        assert high == pytest.approx(expected[1], abs=2e-3)


@pytest.mark.parametrize(("hits", "cases"), [(0, 10), (1, 10), (10, 10), (39, 42), (910, 1000)])
def test_a_share(hits: int, cases: int) -> None:
    outcomes = Outcomes((True,) * cases, (True,) * hits + (False,) * (cases - hits))
    expected = proportion.proportion_confint(hits, cases, alpha=0.1, method="beta")
    assert number("recall", outcomes).interval(0.05) == pytest.approx(expected, abs=1e-9)


def test_holm() -> None:
    generator = random.Random(15)
    for _ in range(200):
        p_values = [
            generator.choice([generator.random(), generator.random() / 30]) for _ in range(generator.randint(1, 9))
        ]
        expected = multitest.multipletests(p_values, alpha=0.05, method="holm")[0].tolist()
        levels = holm([(p, 0.05) for p in p_values])
        assert [p <= level for p, level in zip(p_values, levels, strict=True)] == expected


@pytest.mark.parametrize(("positives", "negatives", "values"), [(5, 9, 4), (12, 7, 3), (30, 60, 1000), (60, 30, 6)])
def test_an_area_with_ties(positives: int, negatives: int, values: int) -> None:
    """Brunner and Munzel's statistic has DeLong's variance, and Welch's degrees of freedom."""
    generator = random.Random(positives)
    above = [float(generator.randrange(values)) + generator.randrange(2) for _ in range(positives)]
    below = [float(generator.randrange(values)) for _ in range(negatives)]
    expected = nonparametric.rank_compare_2indep(above, below)
    labels = (True,) * positives + (False,) * negatives
    placed = placements(Outcomes(labels, labels, (*above, *below)))
    # All scores alike: an area of a half without a spread, so that the difference has the spread of the other.
    flat = placements(Outcomes(labels, labels, (0.0,) * len(labels)))
    bound, _ = paired_bounds(placed, flat)
    assert isinstance(bound, Student)
    assert placed.area == pytest.approx(expected.prob1, abs=1e-12)
    assert bound.degrees == pytest.approx(expected.df, rel=1e-9)
    low, high = expected.conf_int(alpha=0.1)
    assert -paired_bounds(placed, flat)[1].upper(0.05) + 0.5 == pytest.approx(low, abs=1e-9)
    assert min(bound.upper(0.05), 0.5) + 0.5 == pytest.approx(min(high, 1.0), abs=1e-9)


def test_the_mean_error_of_many_cases() -> None:
    generator = random.Random(15)
    labels = tuple(generator.random() for _ in range(3000))
    new, base = (tuple(label + generator.gauss(0, 1) for label in labels) for _ in range(2))
    differences = [abs(one - label) - abs(other - label) for label, one, other in zip(labels, new, base, strict=True)]
    expected = weightstats.DescrStatsW(differences).tconfint_mean(alpha=0.1)
    found = change("mae", Outcomes(labels, new), Outcomes(labels, base), is_paired=True).interval(0.05)
    assert found == pytest.approx(expected, rel=1e-3)
