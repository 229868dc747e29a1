"""JSON texts of JSONata's values, for $string and for the values that errors quote."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from mlci_asl.jsonata import numbers
from mlci_asl.jsonata.jsonata_python import NULL, is_function


def to_json(value: Any, indent: str = "") -> str:
    """A value as JavaScript's JSON.stringify writes it; a function is the empty string. `indent` is for one level."""
    return _text(value, indent, "\n")


def _text(value: Any, indent: str, line: str) -> str:
    if value is None or value is NULL:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        digits = numbers.text(value)
        return digits if digits[-1].isdigit() else f'"{digits}"'
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if is_function(value):
        return '""'
    inner = line + indent
    if isinstance(value, dict):
        colon = ": " if indent else ":"
        members = (f"{_text(str(name), '', '')}{colon}{_text(item, indent, inner)}" for name, item in value.items())
        return _block("{}", members, indent, line)
    if isinstance(value, list):
        return _block("[]", (_text(item, indent, inner) for item in value), indent, line)
    return json.dumps(str(value))


def _block(brackets: str, parts: Iterable[str], indent: str, line: str) -> str:
    texts = list(parts)
    if not texts:
        return brackets
    if not indent:
        return brackets[0] + ",".join(texts) + brackets[1]
    inner = line + indent
    return brackets[0] + inner + ("," + inner).join(texts) + line + brackets[1]


def equality_key(value: Any) -> str:
    """A text that two values share if JSONata calls them equal: types count, the order of members does not."""
    if isinstance(value, dict):
        members = sorted((json.dumps(name), equality_key(item)) for name, item in value.items())
        return "{" + ",".join(f"{name}:{item}" for name, item in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(equality_key, value)) + "]"
    if is_function(value):
        return f"function {id(value)}"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return repr(numbers.normal(value))
    return to_json(value)
