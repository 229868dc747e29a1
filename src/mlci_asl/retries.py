"""Retry: the errors that are retried, how often, and after what delay.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

from __future__ import annotations

from collections.abc import Sequence

from mlci_asl.errors import StateError, matches
from mlci_asl.fields import MAX_COUNT
from mlci_asl.model import Retrier


class Retries:
    """The retries that a state has left; each retrier counts its own."""

    def __init__(self, retriers: Sequence[Retrier]) -> None:
        self._retriers = retriers
        self._used = [0] * len(retriers)
        self.count = 0  # of all retries, as $$.State.RetryCount has it

    def delay_after(self, error: StateError) -> float | None:
        """The seconds to wait before the next attempt, which is counted; None if there is none left."""
        for index, retrier in enumerate(self._retriers):
            if matches(error, retrier.error_equals):
                if self._used[index] >= retrier.max_attempts:
                    return None
                seconds = delay(retrier, self._used[index])
                self._used[index] += 1
                self.count += 1
                return _with_jitter(seconds) if retrier.is_jittered else seconds
        return None


def _with_jitter(seconds: float) -> float:
    """JitterStrategy FULL: a random delay, up to the whole one."""
    import random  # costs 10 ms to import, and few definitions need it

    return random.uniform(0, seconds)


def delay(retrier: Retrier, retries_before: int) -> float:
    """The seconds before a retry, without jitter.

    >>> [delay(Retrier((), interval_s=3, backoff_rate=2, max_delay_s=10), n) for n in range(3)]
    [3, 6, 10]
    """
    ceiling = MAX_COUNT if retrier.max_delay_s is None else retrier.max_delay_s
    try:
        return min(retrier.interval_s * retrier.backoff_rate**retries_before, ceiling)
    except OverflowError:
        return ceiling
