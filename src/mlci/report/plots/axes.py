"""The axes of a chart: where values are drawn, and which are marked. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from mlci.fast_dataclasses import dataclass

#: Larger numbers are drawn at the edge: the difference of two of them may be infinite.
_LARGEST = 1e300
#: Values that differ by less are one value: there are no numbers between them to mark.
_LEAST_SPAN, _LEAST_RELATIVE_SPAN = 1e-300, 1e-12
_MAX_INTERVALS = 6
#: The part of an axis that is left free at each of its ends.
_PADDING = 0.03


@dataclass(frozen=True)
class Axis:
    """An axis from `low`, which is drawn at `start`, to `high` at `end`. `step` is the distance of marked values."""

    low: float
    high: float
    step: float
    start: float
    end: float

    @classmethod
    def of(cls, values: Iterable[float], start: float, end: float) -> Axis:
        """Return the axis on which all of these values have a place."""
        known = [max(-_LARGEST, min(value, _LARGEST)) for value in values] or [0.0, 1.0]
        low, high = min(known), max(known)
        if high - low <= max(_LEAST_SPAN, _LEAST_RELATIVE_SPAN * max(-low, high)):
            more = abs(high) / 10 or 1.0
            low, high = low - more, high + more
        padding = _PADDING * (high - low)
        return cls(low - padding, high + padding, _step((high - low) / _MAX_INTERVALS), start, end)

    def at(self, value: float) -> float:
        """Return the place of a value."""
        part = (max(self.low, min(value, self.high)) - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Yield the place and the text of each marked value.

        >>> [text for _, text in Axis.of((0.0, 1.0), 0, 100).ticks()]
        ['0', '0.2', '0.4', '0.6', '0.8', '1']
        """
        digits = max(6, 2 + math.floor(math.log10(max(-self.low, self.high) / self.step)))
        for number in range(math.ceil(self.low / self.step), math.floor(self.high / self.step) + 1):
            yield self.at(number * self.step), f"{number * self.step:.{digits}g}"


def _step(least: float) -> float:
    """Return the least of 1, 2 and 5, by powers of ten, that is not less.

    >>> _step(0.17), _step(3), _step(60)
    (0.2, 5.0, 100.0)
    """
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)
