"""Validates a mocked result for TestState: could the task's API have returned it?

The words are those of AWS's responses, recorded in LocalStack's tests test_field_validation_mode.
Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_MockInput.html
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

from mlci_asl import Json
from mlci_emulator.integrations import catalog, sdk_names
from mlci_emulator.integrations.resource_arns import Integration, Pattern, parse_resource
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
    is_null_absent=False,
)


def problem(resource: str, result: Json, mode: Mode) -> str | None:
    """Return the first problem; None if there is none, or if no model describes the task's result."""
    integration = parse_resource(resource)
    if mode == "NONE" or not isinstance(integration, Integration):
        return None
    service = catalog.sdk_name(integration)
    model = sdk_names.operation_model(service, _action(integration))
    if model is None or model.output_shape is None:
        return None
    if integration.service == "lambda" and isinstance(result, dict):  # the payload is the function's own result
        result = {name: value for name, value in result.items() if name != "Payload"}
    names = sdk_names.sdk_member_name if integration.is_sdk else sdk_names.member_name
    found = validation.problems(dataclasses.replace(_RULES, member_name=names), model.output_shape, result)
    return next((text for text in (_text(problem, mode) for problem in found) if text is not None), None)


def _action(integration: Integration) -> str:
    """Return the action whose response the task returns: with `.sync`, the one that describes the job."""
    if integration.pattern not in (Pattern.SYNC, Pattern.SYNC_2):
        return integration.action
    for verb in ("create", "start"):
        if integration.action.startswith(verb):
            return "describe" + integration.action.removeprefix(verb)
    return integration.action


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
