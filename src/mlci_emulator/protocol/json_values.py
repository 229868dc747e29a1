"""Converts between JSON and the values of an API: datetimes, bytes and numbers where the model has them.

AWS JSON and REST-JSON share it.
Source: https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html#shape-serialization
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from mlci_emulator.protocol.models import Shape
from mlci_emulator.protocol.operations import ApiError
from mlci_emulator.protocol.timestamps import epoch_seconds, iso_date


def parse(shape: Shape, value: Any) -> Any:
    """Return the value of a request's JSON. Null members, and those that the model lacks, are left out.

    Raises: ApiError SerializationException, for a value of another type.
    """
    if value is None:
        return None
    kind = shape.type_name
    if kind == "structure":
        fields = _expect(dict, value)
        if shape.is_document_type:
            return fields
        return {
            name: parse(member, fields[name]) for name, member in shape.members.items() if fields.get(name) is not None
        }
    if kind == "list":
        return [parse(shape.member, element) for element in _expect(list, value)]
    if kind == "map":
        return {name: parse(shape.value, element) for name, element in _expect(dict, value).items()}
    return _PARSERS[kind](value)


def serialize(shape: Any, value: Any) -> Any:
    """Return the JSON of a response's value: dates as seconds, blobs as base64, without what the model lacks."""
    kind = shape.type_name
    if kind == "structure" and not shape.is_document_type:
        return {
            name: serialize(member, value[name])
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if kind == "list":
        return [serialize(shape.member, element) for element in value]
    if kind == "map":
        return {name: serialize(shape.value, element) for name, element in value.items()}
    if isinstance(value, datetime):
        return iso_date(value) if shape.serialization.get("timestampFormat") == "iso8601" else epoch_seconds(value)
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    return value


def _expect(expected: type, value: Any) -> Any:
    if not isinstance(value, expected):
        raise _wrong_type(value, "a structure" if expected is dict else "a list")
    return value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise _wrong_type(value, "a String")


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise _wrong_type(value, "a Boolean")


def _integer(value: Any) -> int:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == int(value):
        return int(value)
    raise _wrong_type(value, "an Integer")


def _number(value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise _wrong_type(value, "a Double")


def _blob(value: Any) -> bytes:
    try:
        return base64.b64decode(_text(value), validate=True)
    except binascii.Error as error:
        raise ApiError("SerializationException", f"a blob is not base64: {error}") from error


def _timestamp(value: Any) -> datetime:
    try:
        if isinstance(value, str):
            date = datetime.fromisoformat(value.replace("Z", "+00:00"))
            return date if date.tzinfo else date.replace(tzinfo=timezone.utc)
        return datetime.fromtimestamp(_number(value), timezone.utc)
    except (ValueError, OverflowError, OSError) as error:
        raise _wrong_type(value, "a Timestamp") from error


_PARSERS: Mapping[str, Callable[[Any], Any]] = {
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


def _wrong_type(value: Any, expected: str) -> ApiError:
    names = {bool: "TRUE_VALUE", str: "STRING_VALUE", int: "NUMBER_VALUE", float: "NUMBER_VALUE"}
    names |= {dict: "START_OBJECT", list: "START_ARRAY"}
    return ApiError("SerializationException", f"{names[type(value)]} can not be converted to {expected}")
