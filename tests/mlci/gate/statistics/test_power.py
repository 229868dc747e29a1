"""The chance that a rule is broken, before it has judged anything."""

from __future__ import annotations

import random

import pytest

from mlci.gate.statistics import paired_power, smallest_drop
from mlci.gate.statistics.proportions import PairedShares


def test_a_drop_within_the_limit_is_seldom_red() -> None:
    assert paired_power(114, drop=0.02, limit=0.02, alpha=0.05, chance_flips=0.04) < 0.05
    assert paired_power(114, drop=0.0, limit=0.0, alpha=0.05, chance_flips=0.04) < 0.05


def test_power_grows_with_the_drop_and_with_the_cases() -> None:
    assert paired_power(42, 0.05, 0.02, 0.05) < 0.3 < paired_power(42, 0.2, 0.02, 0.05)
    assert paired_power(42, 0.1, 0.02, 0.05) < paired_power(500, 0.1, 0.02, 0.05)


def test_power_is_the_rate_of_red_verdicts() -> None:
    generator = random.Random(15)
    reds = 0
    for _ in range(2000):
        flips = [generator.random() for _ in range(60)]
        to_right, to_wrong = sum(flip < 0.03 for flip in flips), sum(0.03 <= flip < 0.21 for flip in flips)
        reds += PairedShares(to_right, to_wrong, 60).p(-0.02) <= 0.05
    assert paired_power(60, 0.15, 0.02, 0.05, chance_flips=0.06) == pytest.approx(reds / 2000, abs=0.035)


def test_without_flips_by_chance_power_jumps_at_a_certain_drop() -> None:
    assert paired_power(20, 1.0, 0.0, 0.05) == pytest.approx(1.0)
    assert paired_power(4, 1.0, 0.0, 0.05) == 0  # four flips of four are no proof: 2^-4


def test_more_flips_than_cases_are_refused() -> None:
    with pytest.raises(ValueError, match="more cases flip than there are"):
        paired_power(20, 0.9, 0.0, 0.05, chance_flips=0.4)


def test_the_smallest_drop_is_some_cases() -> None:
    # Five of five are the first that McNemar's exact test rejects: 2^-5.
    assert smallest_drop(42, limit=0.0, alpha=0.05) == pytest.approx(5 / 42)
    assert smallest_drop(42, limit=0.02, alpha=0.05) > 5 / 42
    assert smallest_drop(500, limit=0.0, alpha=0.05, chance_flips=0.04) > smallest_drop(500, limit=0.0, alpha=0.05)
    assert smallest_drop(4, limit=0.0, alpha=0.05) > 1  # none is
