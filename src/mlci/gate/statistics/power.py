"""The chance that so many cases show a drop: what to expect of a rule before it has judged anything."""

from __future__ import annotations

import math

from mlci.gate.statistics.proportions import PairedShares, first_count


def paired_power(cases: int, drop: float, limit: float, alpha: float, chance_flips: float = 0.0) -> float:
    """Return the chance that a rule on a share of `cases` in pairs is broken where the share truly falls by `drop`.

    `limit` is the drop that the rule allows. Beside the drop, `chance_flips` of the cases flip by chance, as many to
    right as to wrong.
    """
    from scipy import special

    to_right, to_wrong = chance_flips / 2, chance_flips / 2 + drop
    if to_right + to_wrong > 1:
        raise ValueError("more cases flip than there are")
    chance = 0.0
    for count in range(cases + 1):
        # The distribution of the first count, and of the second among the cases that are left.
        weight = _binomial(count, cases, to_right)
        if weight < _NEGLIGIBLE:
            continue
        left = cases - count
        first = _first_broken(cases, count, limit, alpha)
        reached = min(to_wrong / (1 - to_right), 1.0)
        if first <= left:
            chance += weight * (float(special.betainc(first, left - first + 1, reached)) if first else 1.0)
    return chance


_NEGLIGIBLE = 1e-9


def smallest_drop(cases: int, limit: float, alpha: float, chance_flips: float = 0.0) -> float:
    """Return the smallest drop in so many paired cases that breaks a rule; above 1 where none does.

    Where half of the flips by chance are to right, as many more must be to wrong.
    """
    to_right = round(cases * chance_flips / 2)
    return (_first_broken(cases, to_right, limit, alpha) - to_right) / cases


def _first_broken(cases: int, to_right: int, limit: float, alpha: float) -> int:
    """Return how many cases must flip to wrong for the rule to be broken; more than are left where none suffice."""
    left = cases - to_right
    return first_count(lambda to_wrong: PairedShares(to_right, to_wrong, cases).p(-limit) <= alpha, left)


def _binomial(count: int, cases: int, share: float) -> float:
    if share in (0, 1):
        return float(count == cases * share)
    log = math.lgamma(cases + 1) - math.lgamma(count + 1) - math.lgamma(cases - count + 1)
    return math.exp(log + count * math.log(share) + (cases - count) * math.log1p(-share))
