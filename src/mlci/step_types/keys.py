"""The keys of steps in flow.yaml, as a step type describes them, and the values that stand under them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Literal, TypeAlias

from mlci_dataclasses import dataclass

Scalar: TypeAlias = "str | int | float | bool"
Json: TypeAlias = "Scalar | None | list[Json] | dict[str, Json]"

KeyKind = Literal[
    "text",
    "integer",
    "duration",
    "image",
    "texts",
    "scalars",
    "text or texts",
    "text, texts or map of texts",
    "metric definitions",
    "map of ranges",
    "objective",
    "map of texts",
    "texts or map of texts",
    "source",
    "map of sources",
    "map of scalars",
    "boolean",
    "number",
    "vpc",
    "matrix",
    "reuse",
    "condition",
    "json",
    "json map",
    "json list",
]


@dataclass(frozen=True)
class NameRule:
    """The names that a flow may give to one kind of thing. `allowed` describes the pattern in words."""

    kind: str
    pattern: re.Pattern[str]
    max_chars: int
    allowed: str
    reserved: frozenset[str] = frozenset()


#: Yields paths, sentences and remedies, from a step's own keys and those of `defaults`.
StepCheck: TypeAlias = (
    "Callable[[Mapping[str, Json], Mapping[str, Json]], Iterator[tuple[tuple[str | int, ...], str, str]]]"
)


@dataclass(frozen=True)
class Key:
    """One key of a step in flow.yaml.

    `minimum` and `maximum` hold for the number as it is written, and `pattern` is for the JSON schema alone;
    `job_maximum` also holds for a value that comes from `defaults` (a duration in seconds). `max_chars` is the length
    of a text, or of each text in it. `choices` are the only texts that it takes. Metrics of other steps may stand where
    a key `takes_metrics`. `names` rules the names in a map or a list. `problems` yields what AWS or the container can't
    take of a value, as far as it is known: the path below the key, a sentence and a remedy. Where `takes_one_cell`, a
    source is no folder of several cells.
    A value that `becomes` a part of an API request is merged over it, below the step's key `merges_into`.
    `step_problems` gets the keys that the step itself has, and those of `defaults`, and yields what can't stand
    together: paths are those below the step.
    The value of a key that `names_metrics` is the name of a step that writes metrics, which are read as a file.
    """

    name: str
    kind: KeyKind
    description: str
    examples: tuple[Json, ...] = ()
    is_required: bool = False
    missing_hint: str = ""
    in_defaults: bool = False
    default: Scalar | None = None
    takes_outputs: bool = False
    takes_metrics: bool = False
    names_metrics: bool = False
    minimum: int | None = None
    maximum: int | None = None
    job_maximum: int | None = None
    pattern: str = ""
    max_items: int | None = None
    max_chars: int | None = None
    choices: tuple[str, ...] = ()
    names: NameRule | None = None
    problems: Callable[[Json], Iterator[tuple[tuple[str | int, ...], str, str]]] | None = None
    takes_one_cell: bool = False
    step_problems: StepCheck | None = None
    becomes: Callable[[Json], dict[str, Json]] | None = None
    merges_into: str = "request"


#: The key of the name of what runs of merged code keep of a step.
KEPT_NAME = "name"
#: The key of what an endpoint captures; `to` is the place for it.
CAPTURE = "capture"
