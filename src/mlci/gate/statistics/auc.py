"""The area under the ROC curve, after DeLong, DeLong and Clarke-Pearson (Biometrics 44 (1988) 837).

The area is a mean over the positive cases, and over the negative ones, of each case's share of cases of the other class
that it is on the right side of; a tie counts a half. The spread of these shares gives the standard error. Its own
uncertainty is in the degrees of freedom (after Welch), which matters below some 20 cases of a class.

Where the cases show no spread (both models separate the classes perfectly, or give the same scores), DeLong's standard
error is 0, which is no certainty. Then the bound is that of a share that no case counts to: see `Unvaried`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from mlci.gate.statistics.estimate import Bounds, ConfidenceBound
from mlci.gate.statistics.outcomes import Outcomes, UndefinedMetric
from mlci.gate.statistics.symmetric import Student, Unvaried, variance
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Placements:
    """The share of cases of the other class that each case is on the right side of."""

    of_positives: NDArray[np.float64]
    of_negatives: NDArray[np.float64]

    @property
    def area(self) -> float:
        return math.fsum(self.of_positives) / len(self.of_positives)

    @property
    def fewest(self) -> int:
        """The number of cases of the rarer class."""
        return min(len(self.of_positives), len(self.of_negatives))

    def variances(self) -> list[tuple[float, int]]:
        """Return the variance of the area that each class adds, and its degrees of freedom."""
        classes = (self.of_positives, self.of_negatives)
        return [(variance(each) / len(each), len(each) - 1) for each in classes]


def placements(outcomes: Outcomes) -> Placements:
    """Return the placements of the cases among those of the other class.

    Raises:
        UndefinedMetric: there are no scores, or only one class.
    """
    import numpy as np

    if not len(outcomes):
        raise UndefinedMetric("auc", "no cases")
    if not outcomes.score:
        raise UndefinedMetric("auc", "no scores")
    is_positive = np.asarray([bool(label) for label in outcomes.label])
    score = np.asarray(outcomes.score, dtype=float)
    positives, negatives = score[is_positive], score[~is_positive]
    if not len(positives):
        raise UndefinedMetric("auc", "no positive cases")
    if not len(negatives):
        raise UndefinedMetric("auc", "no negative cases")
    return Placements(_shares_below(positives, negatives), 1 - _shares_below(negatives, positives))


def paired_bounds(new: Placements, base: Placements) -> Bounds:
    """Return the bounds of the change of the area in the same cases, and of the negated change."""
    change = Placements(new.of_positives - base.of_positives, new.of_negatives - base.of_negatives)
    value = new.area - base.area
    return _bound(value, change, 1.0), _bound(-value, change, 1.0)


def area_bounds(area: Placements) -> Bounds:
    """Return the bounds of the area of one model, and of the negated area.

    They are the wider ones of DeLong's, on the scale of the logit, and Newcombe's. Near 1, few cases overlap with the
    other class, so that DeLong's standard error depends on very few; far from it, Newcombe's model may be wrong.

    Measured on 5 to 42 and 200 cases of a class with normal scores and areas of 0.7, 0.9 and 0.98: at a stated 5 %, the
    lower bound is above the area in at most 4.0 %, and of two separate samples of one model the second is worse in at
    most 4.9 %. By the logit alone it is 13 % and 9 %; by DeLong's standard error as it is, the first is 19 %.
    """
    plain = _bound(area.area, area, 1.0), _bound(-area.area, area, 0.0)
    if not isinstance(plain[0], Student) or area.area in (0, 1):
        return plain
    spread = plain[0].standard_error / (area.area * (1 - area.area))
    return _area_bound(area, spread, plain[0].degrees, 1), _area_bound(area, spread, plain[0].degrees, -1)


def _area_bound(area: Placements, spread: float, degrees: float, sign: Literal[1, -1]) -> ConfidenceBound:
    cases = len(area.of_positives), len(area.of_negatives)
    return Widest(LogitBound(area.area, spread, degrees, sign), ScoreBound(area.area, *cases, sign))


@dataclass(frozen=True)
class LogitBound:
    """The bound of an area whose logit has Student's t distribution, or of the negated area."""

    area: float
    #: Of the logit.
    standard_error: float
    degrees: float
    #: 1 for the area, -1 for the negated area.
    sign: Literal[1, -1]

    def upper(self, alpha: float) -> float:
        return self._moved(self.area, alpha)

    def p(self, limit: float) -> float:
        from scipy import special

        distance = float(special.logit(self.area) - special.logit(_share(self.sign * limit)))
        return float(special.stdtr(self.degrees, self.sign * distance / self.standard_error))

    def critical(self, limit: float, alpha: float) -> float:
        return self._moved(_share(self.sign * limit), 1 - alpha)

    def _moved(self, share: float, alpha: float) -> float:
        from scipy import special

        quantile = -float(special.stdtrit(self.degrees, alpha))
        return self.sign * float(special.expit(special.logit(share) + self.sign * quantile * self.standard_error))


