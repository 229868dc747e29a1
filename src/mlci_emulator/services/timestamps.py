"""The clock of the services, and the times that they store as seconds since 1970."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(timezone.utc)


def from_epoch(seconds: float) -> datetime:
    """Return the time in UTC that is so many seconds after the start of 1970.

    >>> from_epoch(86_400).isoformat()
    '1970-01-02T00:00:00+00:00'
    """
    return datetime.fromtimestamp(seconds, timezone.utc)


def now_in_ms() -> datetime:
    """Return the current time in milliseconds, as SageMaker's times are."""
    now = utc_now()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
