"""Durations such as `1h30m`: texts to seconds, and back."""

from __future__ import annotations

import re

from mlci.flow.invalid_value import InvalidValue

_DURATION = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?", re.ASCII)
_UNIT_S = (86_400, 3_600, 60, 1)
_HINT = "Write it as 90s, 30m, 2h, 1h30m or 1d"


def parse_duration(text: str) -> int:
    """Returns the seconds in a duration.

    >>> parse_duration("1h30m")
    5400

    Raises:
        InvalidValue: it is no duration; a plain number is none, because its unit would be a guess.
    """
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        if re.fullmatch(r"\d+", text, re.ASCII):
            raise InvalidValue(f'"{text}" has no unit', f"Say which: {text}s, {text}m or {text}h")
        raise InvalidValue(f'"{text}" is not a duration', _HINT)
    return sum(int(count) * unit_s for count, unit_s in zip(match.groups(), _UNIT_S, strict=True) if count)


def format_duration(seconds: int) -> str:
    """Returns the duration as a flow would write it.

    >>> format_duration(5400)
    '1h30m'
    """
    words = []
    for unit_s, letter in zip(_UNIT_S, "dhms", strict=True):
        count, seconds = divmod(seconds, unit_s)
        if count:
            words.append(f"{count}{letter}")
    return "".join(words) or "0s"
