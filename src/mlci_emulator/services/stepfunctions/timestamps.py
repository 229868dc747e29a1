"""Times as they are kept (seconds) and as the API's answers have them (datetime, to the millisecond, in UTC)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


def kept(moment: datetime) -> float:
    return round(moment.timestamp(), 3)


def shown(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
