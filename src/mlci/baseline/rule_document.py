"""A rule of a gate as JSON: a field for each of `Rule`'s that has another value than its default."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import get_args

from mlci.flow.models import Json, Op, Rule

_OPS = get_args(Op)
#: Not the position: the file is that of another commit.
_FIELDS = {each.name: each for each in fields(Rule) if each.compare}
_REQUIRED = [name for name, each in _FIELDS.items() if each.default is MISSING]


class UnknownRule(Exception):
    """The rule is of a newer mlci, or damaged."""


def render_rule(rule: Rule) -> Json:
    """Returns a rule as JSON.

    >>> render_rule(Rule("evaluate", ("auc",), "max_drop", 0.02, is_relative=True))
    {'step': 'evaluate', 'path': ['auc'], 'op': 'max_drop', 'limit': 0.02, 'is_relative': True}
    """
    values = {name: getattr(rule, name) for name in _FIELDS}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value != _FIELDS[name].default
    }


def parse_rule(document: Json) -> Rule:
    """Returns the rule that a document has.

    Raises: UnknownRule.
    """
    if not isinstance(document, dict):
        raise UnknownRule("it is no object")
    unknown = [name for name in document if name not in _FIELDS]
    if unknown:
        raise UnknownRule(f'it has a field "{unknown[0]}"')
    missing = [name for name in _REQUIRED if name not in document]
    if missing:
        raise UnknownRule(f'it has no "{missing[0]}"')
    if document["op"] not in _OPS:
        raise UnknownRule(f'it has the op "{document["op"]}"')
    limit, path = document["limit"], document["path"]
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not isinstance(path, list) or not path:
        raise UnknownRule("it is damaged")
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in document.items()}
    return Rule(**values)  # type: ignore[arg-type]  # the types of the others are as they were written
