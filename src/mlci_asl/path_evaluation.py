"""Following the tokens of a JSONPath through a value.

A path is *definite* when it names one place: `$.a.b[0]`. Reading it gives that place's value, and an error where there
is none. Any other path (wildcard, slice, list of indexes, filter, deep scan) gives a list, which may be empty.

Source: https://github.com/json-path/JsonPath (which tokens are an error where they find nothing).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from mlci_asl.jsontext import Json, java_text
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

Found: TypeAlias = "Iterator[tuple[str, Json]]"  # the step into a place, and the value there


def _is_definite(token: Token) -> bool:
    return isinstance(token, Names) or (isinstance(token, Indexes) and len(token.indexes) == 1)


def read(tokens: Sequence[Token], root: Json) -> Json:
    """What `tokens` select, from `root` on.

    Raises: PathNotFound, InvalidPath.
    """
    is_definite = all(_is_definite(token) for token in tokens)
    try:
        found = list(_select(tokens, 0, root, _Place("$", True)))
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


def _select(tokens: Sequence[Token], at: int, value: Json, place: _Place) -> Iterator[Json]:
    if at == len(tokens):
        yield value
        return
    token, is_leaf = tokens[at], at == len(tokens) - 1
    is_definite = place.is_definite and _is_definite(token)
    for step, found in _apply(token, value, place, is_leaf):
        yield from _select(tokens, at + 1, found, _Place(place.where + step, is_definite))


def _apply(token: Token, value: Json, place: _Place, is_leaf: bool) -> Found:
    if isinstance(token, Names):
        return _members(token, value, place, is_leaf)
    if isinstance(token, (Indexes, Slice)):
        return _items(token, value, place)
    if isinstance(token, Wildcard):
        return _children(value)
    if isinstance(token, Filter):
        return _filtered(token, value, place)
    return _scanned(token.token, value, is_leaf)


def _members(token: Names, value: Json, place: _Place, is_leaf: bool) -> Found:
    if not isinstance(value, dict):
        if place.is_definite:
            what = f"Expected to find an object with property {token} in path {place.where} but found {_kind(value)}."
            raise PathNotFound(what)
        return
    if len(token.names) > 1:
        yield from _merged_members(token, value, place, is_leaf)
        return
    name = token.names[0]
    if name in value:
        yield f"['{name}']", value[name]
    elif place.is_definite and not is_leaf:
        raise MissingName(f"Missing property in path {place.where}['{name}']")


def _merged_members(token: Names, value: dict[str, Json], place: _Place, is_leaf: bool) -> Found:
    """One object of several members.

    Source: https://gist.github.com/deric4/733eb129a10b13530cebaa3b70031c77 (AWS's cause for a path that goes on)
    """
    if not is_leaf:
        names = ", ".join(f"'{name}'" for name in token.names)
        raise InvalidPath(f"Multi properties can only be used as path leafs: {place.where}[{names}]")
    yield str(token), {name: value[name] for name in token.names if name in value}


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


def _filtered(token: Filter, value: Json, place: _Place) -> Found:
    if isinstance(value, dict):
        if token.condition.holds(value):
            yield "", value
    elif isinstance(value, list):
        yield from ((f"[{index}]", item) for index, item in enumerate(value) if _is_selected(token, item))
    elif place.is_definite:
        raise PathNotFound(f"Filter: {token} can not be applied to primitives. Current context is: {java_text(value)}")


def _is_selected(token: Filter, item: Json) -> bool:
    """`@` matches objects only.

    Source: https://docs.aws.amazon.com/step-functions/latest/dg/amazon-states-language-paths.html
    """
    return isinstance(item, dict) and token.condition.holds(item)


def _scanned(token: Selector, value: Json, is_leaf: bool) -> Found:
    """`token` applied to `value` and to everything below it, outer values first."""
    if isinstance(token, Filter):
        if _is_selected(token, value):
            yield "", value
    elif isinstance(value, (dict, list)):
        yield from _apply(token, value, _Place("$", False), is_leaf)
    for _, child in _children(value):
        yield from _scanned(token, child, is_leaf)


def _kind(value: Json) -> str:
    """What Jayway calls a value's type."""
    if value is None:
        return "'null'"
    names = {str: "String", bool: "Boolean", int: "Integer", float: "Double"}
    name = names.get(type(value))
    return f"'java.lang.{name}'" if name else "'java.util.ArrayList'"
