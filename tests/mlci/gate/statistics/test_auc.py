"""The area under the ROC curve, against the data of DeLong, DeLong and Clarke-Pearson, and cases without a spread."""

from __future__ import annotations

import math

import pytest

from mlci.gate.statistics import Outcomes, change, number, value
from mlci.gate.statistics.auc import paired_bounds, placements, separate_bounds
from mlci.gate.statistics.symmetric import Student, Unvaried

# Albumin, total protein, the K-G score, and whether surgery helps, of 43 patients with ovarian cancer (Biometrics 44
# (1988) 837), as the SAS/STAT User's Guide gives them: PROC LOGISTIC, "Comparing Receiver Operating Characteristic
# Curves". Many are tied. A low K-G score is a good sign.
_TABLE = """
3.0 5.8 10 0   3.2 6.3  5 1   3.9 6.8  3 1   2.8 4.8  6 0   3.2 5.8  3 1   0.9 4.0  5 0   2.5 5.7  8 0   1.6 5.6  5 1
3.8 5.7  5 1   3.7 6.7  6 1   3.2 5.4  4 1   3.8 6.6  6 1   4.1 6.6  5 1   3.6 5.7  5 1   4.3 7.0  4 1   3.6 6.7  4 0
2.3 4.4  6 1   4.2 7.6  4 0   4.0 6.6  6 0   3.5 5.8  6 1   3.8 6.8  7 1   3.0 4.7  8 0   4.5 7.4  5 1   3.7 7.4  5 1
3.1 6.6  6 1   4.1 8.2  6 1   4.3 7.0  5 1   4.3 6.5  4 1   3.2 5.1  5 1   2.6 4.7  6 1   3.3 6.8  6 0   1.7 4.0  7 0
3.7 6.1  5 1   3.3 6.3  7 1   4.2 7.7  6 1   3.5 6.2  5 1   2.9 5.7  9 0   2.1 4.8  7 1   2.8 6.2  8 0   4.0 7.0  7 1
3.3 5.7  6 1   3.7 6.9  5 1   3.6 6.6  5 1
"""
PATIENTS = _TABLE.split()
LABELS = tuple(word == "1" for word in PATIENTS[3::4])
TESTS = {
    name: Outcomes(LABELS, LABELS, tuple(float(word) for word in PATIENTS[column::4]))
    for column, name in enumerate(("albumin", "total protein"))
}
TESTS["K-G"] = Outcomes(LABELS, LABELS, tuple(10 - float(word) for word in PATIENTS[2::4]))


@pytest.mark.parametrize(
    ("test", "area", "standard_error"),
    [("albumin", 0.7366, 0.0927), ("total protein", 0.6478, 0.1000), ("K-G", 0.7258, 0.1028)],
)
def test_the_areas_of_delong_and_others(test: str, area: float, standard_error: float) -> None:
    placed = placements(TESTS[test])
    assert placed.area == value("auc", TESTS[test]) == pytest.approx(area, abs=5e-5)
    assert math.sqrt(sum(variance for variance, _ in placed.variances())) == pytest.approx(standard_error, abs=5e-5)


@pytest.mark.parametrize(
    ("test", "difference", "standard_error", "chi_square", "p"),
    [("albumin", 0.0108, 0.0953, 0.0127, 0.9102), ("total protein", -0.0780, 0.1046, 0.5554, 0.4561)],
)
def test_the_contrasts_of_delong_and_others(
    test: str, difference: float, standard_error: float, chi_square: float, p: float
) -> None:
    bound, _ = paired_bounds(placements(TESTS[test]), placements(TESTS["K-G"]))
    assert isinstance(bound, Student)
    assert bound.value == pytest.approx(difference, abs=5e-5)
    assert bound.standard_error == pytest.approx(standard_error, abs=5e-5)
    z = bound.value / bound.standard_error
    assert z**2 == pytest.approx(chi_square, abs=5e-5)
    assert math.erfc(abs(z) / math.sqrt(2)) == pytest.approx(p, abs=1e-4)
    # With Student's distribution in place of the normal one, a little less is certain.
    assert p < 2 * min(bound.p(0), 1 - bound.p(0)) < p + 0.02


def test_ties_count_a_half() -> None:
    labels = (True, True, False, False)
    assert value("auc", Outcomes(labels, labels, (1.0, 1.0, 1.0, 1.0))) == 0.5
    assert value("auc", Outcomes(labels, labels, (2.0, 1.0, 1.0, 0.0))) == 3.5 / 4


@pytest.mark.parametrize("cases", [1, 2, 5, 40])
def test_scores_that_are_all_right_are_judged_by_the_number_of_cases(cases: int) -> None:
    labels = (True,) * cases + (False,) * 60
    perfect = Outcomes(labels, labels, tuple(float(label) for label in labels))
    low, high = number("auc", perfect).interval(0.05)
    assert high == 1
    assert low == pytest.approx(0.05 ** (1 / cases))
    assert change("auc", perfect, perfect, is_paired=True).interval(0.05)[0] == pytest.approx(0.05 ** (1 / cases) - 1)


def test_a_baseline_of_a_few_perfect_cases_makes_no_model_worse() -> None:
    # 3 positive cases at an area of 1, and 60 at about 0.9: a standard error of the first would be 0.
    few = (True,) * 3 + (False,) * 60
    many = (True,) * 60 + (False,) * 60
    base = Outcomes(few, few, tuple(float(label) for label in few))
    new = Outcomes(many, many, tuple(case % 20 + (15.0 if label else 0.5) for case, label in enumerate(many)))
    assert 0.85 < value("auc", new) < 0.995
    assert change("auc", new, base, is_paired=False).p_value(0.0) > 0.05


def test_separate_areas_are_mirrored_and_their_p_value_is_that_of_the_interval() -> None:
    one, other = placements(TESTS["albumin"]), placements(TESTS["total protein"])
    areas, mirrored = separate_bounds(one, other)
    for alpha in (0.2, 0.05, 0.001):
        assert areas.p(areas.upper(alpha)) == pytest.approx(alpha, rel=1e-6)
        assert mirrored.p(mirrored.upper(alpha)) == pytest.approx(alpha, rel=1e-6)
    assert areas.p(-1.0) == 1.0


def test_what_shows_no_spread_is_below_its_limit_by_the_number_of_cases() -> None:
    bound = Unvaried(0.0, 30, 1.0)
    assert bound.upper(0.05) == pytest.approx(1 - 0.05 ** (1 / 30))
    assert bound.p(bound.upper(0.05)) == pytest.approx(0.05)
    assert (bound.p(0.0), bound.p(1.0)) == (1.0, 0.0)
    assert bound.critical(-0.02, 0.05) == pytest.approx(-0.02 - bound.upper(0.05))
