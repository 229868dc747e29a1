"""Dates in the formats of AWS's protocols: HTTP's, ISO 8601, and seconds since 1970.

Source: https://smithy.io/2.0/spec/protocol-traits.html#timestampformat-trait
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any


def parse_date(value: Any) -> datetime | None:
    """Return a date that is written as in HTTP or ISO 8601, or a `datetime`; None for anything else.

    HTTP requires a recipient to ignore a date that it cannot parse.
    """
    if value is None:
        return None
    date = value if isinstance(value, datetime) else _parse_text(str(value))
    return date.replace(tzinfo=timezone.utc) if date is not None and date.tzinfo is None else date


def http_date(value: Any) -> str:
    """Return a date as HTTP headers have it, or the value's text if it is no date."""
    from email.utils import format_datetime  # a run without HTTP needs no package email

    date = parse_date(value)
    return format_datetime(date.astimezone(timezone.utc), usegmt=True) if date is not None else str(value)


def iso_date(date: datetime) -> str:
    """Return a date in ISO 8601 with milliseconds.

    >>> iso_date(datetime(2026, 1, 31, 12, tzinfo=timezone.utc))
    '2026-01-31T12:00:00.000Z'
    """
    return date.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def epoch_seconds(date: datetime) -> float:
    """Return a date as seconds since 1970, with milliseconds as decimals."""
    return round(date.timestamp(), 3)


def _parse_text(text: str) -> datetime | None:
    from email.utils import parsedate_to_datetime

    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return parse(text.removesuffix("Z"))
        except ValueError:
            continue
    return None
