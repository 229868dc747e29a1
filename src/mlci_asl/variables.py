"""Workflow variables: what Assign sets, and which variables a state reads.

A variable lives in its scope: a machine's, a Parallel branch's or a Map iteration's. Inner scopes read the outer
variables and can't set them; nothing of theirs is left when they end.
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

#: Of a name, without `$`; the name `states` is the language's own.
MAX_NAME_CHARS = 80
RESERVED = "states"
#: Of all variables of a scope together; a single variable, and one Assign, may have MAX_DATA_BYTES.
MAX_ALL_BYTES = 10 * 1024 * 1024

NOTHING_ASSIGNED: Mapping[str, JsonText] = {}

_NAME = re.compile(r"[^\W\d]\w*")


def check_name(name: str) -> str | None:
    """What is wrong with a variable's name, if anything.

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
    """What Assign says: a payload for each variable."""

    variables: tuple[tuple[str, PayloadTemplate], ...] = ()

    def evaluate(self, data: StateData) -> Mapping[str, JsonText]:
        """The values with their texts, all of them evaluated with the variables as they were before.

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
    """The variables of a branch, those of outer scopes included; inner branches have copies."""

    def __init__(self, values: Mapping[str, Json] = NO_VARIABLES, sizes: Mapping[str, int] | None = None) -> None:
        self.values, self._sizes = dict(values), dict(sizes or {})

    def copy(self) -> Variables:
        return Variables(self.values, self._sizes)

    def assign(self, assigned: Mapping[str, JsonText]) -> None:
        """Raises: EvaluationError where all variables together are larger than AWS stores."""
        if not assigned:
            return
        self._sizes.update((name, size_bytes(value.text)) for name, value in assigned.items())
        if sum(self._sizes.values()) > MAX_ALL_BYTES:
            message = f"The workflow variables exceed the maximum total size of {MAX_ALL_BYTES} bytes."
            raise EvaluationError(DATA_LIMIT_EXCEEDED, message)
        self.values.update((name, value.value) for name, value in assigned.items())


def assigned_names(value: object) -> Iterator[str]:
    """The names of the variables that a part of the model sets, one by one; inner states are left out."""
    if isinstance(value, Assignment):
        yield from (name for name, _ in value.variables)
    elif isinstance(value, tuple):
        for part in value:
            yield from assigned_names(part)


def referenced_names(value: object) -> Iterator[str]:
    """The names of the variables that a part of the model reads, one by one; inner states (a dict) are left out."""
    if isinstance(value, Path):
        if value.variable is not None:
            yield value.variable
    elif isinstance(value, jsonata.Expression):
        yield from value.variables
    elif isinstance(value, tuple):
        for part in value:
            yield from referenced_names(part)
