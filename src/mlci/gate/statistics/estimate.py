"""The estimate of a change, with its uncertainty: an interval, and a p-value for each limit."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from mlci_dataclasses import dataclass


class ConfidenceBound(Protocol):
    """The upper confidence bound of a quantity at each level, and the test that agrees with it."""

    def upper(self, alpha: float) -> float:
        """Return the value that the quantity exceeds with a chance of at most `alpha`."""
        ...

    def p(self, limit: float) -> float:
        """Return the p-value of: the quantity is `limit` or more. It is at most `alpha` where `upper` is below it."""
        ...

    def critical(self, limit: float, alpha: float) -> float:
        """Return the largest estimate at which so many cases, of such a spread, tell the quantity from `limit`."""
        ...


#: The bound of a quantity, and that of the negated quantity.
Bounds: TypeAlias = tuple[ConfidenceBound, ConfidenceBound]


@dataclass(frozen=True)
class Estimate:
    """The change of a metric from the baseline's model to the new one; or, of one model alone, the metric.

    Both ends of the interval are bounds of the same kind: the lower one is the upper one of the negated quantity, which
    is the change with the models swapped. So swapping the models mirrors the interval exactly.
    """

    value: float
    method: str
    is_lower_better: bool
    #: The bound of the quantity, and that of the negated quantity.
    bound: ConfidenceBound
    negated: ConfidenceBound

    def interval(self, alpha: float) -> tuple[float, float]:
        """Return the two ends of the interval, each one-sided at the level `alpha`."""
        return -self.negated.upper(alpha), self.bound.upper(alpha)

    def p_value(self, limit: float) -> float:
        """Return the p-value of: the quantity is at `limit`, or better. A small one says that it is worse.

        The limit of a change is signed as the change is: `max_drop: 0.02` allows one of -0.02.
        """
        return self.negated.p(-limit) if self.is_lower_better else self.bound.p(limit)

    def smallest_change(self, limit: float, alpha: float) -> float:
        """Return how far the metric must truly get worse for an even chance that such cases show it.

        An estimate is above what it estimates as often as below. So it is the first one beyond the limit that counts.
        """
        if self.is_lower_better:
            return -self.negated.critical(-limit, alpha)
        return -self.bound.critical(limit, alpha)
