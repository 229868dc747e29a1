"""The conditions in a path's filter, `[?(@.price < 10 && @.name == 'x')]`, in Jayway's dialect."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

from mlci_asl.jsontext import Json, is_number, same
from mlci_asl.path_evaluation import read
from mlci_asl.path_tokens import Condition, PathNotFound, Token


class Missing:
    """What a path in a condition gives where there is nothing: equal to nothing, not even to null."""


_MISSING = Missing()


class Operand(NamedTuple):
    """A literal, or a path from the item (`@`) or from the root (`$`)."""

    value: Json = None
    tokens: tuple[Token, ...] | None = None
    is_root: bool = False

    def of(self, item: Json, root: Json) -> Json | Missing:
        if self.tokens is None:
            return self.value
        try:
            return read(self.tokens, root if self.is_root else item)
        except PathNotFound:
            return _MISSING


class Comparison(NamedTuple):
    """`left op right`."""

    left: Operand
    op: str
    right: Operand

    def holds(self, item: Json, root: Json) -> bool:
        left, right = self.left.of(item, root), self.right.of(item, root)
        if self.op == "!=":
            return not _equal(left, right)
        if isinstance(left, Missing) or isinstance(right, Missing):
            return False
        return OPERATORS[self.op](left, right)


class Exists(NamedTuple):
    """`@.a` alone."""

    operand: Operand

    def holds(self, item: Json, root: Json) -> bool:
        return not isinstance(self.operand.of(item, root), Missing)


class Not(NamedTuple):
    part: Condition

    def holds(self, item: Json, root: Json) -> bool:
        return not self.part.holds(item, root)


class Every(NamedTuple):
    """Parts joined by `&&`."""

    parts: tuple[Condition, ...]

    def holds(self, item: Json, root: Json) -> bool:
        return all(part.holds(item, root) for part in self.parts)


class Some(NamedTuple):
    """Parts joined by `||`."""

    parts: tuple[Condition, ...]

    def holds(self, item: Json, root: Json) -> bool:
        return any(part.holds(item, root) for part in self.parts)


def _equal(left: Json | Missing, right: Json | Missing) -> bool:
    if isinstance(left, Missing) or isinstance(right, Missing):
        return False
    return left == right if is_number(left) and is_number(right) else same(left, right)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Json, Json], bool]:
    def holds(left: Json, right: Json) -> bool:
        comparable = (is_number(left) and is_number(right)) or (isinstance(left, str) and isinstance(right, str))
        return comparable and compare(left, right)

    return holds


def _is_in(left: Json, right: Json) -> bool:
    return isinstance(right, list) and any(_equal(left, item) for item in right)


OPERATORS: dict[str, Callable[[Json, Json], bool]] = {
    "==": _equal,
    "<": _ordered(operator.lt),
    "<=": _ordered(operator.le),
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
    "in": _is_in,
    "nin": lambda left, right: not _is_in(left, right),
}
