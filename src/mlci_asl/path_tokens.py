"""The tokens of a JSONPath, and the errors of reading and following one.

The other modules of paths all start here: `path_evaluation`, `filters`, `path_parser`, `paths`.
Source: https://github.com/json-path/JsonPath (its tokens).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeAlias

from mlci_asl.jsontext import Json


class PathSyntaxError(ValueError):
    """A text that is not a path."""


class PathNotFound(ValueError):
    """There is nothing where a path points to; the text is Jayway's."""


class MissingName(PathNotFound):
    """A path that goes on behind a name which is not there."""


class Condition(Protocol):
    """Whether an item is kept; `root` is what `$` in a condition means."""

    def holds(self, item: Json, root: Json) -> bool: ...


class Names(NamedTuple):
    """`.a`, `['a']` or `['a', 'b']`: one member, or an object made of several."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return "[" + ",".join(f"'{name}'" for name in self.names) + "]"


class Indexes(NamedTuple):
    """`[0]`, `[-1]` or `[0, 2]`."""

    indexes: tuple[int, ...]

    def __str__(self) -> str:
        return "[" + ",".join(str(index) for index in self.indexes) + "]"


class Slice(NamedTuple):
    """`[1:3]`, `[:2]`, `[-2:]`."""

    start: int | None
    end: int | None

    def __str__(self) -> str:
        return f"[{'' if self.start is None else self.start}:{'' if self.end is None else self.end}]"


class Wildcard(NamedTuple):
    """`.*` or `[*]`: every member or item."""

    def __str__(self) -> str:
        return "[*]"


class Filter(NamedTuple):
    """`[?(@.a == 1)]`: the items that meet a condition."""

    condition: Condition

    def __str__(self) -> str:
        return "[?]"


Selector: TypeAlias = "Names | Indexes | Slice | Wildcard | Filter"


class Scan(NamedTuple):
    """`..` before another token: that token applied everywhere below."""

    token: Selector

    def __str__(self) -> str:
        return f"..{self.token}"


Token: TypeAlias = "Selector | Scan"
