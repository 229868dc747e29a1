"""Timestamps of the States Language: RFC 3339 with an upper-case T, and Z or an offset."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII)


def parse_timestamp(text: str) -> datetime | None:
    """The time, in UTC and to the microsecond; None if the text is not such a timestamp.

    >>> parse_timestamp("2016-03-14T01:59:00Z").isoformat()
    '2016-03-14T01:59:00+00:00'
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    micros = int((fraction or "0").ljust(6, "0")[:6])
    try:
        zone = timezone(offset)
        time = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), micros, zone)
        return time.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def format_timestamp(time: datetime) -> str:
    """A time as the context object shows it: in UTC, to the millisecond.

    >>> format_timestamp(datetime(2024, 5, 6, 7, 8, 9, 10_000, timezone.utc))
    '2024-05-06T07:08:09.010Z'
    """
    return time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"
