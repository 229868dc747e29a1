"""A Flow as a JSON document, and back: a flow that was loaded before is read in a tenth of the time.

Each value that JSON does not have is a mapping with one key that says what it is: a tuple, a set, a mapping, or an
object of one of the types of `models`. To read a document makes nothing but these.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from mlci.flow import models
from mlci.flow.models import Flow

#: The types that a flow is made of.
_TYPES = {name: kind for name, kind in vars(models).items() if isinstance(kind, type) and is_dataclass(kind)}
_FIELDS = {name: tuple(each.name for each in fields(kind)) for name, kind in _TYPES.items()}


def flow_to_text(flow: Flow) -> str:
    """Return a flow as the text of a JSON document."""
    return json.dumps(_encoded(flow), separators=(",", ":"))


def flow_from_text(text: str) -> Flow | None:
    """Return the flow that a text holds; None if it is damaged, or of another version of mlci."""
    try:
        flow = json.loads(text, object_pairs_hook=_made)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return flow if isinstance(flow, Flow) else None


def _encoded(value: Any) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list():
            return [_encoded(part) for part in value]
        case tuple():
            return {"tuple": [_encoded(part) for part in value]}
        case frozenset():
            return {"set": [_encoded(part) for part in sorted(value)]}
        case Mapping():
            return {"map": [[_encoded(key), _encoded(part)] for key, part in value.items()]}
        case _:
            name = type(value).__name__
            return {name: [_encoded(getattr(value, field)) for field in _FIELDS[name]]}


def _made(pairs: list[tuple[str, Any]]) -> Any:
    """Return the value that a mapping of the document stands for; what it holds has been made."""
    ((kind, parts),) = pairs
    match kind:
        case "map":
            return dict(parts)
        case "tuple":
            return tuple(parts)
        case "set":
            return frozenset(parts)
        case _:
            return _TYPES[kind](**dict(zip(_FIELDS[kind], parts, strict=True)))
