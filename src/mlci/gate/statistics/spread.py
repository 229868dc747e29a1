"""The change of a mean of cells, such as runs of one model with other seeds, by the spread between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, variance

from mlci.gate.statistics.estimate import ConfidenceBound, Estimate
from mlci.gate.statistics.symmetric import Student
from mlci_dataclasses import dataclass


def spread(new: Sequence[float], base: Sequence[float], is_paired: bool) -> Estimate:
    """Return the change of the mean. Cells are in pairs where both sides have the same ones, in the same order.

    At least two cells are needed on each side. The t distribution is that of independent cells, in pairs of the
    differences, and else Welch's (Biometrika 34 (1947) 28).

    >>> found = spread([0.90, 0.92, 0.91], [0.91, 0.93, 0.92], is_paired=False)
    >>> round(found.value, 4), [round(end, 4) for end in found.interval(0.05)]
    (-0.01, [-0.0274, 0.0074])
    """
    value = fmean(new) - fmean(base)
    if is_paired:
        differences = [one - other for one, other in zip(new, base, strict=True)]
        bounds = _bounds(value, math.sqrt(variance(differences) / len(new)), len(new) - 1)
        return Estimate(value, "paired t", False, *bounds)
    parts = [(variance(side) / len(side), len(side)) for side in (new, base)]
    total = sum(part for part, _ in parts)
    degrees = total**2 / sum(part**2 / (cells - 1) for part, cells in parts) if total else 1.0
    return Estimate(value, "Welch", False, *_bounds(value, math.sqrt(total), degrees))


def _bounds(value: float, standard_error: float, degrees: float) -> tuple[ConfidenceBound, ConfidenceBound]:
    if not standard_error:
        return Exact(value), Exact(-value)
    return Student(value, standard_error, degrees, math.inf), Student(-value, standard_error, degrees, math.inf)


@dataclass(frozen=True)
class Exact:
    """The bound of a value without any spread, as that of cells which no seed changes."""

    value: float

    def upper(self, alpha: float) -> float:
        return self.value

    def p(self, limit: float) -> float:
        return 0.0 if self.value < limit else 1.0

    def critical(self, limit: float, alpha: float) -> float:
        return limit
