"""Fields that take a literal, a path or an expression: numbers, strings, timestamps, lists. Typed, or an error.

Literals are checked when the definition is read, so only paths and expressions can fail here.
Source: the guide's page of each state; the recorded answers of AWS in LocalStack's Step Functions tests.
"""

from __future__ import annotations

import re
from datetime import datetime

from mlci_asl.errors import RUNTIME, EvaluationError, QueryError
from mlci_asl.fields import MAX_COUNT
from mlci_asl.intrinsics import IntrinsicCall
from mlci_asl.jsontext import Json, is_number
from mlci_asl.path_tokens import InvalidPath
from mlci_asl.paths import CONTEXT
from mlci_asl.state_data import StateData
from mlci_asl.templates import ConstantTemplate, JsonataTemplate, PathTemplate, PayloadTemplate, fill, unexpected_type
from mlci_asl.timestamps import parse_timestamp

_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)


def _read(template: PayloadTemplate, data: StateData) -> Json:
    """The value. A path that leads to nothing is an error in the words of InputPath."""
    if not isinstance(template, PathTemplate) or isinstance(template.expression, IntrinsicCall):
        return fill(template, data)
    try:
        return template.expression.read(data)
    except InvalidPath as error:
        raise EvaluationError(RUNTIME, f"Invalid path '{template.expression.text}' : {error}") from error


def _unquoted(value: Json, data: StateData) -> str:
    return value if isinstance(value, str) else data.quoted(value)


def integer(template: PayloadTemplate, data: StateData, minimum: int) -> int:
    """The value of an integer field.

    Raises: EvaluationError if it is not an integer, or less than `minimum`.
    """
    value = _read(template, data)
    if isinstance(template, PathTemplate) and template.field == "MaxConcurrencyPath":
        value = _from_text(value)
    if not isinstance(value, int) or not is_number(value):
        raise _not_an_integer(template, value, data)
    if value < minimum:
        raise _below_minimum(template, value)
    return value


def _from_text(value: Json) -> Json:
    """MaxConcurrencyPath takes the string "1" for 1, as recorded from AWS. For SecondsPath it is an error."""
    return int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else value


def _not_an_integer(template: PayloadTemplate, value: Json, data: StateData) -> EvaluationError:
    if not isinstance(template, PathTemplate):
        return unexpected_type(template, "number", value)
    field, path = template.field, template.expression.text
    if field == "SecondsPath":
        message = f"The SecondsPath parameter cannot be parsed as a long value: {path} == {_unquoted(value, data)}"
    else:
        message = f'The {field} field refers to value "{_unquoted(value, data)}" which is not a valid integer: {path}'
    return EvaluationError(RUNTIME, message)


def _below_minimum(template: PayloadTemplate, value: int) -> EvaluationError:
    if isinstance(template, JsonataTemplate):
        adjective = "positive" if value == 0 else "non-negative"
        return QueryError(f"The {template.field} field must be a {adjective} integer, but was: {value}", template.field)
    if not isinstance(template, PathTemplate):
        raise TypeError(template)
    field, path = template.field, template.expression.text
    if field == "SecondsPath":
        message = f"The SecondsPath parameter references a negative value: {path} == {value}"
    elif field == "MaxConcurrencyPath":
        message = "MaxConcurrency cannot be negative."
    else:
        message = f'The {field} field refers to value "{value}" which must be positive: {path}'
    return EvaluationError(RUNTIME, message)


def seconds(template: PayloadTemplate, data: StateData) -> int:
    """The seconds that a Wait waits.

    Raises: EvaluationError.
    """
    value = integer(template, data, 0)
    if value > MAX_COUNT:
        message = "Wait state delay is too long."
        if isinstance(template, JsonataTemplate):
            raise QueryError(message, template.field)
        raise EvaluationError(RUNTIME, message)
    return value


def timeout(template: PayloadTemplate | None, data: StateData) -> int | None:
    """TimeoutSeconds or HeartbeatSeconds; None if the state has none.

    Raises: EvaluationError.
    """
    return None if template is None else integer(template, data, 1)


def timestamp(template: PayloadTemplate, data: StateData) -> datetime:
    """The time that a Wait waits for.

    Raises: EvaluationError.
    """
    value = _read(template, data)
    if isinstance(template, JsonataTemplate) and not isinstance(value, str):
        raise unexpected_type(template, "string", value)
    time = parse_timestamp(value) if isinstance(value, str) else None
    if time is not None:
        return time
    expected = "a valid ISO-8601 extended offset date-time format string"
    if isinstance(template, PathTemplate):
        message = f"The TimestampPath parameter does not reference {expected}: {template.expression.text} =="
        raise EvaluationError(RUNTIME, f"{message} {_unquoted(value, data)}")
    message = f"The Timestamp field cannot be parsed as {expected.replace('a valid', 'an')}: {_unquoted(value, data)}"
    raise QueryError(message, "Timestamp", is_after_entry=True)


def string(template: PayloadTemplate | None, data: StateData) -> str | None:
    """A Fail state's Error or Cause; None if it has none.

    Raises: EvaluationError.
    """
    if template is None:
        return None
    value = fill(template, data)
    if isinstance(value, str):
        return value
    if isinstance(template, PathTemplate):
        message = f"The {template.field} field must refer to a string, but was: {data.quoted(value)}"
        raise EvaluationError(RUNTIME, message)
    raise unexpected_type(template, "string", value)


def items(template: PayloadTemplate | None, data: StateData) -> list[Json]:
    """The items of a Map. Without a template (a JSONata Map that has no Items) they are its input.

    Raises: EvaluationError.
    """
    value = data.input if template is None else _read(template, data)
    if isinstance(value, list):
        return value
    if template is None:
        raise QueryError(f"Map state input must be an array but was: {data.quoted(value)}")
    if isinstance(template, PathTemplate):
        path = template.expression.text
        quoted_path = path.removeprefix("$") if path.startswith(CONTEXT) else path  # as AWS has it
        raise EvaluationError(RUNTIME, f'Reference path "{quoted_path}" must point to array.')
    raise unexpected_type(template, "array", value)


def boolean(template: PayloadTemplate, data: StateData) -> bool:
    """The value of a choice rule's Condition.

    Raises: EvaluationError.
    """
    value = template.value if isinstance(template, ConstantTemplate) else fill(template, data)
    if isinstance(value, bool):
        return value
    raise unexpected_type(template, "boolean", value)
