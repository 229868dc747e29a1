"""JSONPath in the dialect of AWS, which is Jayway's (json-path for Java): parse and read.

A path is *definite* when it names one place: `$.a.b[0]`. Reading it gives that place's value, and an error where there
is none. Any other path (wildcard, slice, list of indexes, filter, deep scan) gives a list, which may be empty.
`$$` starts at the context object, `$name` at a variable. Reference paths, which can be written to, are in `references`.

Source: https://github.com/json-path/JsonPath (its tokens, and which of them is an error where it finds nothing).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from mlci_asl.filters import Condition, FilterSyntaxError, parse_condition
from mlci_asl.jsontext import Json, java_text
from mlci_asl.state_data import Data

INPUT, CONTEXT = "$", "$$"
_VARIABLE = re.compile(r"[^\W\d]\w*")


class PathSyntaxError(ValueError):
    """A text that is not a path."""


class PathNotFound(ValueError):
    """There is nothing where a path points to; the text is Jayway's."""


class MissingName(PathNotFound):
    """A path that goes on behind a name which is not there."""


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
Found: TypeAlias = "Iterator[tuple[str, Json]]"  # the step into a place, and the value there


class Path(NamedTuple):
    """A parsed path. `text` is as written; `root` is where it starts: `$`, `$$` or the name of a variable."""

    text: str
    root: str
    tokens: tuple[Token, ...]

    def read(self, data: Data) -> Json:
        """The value, or the list of values where the path is not definite.

        Raises: PathNotFound.
        """
        return read(self.tokens, self.start(data))

    def start(self, data: Data) -> Json:
        """The value that the path starts at.

        Raises: PathNotFound, where it is a variable that has not been assigned.
        """
        if self.root == INPUT:
            return data.given
        if self.root == CONTEXT:
            return data.context
        if self.root not in data.variables:
            raise PathNotFound(f"Variable {self.root} is not assigned")
        return data.variables[self.root]

    @property
    def variable(self) -> str | None:
        """The variable that is read, if any."""
        return None if self.root in (INPUT, CONTEXT) else self.root


def _is_definite(token: Token, is_leaf: bool) -> bool:
    """Several names make one object at the end of a path, and several places anywhere else."""
    if isinstance(token, Names):
        return is_leaf or len(token.names) == 1
    return isinstance(token, Indexes) and len(token.indexes) == 1


def read(tokens: Sequence[Token], root: Json) -> Json:
    """What `tokens` select, from `root` on.

    Raises: PathNotFound.
    """
    last = len(tokens) - 1
    is_definite = all(_is_definite(token, at == last) for at, token in enumerate(tokens))
    try:
        found = list(_select(tokens, 0, root, _Place("$", True), root))
    except MissingName:
        if is_definite:
            raise
        return []  # as AWS: where several places are asked for, there may be none
    if not is_definite:
        return found
    if not found:
        raise PathNotFound("No results for path: $" + "".join(str(token) for token in tokens))
    return found[0]


class _Place(NamedTuple):
    """How far the evaluation has come; `is_definite` tells whether all tokens so far were."""

    where: str
    is_definite: bool


def _select(tokens: Sequence[Token], at: int, value: Json, place: _Place, root: Json) -> Iterator[Json]:
    if at == len(tokens):
        yield value
        return
    token, is_leaf = tokens[at], at == len(tokens) - 1
    is_definite = place.is_definite and _is_definite(token, is_leaf)
    for step, found in _apply(token, value, place, is_leaf, root):
        yield from _select(tokens, at + 1, found, _Place(place.where + step, is_definite), root)


def _apply(token: Token, value: Json, place: _Place, is_leaf: bool, root: Json) -> Found:
    if isinstance(token, Names):
        return _members(token, value, place, is_leaf)
    if isinstance(token, (Indexes, Slice)):
        return _items(token, value, place)
    if isinstance(token, Wildcard):
        return _children(value)
    if isinstance(token, Filter):
        return _filtered(token, value, place, root)
    return _scanned(token.token, value, is_leaf, root)


