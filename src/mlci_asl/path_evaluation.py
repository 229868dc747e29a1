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
    MissingName,
    Names,
    PathNotFound,
    Selector,
    Slice,
    Token,
    Wildcard,
)

Found: TypeAlias = "Iterator[tuple[str, Json]]"  # the step into a place, and the value there


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
