"""The rules of a gate that differ from those of another one, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields

from mlci.flow.models import Rule
from mlci.gate.effective_gate import limit_text, rule_identity, written_rules
from mlci_dataclasses import dataclass

#: The fields that a rule is told from others by, or that `limit_text` shows.
_NAMED = frozenset(["step", "path", "op", "aggregate", "slice", "cells", "place", "limit", "is_relative"])


@dataclass(frozen=True)
class RuleChange:
    """A rule of the gate, such as `evaluate.auc min`, and what has changed of it: `0.95 → 0.9`."""

    rule: str
    change: str


def gate_changes(before: Iterable[Rule], after: Iterable[Rule]) -> Iterator[RuleChange]:
    """Yields the rules that are new, gone, or have another limit, level or confidence; cells of a step are one rule.

    >>> auc = Rule("evaluate", ("auc",), "min", 0.95)
    >>> list(gate_changes([auc], [Rule("evaluate", ("auc",), "min", 0.9, level="warn")]))
    [RuleChange(rule='evaluate.auc min', change='0.95 → 0.9; level: block → warn')]
    """
    was, will_be = written_rules(before), written_rules(after)
    gone = [rule for rule in was if rule not in will_be]
    for rule in will_be:
        if rule in was:
            continue
        match = next((each for each in gone if rule_identity(each) == rule_identity(rule)), None)
        if match is None:
            yield RuleChange(_name(rule), f"new, {limit_text(rule)}")
        else:
            gone.remove(match)
            yield RuleChange(_name(rule), "; ".join(_differences(match, rule)))
    for rule in gone:
        yield RuleChange(_name(rule), f"{limit_text(rule)} → none")


def _name(rule: Rule) -> str:
    by = f" by {rule.slice}" if rule.slice else ""
    return f"{rule.metric}{by} {rule.op}"


def _differences(before: Rule, after: Rule) -> Iterator[str]:
    limits = limit_text(before), limit_text(after)
    if limits[0] != limits[1]:
        yield " → ".join(limits)
    for each in fields(Rule):
        was, will_be = getattr(before, each.name), getattr(after, each.name)
        if each.compare and each.name not in _NAMED and was != will_be:
            yield f"{each.name.replace('_', ' ')}: {_shown(was)} → {_shown(will_be)}"


def _shown(value: object) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
