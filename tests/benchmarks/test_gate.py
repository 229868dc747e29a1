"""The study of the gate: what it calls red, and the bounds that it fails on."""

from __future__ import annotations

import numpy as np
import pytest

from gate import Study, any_slice_is_red, judge, paired_recall, rate_interval
from mlci.gate.statistics import Outcomes, change


def test_verdicts_are_those_of_the_interval() -> None:
    labels = (True,) * 400
    base = Outcomes(labels, labels)
    as_good, worse, few = (Outcomes(labels, (False,) * wrong + (True,) * (400 - wrong)) for wrong in (0, 40, 8))
    assert judge(change("recall", as_good, base, is_paired=True), 0.02) == "green"
    assert judge(change("recall", worse, base, is_paired=True), 0.02) == "red"
    assert judge(change("recall", few, base, is_paired=True), 0.02) == "unclear"
    assert judge(change("recall", worse, base, is_paired=True), 0.3) == "green"


def test_a_rate_of_false_reds_above_the_level_breaks_a_bound() -> None:
    study = Study()
    study.level_kept("as stated", reds=50, independent=1000, total=1000)
    study.level_kept("few comparisons, which say nothing", reds=2, independent=10, total=10)
    assert study.broken == []
    study.level_kept("too often", reds=90, independent=1000, total=1000)
    assert study.broken == ["too often: 90 of 1000 are red, which is more than 5%"]


def test_a_power_below_its_bound_breaks_it() -> None:
    study = Study()
    study.at_least("enough", 0.8, 0.8)
    assert study.broken == []
    study.at_least("too little", 0.7, 0.8)
    assert study.broken == ["too little: 70.0%, and it was at least 80%"]


def test_the_interval_of_a_rate_counts_independent_comparisons() -> None:
    assert rate_interval(0.5, 10) == pytest.approx((0.187, 0.813), abs=5e-4)


def test_simulations_show_a_drop_that_is_there() -> None:
    simulate, generator = paired_recall(2000), np.random.default_rng(15)
    assert sum(simulate(generator, 0.1) for _ in range(20)) == 20
    assert sum(simulate(generator, 0.0) for _ in range(20)) == 0
    assert sum(any_slice_is_red(generator, 0.6, is_corrected=True) for _ in range(20)) >= 19
