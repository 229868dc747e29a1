"""The evaluation of a JSONPath's tokens on a value.

A path is *definite* if it leads to a single value: `$.a.b[0]`. It is an error if there is no such value. Any other path
(wildcard, slice, list of indexes, filter, deep scan) returns a list, which may be empty.

Source: https://github.com/json-path/JsonPath (the tokens that are an error if they match nothing).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from mlci_asl.jsontext import Json, java_string
from mlci_asl.path_tokens import (
    Filter,
    Indexes,
    InvalidPath,
    MissingName,
    Names,
    PathNotFound,
    Selector,
    Slice,
    Token,
    Wildcard,
)

#: The fragment of the path that leads to a value, and the value.
Matches: TypeAlias = "Iterator[tuple[str, Json]]"


def _is_definite(token: Token) -> bool:
    return isinstance(token, Names) or (isinstance(token, Indexes) and len(token.indexes) == 1)


def read(tokens: Sequence[Token], root: Json) -> Json:
    """The value that `tokens` lead to from `root`, or the list of values if they are not definite.

    Raises: PathNotFound, InvalidPath.
    """
    is_definite = all(_is_definite(token) for token in tokens)
    try:
        matches = list(_select(tokens, 0, root, _Position("$", True)))
    except MissingName:
        if is_definite:
            raise
        return []  # as AWS: a path that may match several values may match none
    if not is_definite:
        return matches
    if not matches:
        raise PathNotFound("No results for path: $" + "".join(str(token) for token in tokens))
    return matches[0]


class _Position(NamedTuple):
    """The path so far; `is_definite` if all of its tokens are."""

    path: str
    is_definite: bool


def _select(tokens: Sequence[Token], index: int, value: Json, position: _Position) -> Iterator[Json]:
    if index == len(tokens):
        yield value
        return
    token, is_leaf = tokens[index], index == len(tokens) - 1
    is_definite = position.is_definite and _is_definite(token)
    for fragment, match in _apply(token, value, position, is_leaf):
        yield from _select(tokens, index + 1, match, _Position(position.path + fragment, is_definite))


def _apply(token: Token, value: Json, position: _Position, is_leaf: bool) -> Matches:
    if isinstance(token, Names):
        return _members(token, value, position, is_leaf)
    if isinstance(token, (Indexes, Slice)):
        return _items(token, value, position)
    if isinstance(token, Wildcard):
        return _children(value)
    if isinstance(token, Filter):
        return _filtered(token, value, position)
    return _scanned(token.token, value, is_leaf)


def _members(token: Names, value: Json, position: _Position, is_leaf: bool) -> Matches:
    if not isinstance(value, dict):
        if position.is_definite:
            expected = f"Expected to find an object with property {token} in path {position.path}"
            raise PathNotFound(f"{expected} but found {_java_type(value)}.")
        return
    if len(token.names) > 1:
        yield from _merged_members(token, value, position, is_leaf)
        return
    name = token.names[0]
    if name in value:
        yield f"['{name}']", value[name]
    elif position.is_definite and not is_leaf:
        raise MissingName(f"Missing property in path {position.path}['{name}']")


def _merged_members(token: Names, value: dict[str, Json], position: _Position, is_leaf: bool) -> Matches:
    """One object of several members.

    Source: https://gist.github.com/deric4/733eb129a10b13530cebaa3b70031c77 (AWS's cause for a path that goes on)
    """
    if not is_leaf:
        names = ", ".join(f"'{name}'" for name in token.names)
        raise InvalidPath(f"Multi properties can only be used as path leafs: {position.path}[{names}]")
    yield str(token), {name: value[name] for name in token.names if name in value}


def _items(token: Indexes | Slice, value: Json, position: _Position) -> Matches:
    if not isinstance(value, list):
        if not position.is_definite:
            return
        if value is None:
            raise PathNotFound(f"The path {position.path} is null")
        raise PathNotFound(f"Filter: {token} can only be applied to arrays. Current context is: {java_string(value)}")
    for index in _selected_indexes(token, len(value)):
        if -len(value) <= index < len(value):
            yield f"[{index}]", value[index]


def _selected_indexes(token: Indexes | Slice, length: int) -> Sequence[int]:
    if isinstance(token, Indexes):
        return token.indexes
    return range(*slice(token.start, token.end).indices(length))


def _children(value: Json) -> Matches:
    if isinstance(value, dict):
        yield from ((f"['{name}']", item) for name, item in value.items())
    elif isinstance(value, list):
        yield from ((f"[{index}]", item) for index, item in enumerate(value))


def _filtered(token: Filter, value: Json, position: _Position) -> Matches:
    if isinstance(value, dict):
        if token.condition.holds(value):
            yield "", value
    elif isinstance(value, list):
        yield from ((f"[{index}]", item) for index, item in enumerate(value) if _is_selected(token, item))
    elif position.is_definite:
        raise PathNotFound(
            f"Filter: {token} can not be applied to primitives. Current context is: {java_string(value)}"
        )


def _is_selected(token: Filter, item: Json) -> bool:
    """`@` matches objects only.

    Source: https://docs.aws.amazon.com/step-functions/latest/dg/amazon-states-language-paths.html
    """
    return isinstance(item, dict) and token.condition.holds(item)


def _scanned(token: Selector, value: Json, is_leaf: bool) -> Matches:
    """The matches of `token` in `value` and in everything below it, outer values first."""
    if isinstance(token, Filter):
        if _is_selected(token, value):
            yield "", value
    elif isinstance(value, (dict, list)):
        yield from _apply(token, value, _Position("$", False), is_leaf)
    for _, child in _children(value):
        yield from _scanned(token, child, is_leaf)


def _java_type(value: Json) -> str:
    """The Java type of a value, as Jayway names it."""
    if value is None:
        return "'null'"
    names = {str: "String", bool: "Boolean", int: "Integer", float: "Double"}
    name = names.get(type(value))
    return f"'java.lang.{name}'" if name else "'java.util.ArrayList'"