def _members(token: Names, value: Json, place: _Place, is_leaf: bool) -> Found:
    if not isinstance(value, dict):
        if place.is_definite:
            what = f"Expected to find an object with property {token} in path {place.where} but found {_kind(value)}."
            raise PathNotFound(what)
        return
    if len(token.names) > 1 and is_leaf:
        yield str(token), {name: value[name] for name in token.names if name in value}
        return
    for name in token.names:
        step = f"['{name}']"
        if name in value:
            yield step, value[name]
        elif place.is_definite and not is_leaf and len(token.names) == 1:
            raise MissingName(f"Missing property in path {place.where}{step}")


def _items(token: Indexes | Slice, value: Json, place: _Place) -> Found:
    if not isinstance(value, list):
        if not place.is_definite:
            return
        if value is None:
            raise PathNotFound(f"The path {place.where} is null")
        raise PathNotFound(f"Filter: {token} can only be applied to arrays. Current context is: {java_text(value)}")
    for index in _wanted(token, len(value)):
        if -len(value) <= index < len(value):
            yield f"[{index}]", value[index]


def _wanted(token: Indexes | Slice, length: int) -> Sequence[int]:
    if isinstance(token, Indexes):
        return token.indexes
    return range(*slice(token.start, token.end).indices(length))


def _children(value: Json) -> Found:
    if isinstance(value, dict):
        yield from ((f"['{name}']", item) for name, item in value.items())
    elif isinstance(value, list):
        yield from ((f"[{index}]", item) for index, item in enumerate(value))


def _filtered(token: Filter, value: Json, place: _Place, root: Json) -> Found:
    if isinstance(value, dict):
        if token.condition.holds(value, root):
            yield "", value
    elif isinstance(value, list):
        yield from ((f"[{index}]", item) for index, item in enumerate(value) if token.condition.holds(item, root))
    elif place.is_definite:
        raise PathNotFound(f"Filter: {token} can not be applied to primitives. Current context is: {java_text(value)}")


def _scanned(token: Selector, value: Json, is_leaf: bool, root: Json) -> Found:
    """`token` applied to `value` and to everything below it, outer values first."""
    if isinstance(token, Filter):
        if isinstance(value, dict) and token.condition.holds(value, root):
            yield "", value
    elif isinstance(value, (dict, list)):
        yield from _apply(token, value, _Place("$", False), is_leaf, root)
    for _, child in _children(value):
        yield from _scanned(token, child, is_leaf, root)


def _kind(value: Json) -> str:
    """What Jayway calls a value's type."""
    if value is None:
        return "'null'"
    names = {str: "String", bool: "Boolean", int: "Integer", float: "Double"}
    name = names.get(type(value))
    return f"'java.lang.{name}'" if name else "'java.util.ArrayList'"


def parse_path(text: str) -> Path:
    """A path from its text.

    Raises: PathSyntaxError.
    """
    if not text.startswith("$"):
        raise PathSyntaxError("a path starts with $")
    if text.startswith(CONTEXT):
        return Path(text, CONTEXT, tuple(parse_tokens(text, 2)))
    variable = _VARIABLE.match(text, 1)
    if variable is None:
        return Path(text, INPUT, tuple(parse_tokens(text, 1)))
    return Path(text, variable[0], tuple(parse_tokens(text, variable.end())))


def parse_tokens(text: str, at: int) -> Iterator[Token]:
    """The tokens of a path, from position `at` on (after its `$` or `@`).

    Raises: PathSyntaxError.
    """
    while at < len(text):
        is_scan = text.startswith("..", at)
        after = at + 2 if is_scan else at
        if text[after : after + 1] == "[" or text[at : at + 2] == ".[":
            token, at = _bracket(text, after if text[after : after + 1] == "[" else at + 1)
        elif is_scan or text[at] == ".":
            token, at = _name(text, at + 2 if is_scan else at + 1)
        else:
            raise PathSyntaxError(f"unexpected {text[at]!r} at position {at + 1}")
        yield Scan(token) if is_scan else token