@dataclass(frozen=True)
class ScoreBound:
    """The bound of an area whose spread is that of exponential scores of this very area, or of the negated area.

    Source: Newcombe, Statist. Med. 25 (2006) 559, method 5.
    """

    area: float
    positives: int
    negatives: int
    #: 1 for the area, -1 for the negated area.
    sign: Literal[1, -1]

    def upper(self, alpha: float) -> float:
        from scipy import optimize

        end = 1.0 if self.sign > 0 else 0.0
        if self.area == end:
            return self.sign * end
        found = optimize.brentq(lambda share: self.p(self.sign * share) - alpha, self.area, end, xtol=1e-12)
        return self.sign * float(found)

    def p(self, limit: float) -> float:
        from scipy import special

        share = _share(self.sign * limit)
        distance, error = self.sign * (self.area - share), self._standard_error(share)
        if not error:
            return float(distance >= 0)
        return float(special.ndtr(distance / error))

    def critical(self, limit: float, alpha: float) -> float:
        from scipy import special

        return limit + float(special.ndtri(alpha)) * self._standard_error(_share(self.sign * limit))

    def _standard_error(self, share: float) -> float:
        others = (self.positives + self.negatives) / 2 - 1
        spread = 1 + others * (1 - share) / (2 - share) + others * share / (1 + share)
        return math.sqrt(share * (1 - share) * spread / (self.positives * self.negatives))


@dataclass(frozen=True)
class Widest:
    """The wider one of two bounds of the same quantity."""

    one: ConfidenceBound
    other: ConfidenceBound

    def upper(self, alpha: float) -> float:
        return max(self.one.upper(alpha), self.other.upper(alpha))

    def p(self, limit: float) -> float:
        return max(self.one.p(limit), self.other.p(limit))

    def critical(self, limit: float, alpha: float) -> float:
        return min(self.one.critical(limit, alpha), self.other.critical(limit, alpha))


def separate_bounds(new: Placements, base: Placements) -> Bounds:
    """Return the bounds of the difference of the areas of two separate samples, and of the negated difference."""
    (new_above, new_below), (base_above, base_below) = area_bounds(new), area_bounds(base)
    return (
        SeparateAreas(new.area, base.area, new_above, base_below),
        SeparateAreas(base.area, new.area, base_above, new_below),
    )


@dataclass(frozen=True)
class SeparateAreas:
    """The difference of the areas of two separate samples of cases, by the distances of each one's own bounds.

    So a sample that is perfectly separated adds the uncertainty of its few cases.
    Source: Zou, Donner, Statist. Med. 27 (2008) 1693 (MOVER).
    """

    new_area: float
    base_area: float
    #: The bound of the new area, and that of the negated one of the baseline.
    above: ConfidenceBound
    below: ConfidenceBound

    def upper(self, alpha: float) -> float:
        return min(self._value + self._distance(alpha), 1.0)

    def p(self, limit: float) -> float:
        from scipy import optimize

        wanted = limit - self._value
        if wanted <= self._distance(0.5):
            return 1.0 if wanted < 0 else 0.5
        if self._distance(_SMALLEST) < wanted:
            return _SMALLEST
        log = optimize.brentq(lambda log: self._distance(math.exp(log)) - wanted, math.log(_SMALLEST), math.log(0.5))
        return math.exp(float(log))

    def critical(self, limit: float, alpha: float) -> float:
        return limit - self._distance(alpha)

    @property
    def _value(self) -> float:
        return self.new_area - self.base_area

    def _distance(self, alpha: float) -> float:
        return math.hypot(self.above.upper(alpha) - self.new_area, self.below.upper(alpha) + self.base_area)


#: P-values below are not told apart.
_SMALLEST = 1e-12


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _bound(value: float, area: Placements, most: float) -> ConfidenceBound:
    if area.fewest < 2:
        return Unvaried(value, area.fewest, most)
    variances = area.variances()
    total = sum(variance for variance, _ in variances)
    if not total:
        return Unvaried(value, area.fewest, most)
    degrees = total**2 / sum(variance**2 / degrees for variance, degrees in variances)
    return Student(value, math.sqrt(total), degrees, most)


def _shares_below(scores: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of `others` below each score; one that is equal counts a half."""
    import numpy as np

    ordered = np.sort(others)
    below, not_above = (np.searchsorted(ordered, scores, side) for side in ("left", "right"))
    shares: NDArray[np.float64] = (below + not_above) / (2 * len(others))
    return shares
