"""Bounds by the Bayesian bootstrap (Rubin, Ann. Statist. 9 (1981) 130): the cases, weighted at random.

Weights are drawn instead of cases: no draw lacks the positive predictions that precision needs. As in the exact bounds
of shares, one more case in favour of what is to be refuted is weighted with the others; it is chosen by what the rate
of false reds was measured to be, which `benchmarks/gate.py` does again.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Of the random numbers: the same cases give the same bounds.
_SEED = 15
DRAWS = 9_999


@dataclass(frozen=True)
class Draws:
    """A quantity whose uncertainty is given by draws of it."""

    value: float
    #: In ascending order.
    draws: NDArray[np.float64]
    most: float

    def upper(self, alpha: float) -> float:
        # So many draws may be at the limit or above it.
        allowed = math.floor(alpha * (len(self.draws) + 1) + 1e-9) - 1
        return float(self.draws[-allowed - 1]) if 0 <= allowed < len(self.draws) else self.most

    def p(self, limit: float) -> float:
        import numpy as np

        above = len(self.draws) - int(np.searchsorted(self.draws, limit, "left"))
        return (1 + above) / (len(self.draws) + 1)

    def critical(self, limit: float, alpha: float) -> float:
        return limit - (self.upper(alpha) - self.value)


def count_weights(counts: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the weights of cells that hold so many cases: a column for each cell, a row for each draw."""
    import numpy as np

    random = np.random.Generator(np.random.PCG64(_SEED))
    return random.standard_gamma(np.asarray(counts, dtype=float), size=(DRAWS, len(counts)))


def weighted_means(columns: NDArray[np.float64], sample: int = 0) -> NDArray[np.float64]:
    """Return the means of columns, weighted at random: a column for each column, a row for each draw.

    The weights of different samples are independent of each other.
    """
    import numpy as np

    random = np.random.Generator(np.random.PCG64([_SEED, sample]))
    means = []
    for start in range(0, DRAWS, _ROWS_AT_ONCE):
        weights = random.standard_exponential((min(_ROWS_AT_ONCE, DRAWS - start), len(columns)))
        means.append(weights @ columns / weights.sum(axis=1, keepdims=True))
    return np.concatenate(means)


#: They take 16 MB for 2,000 cases.
_ROWS_AT_ONCE = 1_000
