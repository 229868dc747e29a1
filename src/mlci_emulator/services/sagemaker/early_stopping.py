"""SageMaker's rule by which a tuning job stops trials early: the median of the running averages of those before. Pure.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-early-stopping.html ("Compute the running
average of the objective metric for all previous training jobs up to the same epoch, and then compute the median of all
of the running averages")
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

#: The trials that have to end before others are stopped. SageMaker's own number is not documented.
FEWEST_ENDED = 3


class MedianRule:
    """Compares a running trial with those that have ended. Each value that a trial prints is that of an epoch."""

    def __init__(self, is_maximized: bool) -> None:
        self._sign = 1 if is_maximized else -1
        self._ended: dict[int, Sequence[float]] = {}

    def end(self, trial: int, values: Sequence[float]) -> None:
        """Take the values of a trial that has ended."""
        if values:
            self._ended[trial] = values

    def is_hopeless(self, values: Sequence[float]) -> bool:
        """Return True if a trial's last value is worse than the median.

        >>> rule = MedianRule(is_maximized=True)
        >>> for trial, values in enumerate([[0.5, 0.7], [0.6, 0.8], [0.7, 0.9]]): rule.end(trial, values)
        >>> rule.is_hopeless([0.6, 0.65]), rule.is_hopeless([0.6, 0.75]), rule.is_hopeless([])
        (True, False, False)
        """
        averages = [statistics.fmean(each[: len(values)]) for each in self._ended.values()] if values else []
        if len(averages) < FEWEST_ENDED:
            return False
        return self._sign * values[-1] < self._sign * statistics.median(averages)
