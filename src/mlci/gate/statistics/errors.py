"""RMSE and MAE: by the Bayesian bootstrap over the cases' errors; by the normal approximation where there are many.

The case that is added in favour of what is to be refuted is the most extreme of those that there are: in pairs the one
on which the models differ most. Where they differ on none, and in separate samples, it is the largest error of both
models for one, and the smallest for the other.

Measured on 10 to 400 cases with normal, t (3 degrees) and log-normal errors: the rate of false reds is at most 3 % at a
stated 5 %. Without the added case it is up to 16 %; the percentile bootstrap has up to 11 %, the studentised one 13 %.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, TypeAlias

from mlci.gate.statistics.bootstrap import DRAWS, Draws, weighted_means
from mlci.gate.statistics.estimate import Bounds, ConfidenceBound
from mlci.gate.statistics.outcomes import Outcomes, UndefinedMetric
from mlci.gate.statistics.symmetric import Student, Unvaried, variance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ErrorMetric: TypeAlias = Literal["rmse", "mae"]

#: With more cases, means are normal; and drawing weights for each takes long.
MOST_DRAWN = 2_000


def losses(metric: ErrorMetric, outcomes: Outcomes) -> NDArray[np.float64]:
    """Return what each case adds: its absolute error, or its squared one for RMSE.

    Raises:
        UndefinedMetric: there are no cases.
    """
    import numpy as np

    if not len(outcomes):
        raise UndefinedMetric(metric, "no cases")
    distances: NDArray[np.float64] = np.abs(
        np.asarray(outcomes.predicted, dtype=float) - np.asarray(outcomes.label, dtype=float)
    )
    return distances**2 if metric == "rmse" else distances


def metric_of(metric: ErrorMetric, lost: NDArray[np.float64]) -> float:
    """Return the metric of all cases."""
    mean = math.fsum(lost) / len(lost)
    return math.sqrt(mean) if metric == "rmse" else mean


def paired_bounds(metric: ErrorMetric, new: NDArray[np.float64], base: NDArray[np.float64]) -> Bounds:
    """Return the bounds of the change in the same cases, and of the negated change."""
    return _paired(metric, new, base), _paired(metric, base, new)


def separate_bounds(metric: ErrorMetric, new: NDArray[np.float64], base: NDArray[np.float64]) -> Bounds:
    """Return the bounds of the difference between two separate samples, and of the negated difference."""
    return _separate(metric, new, base), _separate(metric, base, new)


def error_bounds(metric: ErrorMetric, lost: NDArray[np.float64]) -> Bounds:
    """Return the bounds of the metric of one model, and of the negated metric."""
    import numpy as np

    value = metric_of(metric, lost)
    if len(lost) > MOST_DRAWN:
        parts, largest = [_influence(metric, lost)], _largest(metric, lost)
        return _normal(value, parts, math.inf, largest), _normal(-value, parts, 0.0, largest)
    above, below = (_mean(metric, np.append(np.sort(lost), extra)) for extra in (lost.max(), 0.0))
    return Draws(value, np.sort(above), math.inf), Draws(-value, np.sort(-below), 0.0)


def _paired(metric: ErrorMetric, new: NDArray[np.float64], base: NDArray[np.float64]) -> ConfidenceBound:
    import numpy as np

    value = metric_of(metric, new) - metric_of(metric, base)
    if np.array_equal(new, base):
        return _unchanged(metric, new)
    if len(new) > MOST_DRAWN:
        return _normal(
            value, [_influence(metric, new) - _influence(metric, base)], math.inf, _largest(metric, new, base)
        )
    rows = np.column_stack([new, base])[np.lexsort((base, new))]
    extreme = rows[np.abs(rows[:, 0] - rows[:, 1]).argmax()]
    means = weighted_means(np.vstack([rows, [extreme.max(), extreme.min()]]))
    drawn = _rooted(metric, means)
    return Draws(value, np.sort(drawn[:, 0] - drawn[:, 1]), math.inf)


def _unchanged(metric: ErrorMetric, lost: NDArray[np.float64]) -> ConfidenceBound:
    """Return the bound of a change that no case shows: of others, some may go from the best to the worst."""
    import numpy as np

    # The weight of one case among them all, at evenly spaced levels.
    weight = 1 - (np.arange(DRAWS, 0, -1) / (DRAWS + 1)) ** (1 / len(lost))
    rest = (1 - weight) * (math.fsum(lost) / len(lost))
    drawn = _rooted(metric, rest + weight * lost.max()) - _rooted(metric, rest + weight * lost.min())
    return Draws(0.0, np.sort(drawn), math.inf)


def _separate(metric: ErrorMetric, new: NDArray[np.float64], base: NDArray[np.float64]) -> ConfidenceBound:
    import numpy as np

    value = metric_of(metric, new) - metric_of(metric, base)
    if max(len(new), len(base)) > MOST_DRAWN:
        parts = [_influence(metric, new), _influence(metric, base)]
        return _normal(value, parts, math.inf, _largest(metric, new, base))
    most, least = max(new.max(), base.max()), min(new.min(), base.min())
    news, bases = np.append(np.sort(new), most), np.append(np.sort(base), least)
    drawn = _mean(metric, news, sample=0) - _mean(metric, bases, sample=1)
    return Draws(value, np.sort(drawn), math.inf)


def _normal(value: float, parts: list[NDArray[np.float64]], most: float, largest: float) -> ConfidenceBound:
    """Return the bound of a sum of means of independent samples, by the spread of what each case adds."""
    cases = min(len(part) for part in parts)
    error = math.sqrt(sum(variance(part) / len(part) for part in parts))
    return Student(value, error, cases - 1, most) if error else Unvaried(value, cases, value + largest)


def _influence(metric: ErrorMetric, lost: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what each case adds to the metric, to the first order: the derivative of a root for RMSE."""
    root = metric_of(metric, lost) if metric == "rmse" else 0.5
    return lost / (2 * root) if root else lost


def _mean(metric: ErrorMetric, lost: NDArray[np.float64], sample: int = 0) -> NDArray[np.float64]:
    return _rooted(metric, weighted_means(lost.reshape(-1, 1), sample)[:, 0])


def _rooted(metric: ErrorMetric, means: NDArray[np.float64]) -> NDArray[np.float64]:
    return means**0.5 if metric == "rmse" else means


def _largest(metric: ErrorMetric, *samples: NDArray[np.float64]) -> float:
    most = max(float(lost.max()) for lost in samples)
    return math.sqrt(most) if metric == "rmse" else most
