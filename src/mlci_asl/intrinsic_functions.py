"""The 18 intrinsic functions, on the values of their arguments.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html; where the guide is silent
(rounding, delimiters, empty texts), the recorded answers of AWS in LocalStack's Step Functions tests.

Modules that few definitions need are imported by the functions that do: importing `mlci_asl` has to be fast.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from mlci_asl.jsontext import Json, dump, is_equal, java_string, parse

#: Source: the guide, "can accept a string of up to 10,000 characters" and "up to 1000 elements".
MAX_TEXT_CHARS = 10_000
MAX_RANGE_ITEMS = 1_000

_HASHES = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}


class FunctionError(ValueError):
    """A function cannot work with these values."""


class FormatTemplate(NamedTuple):
    """The first argument of States.Format if it is a literal, with its escapes."""

    raw: str


Value: TypeAlias = "Json | FormatTemplate"


def _text(value: Value, argument: str) -> str:
    if not isinstance(value, str):
        raise FunctionError(f"{argument} must be a string")
    return value


def _short_text(value: Value, argument: str) -> str:
    text = _text(value, argument)
    if len(text) > MAX_TEXT_CHARS:
        raise FunctionError(f"{argument} must not have more than {MAX_TEXT_CHARS} characters")
    return text


def _array(value: Value) -> list[Json]:
    if not isinstance(value, list):
        raise FunctionError("the first argument must be an array")
    return value


def _rounded(value: Value, argument: str) -> int:
    """A number rounded half up, as Java's Math.round does."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise FunctionError(f"{argument} must be a number")
    return value if isinstance(value, int) else math.floor(value + 0.5)


def _format(template: Value, *values: Json) -> Json:
    raw = template.raw if isinstance(template, FormatTemplate) else _text(template, "the template")
    pattern = r"\\(.)|\{\}" if isinstance(template, FormatTemplate) else r"()\{\}"
    placeholders = sum(1 for match in re.finditer(pattern, raw, re.DOTALL) if not match[1])
    if placeholders != len(values):
        raise FunctionError(f"the template has {placeholders} {{}}, but {len(values)} values were given")
    remaining = iter(values)
    return re.sub(pattern, lambda match: match[1] or java_string(next(remaining)), raw, flags=re.DOTALL)


def _string_to_json(text: Value) -> Json:
    checked = _text(text, "the argument")
    if not checked.strip():
        return None
    try:
        return parse(checked)
    except ValueError as error:
        raise FunctionError(f"the string is not JSON: {error}") from error


def _array_partition(array: Value, size: Value) -> Json:
    items, step = _array(array), _rounded(size, "the chunk size")
    if step < 1:
        raise FunctionError("the chunk size must be a positive integer")
    return [items[start : start + step] for start in range(0, len(items), step)]


def _array_range(first: Value, last: Value, step: Value) -> Json:
    start, end, increment = _rounded(first, "the start"), _rounded(last, "the end"), _rounded(step, "the step")
    if increment == 0:
        raise FunctionError("the step must not be zero")
    result = range(start, end + (1 if increment > 0 else -1), increment)
    if len(result) > MAX_RANGE_ITEMS:
        raise FunctionError(f"the range must not have more than {MAX_RANGE_ITEMS} items")
    return list(result)


def _array_get_item(array: Value, index: Value) -> Json:
    items = _array(array)
    if isinstance(index, bool) or not isinstance(index, int):
        raise FunctionError("the index must be an integer")
    if not 0 <= index < len(items):
        raise FunctionError(f"the index {index} is out of range for an array of {len(items)}")
    return items[index]


def _array_unique(array: Value) -> Json:
    result: list[Json] = []
    for item in _array(array):
        if not any(is_equal(item, previous) for previous in result):
            result.append(item)
    return result


def _base64_encode(text: Value) -> Json:
    import base64

    return base64.b64encode(_short_text(text, "the argument").encode("utf-8", "replace")).decode("ascii")


def _base64_decode(text: Value) -> Json:
    import base64

    try:
        return base64.b64decode(_short_text(text, "the argument"), validate=True).decode("utf-8", "replace")
    except ValueError as error:
        raise FunctionError("the argument is not valid Base64") from error


def _hash(data: Value, algorithm: Value) -> Json:
    import hashlib

    text = _short_text(data, "the data")
    if not isinstance(algorithm, str) or algorithm not in _HASHES:
        raise FunctionError(f"the algorithm must be one of {', '.join(_HASHES)}")
    return hashlib.new(_HASHES[algorithm], text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


def _json_merge(first_value: Value, second_value: Value, is_deep: Value) -> Json:
    if not isinstance(first_value, dict) or not isinstance(second_value, dict):
        raise FunctionError("the first two arguments must be objects")
    if is_deep is not False:
        raise FunctionError("only the shallow merge is supported: the third argument must be false")
    return {**first_value, **second_value}


def _math_random(first: Value, last: Value, seed: Value = None) -> Json:
    import random

    start, end = _rounded(first, "the start"), _rounded(last, "the end")
    if start >= end:
        raise FunctionError("the start must be less than the end")
    source = random.Random() if seed is None else random.Random(_rounded(seed, "the seed"))
    return source.randrange(start, end)


def _math_add(first_value: Value, second_value: Value) -> Json:
    return _rounded(first_value, "the first argument") + _rounded(second_value, "the second argument")


def _uuid() -> Json:
    import uuid

    return str(uuid.uuid4())


def _string_split(text: Value, delimiters: Value) -> Json:
    """Splits at every character of `delimiters` and drops empty parts, as Java's StringUtils.split does."""
    checked, characters = _text(text, "the text"), _text(delimiters, "the delimiter")
    if not characters:
        return [checked] if checked else []
    return [part for part in re.split("[" + re.escape(characters) + "]", checked) if part]


class _Function(NamedTuple):
    """One function, and the number of arguments that it takes (`maximum` is None for any number)."""

    name: str
    minimum: int
    maximum: int | None
    implementation: Callable[..., Json]

    def __call__(self, values: Sequence[Value]) -> Json:
        if len(values) < self.minimum or (self.maximum is not None and len(values) > self.maximum):
            raise FunctionError(f"{self.name} was given {len(values)} arguments")
        return self.implementation(*values)


_TABLE = (
    _Function("States.Format", 1, None, _format),
    _Function("States.StringToJson", 1, 1, _string_to_json),
    _Function("States.JsonToString", 1, 1, dump),
    _Function("States.Array", 0, None, lambda *values: list(values)),
    _Function("States.ArrayPartition", 2, 2, _array_partition),
    _Function(
        "States.ArrayContains",
        2,
        2,
        lambda array, item: any(is_equal(item, one) for one in _array(array)),
    ),
    _Function("States.ArrayRange", 3, 3, _array_range),
    _Function("States.ArrayGetItem", 2, 2, _array_get_item),
    _Function("States.ArrayLength", 1, 1, lambda array: len(_array(array))),
    _Function("States.ArrayUnique", 1, 1, _array_unique),
    _Function("States.Base64Encode", 1, 1, _base64_encode),
    _Function("States.Base64Decode", 1, 1, _base64_decode),
    _Function("States.Hash", 2, 2, _hash),
    _Function("States.JsonMerge", 3, 3, _json_merge),
    _Function("States.MathRandom", 2, 3, _math_random),
    _Function("States.MathAdd", 2, 2, _math_add),
    _Function("States.StringSplit", 2, 2, _string_split),
    _Function("States.UUID", 0, 0, _uuid),
)

FUNCTIONS: dict[str, _Function] = {function.name: function for function in _TABLE}
