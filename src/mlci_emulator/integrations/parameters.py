"""Validates a task's parameters by botocore's model of the operation, with AWS's messages.

The same check runs twice: on the template when a state machine is created, without the values that are computed
(`"Name.$"`, or `{% … %}`), and on the finished parameters before the task is scheduled. The texts are AWS's:
`The field "key" is not supported by Step Functions` and `The value for the field 'Size' must be an INTEGER` from
https://github.com/aws/aws-step-functions-data-science-sdk-python/issues/200 and
https://github.com/aws/aws-cdk/issues/12284. They name a field without the path to it. Null is left to the
service, as recorded for SQS; whatever else passes can be sent.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from mlci_emulator.integrations import task_values
from mlci_emulator.integrations.sdk_names import member_name
from mlci_emulator.protocol import validation
from mlci_emulator.protocol.models import Shape
from mlci_emulator.protocol.validation import Problem

if TYPE_CHECKING:
    from mlci_asl import Json


class Form(Enum):
    """The form of parameters: a template in one of the query languages, or finished."""

    JSONPATH = "JSONPath"
    JSONATA = "JSONata"
    FINISHED = "finished"


#: Members of type string that may hold any JSON, which is sent as its text: message bodies and payloads.
#: Source: the examples of the pages connect-sns, connect-sqs, connect-eventbridge and connect-stepfunctions; recorded
#: for an SFN Input and an S3 Body as well.
TEXTS_OF_JSON = frozenset({"Message", "MessageBody", "Detail", "Input", "Output", "Payload", "Body"})


def _is_integer(bits: int) -> Callable[[Any], bool]:
    """Return the check for a whole number that Java's type of this size holds."""
    limit = 1 << (bits - 1)
    return lambda value: _is_number(value) and value == int(value) and -limit <= value < limit


def _is_number(value: object) -> bool:
    """Return whether a value is a number that a double holds: JSON also writes 1e999, and integers of any length."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    return abs(value) <= sys.float_info.max


#: A type's name in messages, and the check for it. Blobs take anything.
_TYPES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "structure": ("an OBJECT", lambda value: isinstance(value, dict)),
    "map": ("an OBJECT", lambda value: isinstance(value, dict)),
    "list": ("an ARRAY", lambda value: isinstance(value, list)),
    "string": ("a STRING", lambda value: isinstance(value, str)),
    "character": ("a STRING", lambda value: isinstance(value, str)),
    "integer": ("an INTEGER", _is_integer(32)),
    "long": ("an INTEGER", _is_integer(64)),
    "float": ("a DOUBLE", _is_number),
    "double": ("a DOUBLE", _is_number),
    "boolean": ("a BOOLEAN", lambda value: isinstance(value, bool)),
    "timestamp": ("a TIMESTAMP", lambda value: task_values.parse_time(value) is not None),
}


def problems(
    shape: Any, value: Json, form: Form = Form.FINISHED, names: task_values.Names = member_name
) -> tuple[str, ...]:
    """Return what is wrong with a value of this shape (of botocore), each thing once. `names` returns the task's name
    of a member."""
    rules = dataclasses.replace(_RULES, member_name=names)
    found = validation.problems(rules, shape, _without_computed(value, form))
    return tuple(dict.fromkeys(text for text in map(_text, found) if text is not None))


def is_computed(value: object) -> bool:
    """Return whether a value is a JSONata expression."""
    return isinstance(value, str) and value.startswith("{%") and value.endswith("%}")


class _Computed(Enum):
    """Stands for a value that is computed when the task starts."""

    PATH = "a JSONPath, or an intrinsic function"
    EXPRESSION = "a JSONata expression"


def _is_exempt(shape: Shape, path: validation.Path, value: object) -> bool:
    if value is None or isinstance(value, _Computed) or shape.type_name == "blob":
        return True
    if shape.type_name == "structure":
        return shape.is_document_type
    return shape.type_name == "string" and _field(path) in TEXTS_OF_JSON


_RULES = validation.Rules(
    types={name: fits for name, (_, fits) in _TYPES.items()},
    order=validation.missing_last,
    constraints=(),
    member_name=member_name,
    is_null_absent=False,
    is_skipped=_is_exempt,
)


def _without_computed(value: Any, form: Form) -> Any:
    """Return a template with `_Computed` in place of the values that are computed."""
    if form is Form.FINISHED:
        return value
    match value:
        case dict():
            return {
                key.removesuffix(".$") if _is_path(key, form) else key: (
                    _Computed.PATH if _is_path(key, form) else _without_computed(item, form)
                )
                for key, item in value.items()
            }
        case list():
            return [_without_computed(item, form) for item in value]
    return _Computed.EXPRESSION if form is Form.JSONATA and is_computed(value) else value


def _text(problem: Problem) -> str | None:
    name = _field(problem.path)
    match problem.kind:
        case "missing":
            return f"The field '{name}' is required but was missing"
        case "unknown":
            # Recorded: an unknown field with a path passes creation, and fails the execution.
            return None if problem.value is _Computed.PATH else f'The field "{name}" is not supported by Step Functions'
    return None if problem.is_key else f"The value for the field '{name}' must be {_TYPES[problem.shape.type_name][0]}"


def _field(path: validation.Path) -> str:
    """Return the name of the field that a value is in."""
    return next((step for step in reversed(path) if isinstance(step, str)), "Parameters")


def _is_path(key: str, form: Form) -> bool:
    return form is Form.JSONPATH and key.endswith(".$")


# --- What needs no model ----------------------------------------------------------------------------------------------

#: A shape without a model: a type, a list of one shape, None for a map of strings, or fields; "!" marks required ones.
PlainShape: TypeAlias = "type | list[PlainShape] | dict[str, PlainShape] | None"


def fits(shape: PlainShape, value: Json, form: Form = Form.FINISHED) -> bool:
    """Return whether a value certainly has this shape; if not, the model decides."""
    if form is Form.JSONATA and is_computed(value):
        return True
    if shape is None:
        return isinstance(value, dict) and all(
            _is_path(key, form) or isinstance(item, str) for key, item in value.items()
        )
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(shape[0], item, form) for item in value)
    if not isinstance(shape, dict):
        return type(value) is shape and (shape is not int or _TYPES["integer"][1](value))
    if not isinstance(value, dict):
        return False
    known = {name.removesuffix("!"): inner for name, inner in shape.items()}
    names = {key.removesuffix(".$") if _is_path(key, form) else key for key in value}
    if not names <= set(known) or any(name[:-1] not in names for name in shape if name.endswith("!")):
        return False
    return all(_is_path(key, form) or fits(known[key], item, form) for key, item in value.items())
