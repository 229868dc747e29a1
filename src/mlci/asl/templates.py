"""Payload templates (Parameters, ResultSelector): members whose name ends in `.$` are replaced by what they select."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from mlci.asl.errors import RUNTIME, EvaluationError
from mlci.asl.intrinsics import Call, IntrinsicSyntaxError, is_intrinsic, parse_intrinsic
from mlci.asl.jsontext import Json, dump
from mlci.asl.paths import Path, PathNotFound, PathSyntaxError, parse_path

Expression: TypeAlias = "Path | Call"


class Constant(NamedTuple):
    """A value that is taken as it is."""

    value: Json


class Selected(NamedTuple):
    """`"<field>": "$.a"`, where the field's name ends in `.$`."""

    field: str
    expression: Expression


class Members(NamedTuple):
    """An object, with the names of its members as they come out."""

    members: tuple[tuple[str, Template], ...]


class Items(NamedTuple):
    """A list."""

    items: tuple[Template, ...]


Template: TypeAlias = "Constant | Selected | Members | Items"
Complain: TypeAlias = "Callable[[str, str], None]"


def fill(template: Template, given: Json, context: Json) -> Json:
    """The payload that a template makes of a state's input.

    Raises: EvaluationError where a path finds nothing or a function fails; never null instead.
    """
    if isinstance(template, Constant):
        return template.value
    if isinstance(template, Members):
        return {name: fill(member, given, context) for name, member in template.members}
    if isinstance(template, Items):
        return [fill(item, given, context) for item in template.items]
    return evaluate(template.expression, template.field, given, context)


def evaluate(expression: Expression, field: str, given: Json, context: Json) -> Json:
    """What a path or an intrinsic function gives; `field` is named in the error.

    Raises: EvaluationError.
    """
    if isinstance(expression, Call):
        return expression.evaluate(given, context)
    try:
        return expression.read(given, context)
    except PathNotFound:
        root = context if expression.is_context else given
        raise EvaluationError(
            RUNTIME,
            f"The JSONPath '{expression.text}' specified for the field '{field}' "
            f"could not be found in the input '{dump(root)}'",
        ) from None


def parse_expression(text: str) -> Expression:
    """A path or an intrinsic function.

    Raises: ValueError, which says what is wrong with it.
    """
    try:
        if is_intrinsic(text):
            return parse_intrinsic(text)
        return parse_path(text)
    except (PathSyntaxError, IntrinsicSyntaxError) as error:
        raise ValueError(f'"{text}" is not a valid JSONPath or intrinsic function: {error}') from error


def parse_template(value: Json, place: str, complain: Complain) -> Template:
    """A template from its JSON; `complain` is told the place and the fault of each part that is wrong."""
    if isinstance(value, list):
        items = tuple(parse_template(item, f"{place}[{index}]", complain) for index, item in enumerate(value))
        return Constant(value) if all(isinstance(item, Constant) for item in items) else Items(items)
    if not isinstance(value, dict):
        return Constant(value)
    members = tuple(_parse_member(name, item, f"{place}/{name}", complain) for name, item in value.items())
    names = [name for name, _ in members]
    for name in {name for name in names if names.count(name) > 1}:
        complain(place, f'"{name}" and "{name}.$" are the same field')
    is_constant = all(isinstance(member, Constant) for _, member in members)
    return Constant(value) if is_constant else Members(members)


def _parse_member(name: str, value: Json, place: str, complain: Complain) -> tuple[str, Template]:
    if not name.endswith(".$"):
        return name, parse_template(value, place, complain)
    if not isinstance(value, str):
        complain(place, f'the value of "{name}" must be a string with a JSONPath or an intrinsic function')
        return name[:-2], Selected(name, parse_path("$"))
    try:
        return name[:-2], Selected(name, parse_expression(value))
    except ValueError as error:
        complain(place, str(error))
        return name[:-2], Selected(name, parse_path("$"))
