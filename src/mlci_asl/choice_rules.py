"""Reading the rules of a Choice state from a definition, with all problems noted."""

from __future__ import annotations

from collections.abc import Mapping

from mlci_asl.choices import OPERATORS, TYPE_TESTS, AllOf, AnyOf, Comparison, Kind, NoneOf, Rule, is_kind
from mlci_asl.fields import REFERENCE_PATH, Fields
from mlci_asl.jsontext import Json, dump
from mlci_asl.paths import Path, parse_path

PATH_RULE_FIELDS = ("Comment", "Next", "Assign")
_BOOLEAN = ("And", "Or", "Not")
_ALL_OPERATORS = (*OPERATORS, *TYPE_TESTS, "IsPresent")


def read_rule(fields: Fields, uncovered: Mapping[str, str], *, is_top: bool = False) -> Rule | None:
    """A rule, or None where it can't be understood; `is_top` tells that it may (and must) have a Next."""
    for name in ("Next", "Assign"):
        if not is_top and name in fields:
            fields.problem(f'only a rule at the top can have "{name}"', name)
    extra = PATH_RULE_FIELDS
    if any(name in uncovered for name in fields.members):
        fields.check_known((*extra, "Variable", *_BOOLEAN, *_ALL_OPERATORS), uncovered)
        return None
    combined = [name for name in _BOOLEAN if name in fields]
    if combined:
        fields.check_known((*extra, combined[0]), uncovered)
        return _combined(combined[0], fields, uncovered)
    fields.check_known((*extra, "Variable", *_ALL_OPERATORS), uncovered)
    return _test(fields)


def _combined(name: str, fields: Fields, uncovered: Mapping[str, str]) -> Rule | None:
    if name == "Not":
        child = fields.child("Not")
        rule = read_rule(child, uncovered) if child is not None else None
        return NoneOf(rule) if rule is not None else None
    found = [read_rule(child, uncovered) for child in fields.children(name)]
    rules = tuple(rule for rule in found if rule is not None)
    return AllOf(rules) if name == "And" else AnyOf(rules)


def _test(fields: Fields) -> Rule | None:
    operators = [name for name in fields.members if name in _ALL_OPERATORS]
    if len(operators) > 1 or not set(fields.members) - {*PATH_RULE_FIELDS, "Variable"}:
        found = f", not {' and '.join(operators)}" if operators else ""
        fields.problem(f"a choice rule needs exactly one comparison operator{found}")
    if len(operators) != 1 or not fields.require("Variable"):
        return None
    variable: Path | None = fields.parsed("Variable", parse_path, None, REFERENCE_PATH)
    expected = _expected(operators[0], fields)
    return Comparison(variable, operators[0], expected) if variable is not None else None


def _expected(operator: str, fields: Fields) -> Json | Path:
    if operator.endswith("Path"):
        path: Path | None = fields.parsed(operator, parse_path, None, REFERENCE_PATH)
        return path
    value = fields.members[operator]
    kind: Kind = OPERATORS[operator].kind if operator in OPERATORS else "boolean"
    if not is_kind(value, kind):
        fields.problem(f'"{operator}" must be a {kind}, not {dump(value)[:80]}', operator)
    return value
