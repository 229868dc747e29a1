"""The values of YAML scalars without quotes: the core schema of YAML 1.2, without its ambiguities.

YAML 1.1 (PyYAML) reads `no` as false, `010` as 8, `1:30` as 90 and `2024-01-01` as a date; YAML 1.2 (most editors, and
what GitHub Actions taught) does not. So the words that mean a boolean to one and a text to the other are refused, and
the rest is text.
"""

from __future__ import annotations

import math
import re

from mlci.flow.invalid_value import InvalidValue
from mlci.flow.models import Scalar

_NULLS = frozenset(["", "~", "null", "Null", "NULL"])
_BOOLEANS = {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
_SWITCHES = {
    form: meaning
    for word, meaning in (("yes", "true"), ("on", "true"), ("no", "false"), ("off", "false"))
    for form in (word, word.capitalize(), word.upper())
}
_INTEGER = r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+"
_NUMBER = r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
_NOT_FINITE = r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
_MAX_INTEGER_CHARS, _MAX_INTEGER = 40, 2**63 - 1


def read_plain(text: str) -> Scalar | None:
    """Returns the value of a scalar that stands without quotes.

    >>> read_plain("4"), read_plain("4.0"), read_plain("true"), read_plain("2024-01-01")
    (4, 4.0, True, '2024-01-01')

    Raises:
        InvalidValue: readers of YAML disagree about it, or no JSON can carry it.
    """
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text in _SWITCHES:
        what = f"{text} without quotes is a boolean to some readers of YAML, and a text to others"
        raise InvalidValue(what, f'Write "{text}" in quotes for the text, or {_SWITCHES[text]} for the boolean')
    if re.fullmatch(_INTEGER, text):
        return read_integer(text)
    if re.fullmatch(_NUMBER, text) or re.fullmatch(_NOT_FINITE, text):
        return read_number(text)
    return text


def read_integer(text: str) -> int:
    """Returns an integer of 64 bits. Raises InvalidValue if it has more."""
    if len(text) <= _MAX_INTEGER_CHARS:
        value = int(text, 16) if text.startswith("0x") else int(text)
        if abs(value) <= _MAX_INTEGER:
            return value
    raise InvalidValue(f"the number {_shortened(text)} is too large", "Put it in quotes if it is a text")


def read_number(text: str) -> float:
    """Returns a finite number. Raises InvalidValue if it is none."""
    value = math.nan if re.fullmatch(_NOT_FINITE, text) else float(text)
    if not math.isfinite(value):
        raise InvalidValue(f"{_shortened(text)} is not a finite number", "Put it in quotes if it is a text")
    return value


def describe(value: object) -> str:
    """Returns a description of a value of the document.

    >>> describe(4), describe("x"), describe([])
    ('the integer 4', 'the text "x"', 'a list')
    """
    match value:
        case None:
            return "empty"
        case bool():
            return "true" if value else "false"
        case int():
            return f"the integer {value}"
        case float():
            return f"the number {value!r}"
        case str():
            return f'the text "{_shortened(value)}"'
        case list():
            return "a list"
        case _:
            return "a mapping"


def printable(text: str) -> str:
    """Returns the text with control characters as escapes, so that a message is one line and moves no cursor.

    >>> print(printable("a\\nb"))
    a\\nb
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
