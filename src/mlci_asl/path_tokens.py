"""The tokens of a JSONPath, and the errors of reading and following one.

The other modules of paths all start here: `path_evaluation`, `filters`, `path_parser`, `paths`.
Source: https://github.com/json-path/JsonPath (its tokens).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeAlias

from mlci_asl.jsontext import Json


class PathSyntaxError(ValueError):
    """A text that is not a path."""


class InvalidPath(ValueError):
    """A path that cannot be evaluated, which shows at run time only; the text is Jayway's."""


class PathNotFound(InvalidPath):
    """A path that leads to nothing; the text is Jayway's."""


class MissingName(PathNotFound):
    """A path that goes on behind a name which is not there."""


class FilterCondition(Protocol):
    """The condition of a filter."""

    def holds(self, item: Json) -> bool:
        """Return True if the filter selects this item."""
        ...


class Names(NamedTuple):
    """`.a` or `['a']`: one member; `['a', 'b']`: an object of several, at the end of a path only."""

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
    """`[?(@.a == 1)]`: the objects that meet a condition."""

    condition: FilterCondition

    def __str__(self) -> str:
        return "[?]"


Selector: TypeAlias = "Names | Indexes | Slice | Wildcard | Filter"


class Scan(NamedTuple):
    """`..` before another token: that token applied everywhere below."""

    token: Selector

    def __str__(self) -> str:
        return f"..{self.token}"


Token: TypeAlias = "Selector | Scan"
