"""Short forms of names, for resources whose names have few characters: of a run's id, from which it can be read again,
and of any other name, from which it can't."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta, timezone

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_RUN = r"(\d{8}-\d{6})-([0-9a-f]{6})"
_TIME = "%Y%m%d-%H%M%S"
_EPOCH = datetime(2020, 1, 1, tzinfo=timezone.utc)
#: Six digits count the seconds until the year 2088, and five hold the six hexadecimal digits of a run's id.
_TIME_CHARS, _HEX_CHARS = 6, 5
RUN_CHARS = _TIME_CHARS + _HEX_CHARS


def encode_run(run: str) -> str:
    """Return a run's id in 11 characters; of an id in another form, a hash of that length.

    >>> encode_run("20261123-101530-3f9c2a")
    '3ljr5u2hcmi'
    """
    found = re.fullmatch(_RUN, run)
    try:
        moment = datetime.strptime(f"{found[1]}+0000", f"{_TIME}%z") if found else _EPOCH
        seconds = int((moment - _EPOCH).total_seconds())
    except ValueError:
        seconds = -1
    if found is None or not 0 <= seconds < len(_DIGITS) ** _TIME_CHARS:
        return short_digest(run, RUN_CHARS)
    return base36(seconds, _TIME_CHARS) + base36(int(found[2], 16), _HEX_CHARS)


def decode_run(text: str) -> str:
    """Return the run's id that `encode_run` made this of; "" if it is none.

    >>> decode_run(encode_run("20261123-101530-3f9c2a")), decode_run("zzz")
    ('20261123-101530-3f9c2a', '')
    """
    if len(text) != RUN_CHARS or not set(text) <= set(_DIGITS):
        return ""
    moment = _EPOCH + timedelta(seconds=int(text[:_TIME_CHARS], 36))
    return f"{moment:{_TIME}}-{int(text[_TIME_CHARS:], 36):06x}"


def short_digest(name: str, chars: int) -> str:
    """Return so many lower-case letters and digits of a name's hash."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest(), "big")
    return base36(number % len(_DIGITS) ** chars, chars)


def base36(number: int, chars: int) -> str:
    """Return a number in so many digits and lower-case letters.

    >>> base36(37, 2)
    '11'
    """
    text = ""
    for _ in range(chars):
        number, digit = divmod(number, len(_DIGITS))
        text = _DIGITS[digit] + text
    return text
