"""Bounds of estimates whose spread is estimated as well, and of those that show no spread at all."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Student:
    """An estimate whose error, divided by its standard error, has Student's t distribution."""

    value: float
    standard_error: float
    degrees: float
    #: The largest value that there is.
    most: float

    def upper(self, alpha: float) -> float:
        return min(self.value + self._quantile(alpha) * self.standard_error, self.most)

    def p(self, limit: float) -> float:
        from scipy import special

        return float(special.stdtr(self.degrees, (self.value - limit) / self.standard_error))

    def critical(self, limit: float, alpha: float) -> float:
        return limit - self._quantile(alpha) * self.standard_error

    def _quantile(self, alpha: float) -> float:
        from scipy import special

        return -float(special.stdtrit(self.degrees, alpha))


@dataclass(frozen=True)
class Unvaried:
    """A mean of cases that are all alike, which leaves its spread unknown.

    No more can be said than of a share that no case counts to: it is at most 1 - alpha^(1/cases). So many cases may be
    of the largest value that there is, `most`.
    """

    value: float
    cases: int
    most: float

    def upper(self, alpha: float) -> float:
        return self.value + (self.most - self.value) * self._share(alpha)

    def p(self, limit: float) -> float:
        if limit <= self.value:
            return 1.0
        if limit >= self.most:
            return 0.0
        return float((1 - (limit - self.value) / (self.most - self.value)) ** self.cases)

    def critical(self, limit: float, alpha: float) -> float:
        return limit - (self.most - self.value) * self._share(alpha)

    def _share(self, alpha: float) -> float:
        return float(1 - alpha ** (1 / self.cases))


def variance(values: NDArray[np.float64]) -> float:
    """Return the variance of a sample: sums that are rounded once, so the order of the cases does not matter."""
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
