"""Functions of the language that jsonata-python answers otherwise than the reference implementation.

Each has its name's signature already checked; None is undefined. Compared with the reference's own test suite.
Source: github.com/jsonata-js/jsonata v2.0.6 src/functions.js, and for $string's numbers and $parseInteger's NaN the
answers of AWS's TestState as published in github.com/floci-io/floci, docs/services/step-functions.md
"""

from __future__ import annotations

import base64
import datetime
import math
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from jsonata.functions import Functions

from mlci_asl.jsonata import numbers, picture_strings, serialization
from mlci_asl.jsonata.jsonata_python import NULL, JException, Utils, is_function
from mlci_asl.jsonata.regexes import Match, Pattern

_MAX_CHARACTERS = 6_990_256
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([Ee][-+]?[0-9]+)?")
_RADIX = re.compile(r"0[xX][0-9A-Fa-f]+|0[oO][0-7]+|0[bB][01]+")
_TIMESTAMP = re.compile(
    r"(?P<date>\d{4}(?:-[01]\d(?:-[0-3]\d)?)?)(?P<time>T[0-2]\d:[0-5]\d:[0-5]\d)?(?P<fraction>\.\d+)?"
    r"(?P<zone>[+-][0-2]\d:?[0-5]\d|Z)?"
)


def string(value: Any, prettify: Any) -> Any:
    """$string: JSON of whatever is no string; functions are the empty string."""
    if isinstance(value, Utils.JList) and value.outer_wrapper:
        value = value[0]
    if value is None or isinstance(value, str):
        return value
    if is_function(value):
        return ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return numbers.text(value)
    return serialization.to_json(value, "  " if prettify is True else "")


def lowercase(text: Any) -> Any:
    """$lowercase: not casefolded."""
    return None if text is None else text.lower()


def pad(text: Any, width: Any, char: Any) -> Any:
    """$pad, within what a value may hold."""
    if width is not None and abs(width) > _MAX_CHARACTERS:
        raise MemoryError
    return Functions.pad(text, width, char)


def number(value: Any) -> Any:
    """$number of a number, a boolean, or a text of one."""
    if value is None:
        return None
    if not isinstance(value, str):
        return int(value) if isinstance(value, bool) else value
    if _NUMBER.fullmatch(value) and math.isfinite(float(value)):
        return float(value) if re.search("[.eE]", value) else int(value)
    if _RADIX.fullmatch(value):
        return int(value, 0)
    raise JException("D3030", -1, value)


def round_(value: Any, precision: Any) -> Any:
    """$round, half to even."""
    if value is None or not math.isfinite(value):
        return value
    return float(round(Decimal(repr(value)), int(precision or 0)))


def power(base: Any, exponent: Any) -> Any:
    """$power, where it is a number."""
    if base is None:
        return None
    try:
        found = float(base) ** float(exponent)
    except (OverflowError, ZeroDivisionError):
        found = math.inf
    if isinstance(found, complex) or not math.isfinite(found):
        raise JException("D3061", -1, base, exponent)
    return found


def sort(array: Any, comparator: Any) -> Any:
    """$sort: stable; without a function for numbers alone or strings alone."""
    if array is None or len(array) <= 1:
        return array
    if comparator is not None:
        return _merge_sorted(list(array), comparator)
    if not Utils.is_array_of_numbers(array) and not Utils.is_array_of_strings(array):
        raise JException("D3070", -1)
    return sorted(array)


def _merge_sorted(items: list[Any], comparator: Any) -> list[Any]:
    if len(items) <= 1:
        return items
    middle = len(items) // 2
    left, right = _merge_sorted(items[:middle], comparator), _merge_sorted(items[middle:], comparator)
    found: list[Any] = []
    at_left = at_right = 0
    while at_left < len(left) and at_right < len(right):
        if Functions.to_boolean(Functions.func_apply(comparator, [left[at_left], right[at_right]])):
            found.append(right[at_right])
            at_right += 1
        else:
            found.append(left[at_left])
            at_left += 1
    return found + left[at_left:] + right[at_right:]


def distinct(array: Any) -> Any:
    """$distinct: 1 and true differ."""
    if not isinstance(array, list) or len(array) <= 1:
        return array
    found = {serialization.key_of(item): item for item in reversed(array)}
    order = dict.fromkeys(serialization.key_of(item) for item in array)
    items = [found[key] for key in order]
    return Utils.create_sequence_from_iter(items) if Utils.is_sequence(array) else items


def _matches(pattern: Any, text: str) -> Iterator[Match]:
    if not isinstance(pattern, Pattern):
        raise JException("T1010", -1, None)
    return pattern.matches(text)


def contains(text: Any, token: Any) -> Any:
    """$contains of a string or a regular expression."""
    if text is None or token is None:
        return None
    return token in text if isinstance(token, str) else next(_matches(token, text), None) is not None


def match(text: Any, pattern: Any, limit: Any) -> Any:
    """$match: what a regular expression finds, in order."""
    if text is None:
        return None
    if limit is not None and limit < 0:
        raise JException("D3040", -1, limit)
    found = Utils.create_sequence()
    for one in _matches(pattern, text):
        if limit is not None and len(found) >= limit:
            break
        found.append({"match": one.text, "index": one.start, "groups": list(one.groups)})
    return found


