"""What is wrong with a task's parameters, in AWS's words: by botocore's model of the operation.

The same check is made twice: of the template when a state machine is created, where what is computed (`"Name.$"`, or
`{% … %}`) is left out, and of the finished parameters before the task is scheduled. The texts are AWS's, as recorded:
`The field "key" is not supported by Step Functions` and `The value for the field 'Size' must be an INTEGER` from
https://github.com/aws/aws-step-functions-data-science-sdk-python/issues/200 and
https://github.com/aws/aws-cdk/issues/12284; they name a field without the path to it. A value that no computed field
can be, such as null, is left to the service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from mlci_emulator.protocol.models import member_name

if TYPE_CHECKING:
    from mlci_asl import Json


class Form(Enum):
    """What is looked at: a template in one of the query languages, or what came of it."""

    JSONPATH = "JSONPath"
    JSONATA = "JSONata"
    FINISHED = "finished"


#: Members of type string that may hold any JSON, which is sent as its text: message bodies and payloads.
#: Source: the examples of the pages connect-sns, connect-sqs, connect-eventbridge and connect-stepfunctions; recorded
#: for an SFN Input and an S3 Body as well.
TEXTS_OF_JSON = frozenset({"Message", "MessageBody", "Detail", "Input", "Output", "Payload", "Body"})

_KINDS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "structure": ("an OBJECT", lambda value: isinstance(value, dict)),
    "map": ("an OBJECT", lambda value: isinstance(value, dict)),
    "list": ("an ARRAY", lambda value: isinstance(value, list)),
    "string": ("a STRING", lambda value: isinstance(value, str)),
    "character": ("a STRING", lambda value: isinstance(value, str)),
    "integer": ("an INTEGER", lambda value: _is_whole(value)),
    "long": ("an INTEGER", lambda value: _is_whole(value)),
    "float": ("a DOUBLE", lambda value: _is_number(value)),
    "double": ("a DOUBLE", lambda value: _is_number(value)),
    "boolean": ("a BOOLEAN", lambda value: isinstance(value, bool)),
    "timestamp": ("a TIMESTAMP", lambda value: isinstance(value, str) or _is_number(value)),
}


def problems(shape: Any, value: Json, form: Form = Form.FINISHED) -> tuple[str, ...]:
    """What is wrong with a value of this shape (of botocore), each thing once."""
    return tuple(dict.fromkeys(_problems(shape, value, "Parameters", form)))


def is_computed(value: object) -> bool:
    """Whether this is a JSONata expression."""
    return isinstance(value, str) and value.startswith("{%") and value.endswith("%}")


def _problems(shape: Any, value: Json, name: str, form: Form) -> Iterator[str]:
    if value is None or (form is Form.JSONATA and is_computed(value)) or getattr(shape, "is_document_type", False):
        return
    kind: str = shape.type_name
    if kind == "blob" or (kind == "string" and name in TEXTS_OF_JSON):
        return
    expected, fits = _KINDS[kind]
    if not fits(value):
        yield f"The value for the field '{name}' must be {expected}"
    elif kind == "structure":
        assert isinstance(value, dict)
        yield from _problems_of_fields(shape, value, form)
    elif kind == "map":
        assert isinstance(value, dict)
        for key, item in value.items():
            if not _is_path(key, form):
                yield from _problems(shape.value, item, key, form)
    elif kind == "list":
        assert isinstance(value, list)
        for item in value:
            yield from _problems(shape.member, item, name, form)


def _problems_of_fields(shape: Any, value: Mapping[str, Json], form: Form) -> Iterator[str]:
    members = {member_name(name): member for name, member in shape.members.items()}
    given = {key.removesuffix(".$") if _is_path(key, form) else key for key in value}
    for key, item in value.items():
        if _is_path(key, form):
            continue  # recorded: an unknown field with a path passes creation, and fails the execution
        if key not in members:
            yield f'The field "{key}" is not supported by Step Functions'
        else:
            yield from _problems(members[key], item, key, form)
    for name in map(member_name, shape.required_members):
        if name not in given:
            yield f"The field '{name}' is required but was missing"


def _is_path(key: str, form: Form) -> bool:
    return form is Form.JSONPATH and key.endswith(".$")


def _is_whole(value: object) -> bool:
    return _is_number(value) and float(value).is_integer()  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


# --- What needs no model ----------------------------------------------------------------------------------------------

#: A shape by hand: a type, a list of one shape, None for a map of texts, or fields, those with "!" required.
Shape: TypeAlias = "type | list[Shape] | dict[str, Shape] | None"


def fits(shape: Shape, value: Json, form: Form = Form.FINISHED) -> bool:
    """Whether a value surely has this shape. What doesn't may yet be right: then the model is asked."""
    if form is Form.JSONATA and is_computed(value):
        return True
    if shape is None:
        return isinstance(value, dict) and all(
            _is_path(key, form) or isinstance(item, str) for key, item in value.items()
        )
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(shape[0], item, form) for item in value)
    if not isinstance(shape, dict):
        return type(value) is shape
    if not isinstance(value, dict):
        return False
    known = {name.removesuffix("!"): inner for name, inner in shape.items()}
    given = {key.removesuffix(".$") if _is_path(key, form) else key for key in value}
    if not given <= set(known) or any(name[:-1] not in given for name in shape if name.endswith("!")):
        return False
    return all(_is_path(key, form) or fits(known[key], item, form) for key, item in value.items())
