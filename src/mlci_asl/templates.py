"""Payload templates: JSON of a definition in which some values are evaluated, in either query language.

In JSONPath these are the members whose name ends in `.$`; in JSONata every string `{% … %}`, at any depth. A single
field that takes a path or an expression (`SecondsPath`, `Seconds`) is a template of one value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from mlci_asl import jsonata
from mlci_asl.errors import INVALID, RUNTIME, EvaluationError, QueryError
from mlci_asl.intrinsics import IntrinsicCall, is_intrinsic, parse_intrinsic, quoted_root
from mlci_asl.jsontext import Json, dump, is_number
from mlci_asl.path_tokens import InvalidPath
from mlci_asl.paths import Path, parse_path
from mlci_asl.state_data import StateData

Expression: TypeAlias = "Path | IntrinsicCall"


class ConstantTemplate(NamedTuple):
    """A value that is used as it is."""

    value: Json


class PathTemplate(NamedTuple):
    """A path or an intrinsic function, in a field whose name ends in `.$` or in `Path`."""

    field: str
    expression: Expression


class JsonataTemplate(NamedTuple):
    """`{% … %}`. `field` is its location in the state, as AWS names it: `Output/a[0]`."""

    field: str
    expression: jsonata.Expression


class ObjectTemplate(NamedTuple):
    """An object, with the names that its members have in the payload."""

    members: tuple[tuple[str, PayloadTemplate], ...]


class ArrayTemplate(NamedTuple):
    """A list."""

    items: tuple[PayloadTemplate, ...]


PayloadTemplate: TypeAlias = "ConstantTemplate | PathTemplate | JsonataTemplate | ObjectTemplate | ArrayTemplate"
ReportProblem: TypeAlias = "Callable[[str, str, str], None]"  # location, message, AWS's code


def fill(template: PayloadTemplate, data: StateData) -> Json:
    """The payload of a template, for a state's data.

    Raises: EvaluationError if a path leads to nothing, which is never null instead, or if an expression fails.
    """
    if isinstance(template, ConstantTemplate):
        return template.value
    if isinstance(template, ObjectTemplate):
        return {name: fill(member, data) for name, member in template.members}
    if isinstance(template, ArrayTemplate):
        return [fill(item, data) for item in template.items]
    if isinstance(template, JsonataTemplate):
        return _evaluate_jsonata(template, data)
    return _evaluate_path(template, data)


def _evaluate_path(template: PathTemplate, data: StateData) -> Json:
    expression = template.expression
    if isinstance(expression, IntrinsicCall):
        return expression.evaluate(data)
    try:
        return expression.read(data)
    except InvalidPath:
        raise EvaluationError(
            RUNTIME,
            f"The JSONPath '{expression.text}' specified for the field '{template.field}' "
            f"could not be found in the input '{quoted_root(expression, data)}'",
        ) from None


def _evaluate_jsonata(template: JsonataTemplate, data: StateData) -> Json:
    try:
        return jsonata.evaluate(template.expression, data.jsonata_variables())
    except jsonata.JsonataError as error:
        raise QueryError(f"{_subject(template)} {error}", template.field) from error


def _subject(template: JsonataTemplate) -> str:
    return f"The JSONata expression '{template.expression.text}' specified for the field '{template.field}'"


def unexpected_type(template: PayloadTemplate, expected: str, value: Json) -> QueryError:
    """The error of a JSONata expression whose value has another type than its field needs."""
    if not isinstance(template, JsonataTemplate):
        raise TypeError(template)
    message = f"returned an unexpected result type. Expected '{expected}', but was '{_json_type(value)}' for value:"
    return QueryError(f"{_subject(template)} {message} {dump(value)}", template.field)


def _json_type(value: Json) -> str:
    if value is None:
        return "null"
    if is_number(value):
        return "number"
    return {bool: "boolean", str: "string", list: "array"}.get(type(value), "object")


def parse_expression(text: str) -> Expression:
    """A path or an intrinsic function.

    Raises: ValueError, whose text is the reason.
    """
    return parse_intrinsic(text) if is_intrinsic(text) else parse_path(text)


def parse_template(value: Json, location: str, report: ReportProblem) -> PayloadTemplate:
    """A template from its JSON, in JSONPath; `report` gets the location, message and code of each problem."""
    if isinstance(value, list):
        items = tuple(parse_template(item, f"{location}[{index}]", report) for index, item in enumerate(value))
        return (
            ConstantTemplate(value)
            if all(isinstance(item, ConstantTemplate) for item in items)
            else ArrayTemplate(items)
        )
    if not isinstance(value, dict):
        return ConstantTemplate(value)
    members = tuple(_parse_member(name, item, f"{location}/{name}", report) for name, item in value.items())
    names = [name for name, _ in members]
    for name in {name for name in names if names.count(name) > 1}:
        report(location, f'"{name}" and "{name}.$" are the same field', INVALID)
    is_constant = all(isinstance(member, ConstantTemplate) for _, member in members)
    return ConstantTemplate(value) if is_constant else ObjectTemplate(members)


def _parse_member(name: str, value: Json, location: str, report: ReportProblem) -> tuple[str, PayloadTemplate]:
    if not name.endswith(".$"):
        return name, parse_template(value, location, report)
    try:
        if isinstance(value, str):
            return name[:-2], PathTemplate(name, parse_expression(value))
        reason = "it is not a string"
    except ValueError as error:
        reason = str(error)
    message = f"The value for the field '{name}' must be a valid JSONPath or a valid intrinsic function call: {reason}"
    report(location.rpartition("/")[0], message, INVALID)
    return name[:-2], PathTemplate(name, parse_path("$"))


class JsonataTemplateReader(NamedTuple):
    """Reads templates in JSONata. `unavailable` has the members of $states that the field can't read."""

    report: ReportProblem
    unavailable: frozenset[str] = frozenset()

    def payload(self, value: Json, location: str, field: str) -> PayloadTemplate:
        """A template from its JSON, at `location` of the definition and in `field` of its state."""
        if isinstance(value, str):
            return self._string(value, location, field)
        if isinstance(value, list):
            items = tuple(
                self.payload(item, f"{location}[{index}]", f"{field}[{index}]") for index, item in enumerate(value)
            )
            return (
                ConstantTemplate(value)
                if all(isinstance(item, ConstantTemplate) for item in items)
                else ArrayTemplate(items)
            )
        if not isinstance(value, dict):
            return ConstantTemplate(value)
        members = tuple(
            (name, self.payload(item, f"{location}/{name}", f"{field}/{name}")) for name, item in value.items()
        )
        return (
            ConstantTemplate(value)
            if all(isinstance(member, ConstantTemplate) for _, member in members)
            else ObjectTemplate(members)
        )

    def _string(self, text: str, location: str, field: str) -> PayloadTemplate:
        if jsonata.is_half_open(text):
            self.report(location, "an expression is written {% … %}", "INVALID_JSONATA_EXPRESSION")
        if not jsonata.is_expression(text):
            return ConstantTemplate(text)
        try:
            expression = jsonata.parse_expression(text)
        except jsonata.JsonataSyntaxError as error:
            self.report(location, str(error), error.code)
            return ConstantTemplate(text)
        for name in sorted(self.unavailable.intersection(expression.states_fields or ())):
            message = f"Reference to '$states.{name}' is not supported here."
            self.report(location, message, "UNSUPPORTED_JSONATA_EXPRESSION")
        return JsonataTemplate(field, expression)
