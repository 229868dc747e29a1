"""Whether a result that stands for a task's own, in TestState, is one that its API could have given.

The words are those of AWS's answers, recorded in LocalStack's tests test_field_validation_mode.
Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_MockInput.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from mlci_asl import Json
from mlci_emulator.integrations import catalog, sdk_names
from mlci_emulator.integrations.resource_arns import Integration, Pattern, read
from mlci_emulator.integrations.sdk_names import member_name
from mlci_emulator.protocol import validation
from mlci_emulator.protocol.validation import Problem

Mode = Literal["STRICT", "PRESENT", "NONE"]

_NUMBERS = ("integer", "long", "float", "double")
_EXPECTED = {"structure": "an object", "map": "an object", "list": "an array", "boolean": "a boolean"}
_EXPECTED |= dict.fromkeys(_NUMBERS, "a number")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _type_check(expected: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, expected)


_RULES = validation.Rules(
    types={
        **dict.fromkeys(("structure", "map"), _type_check(dict)),
        **dict.fromkeys(("string", "character", "timestamp", "blob"), _type_check(str)),
        **dict.fromkeys(_NUMBERS, _is_number),
        "list": _type_check(list),
        "boolean": _type_check(bool),
    },
    order=validation.in_model_order,
    constraints=("enum", "min", "max"),
    member_name=member_name,
    is_null_absent=False,
)


def problem(resource: str, result: Json, mode: Mode) -> str | None:
    """The first thing that is wrong; None where nothing is, or where what the task gives is in no model."""
    named = read(resource)
    if mode == "NONE" or not isinstance(named, Integration):
        return None
    service = named.service if named.is_sdk else catalog.SDK_NAMES.get(named.service, named.service)
    model = sdk_names.operation_model(service, _action(named))
    if model is None or model.output_shape is None:
        return None
    if named.service == "lambda" and isinstance(result, dict):  # the payload is what the function gives
        result = {name: value for name, value in result.items() if name != "Payload"}
    found = validation.problems(_RULES, model.output_shape, result)
    return next((text for text in (_text(problem, mode) for problem in found) if text is not None), None)


def _action(named: Integration) -> str:
    """The action whose answer the task gives: of a job that is waited for, its description's."""
    if named.pattern not in (Pattern.SYNC, Pattern.SYNC_2):
        return named.action
    for verb in ("create", "start"):
        if named.action.startswith(verb):
            return "describe" + named.action.removeprefix(verb)
    return named.action


def _text(problem: Problem, mode: Mode) -> str | None:
    """Return the message for a problem, or None where TestState does not mind it."""
    name = next((step for step in reversed(problem.path) if isinstance(step, str)), "")
    if problem.kind == "missing":
        return f"Required field '{name}' is missing" if mode == "STRICT" else None
    if problem.is_key:
        return None
    if problem.kind == "type":
        expected = _EXPECTED.get(problem.shape.type_name, "a string")
        return f"Field '{name}' must be {expected}" if name else f"The result must be {expected}"
    if problem.kind == "enum":
        return f"Field '{name}' is not an expected value"
    if isinstance(problem.value, str):
        return f"Field '{name}' " + (
            "is smaller than the minimum length" if problem.kind == "min" else "exceeds the maximum length"
        )
    if _is_number(problem.value):
        return f"Field '{name}' " + (
            "is less than the minimum value" if problem.kind == "min" else "exceeds the maximum value"
        )
    return None
