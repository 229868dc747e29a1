"""The functions in which jsonata-python differs from the reference implementation.

Their arguments have been checked against the signature; None is undefined. Compared with the reference's test suite.
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
from mlci_asl.jsonata.regexes import RegexMatch, RegexPattern

_MAX_CHARACTERS = 6_990_256
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([Ee][-+]?[0-9]+)?")
_RADIX_NUMBER = re.compile(r"0[xX][0-9A-Fa-f]+|0[oO][0-7]+|0[bB][01]+")
_TIMESTAMP = re.compile(
    r"(?P<date>\d{4}(?:-[01]\d(?:-[0-3]\d)?)?)(?P<time>T[0-2]\d:[0-5]\d:[0-5]\d)?(?P<fraction>\.\d+)?"
    r"(?P<zone>[+-][0-2]\d:?[0-5]\d|Z)?"
)


def string(value: Any, prettify: Any) -> Any:
    """$string: strings as they are, functions as the empty string, anything else as JSON."""
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
    """$lowercase, without casefolding."""
    return None if text is None else text.lower()


def pad(text: Any, width: Any, char: Any) -> Any:
    """$pad, up to the largest string that AWS allows."""
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
    if _RADIX_NUMBER.fullmatch(value):
        return int(value, 0)
    raise JException("D3030", -1, value)


def round_(value: Any, precision: Any) -> Any:
    """$round, half to even."""
    if value is None or not math.isfinite(value):
        return value
    return float(round(Decimal(repr(value)), int(precision or 0)))


def power(base: Any, exponent: Any) -> Any:
    """$power. Raises: JException D3061 if the result is not a finite number."""
    if base is None:
        return None
    try:
        result = float(base) ** float(exponent)
    except (OverflowError, ZeroDivisionError):
        result = math.inf
    if isinstance(result, complex) or not math.isfinite(result):
        raise JException("D3061", -1, base, exponent)
    return result


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
    result: list[Any] = []
    at_left = at_right = 0
    while at_left < len(left) and at_right < len(right):
        if Functions.to_boolean(Functions.func_apply(comparator, [left[at_left], right[at_right]])):
            result.append(right[at_right])
            at_right += 1
        else:
            result.append(left[at_left])
            at_left += 1
    return result + left[at_left:] + right[at_right:]


def distinct(array: Any) -> Any:
    """$distinct: 1 and true differ."""
    if not isinstance(array, list) or len(array) <= 1:
        return array
    result = {serialization.equality_key(item): item for item in reversed(array)}
    order = dict.fromkeys(serialization.equality_key(item) for item in array)
    items = [result[key] for key in order]
    return Utils.create_sequence_from_iter(items) if Utils.is_sequence(array) else items


def _matches(pattern: Any, text: str) -> Iterator[RegexMatch]:
    if not isinstance(pattern, RegexPattern):
        raise JException("T1010", -1, None)
    return pattern.matches(text)


def contains(text: Any, token: Any) -> Any:
    """$contains of a string or a regular expression."""
    if text is None or token is None:
        return None
    return token in text if isinstance(token, str) else next(_matches(token, text), None) is not None


def match(text: Any, pattern: Any, limit: Any) -> Any:
    """$match: the matches of a regular expression, in order."""
    if text is None:
        return None
    if limit is not None and limit < 0:
        raise JException("D3040", -1, limit)
    result = Utils.create_sequence()
    for regex_match in _matches(pattern, text):
        if limit is not None and len(result) >= limit:
            break
        result.append({"match": regex_match.text, "index": regex_match.start, "groups": list(regex_match.groups)})
    return result


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
        for regex_match in _matches(separator, text):
            parts.append(text[position : regex_match.start])
            position = regex_match.end
        parts.append(text[position:])
    return parts if limit is None else parts[: math.floor(limit)]


def replace(text: Any, pattern: Any, replacement: Any, limit: Any) -> Any:
    """$replace of a string or of a regular expression's matches, with a string or with a function's results."""
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
    for count, regex_match in enumerate(_matches(pattern, text)):
        if limit is not None and count >= limit:
            break
        parts += [text[position : regex_match.start], _replacement_text(regex_match, replacement)]
        position = regex_match.end
    return "".join([*parts, text[position:]])


def _replacement_text(regex_match: RegexMatch, replacement: Any) -> str:
    if isinstance(replacement, str):
        return _DOLLAR.sub(lambda result: _expand_dollar(result.group(1), regex_match), replacement)
    value = Functions.func_apply(replacement, [regex_match.as_value()])
    if not isinstance(value, str):
        raise JException("D3012", -1, value)
    return value


_DOLLAR = re.compile(r"\$(\$|[0-9]+)")


def _expand_dollar(reference: str, regex_match: RegexMatch) -> str:
    """`$$`, `$0` (all of it) or a group's number, of as many digits as the groups have; digits beyond stay."""
    if reference == "$":
        return "$"
    if reference[0] == "0":
        return regex_match.text + reference[1:]
    digits = len(str(max(len(regex_match.groups), 1)))
    index, rest = int(reference[:digits]), reference[digits:]
    if digits > 1 and index > len(regex_match.groups):
        index, rest = int(reference[: digits - 1]), reference[digits - 1 :]
    return (regex_match.groups[index - 1] if 0 < index <= len(regex_match.groups) else "") + rest


def to_millis(timestamp: Any, picture: Any) -> Any:
    """$toMillis: of ISO 8601 if there is no picture."""
    if timestamp is None:
        return None
    if picture is not None:
        return Functions.datetime_to_millis(timestamp, picture)
    result = _TIMESTAMP.fullmatch(timestamp)
    if not result:
        raise JException("D3110", -1, timestamp)
    zone = (result["zone"] or "Z").replace("Z", "+0000").replace(":", "")
    date = (result["date"] + "-01-01")[:10]
    try:
        moment = datetime.datetime.strptime(f"{date}{result['time'] or 'T00:00:00'}{zone}", "%Y-%m-%dT%H:%M:%S%z")
    except ValueError as error:
        raise JException("D3110", -1, timestamp) from error
    return round(moment.timestamp()) * 1000 + math.floor(float(f"0{result['fraction'] or ''}") * 1000 + 1e-9)


def parse_integer(text: Any, picture: Any) -> Any:
    """$parseInteger: NaN if the text does not match the picture."""
    if text is None:
        return None
    try:
        result = Functions.parse_integer(text, picture)
    except ValueError:
        result = None
    return math.nan if result is None else result


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
    """$sqrt. Raises: JException D3060 for a negative number."""
    if value is not None and value < 0:
        raise JException("D3060", -1, value)
    return Functions.sqrt(value)


def base64decode(text: Any) -> Any:
    """$base64decode. Raises: ValueError for invalid Base64, of which the library returns nothing, or a part."""
    return None if text is None else base64.b64decode(text, validate=True).decode()


def _url_function(name: str) -> Callable[[Any], Any]:
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
    return "function" if isinstance(value, RegexPattern) else Functions.type(value)


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
    **{name: _url_function(name) for name in _URLS},
}
