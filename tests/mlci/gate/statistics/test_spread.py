"""The change of a mean of cells: as scipy's t-tests have it, and where no cell differs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.gate.statistics.spread import spread

NEW, BASE, MORE = [0.91, 0.93, 0.90, 0.95], [0.92, 0.95, 0.94, 0.96], [0.92, 0.95, 0.94, 0.96, 0.90]


@pytest.mark.parametrize("limit", [-0.05, -0.02, 0.0, 0.01])
def test_the_p_values_are_those_of_scipy(limit: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    shifted = [number - limit for number in NEW]
    assert spread(NEW, BASE, True).p_value(limit) == pytest.approx(
        stats.ttest_rel(shifted, BASE, alternative="less").pvalue
    )
    welch = stats.ttest_ind(shifted, MORE, equal_var=False, alternative="less").pvalue
    assert spread(NEW, MORE, False).p_value(limit) == pytest.approx(welch)


@pytest.mark.parametrize("is_paired", [True, False])
def test_the_interval_agrees_with_the_p_value(is_paired: bool) -> None:
    found = spread(NEW, BASE, is_paired)
    low, high = found.interval(0.05)
    assert low < found.value < high
    assert found.p_value(high) == pytest.approx(0.05)


@given(st.lists(st.integers(0, 100), min_size=2, max_size=6), st.lists(st.integers(0, 100), min_size=2, max_size=6))
def test_swapping_the_sides_mirrors_the_interval(new: list[float], base: list[float]) -> None:
    low, high = spread(new, base, False).interval(0.05)
    mirrored = spread(base, new, False).interval(0.05)
    assert (low, high) == pytest.approx((-mirrored[1], -mirrored[0]))


def test_cells_that_no_seed_changes_leave_no_doubt() -> None:
    found = spread([0.9, 0.9], [0.95, 0.95], False)
    assert found.interval(0.05) == pytest.approx((-0.05, -0.05))
    assert (found.p_value(-0.02), found.p_value(-0.1)) == (0.0, 1.0)
