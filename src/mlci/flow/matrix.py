"""Reads the `matrix` of a step: its cells, or the problems that it has."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from mlci.flow.matrix_cells import MAX_CELLS, cells, combinations, same_value
from mlci.flow.models import Cell, Json, Scalar
from mlci.flow.problems import Candidates, Problems, listed
from mlci.flow.references import format_scalar
from mlci.flow.yaml_document import Path
from mlci.flow.yaml_scalars import describe

INCLUDE, EXCLUDE = "include", "exclude"
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,31}")
#: A cell's name is part of the names of files, which have at most 255 characters.
_NAME_MAX_CHARS = 160
_EXAMPLE = "Such as matrix: {fold: [1, 2, 3]}"


def read_matrix(step: str, written: Json, path: Path, problems: Problems) -> tuple[Cell, ...]:
    """Return the cells of a step's matrix; none if it has a problem, which is reported."""
    if problems.is_partly_suspect(path):
        return ()
    if not isinstance(written, dict) or not written:
        what = f'"matrix" must be a mapping of keys to lists of values, but is {describe(written)}'
        problems.at(path, what if not isinstance(written, dict) else '"matrix" has no keys', _EXAMPLE)
        return ()
    axes = {key: _values(key, value, (*path, key), problems) for key, value in written.items() if _is_axis(key)}
    for key in axes:
        if not _KEY.fullmatch(key):
            what = f'"{key[:60]}" cannot be a key of a matrix'
            problems.at_key((*path, key), what, "Use up to 32 letters, digits, - and _, beginning with a letter or _")
            problems.suspect((*path, key))
    lists = {name: _items(name, written.get(name), (*path, name), problems) for name in (INCLUDE, EXCLUDE)}
    _check_excluded(lists[EXCLUDE], axes, path, problems)
    if problems.is_partly_suspect(path):
        return ()
    return _cells(step, axes, lists[INCLUDE], lists[EXCLUDE], path, problems)


def _is_axis(key: str) -> bool:
    return key not in (INCLUDE, EXCLUDE)


def _values(key: str, written: Json, path: Path, problems: Problems) -> list[Scalar]:
    if not isinstance(written, list):
        hint = f"Write {key}: [{written}]" if isinstance(written, (str, int, float)) else _EXAMPLE
        problems.at(path, f'"{key}" in "matrix" must be a list of values, but is {describe(written)}', hint)
        return []
    if not written:
        problems.at(path, f'"{key}" in "matrix" has no values', _EXAMPLE)
    values: list[Scalar] = []
    for index, value in enumerate(written):
        if not isinstance(value, (str, int, float, bool)):
            what = f'item {index + 1} of "{key}" must be text, a number, or true or false, but is {describe(value)}'
            near = Candidates(key, (INCLUDE, EXCLUDE)) if isinstance(value, dict) else None
            problems.at((*path, index), what, near=near)
        elif any(same_value(value, other) for other in values):
            problems.at((*path, index), f'"{key}" has the value {format_scalar(value)[:60]} twice', "Remove one")
        else:
            values.append(value)
    return values


def _items(name: str, written: Json, path: Path, problems: Problems) -> list[dict[str, Scalar]]:
    """Return the items of `include` or `exclude`."""
    if written is None and not problems.is_suspect(path):
        return []
    hint = f"Such as {name}: [{{fold: 1, depth: 3}}]"
    if not isinstance(written, list):
        problems.at(path, f'"{name}" in "matrix" must be a list of mappings, but is {describe(written)}', hint)
        return []
    items: list[dict[str, Scalar]] = []
    for index, item in enumerate(written):
        if not isinstance(item, dict) or not item:
            what = f'item {index + 1} of "{name}" must be a mapping of keys to values, but is {describe(item)}'
            problems.at((*path, index), what, hint)
            continue
        for key, value in item.items():
            if not isinstance(value, (str, int, float, bool)):
                what = f'"{key}" must be text, a number, or true or false, but is {describe(value)}'
                problems.at((*path, index, key), what)
            elif name == INCLUDE and not _KEY.fullmatch(key):
                problems.at_key((*path, index, key), f'"{key[:60]}" cannot be a key of a matrix')
                problems.suspect((*path, index, key))
        items.append({key: value for key, value in item.items() if isinstance(value, (str, int, float, bool))})
    return items


def _check_excluded(
    excluded: list[dict[str, Scalar]], axes: Mapping[str, list[Scalar]], path: Path, problems: Problems
) -> None:
    for index, item in enumerate(excluded):
        for key in item:
            if key not in axes:
                hint = f"Its keys are {listed(tuple(axes))}" if axes else "It has none but those of include"
                what = f'"exclude" names "{key[:60]}", which is no key of the matrix'
                problems.at_key((*path, EXCLUDE, index, key), what, hint, Candidates(key, tuple(axes)))
                problems.suspect((*path, EXCLUDE, index, key))


def _cells(
    step: str,
    axes: Mapping[str, list[Scalar]],
    include: list[dict[str, Scalar]],
    exclude: list[dict[str, Scalar]],
    path: Path,
    problems: Problems,
) -> tuple[Cell, ...]:
    size = math.prod(map(len, axes.values())) + len(include)
    if size > MAX_CELLS:
        what = f'the matrix of step "{step}" has {size:,} combinations'
        problems.at_key(path, what, f"At most {MAX_CELLS} are allowed, before any is excluded")
        return ()
    found = cells(step, tuple(axes), combinations(axes, include, exclude))
    if not found:
        problems.at(path, f'the matrix of step "{step}" has no cells: all are excluded', "Remove an item of exclude")
    names: dict[str, Cell] = {}
    for cell in found:
        twin = names.setdefault(cell.name.lower(), cell)
        if twin.identity == cell.identity and twin is not cell:
            problems.at(path, f'the matrix gives the cell "{cell.name}" twice', "Remove an item of include")
        elif twin is not cell:
            what = f'two cells of step "{step}" would be called "{cell.name}": {_told(twin)} and {_told(cell)}'
            problems.at(path, what, "Names keep 40 letters, digits, ., _, + and - of a value: change one value")
        elif len(cell.name) > _NAME_MAX_CHARS:
            what = f'the name of the cell "{cell.name[:57]}..." has {len(cell.name)} characters'
            problems.at(path, what, f"At most {_NAME_MAX_CHARS} are allowed: use shorter values, or fewer keys")
    return () if problems.is_partly_suspect(path) else found


def _told(cell: Cell) -> str:
    return "{" + ", ".join(f"{key}: {value[:60]}" for key, value in cell.identity) + "}"
