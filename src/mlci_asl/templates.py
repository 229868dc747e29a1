"""Payloads: JSON of a definition in which some values are evaluated, in either query language.

In JSONPath the members whose name ends in `.$` are replaced by what they select; in JSONata every string `{% … %}`, at
any depth. A single field that a path or an expression can fill (`SecondsPath`, `Seconds`) is a payload of one value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from mlci_asl import jsonata
from mlci_asl.errors import INVALID, RUNTIME, EvaluationError, QueryError
from mlci_asl.intrinsics import Call, is_intrinsic, parse_intrinsic, shown
from mlci_asl.jsontext import Json, dump, is_number
from mlci_asl.path_tokens import InvalidPath
from mlci_asl.paths import Path, parse_path
from mlci_asl.state_data import Data

Expression: TypeAlias = "Path | Call"


class Constant(NamedTuple):
    """A value that is taken as it is."""

    value: Json


class Selected(NamedTuple):
    """`"<field>": "$.a"`, where the field's name ends in `.$`, or in `Path`."""

    field: str
    expression: Expression


class Computed(NamedTuple):
    """`{% … %}`; `field` is where it stands in the state, as AWS names it: `Output/a[0]`."""

    field: str
    expression: jsonata.Expression


class Members(NamedTuple):
    """An object, with the names of its members as they come out."""

    members: tuple[tuple[str, Template], ...]


class Items(NamedTuple):
    """A list."""

    items: tuple[Template, ...]


Template: TypeAlias = "Constant | Selected | Computed | Members | Items"
Complain: TypeAlias = "Callable[[str, str, str], None]"  # place, what, AWS's code


def fill(template: Template, data: Data) -> Json:
    """The payload that a template makes of a state's data.

    Raises: EvaluationError where a path finds nothing or an expression fails; never null instead.
    """
    if isinstance(template, Constant):
        return template.value
    if isinstance(template, Members):
        return {name: fill(member, data) for name, member in template.members}
    if isinstance(template, Items):
        return [fill(item, data) for item in template.items]
    if isinstance(template, Computed):
        return _compute(template, data)
    return _select(template, data)


def _select(selected: Selected, data: Data) -> Json:
    expression = selected.expression
    if isinstance(expression, Call):
        return expression.evaluate(data)
    try:
        return expression.read(data)
    except InvalidPath:
        raise EvaluationError(
            RUNTIME,
            f"The JSONPath '{expression.text}' specified for the field '{selected.field}' "
            f"could not be found in the input '{shown(expression, data)}'",
        ) from None


def _compute(computed: Computed, data: Data) -> Json:
    try:
        return jsonata.evaluate(computed.expression, data.names())
    except jsonata.JsonataError as error:
        raise QueryError(f"{_about(computed)} {error}", computed.field) from error


def _about(computed: Computed) -> str:
    return f"The JSONata expression '{computed.expression.text}' specified for the field '{computed.field}'"


def mistyped(template: Template, expected: str, value: Json) -> QueryError:
    """The error of an expression whose value is of another type than its field needs."""
    if not isinstance(template, Computed):
        raise TypeError(template)
    what = f"returned an unexpected result type. Expected '{expected}', but was '{_type(value)}' for value:"
    return QueryError(f"{_about(template)} {what} {dump(value)}", template.field)


def _type(value: Json) -> str:
    if value is None:
        return "null"
    if is_number(value):
        return "number"
    return {bool: "boolean", str: "string", list: "array"}.get(type(value), "object")


def parse_expression(text: str) -> Expression:
    """A path or an intrinsic function.

    Raises: ValueError, which says what is wrong with it.
    """
    return parse_intrinsic(text) if is_intrinsic(text) else parse_path(text)


def parse_template(value: Json, place: str, complain: Complain) -> Template:
    """A JSONPath payload from its JSON; `complain` is told the place and the fault of each part that is wrong."""
    if isinstance(value, list):
        items = tuple(parse_template(item, f"{place}[{index}]", complain) for index, item in enumerate(value))
        return Constant(value) if all(isinstance(item, Constant) for item in items) else Items(items)
    if not isinstance(value, dict):
        return Constant(value)
    members = tuple(_parse_member(name, item, f"{place}/{name}", complain) for name, item in value.items())
    names = [name for name, _ in members]
    for name in {name for name in names if names.count(name) > 1}:
        complain(place, f'"{name}" and "{name}.$" are the same field', INVALID)
    is_constant = all(isinstance(member, Constant) for _, member in members)
    return Constant(value) if is_constant else Members(members)


def _parse_member(name: str, value: Json, place: str, complain: Complain) -> tuple[str, Template]:
    if not name.endswith(".$"):
        return name, parse_template(value, place, complain)
    try:
        if isinstance(value, str):
            return name[:-2], Selected(name, parse_expression(value))
        why = "it is no string"
    except ValueError as error:
        why = str(error)
    what = f"The value for the field '{name}' must be a valid JSONPath or a valid intrinsic function call: {why}"
    complain(place.rpartition("/")[0], what, INVALID)
    return name[:-2], Selected(name, parse_path("$"))


class QueryReader(NamedTuple):
    """Reads JSONata payloads. `lacking` are the members of $states that their field doesn't have."""

    complain: Complain
    lacking: frozenset[str] = frozenset()

    def payload(self, value: Json, place: str, field: str) -> Template:
        """A payload from its JSON, which stands at `place` of the definition and in `field` of its state."""
        if isinstance(value, str):
            return self._text(value, place, field)
        if isinstance(value, list):
            items = tuple(
                self.payload(item, f"{place}[{index}]", f"{field}[{index}]") for index, item in enumerate(value)
            )
            return Constant(value) if all(isinstance(item, Constant) for item in items) else Items(items)
        if not isinstance(value, dict):
            return Constant(value)
        members = tuple(
            (name, self.payload(item, f"{place}/{name}", f"{field}/{name}")) for name, item in value.items()
        )
        return Constant(value) if all(isinstance(member, Constant) for _, member in members) else Members(members)

    def _text(self, text: str, place: str, field: str) -> Template:
        if jsonata.is_half_open(text):
            self.complain(place, "an expression is written {% … %}", "INVALID_JSONATA_EXPRESSION")
        if not jsonata.is_expression(text):
            return Constant(text)
        try:
            expression = jsonata.parse_expression(text)
        except jsonata.JsonataSyntaxError as error:
            self.complain(place, str(error), error.code)
            return Constant(text)
        for name in sorted(self.lacking.intersection(expression.states_fields or ())):
            what = f"Reference to '$states.{name}' is not supported here."
            self.complain(place, what, "UNSUPPORTED_JSONATA_EXPRESSION")
        return Computed(field, expression)
