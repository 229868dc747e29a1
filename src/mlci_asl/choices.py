"""The conditions of choice rules, their operators, and whether they hold.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from mlci_asl.dynamic_fields import boolean
from mlci_asl.errors import RUNTIME, EvaluationError
from mlci_asl.jsontext import Json, is_number
from mlci_asl.path_tokens import InvalidPath, PathNotFound
from mlci_asl.paths import Path
from mlci_asl.state_data import StateData
from mlci_asl.templates import PayloadTemplate
from mlci_asl.timestamps import parse_timestamp


class DataTest(NamedTuple):
    """`Variable` with one operator. `expected` is a Path if the operator's name ends in `Path`."""

    variable: Path
    operator: str
    expected: Json | Path


class And(NamedTuple):
    """Holds if all conditions do."""

    conditions: tuple[ChoiceCondition, ...]


class Or(NamedTuple):
    """Holds if one of the conditions does."""

    conditions: tuple[ChoiceCondition, ...]


class Not(NamedTuple):
    """Holds if the condition does not."""

    condition: ChoiceCondition


class JsonataCondition(NamedTuple):
    """JSONata's `Condition`."""

    template: PayloadTemplate


ChoiceCondition: TypeAlias = "DataTest | And | Or | Not | JsonataCondition"

ValueType = Literal["string", "number", "boolean", "timestamp"]


class ComparisonOperator(NamedTuple):
    """A comparison of two values of one type. With a value of another type it is false, and no error."""

    value_type: ValueType
    holds: Callable[[Any, Any], bool]


def holds(condition: ChoiceCondition, data: StateData) -> bool:
    """True if a condition holds for a state's input.

    Raises: EvaluationError (States.Runtime) if a path leads to nothing, unless its operator is IsPresent.
    """
    if isinstance(condition, And):
        return all(holds(part, data) for part in condition.conditions)
    if isinstance(condition, Or):
        return any(holds(part, data) for part in condition.conditions)
    if isinstance(condition, Not):
        return not holds(condition.condition, data)
    if isinstance(condition, JsonataCondition):
        return boolean(condition.template, data)
    return _compare(condition, data)


def _compare(data_test: DataTest, data: StateData) -> bool:
    if data_test.operator == "IsPresent":
        return _is_present(data_test.variable, data) == data_test.expected
    value = _read(data_test.variable, data)
    if data_test.operator in TYPE_TESTS:
        return TYPE_TESTS[data_test.operator](value) == data_test.expected
    expected = _read(data_test.expected, data) if isinstance(data_test.expected, Path) else data_test.expected
    comparison = COMPARISONS[data_test.operator]
    left, right = _as_type(value, comparison.value_type), _as_type(expected, comparison.value_type)
    return left is not None and right is not None and comparison.holds(left, right)


def _is_present(path: Path, data: StateData) -> bool:
    try:
        path.read(data)
    except PathNotFound:
        return False
    except InvalidPath as error:
        raise _invalid_path(path) from error
    return True


def _read(path: Path, data: StateData) -> Json:
    try:
        return path.read(data)
    except InvalidPath as error:
        raise _invalid_path(path) from error


def _invalid_path(path: Path) -> EvaluationError:
    message = f"Invalid path '{path.text}': The choice state's condition path references an invalid value."
    return EvaluationError(RUNTIME, message)


def _as_type(value: Json, value_type: ValueType) -> object:
    """The value in a form that can be compared; None if it is of another type."""
    if value_type == "timestamp":
        return parse_timestamp(value) if isinstance(value, str) else None
    return value if _IS_OF_TYPE[value_type](value) else None


def is_timestamp(value: Json) -> bool:
    return isinstance(value, str) and parse_timestamp(value) is not None


_IS_OF_TYPE: dict[ValueType, Callable[[Json], bool]] = {
    "string": lambda value: isinstance(value, str),
    "number": is_number,
    "boolean": lambda value: isinstance(value, bool),
    "timestamp": is_timestamp,
}


def is_of_type(value: Json, value_type: ValueType) -> bool:
    """True if a literal fits an operator that compares values of this type."""
    return _IS_OF_TYPE[value_type](value)


def matches_pattern(text: str, pattern: str) -> bool:
    r"""StringMatches: `*` matches any characters, `\*` a star, `\\` a backslash.

    >>> matches_pattern("log-1.txt", "log-*.txt"), matches_pattern("a*", r"a\*"), matches_pattern("ab", r"a\*")
    (True, True, False)
    """
    parts = re.findall(r"\\[*\\]|.", pattern, re.DOTALL)
    literals = [""]  # the text between the stars
    for part in parts:
        if part == "*":
            literals.append("")
        else:
            literals[-1] += part[-1]
    return _contains_in_order(text, literals)


def _contains_in_order(text: str, literals: list[str]) -> bool:
    """True if a text consists of these literals in their order, with any characters between two of them.

    The first match of a literal is as good as any other, so no pattern takes long. A regular expression would try all
    of them, and would not end for a pattern with many stars.
    """
    first, *middle = literals
    if not middle:
        return text == first
    last = middle.pop()
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    position, end = len(first), len(text) - len(last)
    for literal in middle:
        position = text.find(literal, position, end)
        if position < 0:
            return False
        position += len(literal)
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


def _comparisons() -> Mapping[str, ComparisonOperator]:
    operators = {"BooleanEquals": ComparisonOperator("boolean", operator.eq)}
    for name, compare in _ORDERS.items():
        operators[f"String{name}"] = ComparisonOperator("string", _java_order(compare))
        operators[f"Numeric{name}"] = ComparisonOperator("number", compare)
        operators[f"Timestamp{name}"] = ComparisonOperator("timestamp", compare)
    by_path = {f"{name}Path": compared for name, compared in operators.items()}
    return {**operators, **by_path, "StringMatches": ComparisonOperator("string", matches_pattern)}


#: Every comparison operator, by the name of its field; those that end in `Path` take a path.
COMPARISONS: Mapping[str, ComparisonOperator] = _comparisons()

#: The operators that test a value's type. `IsPresent` is not one of them, for its value may be missing.
TYPE_TESTS: Mapping[str, Callable[[Json], bool]] = {
    "IsNull": lambda value: value is None,
    "IsString": _IS_OF_TYPE["string"],
    "IsNumeric": is_number,
    "IsBoolean": _IS_OF_TYPE["boolean"],
    "IsTimestamp": is_timestamp,
}
