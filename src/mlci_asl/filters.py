"""The conditions in a path's filter, `[?(@.price < 10 && @.name == 'x')]`, in Jayway's dialect.

`paths.py` hands the text between the parentheses here; operands that are paths are parsed by it in turn.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from mlci_asl.jsontext import Json, is_number, parse, same


class FilterSyntaxError(ValueError):
    """A text that is not a condition, or one that uses an operator that is not covered."""


class Condition(Protocol):
    """Whether an item is kept; `root` is what `$` in a condition means."""

    def holds(self, item: Json, root: Json) -> bool: ...


class Missing:
    """What a path in a condition gives where there is nothing: equal to nothing, not even to null."""


_MISSING = Missing()


class Operand(NamedTuple):
    """A literal, or a path from the item (`@`) or from the root (`$`)."""

    value: Json = None
    tokens: tuple[Any, ...] | None = None
    is_root: bool = False

    def of(self, item: Json, root: Json) -> Json | Missing:
        from mlci_asl.paths import (
            PathNotFound,
            read,
        )  # paths and filters contain one another

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
        return _OPERATORS[self.op](left, right)


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


_OPERATORS: dict[str, Callable[[Json, Json], bool]] = {
    "==": _equal,
    "<": _ordered(operator.lt),
    "<=": _ordered(operator.le),
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
    "in": _is_in,
    "nin": lambda left, right: not _is_in(left, right),
}

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<op>&&|\|\||==|!=|<=|>=|<|>|!|\(|\)|\b(?:in|nin)\b)
      | (?P<path>[@$])
      | (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<list>\[[^\]]*\])
      | (?P<literal>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)
    )""",
    re.VERBOSE,
)


class _Reader:
    """Recursive descent over a condition's text: `||` binds less than `&&`, and that less than `!`."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def peek(self) -> str:
        match = _TOKEN.match(self.text, self.at)
        return (match["op"] or "") if match else ""

    def take(self, *ops: str) -> str:
        op = self.peek()
        if op not in ops or not op:
            return ""
        match = _TOKEN.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return op

    def some(self) -> Condition:
        parts = [self.every()]
        while self.take("||"):
            parts.append(self.every())
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def every(self) -> Condition:
        parts = [self.part()]
        while self.take("&&"):
            parts.append(self.part())
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def part(self) -> Condition:
        if self.take("!"):
            return Not(self.part())
        if self.take("("):
            inner = self.some()
            if not self.take(")"):
                raise FilterSyntaxError("a parenthesis in the filter is not closed")
            return inner
        left = self.operand()
        op = self.take("!=", *_OPERATORS)
        return Comparison(left, op, self.operand()) if op else Exists(left)

    def operand(self) -> Operand:
        match = _TOKEN.match(self.text, self.at)
        if match is None or match["op"]:
            raise FilterSyntaxError(f"the filter {self.text.strip()!r} is not understood")
        if match["path"]:
            return self.path(match.end(), match["path"])
        self.at = match.end()
        if match["string"]:
            return Operand(re.sub(r"\\(.)", r"\1", match["string"][1:-1]))
        text = match["literal"] or re.sub(r"'([^']*)'", r'"\1"', match["list"])
        try:
            return Operand(parse(text))
        except ValueError:
            raise FilterSyntaxError(f"the filter {self.text.strip()!r} has no valid list") from None

    def path(self, start: int, root: str) -> Operand:
        from mlci_asl.paths import PathSyntaxError, closing, parse_tokens

        end = start
        try:
            while end < len(self.text) and self.text[end] not in " \t\n=!<>&|)(,":
                end = closing(self.text, end) + 1 if self.text[end] == "[" else end + 1
            tokens = tuple(parse_tokens(self.text[start:end], 0))
        except PathSyntaxError as error:
            raise FilterSyntaxError(f"in the filter: {error}") from error
        self.at = end
        return Operand(tokens=tokens, is_root=root == "$")


def parse_condition(text: str) -> Condition:
    """The condition that a text stands for.

    Raises: FilterSyntaxError.
    """
    reader = _Reader(text)
    condition = reader.some()
    if reader.text[reader.at :].strip():
        raise FilterSyntaxError(f"the filter {text.strip()!r} is not understood")
    return condition
