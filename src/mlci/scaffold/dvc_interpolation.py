"""`${…}` in dvc.yaml: values of `vars`, params files, and of `foreach` and `matrix`.

Source: https://dvc.org/doc/user-guide/project-structure/dvcyaml-files#templating
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any  # what a YAML file holds

_REFERENCE = re.compile(r"(\\?)\$\{([^{}]*)\}")
_PART = re.compile(r"[^.\[\]]+")


class UnknownVariable(Exception):
    """A reference to what no variable has: `args[0]` is the reference."""


def interpolated(value: Any, context: Mapping[str, Any]) -> Any:
    """Returns a value with each `${…}` in its texts replaced; a text that is nothing else gets the value itself.

    >>> interpolated(["${a.b}", "x-${a.b}-y", "${list[1]}"], {"a": {"b": 3}, "list": [1, 2]})
    [3, 'x-3-y', 2]

    Raises: UnknownVariable.
    """
    if isinstance(value, dict):
        return {interpolated(key, context): interpolated(item, context) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolated(item, context) for item in value]
    if not isinstance(value, str):
        return value
    whole = _REFERENCE.fullmatch(value)
    if whole and not whole[1]:
        return _looked_up(whole[2], context)
    return _REFERENCE.sub(lambda match: match[0][1:] if match[1] else _text(_looked_up(match[2], context)), value)


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Returns two contexts as one; maps in both are merged, and else the second one counts."""
    both = {
        key: merged(first[key], value) if isinstance(first.get(key), dict) and isinstance(value, dict) else value
        for key, value in second.items()
    }
    return {**first, **both}


def _looked_up(reference: str, context: Mapping[str, Any]) -> Any:
    value: Any = context
    for part in _PART.findall(reference.strip()):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise UnknownVariable(reference.strip()) from error
    return value


def _text(value: Any) -> str:
    """Returns a value as DVC writes it into a command: maps become options.

    Source: https://dvc.org/doc/user-guide/project-structure/dvcyaml-files#dictionary-unpacking
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return " ".join(_option(str(name), item) for name, item in value.items() if item is not False)
    if isinstance(value, list):
        return " ".join(str(item) for item in value)
    return "" if value is None else str(value)


def _option(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(_option(f"{name}.{inner}", item) for inner, item in value.items())
    return f"--{name}" if value is True else f"--{name} {_text(value)}"
