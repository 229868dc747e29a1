"""Single fields that a literal, a path or an expression may fill: numbers, texts, times, lists. Typed, or an error.

A literal is checked when the definition is read, so only what is evaluated can be wrong here.
Source: the guide's page of each state; the recorded answers of AWS in LocalStack's Step Functions tests.
"""

from __future__ import annotations

import re
from datetime import datetime

from mlci_asl.errors import RUNTIME, EvaluationError, QueryError
from mlci_asl.fields import MAX_COUNT
from mlci_asl.intrinsics import Call
from mlci_asl.jsontext import Json, is_number
from mlci_asl.path_tokens import InvalidPath
from mlci_asl.paths import CONTEXT
from mlci_asl.state_data import Data
from mlci_asl.templates import Computed, Constant, Selected, Template, fill, mistyped
from mlci_asl.timestamps import parse_timestamp

_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)


def _read(template: Template, data: Data) -> Json:
    """The value; a path that finds nothing is told in the words of InputPath and its like."""
    if not isinstance(template, Selected) or isinstance(template.expression, Call):
        return fill(template, data)
    try:
        return template.expression.read(data)
    except InvalidPath as error:
        raise EvaluationError(RUNTIME, f"Invalid path '{template.expression.text}' : {error}") from error


def _bare(value: Json, data: Data) -> str:
    return value if isinstance(value, str) else data.quoted(value)


def whole_number(template: Template, data: Data, least: int) -> int:
    """The number of a field that counts something.

    Raises: EvaluationError where it is no integer of at least `least`.
    """
    value = _read(template, data)
    if isinstance(template, Selected) and template.field == "MaxConcurrencyPath":
        value = _from_text(value)
    if not isinstance(value, int) or not is_number(value):
        raise _no_integer(template, value, data)
    if value < least:
        raise _too_small(template, value)
    return value


def _from_text(value: Json) -> Json:
    """As AWS, whose recorded answer to a MaxConcurrencyPath of "1" is that of 1; for SecondsPath it is an error."""
    return int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else value


def _no_integer(template: Template, value: Json, data: Data) -> EvaluationError:
    if not isinstance(template, Selected):
        return mistyped(template, "number", value)
    field, path = template.field, template.expression.text
    if field == "SecondsPath":
        what = f"The SecondsPath parameter cannot be parsed as a long value: {path} == {_bare(value, data)}"
    else:
        what = f'The {field} field refers to value "{_bare(value, data)}" which is not a valid integer: {path}'
    return EvaluationError(RUNTIME, what)


def _too_small(template: Template, value: int) -> EvaluationError:
    if isinstance(template, Computed):
        kind = "positive" if value == 0 else "non-negative"
        return QueryError(f"The {template.field} field must be a {kind} integer, but was: {value}", template.field)
    if not isinstance(template, Selected):
        raise TypeError(template)
    field, path = template.field, template.expression.text
    if field == "SecondsPath":
        what = f"The SecondsPath parameter references a negative value: {path} == {value}"
    elif field == "MaxConcurrencyPath":
        what = "MaxConcurrency cannot be negative."
    else:
        what = f'The {field} field refers to value "{value}" which must be positive: {path}'
    return EvaluationError(RUNTIME, what)


def seconds(template: Template, data: Data) -> int:
    """How long a Wait waits.

    Raises: EvaluationError.
    """
    found = whole_number(template, data, 0)
    if found > MAX_COUNT:
        what = "Wait state delay is too long."
        raise QueryError(what, template.field) if isinstance(template, Computed) else EvaluationError(RUNTIME, what)
    return found


def limit(template: Template | None, data: Data) -> int | None:
    """TimeoutSeconds or HeartbeatSeconds, where the state has one.

    Raises: EvaluationError.
    """
    return None if template is None else whole_number(template, data, 1)


def moment(template: Template, data: Data) -> datetime:
    """The time that a Wait waits for.

    Raises: EvaluationError.
    """
    value = _read(template, data)
    if isinstance(template, Computed) and not isinstance(value, str):
        raise mistyped(template, "string", value)
    found = parse_timestamp(value) if isinstance(value, str) else None
    if found is not None:
        return found
    if isinstance(template, Selected):
        what = "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string"
        raise EvaluationError(RUNTIME, f"{what}: {template.expression.text} == {_bare(value, data)}")
    what = "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string"
    raise QueryError(f"{what}: {_bare(value, data)}", "Timestamp", is_after_entry=True)


def text(template: Template | None, data: Data) -> str | None:
    """A Fail state's Error or Cause, where it has one.

    Raises: EvaluationError.
    """
    if template is None:
        return None
    value = fill(template, data)
    if isinstance(value, str):
        return value
    if isinstance(template, Selected):
        what = f"The {template.field} field must refer to a string, but was: {data.quoted(value)}"
        raise EvaluationError(RUNTIME, what)
    raise mistyped(template, "string", value)


def items(template: Template | None, data: Data) -> list[Json]:
    """What a Map goes through; None stands for a JSONata Map without Items, which goes through its input.

    Raises: EvaluationError.
    """
    value = data.given if template is None else _read(template, data)
    if isinstance(value, list):
        return value
    if template is None:
        raise QueryError(f"Map state input must be an array but was: {data.quoted(value)}")
    if isinstance(template, Selected):
        path = template.expression.text
        shown = path.removeprefix("$") if path.startswith(CONTEXT) else path  # as AWS has it
        raise EvaluationError(RUNTIME, f'Reference path "{shown}" must point to array.')
    raise mistyped(template, "array", value)


def truth(template: Template, data: Data) -> bool:
    """A choice rule's Condition.

    Raises: EvaluationError.
    """
    value = template.value if isinstance(template, Constant) else fill(template, data)
    if isinstance(value, bool):
        return value
    raise mistyped(template, "boolean", value)
