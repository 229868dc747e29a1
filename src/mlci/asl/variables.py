"""Workflow variables: what Assign sets, and which variables a state reads.

A variable lives in its scope: a machine's, a Parallel branch's or a Map iteration's. Inner scopes read the outer
variables and can't set them; nothing of theirs is left when they end.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mlci.asl import jsonata
from mlci.asl.data import NO_VARIABLES, Data
from mlci.asl.errors import DATA_LIMIT_EXCEEDED, EvaluationError
from mlci.asl.jsontext import MAX_DATA_BYTES, Json, dump, size_bytes
from mlci.asl.paths import Path
from mlci.asl.templates import Template, fill

#: Of a name, without `$`; the name `states` is the language's own.
MAX_NAME_CHARS = 80
RESERVED = "states"
#: Of all variables of a scope together; a single variable, and one Assign, may have MAX_DATA_BYTES.
MAX_ALL_BYTES = 10 * 1024 * 1024

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

    variables: tuple[tuple[str, Template], ...] = ()

    def evaluate(self, data: Data) -> Mapping[str, Json]:
        """The values, all of them evaluated with the variables as they were before.

        Raises: EvaluationError.
        """
        if not self.variables:
            return NO_VARIABLES
        found = {name: fill(template, data) for name, template in self.variables}
        sizes = {name: size_bytes(dump(value)) for name, value in found.items()}
        if sum(sizes.values()) > MAX_DATA_BYTES:
            what = f"The variables that the state assigns exceed the maximum size of {MAX_DATA_BYTES} bytes."
            raise EvaluationError(DATA_LIMIT_EXCEEDED, what)
        return found


def check_total(variables: Mapping[str, Json]) -> None:
    """Raises: EvaluationError where all variables together are larger than AWS stores."""
    if sum(size_bytes(dump(value)) for value in variables.values()) > MAX_ALL_BYTES:
        what = f"The workflow variables exceed the maximum total size of {MAX_ALL_BYTES} bytes."
        raise EvaluationError(DATA_LIMIT_EXCEEDED, what)


def assigned(value: object) -> Iterator[str]:
    """The names of the variables that a part of the model sets, one by one; inner states are left out."""
    if isinstance(value, Assignment):
        yield from (name for name, _ in value.variables)
    elif isinstance(value, tuple):
        for part in value:
            yield from assigned(part)


def references(value: object) -> Iterator[str]:
    """The names of the variables that a part of the model reads, one by one; inner states (a dict) are left out."""
    if isinstance(value, Path):
        if value.variable is not None:
            yield value.variable
    elif isinstance(value, jsonata.Expression):
        yield from value.variables
    elif isinstance(value, tuple):
        for part in value:
            yield from references(part)
