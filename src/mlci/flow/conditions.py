"""Reads the `if` of a step: rules that must all hold, and `any`, `all` and `not` of rules.

`not` is brought down to the rules, so that a metric that is missing makes no condition hold: neither a rule on it
holds, nor `not` of that rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from mlci.flow.models import Condition, Json, Rule
from mlci.flow.problems import Problems, listed
from mlci.flow.reference_check import StepInterface
from mlci.flow.rules import CONNECTIVES, build_rule, build_rules, rule_label
from mlci.flow.yaml_document import Path
from mlci.flow.yaml_scalars import describe

#: Deeper ones are hard to read; a flow can say the same by several steps.
MAX_DEPTH = 5
_HINT = "Write {any: [<rule>, <rule>]}, {all: [<rule>, <rule>]} or {not: <rule>}, where a rule is {metric: …, min: …}"


def build_if(
    written: Json, path: Path, reader: str, steps: Mapping[str, StepInterface], problems: Problems
) -> tuple[tuple[Rule, ...], tuple[Condition, ...]]:
    """Return the rules of an `if`, and the conditions that they are parts of; other rules must all hold."""
    builder = _ConditionBuilder(reader, steps, problems)
    plain: tuple[Rule, ...] = ()
    if _is_connective(written):
        connected = [(written, path)]
    else:
        items = list(enumerate(written)) if isinstance(written, list) else []
        connected = [(item, (*path, index)) for index, item in items if _is_connective(item)]
        plain = build_rules(written, path, reader, steps, problems, {place[-1] for _, place in connected})
    built = [builder.condition(item, place, False, 1) for item, place in connected]
    conditions = [Condition("all", (each,)) if isinstance(each, int) else each for each in built if each is not None]
    return (*plain, *builder.rules), tuple(conditions)


def _is_connective(item: Json) -> bool:
    return isinstance(item, dict) and not item.keys().isdisjoint(CONNECTIVES)


class _ConditionBuilder:
    """Builds conditions, and collects their rules, which are numbered from 1."""

    def __init__(self, reader: str, steps: Mapping[str, StepInterface], problems: Problems) -> None:
        self.reader, self.steps, self.problems = reader, steps, problems
        self.rules: list[Rule] = []

    def condition(self, item: Json, path: Path, is_negated: bool, depth: int) -> Condition | int | None:
        """Return a condition, or the number of a rule; None for what is wrong, which is reported."""
        if not isinstance(item, dict) or not _is_connective(item):
            return self._rule(item, path, is_negated)
        word = next(name for name in CONNECTIVES if name in item)
        for other in item.keys() - {word}:
            what = f'"{word}" stands alone, and "{other}" is beside it'
            self.problems.at_key((*path, other), what, f'Write two items, or put it into "{word}"')
        if depth > MAX_DEPTH:
            self.problems.at_key((*path, word), f'"if" is nested too deeply: {MAX_DEPTH} levels are the most')
            return None
        if word == "not":
            return self._negation(item["not"], (*path, "not"), is_negated, depth)
        kind: Literal["any", "all"] = "any" if (word == "any") != is_negated else "all"
        return self._connected(kind, item[word], (*path, word), is_negated, depth)

    def _negation(self, item: Json, path: Path, is_negated: bool, depth: int) -> Condition | int | None:
        if isinstance(item, list):
            what = '"not" takes one rule or condition, but is a list'
            self.problems.at(path, what, "Write not: {any: […]} if none may hold, or not: {all: […]} if not all may")
            return None
        return self.condition(item, path, not is_negated, depth + 1)

    def _connected(
        self, kind: Literal["any", "all"], items: Json, path: Path, is_negated: bool, depth: int
    ) -> Condition | None:
        if not isinstance(items, list) or not items:
            if not self.problems.is_suspect(path):
                found = "is empty" if items == [] else f"is {describe(items)}"
                self.problems.at(path, f'"{path[-1]}" must be a list of rules, but {found}', _HINT)
            return None
        parts = [self.condition(item, (*path, index), is_negated, depth + 1) for index, item in enumerate(items)]
        return Condition(kind, tuple(part for part in parts if part is not None))

    def _rule(self, item: Json, path: Path, is_negated: bool) -> Condition | int | None:
        numbers = []
        for rule in build_rule(item, path, self.reader, self.steps, self.problems):
            self._check_cells(rule, path)
            numbers.append(len(self.rules) + 1)
            self.rules.append(replace(rule, place=len(self.rules) + 1, is_negated=is_negated))
        if len(numbers) < 2:
            return numbers[0] if numbers else None
        return Condition("any" if is_negated else "all", tuple(numbers))

    def _check_cells(self, rule: Rule, path: Path) -> None:
        if rule.step in self.steps and self.steps[rule.step].has_cells:
            what = f'{rule_label(path)} compares a metric of step "{rule.step}", which has a matrix'
            hint = f"In {listed(CONNECTIVES, 'and')}, name a step without a matrix that reads its cells"
            self.problems.at((*path, "metric"), what, hint)
