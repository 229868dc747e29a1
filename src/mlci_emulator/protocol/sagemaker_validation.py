"""Whether a request is one that SageMaker takes, and what it, or Step Functions, says where it isn't.

Sources of the wording: SageMaker's answers as quoted in
https://github.com/aws/amazon-sagemaker-examples/issues/2236 (a pattern, in a list) and
https://github.com/aws/aws-step-functions-data-science-sdk-python/issues/15 (Step Functions).
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from mlci_emulator.protocol.operations import ApiError
from mlci_emulator.protocol.sagemaker_shapes import Shape, Shapes, input_of

#: The way to a value: names of members, keys of maps, and positions in lists, from 0.
Place: TypeAlias = "tuple[str | int, ...]"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a request. `what` is the expected type, or the constraint that does not hold."""

    kind: Literal["missing", "unknown", "type", "constraint"]
    place: Place
    what: str = ""
    value: Any = None


def problems(operation: str, request: object) -> list[Problem]:
    """All that is wrong with an operation's request.

    Raises: KeyError: there is no such operation.
    """
    name, shapes = input_of(operation)
    return list(_problems(shapes, name, request, ()))


def check(operation: str, request: object) -> None:
    """Refuses a request as SageMaker does.

    Raises: ApiError
    """
    found = problems(operation, request)
    if found:
        raise refusal(found)


def refusal(found: Sequence[Problem]) -> ApiError:
    """SageMaker's answer to a request with these problems. It does not get to constraints where a type is wrong."""
    for problem in found:
        if problem.kind == "type":
            return ApiError("SerializationException", _conversion(problem))
        if problem.kind == "unknown":  # AWS drops in silence what it does not know; here nothing goes unnoticed
            field = in_brackets(problem.place)
            return ApiError("ValidationException", f'the local cloud does not know the field "{field}"')
    texts = [_constraint(problem) for problem in found]
    plural = "error" if len(texts) == 1 else "errors"
    return ApiError("ValidationException", f"{len(texts)} validation {plural} detected: {'; '.join(texts)}")


def step_functions(problem: Problem) -> str:
    """The problem as Step Functions says it of a task's parameters."""
    field = in_brackets(problem.place)
    match problem.kind:
        case "missing":
            return f'The field "{field}" is required but was missing'
        case "unknown":
            return f'The field "{field}" is not supported by Step Functions'
        case _:
            return f'The value for the field "{field}" must be {_KINDS.get(problem.what, problem.what)}'


def in_brackets(place: Place) -> str:
    """
    >>> in_brackets(("Inputs", 0, "Name"))
    'Inputs[0].Name'
    """
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.removeprefix(".")


