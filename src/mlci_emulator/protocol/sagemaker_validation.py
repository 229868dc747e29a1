"""SageMaker's validation of requests, and the words in which SageMaker, or Step Functions, rejects them.

Sources of the wording: SageMaker's responses as quoted in
https://github.com/aws/amazon-sagemaker-examples/issues/2236 (a pattern, in a list) and
https://github.com/aws/aws-step-functions-data-science-sdk-python/issues/15 (Step Functions).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from mlci_emulator.protocol import validation
from mlci_emulator.protocol.models import input_shape
from mlci_emulator.protocol.operations import ApiError
from mlci_emulator.protocol.validation import Constraint, Path, Problem, Rules, missing_first
from mlci_emulator.protocol.validation_errors import (
    broken_constraint,
    constraint_texts,
    java_path,
    java_text,
    sentence,
    validation_exception,
)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)


_RULES = Rules(
    types={
        "string": lambda value: isinstance(value, str),
        "integer": _is_integer,
        "long": _is_integer,
        "float": _is_number,
        "double": _is_number,
        "boolean": lambda value: isinstance(value, bool),
        "timestamp": lambda value: isinstance(value, datetime | int | float | str) and not isinstance(value, bool),
        "list": lambda value: isinstance(value, list | tuple),
        "structure": _is_mapping,
        "map": _is_mapping,
    },
    order=missing_first,
)
#: The order in which SageMaker lists all constraints of an item.
_ORDER: tuple[Constraint, ...] = ("enum", "max", "min", "pattern")
_TYPE_NAMES = {
    "string": "a text",
    "integer": "a whole number",
    "long": "a whole number",
    "float": "a number",
    "double": "a number",
    "boolean": "true or false",
    "timestamp": "a time",
    "list": "a list",
    "structure": "an object",
    "map": "an object",
}


def problems(operation: str, request: object) -> list[Problem]:
    """Return all that is wrong with an operation's request.

    Raises: KeyError: SageMaker has no such operation.
    """
    return list(validation.problems(_RULES, input_shape("sagemaker", operation), request))


def check(operation: str, request: object) -> None:
    """Reject a request as SageMaker does.

    Raises: ApiError
    """
    found = problems(operation, request)
    if found:
        raise rejection(found)


def rejection(found: Sequence[Problem]) -> ApiError:
    """Return SageMaker's error for a request with these problems; constraints count only if all types are right."""
    for problem in found:
        if problem.kind == "type":
            return ApiError("SerializationException", _conversion(problem))
        if problem.kind == "unknown":  # AWS drops what it does not know; the emulator ignores nothing silently
            field = bracket_path(problem.path)
            return ApiError("ValidationException", f'the local cloud does not know the field "{field}"')
    return validation_exception(_sentences(found))


def step_functions_text(problem: Problem) -> str:
    """Return a problem as Step Functions words it for a task's parameters."""
    field = bracket_path(problem.path)
    match problem.kind:
        case "missing":
            return f'The field "{field}" is required but was missing'
        case "unknown":
            return f'The field "{field}" is not supported by Step Functions'
        case _:
            return f'The value for the field "{field}" must be {_TYPE_NAMES[problem.shape.type_name]}'


def bracket_path(path: Path) -> str:
    """Return the way to a value as JSONPath writes it.

    >>> bracket_path(("Inputs", 0, "Name"))
    'Inputs[0].Name'
    """
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def _sentences(found: Sequence[Problem]) -> Iterator[str]:
    """Yield one sentence for each problem. SageMaker reports the first bad item of a list or map as the whole's."""
    reported: set[Path] = set()
    for problem in found:
        if problem.container is None:
            yield sentence(problem)
        elif problem.path[:-1] not in reported:
            reported.add(problem.path[:-1])
            yield _sentence_for_container(problem)


def _sentence_for_container(problem: Problem) -> str:
    subject = "Member"
    if isinstance(problem.container, Mapping):
        subject = "Map keys" if problem.is_key else "Map value"
    constraints = ", ".join(constraint_texts(problem.shape, _ORDER))
    value = f"'{java_text(problem.container)}'"
    return broken_constraint(value, java_path(problem.path[:-1]), f"{subject} must satisfy constraint: [{constraints}]")


def _conversion(problem: Problem) -> str:
    expected = problem.shape.type_name
    match problem.value:
        case Mapping():
            return "Start of structure or map found where not expected."
        case list() | tuple():
            return "Start of list found where not expected"
        case _ if expected in ("list", "structure", "map"):
            return "Expected list or null" if expected == "list" else "Unexpected field type"
        case bool(value):
            token = f"{str(value).upper()}_VALUE"
        case str():
            token = "STRING_VALUE"
        case None:
            token = "NULL_VALUE"
        case _:
            token = "NUMBER_VALUE"
    return f"{token} cannot be converted to {expected.capitalize()}"
