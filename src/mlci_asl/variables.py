"""Workflow variables: Assign, and the variables that a state reads.

A variable belongs to a scope: a machine, a branch of a Parallel or an iteration of a Map. Inner scopes read the outer
variables and can't set them; their own variables end with them.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mlci_asl import jsonata
from mlci_asl.errors import DATA_LIMIT_EXCEEDED, EvaluationError
from mlci_asl.jsontext import MAX_DATA_BYTES, Json, JsonText, size_bytes, text_of
from mlci_asl.paths import Path
from mlci_asl.state_data import NO_VARIABLES, StateData
from mlci_asl.templates import PayloadTemplate, fill

#: The longest name, without `$`; the name `states` is reserved.
MAX_NAME_CHARS = 80
RESERVED = "states"
#: The size of all variables of a scope; that of a variable, and of one Assign, is MAX_DATA_BYTES.
MAX_ALL_BYTES = 10 * 1024 * 1024

NOTHING_ASSIGNED: Mapping[str, JsonText] = {}

_NAME = re.compile(r"[^\W\d]\w*")


def check_name(name: str) -> str | None:
    """The problem of a variable's name; None if it is valid.

    >>> check_name("x"), check_name("states")
    (None, 'the variable name "states" is reserved')
    """
    if name == RESERVED:
        return f'the variable name "{name}" is reserved'
    if len(name) > MAX_NAME_CHARS:
        return f"a variable's name has at most {MAX_NAME_CHARS} characters, this one has {len(name)}"
    if not _NAME.fullmatch(name):
        return f'"{name}" is not a valid variable name: a letter or _, then letters, digits and _'
    return None


class Assignment(NamedTuple):
    """Assign: a payload template for each variable."""

    variables: tuple[tuple[str, PayloadTemplate], ...] = ()

    def evaluate(self, data: StateData) -> Mapping[str, JsonText]:
        """The values with their texts, all evaluated with the previous values of the variables.

        Raises: EvaluationError.
        """
        if not self.variables:
            return NOTHING_ASSIGNED
        values = {name: text_of(fill(template, data)) for name, template in self.variables}
        if sum(size_bytes(value.text) for value in values.values()) > MAX_DATA_BYTES:
            message = f"The variables that the state assigns exceed the maximum size of {MAX_DATA_BYTES} bytes."
            raise EvaluationError(DATA_LIMIT_EXCEEDED, message)
        return values


class Variables:
    """The variables of a branch, with those of outer scopes. Inner branches have copies."""

    def __init__(self, values: Mapping[str, Json] = NO_VARIABLES, sizes: Mapping[str, int] | None = None) -> None:
        self.values, self._sizes = dict(values), dict(sizes or {})

    def copy(self) -> Variables:
        return Variables(self.values, self._sizes)

    def assign(self, assigned: Mapping[str, JsonText]) -> None:
        """Raises: EvaluationError if the variables are larger than AWS allows."""
        if not assigned:
            return
        self._sizes.update((name, size_bytes(value.text)) for name, value in assigned.items())
        if sum(self._sizes.values()) > MAX_ALL_BYTES:
            message = f"The workflow variables exceed the maximum total size of {MAX_ALL_BYTES} bytes."
            raise EvaluationError(DATA_LIMIT_EXCEEDED, message)
        self.values.update((name, value.value) for name, value in assigned.items())


def assigned_names(value: object) -> Iterator[str]:
    """The names of the variables that a part of the model sets, without those that inner states set."""
    if isinstance(value, Assignment):
        yield from (name for name, _ in value.variables)
    elif isinstance(value, tuple):
        for part in value:
            yield from assigned_names(part)


def referenced_names(value: object) -> Iterator[str]:
    """The names of the variables that a part of the model reads, without those that inner states (a dict) read."""
    if isinstance(value, Path):
        if value.variable is not None:
            yield value.variable
    elif isinstance(value, jsonata.Expression):
        yield from value.variables
    elif isinstance(value, tuple):
        for part in value:
            yield from referenced_names(part)