_KINDS = {
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


def _problems(shapes: Shapes, name: str, value: object, place: Place) -> Iterator[Problem]:
    shape = shapes[name]
    kind = shape["type"]
    if not _is(kind, value):
        yield Problem("type", place, kind, value)
        return
    for what in _broken(shape, value):
        yield Problem("constraint", place, what, value)
    match value:
        case Mapping() if kind == "structure":
            yield from _problems_of_members(shapes, shape, value, place)
        case Mapping():
            yield from _problems_of_entries(shapes, shape, value, place)
        case list() | tuple():
            yield from _problems_of_items(shapes, shape["member"]["shape"], value, place)
        case _:
            pass


def _problems_of_members(shapes: Shapes, shape: Shape, value: Mapping[str, object], place: Place) -> Iterator[Problem]:
    members = shape["members"]
    for name in shape.get("required", []):
        if value.get(name) is None:
            yield Problem("missing", (*place, name))
    for name, inner in value.items():
        if name not in members:
            yield Problem("unknown", (*place, name))
        elif inner is not None:
            yield from _problems(shapes, members[name]["shape"], inner, (*place, name))


def _problems_of_items(shapes: Shapes, member: str, value: Sequence[object], place: Place) -> Iterator[Problem]:
    """Constraints on plain items are told of the list as a whole."""
    for index, item in enumerate(value):
        for problem in _problems(shapes, member, item, (*place, index)):
            if problem.kind == "constraint" and len(problem.place) == len(place) + 1 and not isinstance(item, Mapping):
                what = f"Member must satisfy constraint: [{', '.join(_constraints(shapes[member]))}]"
                yield Problem("constraint", place, what, value)
                return
            yield problem


def _problems_of_entries(shapes: Shapes, shape: Shape, value: Mapping[str, object], place: Place) -> Iterator[Problem]:
    for key, item in value.items():
        for what, part, given in (("key", "Map keys", key), ("value", "Map value", item)):
            inner = shapes[shape[what]["shape"]]
            if not _is(inner["type"], given):
                yield Problem("type", (*place, key), inner["type"], given)
            elif _broken(inner, given):
                text = f"{part} must satisfy constraint: [{', '.join(_constraints(inner))}]"
                yield Problem("constraint", place, text, value)
                return


def _is(kind: str, value: object) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "integer" | "long":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float" | "double":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "timestamp":
            return isinstance(value, datetime | int | float | str) and not isinstance(value, bool)
        case "list":
            return isinstance(value, list | tuple)
        case _:
            return isinstance(value, Mapping)


def _broken(shape: Shape, value: Any) -> list[str]:
    """The constraints of the shape that the value does not hold."""
    match shape["type"]:
        case "string":
            size: float = len(value)
        case "list" | "map":
            size = len(value)
        case "integer" | "long" | "float" | "double":
            size = value
        case _:
            return []
    broken = []
    if "enum" in shape and value not in shape["enum"]:
        broken.append(_enum(shape))
    if size > shape.get("max", float("inf")):
        broken.append(_bound(shape, "less", shape["max"]))
    if size < shape.get("min", float("-inf")):
        broken.append(_bound(shape, "greater", shape["min"]))
    if "pattern" in shape and not matches(shape["pattern"], value):
        broken.append(f"Member must satisfy regular expression pattern: {shape['pattern']}")
    return broken


def _constraints(shape: Shape) -> list[str]:
    """All constraints of the shape, whether they hold or not."""
    texts = [_enum(shape)] if "enum" in shape else []
    texts += [_bound(shape, "less", shape["max"])] if "max" in shape else []
    texts += [_bound(shape, "greater", shape["min"])] if "min" in shape else []
    texts += [f"Member must satisfy regular expression pattern: {shape['pattern']}"] if "pattern" in shape else []
    return texts


def _enum(shape: Shape) -> str:
    return f"Member must satisfy enum value set: [{', '.join(shape['enum'])}]"


def _bound(shape: Shape, way: str, bound: int) -> str:
    what = "length" if shape["type"] in ("string", "list", "map") else "value"
    return f"Member must have {what} {way} than or equal to {bound}"


def _constraint(problem: Problem) -> str:
    what = "Member must not be null" if problem.kind == "missing" else problem.what
    value = "null" if problem.kind == "missing" else f"'{_text(problem.value)}'"
    return f"Value {value} at '{_java_place(problem.place)}' failed to satisfy constraint: {what}"


def _java_place(place: Place) -> str:
    """
    >>> _java_place(("ProductionVariants", 0, "ModelName"))
    'productionVariants.1.member.modelName'
    """
    steps = [f"{step + 1}.member" if isinstance(step, int) else step[:1].lower() + step[1:] for step in place]
    return ".".join(steps)


def _text(value: object) -> str:
    """A value as Java writes it."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case Mapping():
            return "{" + ", ".join(f"{key}={_text(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_text, value)) + "]"
        case _:
            return str(value)


def _conversion(problem: Problem) -> str:
    match problem.value:
        case Mapping():
            return "Start of structure or map found where not expected."
        case list() | tuple():
            return "Start of list found where not expected"
        case _ if problem.what in ("list", "structure", "map"):
            return "Expected list or null" if problem.what == "list" else "Unexpected field type"
        case bool(value):
            token = f"{str(value).upper()}_VALUE"
        case str():
            token = "STRING_VALUE"
        case None:
            token = "NULL_VALUE"
        case _:
            token = "NUMBER_VALUE"
    return f"{token} cannot be converted to {problem.what.capitalize()}"


# --- Patterns --------------------------------------------------------------------------------------------------------

#: Java's `\\p{L}` for Python: what ASCII has of the category, and one character that stands for all others of it.
_CATEGORIES = {
    "L": "a-zA-Z\ue001",
    "M": "\ue002",
    "N": "0-9\ue003",
    "P": r"!-#%-*,-/:;?@\[-\]_{}\ue004",
    "S": r"$+<=>\^`|~\ue005",
    "Z": " \ue006",
    "Alnum": "a-zA-Z0-9",
}
_STAND_IN = {"L": "\ue001", "M": "\ue002", "N": "\ue003", "P": "\ue004", "S": "\ue005", "Z": "\ue006"}
_CATEGORY = re.compile(r"\\p\{(\w+)\}")


@functools.cache
def _compiled(pattern: str) -> tuple[re.Pattern[str], bool]:
    has_categories = _CATEGORY.search(pattern) is not None
    text = _CATEGORY.sub(lambda found: _CATEGORIES[found[1]], pattern)
    # Two patterns of the model read `(…)${1,128}`: botocore lost a bracket. Their lengths are in `max` as well.
    text = re.sub(r"\$\{\d+,\d+\}$", "", text).replace(r"\uD800\uDC00-\uDBFF\uDFFF", "\U00010000-\U0010ffff")
    return re.compile(text), has_categories


def matches(pattern: str, value: str) -> bool:
    """Whether all of the value matches."""
    compiled, has_categories = _compiled(pattern)
    if has_categories and not value.isascii():
        value = "".join(
            char if char.isascii() else _STAND_IN.get(unicodedata.category(char)[0], char) for char in value
        )
    return compiled.fullmatch(value) is not None
