"""The conditions of a path's filter: `[?(@.price < 10 && @.name == 'x')]`.

Of Jayway's dialect they have what AWS supports: `@` is an object of the array, and is compared with a literal.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/amazon-states-language-paths.html
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

from mlci_asl.jsontext import Json, is_equal, is_number
from mlci_asl.path_evaluation import read
from mlci_asl.path_tokens import FilterCondition, PathNotFound, Token


class Missing:
    """The value of a path that leads to nothing. It equals nothing, not even null."""


_MISSING = Missing()


class Operand(NamedTuple):
    """A literal or, with `tokens`, a path from the item (`@`)."""

    value: Json = None
    tokens: tuple[Token, ...] | None = None

    def evaluate(self, item: Json) -> Json | Missing:
        """The operand's value for an item.

        Raises: InvalidPath.
        """
        if self.tokens is None:
            return self.value
        try:
            return read(self.tokens, item)
        except PathNotFound:
            return _MISSING


class FilterComparison(NamedTuple):
    """`left operator right`."""

    left: Operand
    operator: str
    right: Operand

    def holds(self, item: Json) -> bool:
        left, right = self.left.evaluate(item), self.right.evaluate(item)
        if self.operator == "!=":
            return not _are_equal(left, right)
        if isinstance(left, Missing) or isinstance(right, Missing):
            return False
        return OPERATORS[self.operator](left, right)


class FilterExists(NamedTuple):
    """`@.a` alone: there is such a value, and it is not null.

    Source: https://github.com/floci-io/floci/issues/3480 (measured with AWS's Step Functions Local 2.0.0)
    """

    operand: Operand

    def holds(self, item: Json) -> bool:
        value = self.operand.evaluate(item)
        return value is not None and not isinstance(value, Missing)


class FilterNot(NamedTuple):
    """`!` before a condition."""

    condition: FilterCondition

    def holds(self, item: Json) -> bool:
        return not self.condition.holds(item)


class FilterAnd(NamedTuple):
    """Conditions joined by `&&`."""

    conditions: tuple[FilterCondition, ...]

    def holds(self, item: Json) -> bool:
        return all(condition.holds(item) for condition in self.conditions)


class FilterOr(NamedTuple):
    """Conditions joined by `||`."""

    conditions: tuple[FilterCondition, ...]

    def holds(self, item: Json) -> bool:
        return any(condition.holds(item) for condition in self.conditions)


def _are_equal(left: Json | Missing, right: Json | Missing) -> bool:
    if isinstance(left, Missing) or isinstance(right, Missing):
        return False
    return left == right if is_number(left) and is_number(right) else is_equal(left, right)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Json, Json], bool]:
    def holds(left: Json, right: Json) -> bool:
        comparable = (is_number(left) and is_number(right)) or (isinstance(left, str) and isinstance(right, str))
        return comparable and compare(left, right)

    return holds


#: The operators that compare values which are there; `!=` also holds for a value that is missing.
OPERATORS: dict[str, Callable[[Json, Json], bool]] = {
    "==": _are_equal,
    "<": _ordered(operator.lt),
    "<=": _ordered(operator.le),
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
}