def _name(text: str, at: int) -> tuple[Names | Wildcard, int]:
    end = at
    while end < len(text) and text[end] not in ".[ ()'\"\t\r\n,]":
        end += 1
    name, after = text[at:end], text[end : end + 1]
    if not name:
        raise PathSyntaxError(f"a name is missing at position {at + 1}")
    if after == "(":
        raise PathSyntaxError(f"functions such as {name}() are not supported in paths")
    if after not in ("", ".", "["):
        raise PathSyntaxError(f"a name with {after!r} in it is written ['…']")
    return (Wildcard() if name == "*" else Names((name,))), end


def _bracket(text: str, at: int) -> tuple[Selector, int]:
    end = closing(text, at)
    inner = text[at + 1 : end].strip()
    if inner == "*":
        return Wildcard(), end + 1
    if inner.startswith("?"):
        return Filter(_condition(inner)), end + 1
    if inner[:1] in ("'", '"'):
        return Names(_quoted(inner)), end + 1
    return _numbers(inner), end + 1


def closing(text: str, at: int) -> int:
    """Where the bracket at `at` closes, quotes and nested brackets skipped.

    Raises: PathSyntaxError.
    """
    pairs = {"[": "]", "(": ")"}
    pending: list[str] = []
    position = at
    while position < len(text):
        char = text[position]
        if char in "'\"":
            position = _after_quote(text, position) - 1
        elif char in pairs:
            pending.append(pairs[char])
        elif pending and char == pending[-1]:
            pending.pop()
            if not pending:
                return position
        position += 1
    raise PathSyntaxError(f"the bracket at position {at + 1} is not closed")


def _after_quote(text: str, at: int) -> int:
    """The position after the quoted text that starts at `at`."""
    position = at + 1
    while position < len(text):
        if text[position] == text[at]:
            return position + 1
        position += 2 if text[position] == "\\" else 1
    raise PathSyntaxError(f"the quote at position {at + 1} is not closed")


def _condition(inner: str) -> Condition:
    body = inner[1:].strip()
    if not (body.startswith("(") and body.endswith(")")):
        raise PathSyntaxError("a filter is written [?(…)]")
    try:
        return parse_condition(body[1:-1])
    except FilterSyntaxError as error:
        raise PathSyntaxError(str(error)) from error


def _quoted(inner: str) -> tuple[str, ...]:
    """The names in `'a', 'b'`."""
    names: list[str] = []
    at = 0
    while inner[at : at + 1] in ("'", '"') and at < len(inner):
        end = _after_quote(inner, at)
        names.append(_unescaped(inner[at + 1 : end - 1], inner[at]))
        rest = inner[end:].lstrip()
        if not rest:
            return tuple(names)
        if not rest.startswith(","):
            break
        at = len(inner) - len(rest[1:].lstrip())
    raise PathSyntaxError(f"[{inner}] is no list of names in quotes")


def _unescaped(quoted: str, quote: str) -> str:
    """A backslash counts before the quote around it and before another one; before anything else it is a character."""
    chars: list[str] = []
    at = 0
    while at < len(quoted):
        at += 1 if quoted[at] == "\\" and quoted[at + 1 : at + 2] in ("\\", quote) else 0
        chars.append(quoted[at])
        at += 1
    return "".join(chars)


def _numbers(inner: str) -> Indexes | Slice:
    try:
        if ":" in inner:
            start, _, end = inner.partition(":")
            return Slice(int(start) if start.strip() else None, int(end) if end.strip() else None)
        return Indexes(tuple(int(part) for part in inner.split(",")))
    except ValueError:
        raise PathSyntaxError(f"[{inner}] is neither an index, a slice, a name in quotes nor a filter") from None
