"""Choice rules: the comparisons and their operators, and when they hold.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from mlci_asl.dynamic_fields import truth
from mlci_asl.errors import RUNTIME, EvaluationError
from mlci_asl.jsontext import Json, is_number
from mlci_asl.path_tokens import InvalidPath, PathNotFound
from mlci_asl.paths import Path
from mlci_asl.state_data import Data
from mlci_asl.templates import Template
from mlci_asl.timestamps import parse_timestamp


class Comparison(NamedTuple):
    """`Variable` with one operator; `expected` is a Path where the operator's name ends in `Path`."""

    variable: Path
    operator: str
    expected: Json | Path


class AllOf(NamedTuple):
    """`And`."""

    rules: tuple[Rule, ...]


class AnyOf(NamedTuple):
    """`Or`."""

    rules: tuple[Rule, ...]


class NoneOf(NamedTuple):
    """`Not`."""

    rule: Rule


class Condition(NamedTuple):
    """JSONata's `Condition`."""

    template: Template


Rule: TypeAlias = "Comparison | AllOf | AnyOf | NoneOf | Condition"

Kind = Literal["string", "number", "boolean", "timestamp"]


class Operator(NamedTuple):
    """How two values of one kind compare. Values of another kind make the rule false, and are no error."""

    kind: Kind
    holds: Callable[[Any, Any], bool]


def holds(rule: Rule, data: Data) -> bool:
    """Whether a rule holds for a state's input.

    Raises: EvaluationError (States.Runtime) where the rule reads what is not there, and is not IsPresent.
    """
    if isinstance(rule, AllOf):
        return all(holds(part, data) for part in rule.rules)
    if isinstance(rule, AnyOf):
        return any(holds(part, data) for part in rule.rules)
    if isinstance(rule, NoneOf):
        return not holds(rule.rule, data)
    if isinstance(rule, Condition):
        return truth(rule.template, data)
    return _compare(rule, data)


def _compare(test: Comparison, data: Data) -> bool:
    if test.operator == "IsPresent":
        return _is_present(test.variable, data) == test.expected
    value = _read(test.variable, data)
    if test.operator in TYPE_TESTS:
        return TYPE_TESTS[test.operator](value) == test.expected
    expected = _read(test.expected, data) if isinstance(test.expected, Path) else test.expected
    compared = OPERATORS[test.operator]
    left, right = _as_kind(value, compared.kind), _as_kind(expected, compared.kind)
    return left is not None and right is not None and compared.holds(left, right)


def _is_present(path: Path, data: Data) -> bool:
    try:
        path.read(data)
    except PathNotFound:
        return False
    except InvalidPath as error:
        raise _invalid_path(path) from error
    return True


def _read(path: Path, data: Data) -> Json:
    try:
        return path.read(data)
    except InvalidPath as error:
        raise _invalid_path(path) from error


def _invalid_path(path: Path) -> EvaluationError:
    what = f"Invalid path '{path.text}': The choice state's condition path references an invalid value."
    return EvaluationError(RUNTIME, what)


def _as_kind(value: Json, kind: Kind) -> object:
    """The value in a form that can be compared; None where it is not of this kind."""
    if kind == "timestamp":
        return parse_timestamp(value) if isinstance(value, str) else None
    return value if _IS_KIND[kind](value) else None


def is_timestamp(value: Json) -> bool:
    return isinstance(value, str) and parse_timestamp(value) is not None


_IS_KIND: dict[Kind, Callable[[Json], bool]] = {
    "string": lambda value: isinstance(value, str),
    "number": is_number,
    "boolean": lambda value: isinstance(value, bool),
    "timestamp": is_timestamp,
}


def is_kind(value: Json, kind: Kind) -> bool:
    """Whether a literal can stand beside an operator of this kind."""
    return _IS_KIND[kind](value)


def matches_pattern(text: str, pattern: str) -> bool:
    r"""StringMatches: `*` stands for any characters, `\*` for a star, `\\` for a backslash.

    >>> matches_pattern("log-1.txt", "log-*.txt"), matches_pattern("a*", r"a\*"), matches_pattern("ab", r"a\*")
    (True, True, False)
    """
    parts = re.findall(r"\\[*\\]|.", pattern, re.DOTALL)
    pieces = [""]  # what stands between the stars
    for part in parts:
        if part == "*":
            pieces.append("")
        else:
            pieces[-1] += part[-1]
    return _has_pieces(text, pieces)


def _has_pieces(text: str, pieces: list[str]) -> bool:
    """Whether a text is these pieces, in their order, with anything between two of them.

    The first place where a piece is found is as good as any, so no pattern takes long; a regular expression would try
    all of them, and a pattern with many stars would never end.
    """
    first, *middle = pieces
    if not middle:
        return text == first
    last = middle.pop()
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in middle:
        at = text.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True


def _java_order(compare: Callable[[Any, Any], bool]) -> Callable[[str, str], bool]:
    """Java compares strings by UTF-16 units, which differs from Python's order beyond U+FFFF."""

    def holds(left: str, right: str) -> bool:
        return compare(left.encode("utf-16-be", "surrogatepass"), right.encode("utf-16-be", "surrogatepass"))

    return holds


_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "GreaterThan": operator.gt,
    "LessThanEquals": operator.le,
    "GreaterThanEquals": operator.ge,
}


def _comparisons() -> Mapping[str, Operator]:
    found = {"BooleanEquals": Operator("boolean", operator.eq)}
    for name, compare in _ORDERS.items():
        found[f"String{name}"] = Operator("string", _java_order(compare))
        found[f"Numeric{name}"] = Operator("number", compare)
        found[f"Timestamp{name}"] = Operator("timestamp", compare)
    by_path = {f"{name}Path": compared for name, compared in found.items()}
    return {**found, **by_path, "StringMatches": Operator("string", matches_pattern)}


#: Every operator that compares, by its field's name; those that end in `Path` take a path.
OPERATORS: Mapping[str, Operator] = _comparisons()

#: The operators that ask for a value's type; `IsPresent` stands apart, as it reads what may be missing.
TYPE_TESTS: Mapping[str, Callable[[Json], bool]] = {
    "IsNull": lambda value: value is None,
    "IsString": _IS_KIND["string"],
    "IsNumeric": is_number,
    "IsBoolean": _IS_KIND["boolean"],
    "IsTimestamp": is_timestamp,
}
