"""What botocore's model says of a request: text of JSON to typed values, and constraints in AWS's words.

The wording is that of answers recorded from AWS, such as: 1 validation error detected: Value '101' at
'routingConfiguration.1.member.weight' failed to satisfy constraint: Member must have value less than or equal to 100
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any, TypeAlias

from mlci_emulator.protocol.operations import ApiError

#: botocore.model.Shape, which has no types.
_Shape: TypeAlias = Any

_NUMBERS = ("integer", "long", "float", "double")


def parsed(shape: _Shape, value: Any) -> Any:
    """The value with datetimes, bytes and numbers where the model has them. Members that the model hasn't are dropped.

    Raises: ApiError, SerializationException, for a value of another type.
    """
    if value is None:
        return None
    kind = shape.type_name
    if kind == "structure":
        given = _expect(dict, value)
        if shape.is_document_type:
            return given
        return {
            name: parsed(member, given[name]) for name, member in shape.members.items() if given.get(name) is not None
        }
    if kind == "list":
        return [parsed(shape.member, element) for element in _expect(list, value)]
    if kind == "map":
        return {name: parsed(shape.value, element) for name, element in _expect(dict, value).items()}
    return _SCALARS[kind](value)


def _expect(wanted: type, value: Any) -> Any:
    if not isinstance(value, wanted):
        raise _unreadable(value, "a structure" if wanted is dict else "a list")
    return value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise _unreadable(value, "a String")


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise _unreadable(value, "a Boolean")


def _integer(value: Any) -> int:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == int(value):
        return int(value)
    raise _unreadable(value, "an Integer")


def _number(value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise _unreadable(value, "a Double")


def _blob(value: Any) -> bytes:
    try:
        return base64.b64decode(_text(value), validate=True)
    except binascii.Error as error:
        raise ApiError("SerializationException", f"a blob is not base64: {error}") from error


def _timestamp(value: Any) -> datetime:
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
            return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        return datetime.fromtimestamp(_number(value), timezone.utc)
    except (ValueError, OverflowError, OSError) as error:
        raise _unreadable(value, "a Timestamp") from error


_SCALARS: Mapping[str, Callable[[Any], Any]] = {
    "string": _text,
    "character": _text,
    "boolean": _boolean,
    "integer": _integer,
    "long": _integer,
    "float": _number,
    "double": _number,
    "blob": _blob,
    "timestamp": _timestamp,
}


def _unreadable(value: Any, wanted: str) -> ApiError:
    names = {bool: "TRUE_VALUE", str: "STRING_VALUE", int: "NUMBER_VALUE", float: "NUMBER_VALUE"}
    names |= {dict: "START_OBJECT", list: "START_ARRAY"}
    return ApiError("SerializationException", f"{names[type(value)]} can not be converted to {wanted}")


def check(shape: _Shape, request: Mapping[str, Any]) -> None:
    """Raises ApiError, ValidationException, with every constraint of the model that the request does not satisfy."""
    problems = list(_problems(shape, request, ""))
    if problems:
        count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected"
        raise ApiError("ValidationException", f"{count}: {'; '.join(problems)}")


def _problems(shape: _Shape, value: Any, place: str) -> Iterator[str]:
    if value is None:
        yield f"Value null at '{place}' failed to satisfy constraint: Member must not be null"
        return
    for constraint in _broken(shape.type_name, shape.metadata, value):
        yield f"Value '{_shown(value)}' at '{place}' failed to satisfy constraint: Member must {constraint}"
    for member, inner, inner_place in _inside(shape, value, place):
        yield from _problems(member, inner, inner_place)


def _inside(shape: _Shape, value: Any, place: str) -> Iterator[tuple[_Shape, Any, str]]:
    """What a structure, a list or a map holds, and what a structure lacks, with their places."""
    kind = shape.type_name
    if kind == "structure" and not shape.is_document_type:
        for name, member in shape.members.items():
            if name in value or name in shape.required_members:
                yield member, value.get(name), _below(place, name)
    elif kind == "list":
        for number, element in enumerate(value, 1):
            yield shape.member, element, f"{place}.{number}.member"
    elif kind == "map":
        for name, element in value.items():
            yield shape.key, name, f"{place}.{name}.key"
            yield shape.value, element, f"{place}.{name}.member"


def _below(place: str, name: str) -> str:
    """Names in AWS's messages begin with a small letter, also where the API's own don't."""
    small = name[:1].lower() + name[1:]
    return f"{place}.{small}" if place else small


def _broken(kind: str, limits: Mapping[str, Any], value: Any) -> Iterator[str]:
    if "enum" in limits and value not in limits["enum"]:
        yield f"satisfy enum value set: [{', '.join(limits['enum'])}]"
    measured, what = (value, "value") if kind in _NUMBERS else (None, "length")
    if kind in ("string", "list", "map", "blob"):
        measured = len(value)
    if measured is not None:
        if "min" in limits and measured < limits["min"]:
            yield f"have {what} greater than or equal to {limits['min']}"
        if "max" in limits and measured > limits["max"]:
            yield f"have {what} less than or equal to {limits['max']}"
    pattern = limits.get("pattern")
    if kind == "string" and pattern and not _fits(pattern, value):
        yield f"satisfy regular expression pattern: {pattern}"


def _fits(pattern: str, value: str) -> bool:
    known = compiled(pattern)
    return known is None or known.fullmatch(value) is not None


@functools.cache
def compiled(pattern: str) -> re.Pattern[str] | None:
    """A pattern of the model, which is Java's; None for one that Python can't read, which then limits nothing here.

    >>> compiled(r"\\p{ASCII}*").fullmatch("abc") is not None
    True
    """
    python = pattern.replace(r"\p{ASCII}", r"[\x00-\x7f]").replace(r"\p{L}\p{Z}\p{N}", r"\w\s")
    python = python.replace(r"\p{Alnum}", "a-zA-Z0-9" if "[" in pattern else "[a-zA-Z0-9]")
    try:
        return re.compile(python)
    except re.error:
        return None


def _shown(value: Any) -> str:
    """A value as Java's toString shows it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}={_shown(element)}" for name, element in value.items()) + "}"
    return str(value)
