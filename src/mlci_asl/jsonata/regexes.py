"""Regular expressions that end: matching stops after a while, however badly pattern and text go together.

Python's own `re` has no such limit, and holds all threads while it matches: `/^(a|aa)+$/` on sixty letters would stop
the whole process. Classes such as \\d and \\w are ASCII, as in JavaScript and Java.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import regex

from mlci_asl.jsonata.jsonata_python import JException

_TIMEOUT_S = 0.5


@dataclass(frozen=True)
class Match:
    """One match, as the language shows it to functions."""

    text: str
    start: int
    end: int
    groups: list[str]

    def as_value(self) -> dict[str, object]:
        return {"match": self.text, "start": self.start, "end": self.end, "groups": list(self.groups)}


@dataclass(frozen=True)
class Pattern:
    """A regular expression of the language. It has the methods by which the library knows one."""

    source: str
    inner: Any

    def matches(self, text: str) -> Iterator[Match]:
        """All matches. Raises: JException D1004 for an empty one, TimeoutError."""
        for found in self.inner.finditer(text, timeout=_TIMEOUT_S):
            if found.start() == found.end():
                raise JException("D1004", -1)
            yield Match(found.group(), found.start(), found.end(), [group or "" for group in found.groups()])

    # The library takes what has these four methods for a regular expression, and calls `finditer` of one that an
    # expression applies like a function.
    def search(self, text: str) -> Any:
        return self.inner.search(text, timeout=_TIMEOUT_S)

    def finditer(self, text: str) -> Any:
        return self.inner.finditer(text, timeout=_TIMEOUT_S)

    def sub(self, replacement: str, text: str, count: int = 0) -> Any:
        return self.inner.sub(replacement, text, count, timeout=_TIMEOUT_S)

    def split(self, text: str, maxsplit: int = 0) -> Any:
        return self.inner.split(text, maxsplit, timeout=_TIMEOUT_S)


def compiled(source: str, flags: object) -> Pattern:
    """What `/source/flags` is. `flags` are jsonata-python's RegexFlags."""
    options = regex.ASCII
    if getattr(flags, "case_insensitive", False):
        options |= regex.IGNORECASE
    if getattr(flags, "multiline", False):
        options |= regex.MULTILINE
    try:
        return Pattern(source, regex.compile(source, options))
    except regex.error as error:
        raise ValueError(f"Invalid regular expression: /{source}/: {error}") from error
