"""The ValidationException by which services reject a request that breaks constraints of their models.

The wording is that of responses recorded from AWS, such as: 1 validation error detected: Value '101' at
'routingConfiguration.1.member.weight' failed to satisfy constraint: Member must have value less than or equal to 100
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mlci_emulator.protocol.models import Shape
from mlci_emulator.protocol.operations import ApiError
from mlci_emulator.protocol.validation import (
    CONSTRAINTS,
    Constraint,
    MapKey,
    Path,
    Problem,
    Rules,
    in_model_order,
    problems,
)

#: Requests are parsed by their shapes before, so that null is the only wrong type that is left.
_RULES = Rules(types={}, order=in_model_order)
_REQUIRED = Rules(types={}, order=in_model_order, constraints=())


def check(shape: Shape, request: Mapping[str, Any]) -> None:
    """Check a parsed request against all constraints of the model.

    Raises: ApiError ValidationException
    """
    _check(_RULES, shape, request)


def check_required(shape: Shape, request: Mapping[str, Any]) -> None:
    """Check that a request has the required members, and no null in a list or a map.

    Raises: ApiError ValidationException
    """
    _check(_REQUIRED, shape, request)


def _check(rules: Rules, shape: Shape, request: Mapping[str, Any]) -> None:
    texts = [sentence(problem) for problem in problems(rules, shape, request)]
    if texts:
        raise validation_exception(texts)


def validation_exception(texts: Iterable[str]) -> ApiError:
    """Return the error for several broken constraints."""
    texts = [*texts]
    noun = "error" if len(texts) == 1 else "errors"
    return ApiError("ValidationException", f"{len(texts)} validation {noun} detected: {'; '.join(texts)}")


def sentence(problem: Problem) -> str:
    """Return the sentence for a value that is null, or breaks a constraint."""
    path = java_path(problem.path, problem.is_key)
    if not problem.is_constraint:
        return broken_constraint("null", path, "Member must not be null")
    constraint: Constraint = problem.kind  # type: ignore[assignment]
    return broken_constraint(f"'{java_text(problem.value)}'", path, constraint_text(constraint, problem.shape))


def broken_constraint(value: str, path: str, constraint: str) -> str:
    """Return the sentence for one broken constraint; `value` is in quotes, or null."""
    return f"Value {value} at '{path}' failed to satisfy constraint: {constraint}"


def constraint_text(constraint: Constraint, shape: Shape) -> str:
    """Return a constraint as AWS words it."""
    limit = shape.metadata[constraint]
    match constraint:
        case "enum":
            return f"Member must satisfy enum value set: [{', '.join(limit)}]"
        case "pattern":
            return f"Member must satisfy regular expression pattern: {limit}"
        case _:
            what = "length" if shape.type_name in ("string", "list", "map", "blob") else "value"
            return f"Member must have {what} {'greater' if constraint == 'min' else 'less'} than or equal to {limit}"


def constraint_texts(shape: Shape, order: Iterable[Constraint] = CONSTRAINTS) -> list[str]:
    """Return all constraints of a shape."""
    return [constraint_text(constraint, shape) for constraint in order if constraint in shape.metadata]


def java_path(path: Path, is_key: bool = False) -> str:
    """Return the way to a value, or to a map's key, as AWS's messages write it: names begin with a small letter.

    >>> java_path(("ProductionVariants", 0, "ModelName"))
    'productionVariants.1.member.modelName'
    """
    text = ".".join(map(_java_step, path))
    return f"{text.removesuffix('.member')}.key" if is_key else text


def _java_step(step: str | int) -> str:
    if isinstance(step, int):
        return f"{step + 1}.member"
    return f"{step}.member" if isinstance(step, MapKey) else step[:1].lower() + step[1:]


def java_text(value: object) -> str:
    """Return a value as Java's toString() writes it."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case Mapping():
            return "{" + ", ".join(f"{key}={java_text(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(java_text, value)) + "]"
        case _:
            return str(value)