def split(text: Any, separator: Any, limit: Any) -> Any:
    """$split at a string or a regular expression."""
    if text is None:
        return None
    if limit is not None and limit < 0:
        raise JException("D3020", -1, limit)
    if isinstance(separator, str):
        parts = text.split(separator) if separator else list(text)
    else:
        parts, position = [], 0
        for one in _matches(separator, text):
            parts.append(text[position : one.start])
            position = one.end
        parts.append(text[position:])
    return parts if limit is None else parts[: math.floor(limit)]


def replace(text: Any, pattern: Any, replacement: Any, limit: Any) -> Any:
    """$replace of a string or of what a regular expression finds, with a string or with what a function returns."""
    if text is None:
        return None
    if pattern == "":
        raise JException("D3010", -1)
    if limit is not None and limit < 0:
        raise JException("D3011", -1)
    if isinstance(pattern, str):
        if not isinstance(replacement, str):
            raise JException("D3012", -1, replacement)
        return text.replace(pattern, replacement, -1 if limit is None else math.ceil(limit))
    parts, position = [], 0
    for count, one in enumerate(_matches(pattern, text)):
        if limit is not None and count >= limit:
            break
        parts += [text[position : one.start], _replaced(one, replacement)]
        position = one.end
    return "".join([*parts, text[position:]])


def _replaced(one: Match, replacement: Any) -> str:
    if isinstance(replacement, str):
        return _DOLLAR.sub(lambda found: _dollar(found.group(1), one), replacement)
    value = Functions.func_apply(replacement, [one.as_value()])
    if not isinstance(value, str):
        raise JException("D3012", -1, value)
    return value


_DOLLAR = re.compile(r"\$(\$|[0-9]+)")


def _dollar(what: str, one: Match) -> str:
    """`$$`, `$0` (all of it) or a group's number, of as many digits as the groups have; digits beyond stay."""
    if what == "$":
        return "$"
    if what[0] == "0":
        return one.text + what[1:]
    digits = len(str(max(len(one.groups), 1)))
    index, rest = int(what[:digits]), what[digits:]
    if digits > 1 and index > len(one.groups):
        index, rest = int(what[: digits - 1]), what[digits - 1 :]
    return (one.groups[index - 1] if 0 < index <= len(one.groups) else "") + rest


def to_millis(timestamp: Any, picture: Any) -> Any:
    """$toMillis: of ISO 8601 where there is no picture."""
    if timestamp is None:
        return None
    if picture is not None:
        return Functions.datetime_to_millis(timestamp, picture)
    found = _TIMESTAMP.fullmatch(timestamp)
    if not found:
        raise JException("D3110", -1, timestamp)
    zone = (found["zone"] or "Z").replace("Z", "+0000").replace(":", "")
    date = (found["date"] + "-01-01")[:10]
    try:
        moment = datetime.datetime.strptime(f"{date}{found['time'] or 'T00:00:00'}{zone}", "%Y-%m-%dT%H:%M:%S%z")
    except ValueError as error:
        raise JException("D3110", -1, timestamp) from error
    return round(moment.timestamp()) * 1000 + math.floor(float(f"0{found['fraction'] or ''}") * 1000 + 1e-9)


def parse_integer(text: Any, picture: Any) -> Any:
    """$parseInteger: NaN where the picture cannot read the text."""
    if text is None:
        return None
    try:
        found = Functions.parse_integer(text, picture)
    except ValueError:
        found = None
    return math.nan if found is None else found


def format_number(value: Any, picture: Any, options: Any) -> Any:
    """$formatNumber, with all the rules for pictures."""
    if value is None:
        return None
    picture_strings.check(picture, options or {})
    return Functions.format_number(value, picture, options)


def format_base(value: Any, radix: Any) -> Any:
    """$formatBase, for a radix from 2 to 36."""
    if radix is not None and not 2 <= int(radix) <= 36:
        raise JException("D3100", -1, radix)
    return Functions.format_base(value, radix)


def sqrt(value: Any) -> Any:
    """$sqrt of what is not negative."""
    if value is not None and value < 0:
        raise JException("D3060", -1, value)
    return Functions.sqrt(value)


def base64decode(text: Any) -> Any:
    """$base64decode. Raises: ValueError; the library returns nothing, or what it could make of it."""
    return None if text is None else base64.b64decode(text, validate=True).decode()


def _of_url(name: str) -> Callable[[Any], Any]:
    function = getattr(Functions, _URLS[name])

    def checked(text: Any) -> Any:
        try:
            return function(text)
        except UnicodeError as error:
            raise JException("D3140", -1, name, text) from error

    return checked


_URLS = {
    "encodeUrlComponent": "encode_url_component",
    "encodeUrl": "encode_url",
    "decodeUrlComponent": "decode_url_component",
    "decodeUrl": "decode_url",
}


def type_(value: Any) -> Any:
    """$type, which knows functions and regular expressions."""
    return "function" if isinstance(value, Pattern) else Functions.type(value)


def merge(objects: Any) -> Any:
    """$merge of objects; null has no members."""
    return None if objects is None else {k: v for item in objects if item is not NULL for k, v in item.items()}


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "string": string,
    "lowercase": lowercase,
    "pad": pad,
    "number": number,
    "round": round_,
    "power": power,
    "sqrt": sqrt,
    "sort": sort,
    "distinct": distinct,
    "contains": contains,
    "match": match,
    "split": split,
    "replace": replace,
    "toMillis": to_millis,
    "parseInteger": parse_integer,
    "formatNumber": format_number,
    "formatBase": format_base,
    "type": type_,
    "merge": merge,
    "base64decode": base64decode,
    **{name: _of_url(name) for name in _URLS},
}
