"""The correction for several comparisons."""

from __future__ import annotations

import pytest

from mlci.gate.statistics import holm


def test_nothing_to_correct() -> None:
    assert holm([]) == []
    assert holm([(0.2, 0.05)]) == [0.05]


def test_holms_order_decides() -> None:
    # After Holm (1979): the smallest is compared with alpha/3, the next with alpha/2, the last with alpha.
    assert holm([(0.01, 0.05), (0.04, 0.05), (0.02, 0.05)]) == pytest.approx([0.05 / 3, 0.05, 0.05 / 2])


def test_the_first_that_is_not_rejected_ends_it() -> None:
    # 0.03 is not rejected at 0.05/2, so neither is 0.04, which alone would be.
    assert holm([(0.01, 0.05), (0.04, 0.05), (0.03, 0.05)]) == pytest.approx([0.05 / 3, 0.05 / 2, 0.05 / 2])


def test_levels_weigh_the_comparisons() -> None:
    levels = holm([(0.5, 0.05), (0.5, 0.01)])
    assert levels == pytest.approx([0.025, 0.005])
    # The sum of both is the mean of what they state; a comparison that is left alone never gets more than it states.
    assert holm([(0.001, 0.05), (0.5, 0.01)]) == pytest.approx([0.025, 0.01])


def test_equal_p_values_are_corrected_in_their_order() -> None:
    assert holm([(0.001, 0.05)] * 3) == pytest.approx([0.05 / 3, 0.05 / 2, 0.05])
