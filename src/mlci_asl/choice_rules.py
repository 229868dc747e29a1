"""Reads the choice rules of JSONPath from a definition."""

from __future__ import annotations

from collections.abc import Mapping

from mlci_asl.choices import COMPARISONS, TYPE_TESTS, And, ChoiceCondition, DataTest, Not, Or, ValueType, is_of_type
from mlci_asl.fields import REFERENCE_PATH, Fields
from mlci_asl.jsontext import Json, dump
from mlci_asl.paths import Path, parse_path

PATH_RULE_FIELDS = ("Comment", "Next", "Assign")
_BOOLEAN = ("And", "Or", "Not")
_ALL_OPERATORS = (*COMPARISONS, *TYPE_TESTS, "IsPresent")


def read_condition(fields: Fields, unsupported: Mapping[str, str], *, is_top: bool = False) -> ChoiceCondition | None:
    """The condition of a choice rule; None if it has problems. Only a rule at the top (`is_top`) has a Next."""
    for name in ("Next", "Assign"):
        if not is_top and name in fields:
            fields.add_problem(f'only a rule at the top can have "{name}"', name)
    common = PATH_RULE_FIELDS
    if any(name in unsupported for name in fields.members):
        fields.check_known((*common, "Variable", *_BOOLEAN, *_ALL_OPERATORS), unsupported)
        return None
    combined = [name for name in _BOOLEAN if name in fields]
    if combined:
        fields.check_known((*common, combined[0]), unsupported)
        return _combined(combined[0], fields, unsupported)
    fields.check_known((*common, "Variable", *_ALL_OPERATORS), unsupported)
    return _data_test(fields)


def _combined(name: str, fields: Fields, unsupported: Mapping[str, str]) -> ChoiceCondition | None:
    if name == "Not":
        child = fields.child("Not")
        condition = read_condition(child, unsupported) if child is not None else None
        return Not(condition) if condition is not None else None
    children = (read_condition(child, unsupported) for child in fields.children(name))
    conditions = tuple(condition for condition in children if condition is not None)
    return And(conditions) if name == "And" else Or(conditions)


def _data_test(fields: Fields) -> ChoiceCondition | None:
    operators = [name for name in fields.members if name in _ALL_OPERATORS]
    if len(operators) > 1 or not set(fields.members) - {*PATH_RULE_FIELDS, "Variable"}:
        actual = f", not {' and '.join(operators)}" if operators else ""
        fields.add_problem(f"a choice rule needs exactly one comparison operator{actual}")
    if len(operators) != 1 or not fields.require("Variable"):
        return None
    variable: Path | None = fields.parsed("Variable", parse_path, None, REFERENCE_PATH)
    expected = _expected_value(operators[0], fields)
    return DataTest(variable, operators[0], expected) if variable is not None else None


def _expected_value(operator: str, fields: Fields) -> Json | Path:
    if operator.endswith("Path"):
        path: Path | None = fields.parsed(operator, parse_path, None, REFERENCE_PATH)
        return path
    value = fields.members[operator]
    value_type: ValueType = COMPARISONS[operator].value_type if operator in COMPARISONS else "boolean"
    if not is_of_type(value, value_type):
        fields.add_problem(f'"{operator}" must be a {value_type}, not {dump(value)[:80]}', operator)
    return value
