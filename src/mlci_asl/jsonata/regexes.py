"""Regular expressions with a time limit.

Python's own `re` has none, and blocks all threads while it matches: `/^(a|aa)+$/` on sixty letters would stop the whole
process. Classes such as \\d and \\w are ASCII, as in JavaScript and Java.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import regex

from mlci_asl.jsonata.jsonata_python import JException
from mlci_dataclasses import dataclass

_TIMEOUT_S = 0.5


@dataclass(frozen=True)
class RegexMatch:
    """One match, with the members that functions read."""

    text: str
    start: int
    end: int
    groups: list[str]

    def as_value(self) -> dict[str, object]:
        return {"match": self.text, "start": self.start, "end": self.end, "groups": list(self.groups)}


@dataclass(frozen=True)
class RegexPattern:
    """A regular expression of the language, with the methods by which the library recognises one."""

    source: str
    compiled: Any

    def matches(self, text: str) -> Iterator[RegexMatch]:
        """All matches. Raises: JException D1004 for an empty one, TimeoutError."""
        for match in self.compiled.finditer(text, timeout=_TIMEOUT_S):
            if match.start() == match.end():
                raise JException("D1004", -1)
            yield RegexMatch(match.group(), match.start(), match.end(), [group or "" for group in match.groups()])

    # The library takes an object with these four methods for a regular expression, and calls `finditer` if an
    # expression calls it like a function.
    def search(self, text: str) -> Any:
        return self.compiled.search(text, timeout=_TIMEOUT_S)

    def finditer(self, text: str) -> Any:
        return self.compiled.finditer(text, timeout=_TIMEOUT_S)

    def sub(self, replacement: str, text: str, count: int = 0) -> Any:
        return self.compiled.sub(replacement, text, count, timeout=_TIMEOUT_S)

    def split(self, text: str, maxsplit: int = 0) -> Any:
        return self.compiled.split(text, maxsplit, timeout=_TIMEOUT_S)


def compile_regex(source: str, flags: object) -> RegexPattern:
    """The regular expression `/source/flags`. `flags` are jsonata-python's RegexFlags."""
    options = regex.ASCII
    if getattr(flags, "case_insensitive", False):
        options |= regex.IGNORECASE
    if getattr(flags, "multiline", False):
        options |= regex.MULTILINE
    try:
        return RegexPattern(source, regex.compile(source, options))
    except regex.error as error:
        raise ValueError(f"Invalid regular expression: /{source}/: {error}") from error
