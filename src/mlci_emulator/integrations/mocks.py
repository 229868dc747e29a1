"""Whether a result that stands for a task's own, in TestState, is one that its API could have given.

The words are those of AWS's answers, recorded in LocalStack's tests test_field_validation_mode.
Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_MockInput.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

from mlci_asl import Json
from mlci_emulator.integrations import catalog
from mlci_emulator.integrations.resource_arns import Integration, Pattern, read
from mlci_emulator.protocol import models

Mode = Literal["STRICT", "PRESENT", "NONE"]

#: botocore.model.Shape, which has no types.
_Shape: TypeAlias = Any

_WANTED = {"structure": "an object", "map": "an object", "list": "an array", "boolean": "a boolean"}
_NUMBERS = ("integer", "long", "float", "double")


def problem(resource: str, result: Json, mode: Mode) -> str | None:
    """The first thing that is wrong; None where nothing is, or where what the task gives is in no model."""
    named = read(resource)
    if mode == "NONE" or not isinstance(named, Integration):
        return None
    service = named.service if named.is_sdk else catalog.SDK_NAMES.get(named.service, named.service)
    model = models.operation_model(service, _action(named))
    if model is None or model.output_shape is None:
        return None
    if named.service == "lambda" and isinstance(result, dict):  # the payload is what the function gives
        result = {name: value for name, value in result.items() if name != "Payload"}
    return next(_problems(model.output_shape, result, "", mode), None)


def _action(named: Integration) -> str:
    """The action whose answer the task gives: of a job that is waited for, its description's."""
    if named.pattern not in (Pattern.SYNC, Pattern.SYNC_2):
        return named.action
    for verb in ("create", "start"):
        if named.action.startswith(verb):
            return "describe" + named.action.removeprefix(verb)
    return named.action


def _problems(shape: _Shape, value: Json, name: str, mode: Mode) -> Iterator[str]:
    kind = shape.type_name
    wanted = "a number" if kind in _NUMBERS else _WANTED.get(kind, "a string")
    if not _is(kind, value):
        yield f"Field '{name}' must be {wanted}" if name else f"The result must be {wanted}"
    elif isinstance(value, dict):
        yield from _problems_of_fields(shape, value, mode)
    elif isinstance(value, list):
        for item in value:
            yield from _problems(shape.member, item, name, mode)
    else:
        yield from _limits(shape, value, name)


def _problems_of_fields(shape: _Shape, value: dict[str, Json], mode: Mode) -> Iterator[str]:
    if shape.type_name == "map":
        for key, item in value.items():
            yield from _problems(shape.value, item, key, mode)
        return
    for member, inner in shape.members.items():
        name = member[:1].upper() + member[1:]
        if name in value:
            yield from _problems(inner, value[name], name, mode)
        elif mode == "STRICT" and member in shape.required_members:
            yield f"Required field '{name}' is missing"


def _is(kind: str, value: Json) -> bool:
    if kind in ("structure", "map"):
        return isinstance(value, dict)
    if kind == "list":
        return isinstance(value, list)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in _NUMBERS:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, str)  # timestamps and blobs, too


def _limits(shape: _Shape, value: Json, name: str) -> Iterator[str]:
    known = shape.metadata
    if known.get("enum") and value not in known["enum"]:
        yield f"Field '{name}' is not an expected value"
    if isinstance(value, str):
        if len(value) < known.get("min", 0):
            yield f"Field '{name}' is smaller than the minimum length"
        if "max" in known and len(value) > known["max"]:
            yield f"Field '{name}' exceeds the maximum length"
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if "min" in known and value < known["min"]:
            yield f"Field '{name}' is less than the minimum value"
        if "max" in known and value > known["max"]:
            yield f"Field '{name}' exceeds the maximum value"
