"""Validates a value against a shape: the one walk for all that checks values by AWS's models.

Each of those differs in the types that it accepts, the constraints that it checks, and the order of its findings: that
is its `Rules`. Each words the problems itself: a service's ValidationException (validation_errors.py), SageMaker
(sagemaker_validation.py), Step Functions for a task's parameters and TestState for a mocked result (in integrations).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Literal, TypeAlias

from mlci_dataclasses import dataclass
from mlci_emulator.protocol.java_patterns import matches
from mlci_emulator.protocol.models import Shape


class MapKey(str):
    """An entry's key in a path, as opposed to the name of a structure's member."""

    __slots__ = ()


#: The way to a value: names of members, keys of maps, and indexes of lists.
Path: TypeAlias = "tuple[str | int, ...]"
Constraint = Literal["enum", "min", "max", "pattern"]
CONSTRAINTS: tuple[Constraint, ...] = ("enum", "min", "max", "pattern")
_NUMBERS = frozenset(["integer", "long", "float", "double"])
_SIZED = frozenset(["string", "list", "map", "blob"])


@dataclass(frozen=True)
class Problem:
    """A value that is not as its shape says.

    `shape` is None for an unknown member. `container` is the list or the map that holds the value, if one does, and
    `is_key` tells that the value is a map's key.
    """

    kind: Literal["missing", "unknown", "type"] | Constraint
    path: Path
    shape: Any = None
    value: Any = None
    container: Any = None
    is_key: bool = False

    @property
    def is_constraint(self) -> bool:
        return self.kind in CONSTRAINTS


def in_model_order(members: Collection[str], value: Collection[str], missing: Collection[str]) -> Iterable[str]:
    """Names to check in the model's order; unknown members are ignored."""
    return members


def missing_first(members: Collection[str], value: Collection[str], missing: Collection[str]) -> Iterable[str]:
    return dict.fromkeys([*missing, *value])


def missing_last(members: Collection[str], value: Collection[str], missing: Collection[str]) -> Iterable[str]:
    return dict.fromkeys([*value, *missing])


@dataclass(frozen=True)
class Rules:
    """One validator's rules.

    `types` accepts or rejects a value by its shape's type; for a type that it lacks, only null is rejected. `order`
    gives the members of a structure to look at. `is_skipped` exempts a value, by its shape and its path.
    """

    types: Mapping[str, Callable[[Any], bool]]
    order: Callable[[Collection[str], Collection[str], Collection[str]], Iterable[str]]
    constraints: tuple[Constraint, ...] = CONSTRAINTS
    member_name: Callable[[str], str] = str
    is_null_absent: bool = True
    is_skipped: Callable[[Shape, Path, Any], bool] = lambda shape, path, value: False


def problems(rules: Rules, shape: Shape, value: Any, path: Path = (), **position: Any) -> Iterator[Problem]:
    """Yield the problems of a value, and of all values in it."""
    if rules.is_skipped(shape, path, value):
        return
    if not rules.types.get(shape.type_name, _is_not_null)(value):
        yield Problem("type", path, shape, value, **position)
        return
    for constraint in rules.constraints:
        if not _holds(constraint, shape, value):
            yield Problem(constraint, path, shape, value, **position)
    yield from _problems_inside(rules, shape, value, path)


def _problems_inside(rules: Rules, shape: Shape, value: Any, path: Path) -> Iterator[Problem]:
    match value:
        case Mapping() if shape.type_name == "structure" and not shape.is_document_type:
            yield from _problems_of_members(rules, shape, value, path)
        case Mapping() if shape.type_name == "map":
            for key, item in value.items():
                inner = (*path, MapKey(key))
                yield from problems(rules, shape.key, key, inner, container=value, is_key=True)
                yield from problems(rules, shape.value, item, inner, container=value)
        case list() | tuple() if shape.type_name == "list":
            for index, item in enumerate(value):
                yield from problems(rules, shape.member, item, (*path, index), container=value)


def _problems_of_members(rules: Rules, shape: Shape, value: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    def is_absent(name: str) -> bool:
        return name not in value or (rules.is_null_absent and value[name] is None)

    members = {rules.member_name(name): member for name, member in shape.members.items()}
    missing = [name for name in map(rules.member_name, shape.required_members) if is_absent(name)]
    for name in rules.order(members, value, missing):
        if name in missing:
            yield Problem("missing", (*path, name), members[name])
        elif name not in members:
            yield Problem("unknown", (*path, name), value=value[name])
        elif not is_absent(name):
            yield from problems(rules, members[name], value[name], (*path, name))


def _is_not_null(value: object) -> bool:
    return value is not None


def _holds(constraint: Constraint, shape: Shape, value: Any) -> bool:
    limit = shape.metadata.get(constraint)
    if not limit and limit != 0:
        return True
    if constraint == "enum":
        return value in limit
    if constraint == "pattern":
        return shape.type_name != "string" or matches(limit, value)
    if shape.type_name not in _NUMBERS | _SIZED:
        return True
    size = value if shape.type_name in _NUMBERS else len(value)
    return bool(size >= limit if constraint == "min" else size <= limit)
