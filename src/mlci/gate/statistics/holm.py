"""Holm's correction for several comparisons (Scand. J. Statist. 6 (1979) 65), weighted by the level of each."""

from __future__ import annotations

from collections.abc import Sequence


def holm(comparisons: Sequence[tuple[float, float]]) -> list[float]:
    """Return the level at which each comparison is to be judged, of their p-values and the levels that they state.

    The chance of any false rejection among all stays at the stated level; where comparisons state different ones, at
    their mean. A comparison is rejected exactly where its p-value is at most its level here.

    Of four at 5 %, two are rejected: the first at a fourth of 5 %, the second at a third, and the rest stand at a half.

    >>> [round(level, 4) for level in holm([(0.04, 0.05), (0.001, 0.05), (0.016, 0.05), (0.3, 0.05)])]
    [0.025, 0.0125, 0.0167, 0.025]
    """
    if not comparisons:
        return []
    total = sum(alpha for _, alpha in comparisons) / len(comparisons)
    levels = [alpha for _, alpha in comparisons]
    left = sorted(range(len(comparisons)), key=lambda place: comparisons[place][0] / comparisons[place][1])
    is_rejecting = True
    share = 0.0
    while left:
        first, *rest = left
        p, alpha = comparisons[first]
        if is_rejecting:
            share = total / sum(comparisons[place][1] for place in left)
        levels[first] = min(alpha, alpha * share)
        is_rejecting = is_rejecting and p <= levels[first]
        left = rest
    return levels
