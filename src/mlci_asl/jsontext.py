"""JSON as AWS reads and writes it: strict on the way in, compact on the way out, numbers as Java prints them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias, cast

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

#: State input and output, in bytes of UTF-8.
#: Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
MAX_DATA_BYTES = 262_144
#: The deepest nesting of values. AWS documents no limit; this one keeps values within Python's recursion limit.
MAX_DEPTH = 150


class JsonText(NamedTuple):
    """A value with a JSON text of it, so that neither is computed twice."""

    text: str
    value: Json


class TooDeep(ValueError):
    """A JSON text that is nested deeper than MAX_DEPTH."""


def parse(text: str, on_duplicate: Callable[[str], None] | None = None) -> Json:
    """The value of a JSON text. Of repeated members, the last one counts; `on_duplicate` gets their name.

    Raises: ValueError (with line and column if Python knows them) for a text that is not JSON: also for NaN, Infinity,
    numbers beyond a double, and nesting that is too deep.
    """

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        members_by_name = dict(members)
        if on_duplicate and len(members_by_name) < len(members):
            names = [name for name, _ in members]
            for name in dict.fromkeys(name for name in names if names.count(name) > 1):
                on_duplicate(name)
        return members_by_name

    try:
        value = json.loads(
            text,
            parse_constant=_refuse,
            parse_float=_finite,
            object_pairs_hook=pairs if on_duplicate else None,
        )
    except RecursionError as error:
        raise TooDeep("the JSON text is nested too deeply") from error
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise TooDeep("the JSON text is nested too deeply")
    return cast("Json", value)


def _depth(value: Json) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        inner = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, (dict, list))]
        level = [item for items in inner for item in items]
    return depth


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text} is too large")
    return number


def dump(value: Json) -> str:
    """The compact JSON text, in the order of the members, with non-ASCII characters as they are."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, float):
        return java_double(value)
    if isinstance(value, list):
        return "[" + ",".join([dump(item) for item in value]) + "]"
    if isinstance(value, dict):
        return "{" + ",".join([f"{quote(name)}:{dump(item)}" for name, item in value.items()]) + "}"
    return json.dumps(value)


def text_of(value: Json) -> JsonText:
    """A value with its compact text."""
    return JsonText(dump(value), value)


def quote(text: str) -> str:
    """A JSON string."""
    return json.dumps(text, ensure_ascii=False)


def size_bytes(text: str) -> int:
    """The size of a text in UTF-8, as AWS's limits count it."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def java_double(number: float) -> str:
    """A number as Java's Double.toString prints it: plain from 0.001 to 10,000,000, else with an exponent.

    >>> java_double(0.5), java_double(1e7), java_double(123456789.5), java_double(0.00012)
    ('0.5', '1.0E7', '1.234567895E8', '1.2E-4')
    """
    magnitude = abs(number)
    if number == 0 or 1e-3 <= magnitude < 1e7:
        return repr(number)
    mantissa, _, exponent = f"{number!r}".partition("e")
    digits = mantissa.lstrip("-").replace(".", "")
    point = len(mantissa.lstrip("-").partition(".")[0]) + int(exponent or 0)
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    stripped = stripped.rstrip("0") or "0"
    sign = "-" if number < 0 else ""
    return f"{sign}{stripped[0]}.{stripped[1:] or '0'}E{point - 1}"


def java_string(value: Json) -> str:
    """A value as Java's toString prints it (States.Format): `{Id=1, Names=[a, b]}`, without quotes.

    Source: the validated test `test_context_json_path` of LocalStack's Step Functions tests.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "[" + ", ".join(java_string(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}={java_string(item)}" for name, item in value.items()) + "}"
    return dump(value)


def is_number(value: Json) -> bool:
    """True if a value is a JSON number; in Python a bool is an int, too."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_equal(one: Json, other: Json) -> bool:
    """True if two JSON values are equal: types count (1, 1.0 and true differ), the order of members does not.

    >>> is_equal({"a": 1, "b": [True]}, {"b": [True], "a": 1}), is_equal(1, True)
    (True, False)
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_equal(item, other[name]) for name, item in one.items())
    return one == other
