"""A flow's graph → the nested series and parallels that a state machine can express.

A state machine nests: what runs in parallel starts together and is awaited together. A series-parallel graph loses
nothing by that. Any other graph contains an N (a→c, a→d, b→d), and gets an order that it did not ask for. Source:
Valdes, Tarjan, Lawler, "The recognition of series parallel digraphs" (1982); the decomposition here is the modular one,
on the order's comparability graph.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import groupby
from typing import TypeAlias


@dataclass(frozen=True)
class Series:
    """Steps, or groups of steps, one after the other."""

    items: tuple[Composition, ...]


@dataclass(frozen=True)
class Parallel:
    """Steps, or groups of steps, that start together and are awaited together."""

    items: tuple[Composition, ...]


@dataclass(frozen=True)
class Cells:
    """Steps with the same matrix, once for each of its cells, which start together and are awaited together."""

    item: Composition


#: A step's name, or steps in series, in parallel, or in the cells of a matrix.
Composition: TypeAlias = "str | Series | Parallel | Cells"


def decompose(dependencies: Mapping[str, frozenset[str]]) -> Composition:
    """Return the composition of a graph, which maps each step to its direct predecessors.

    Where the order of steps is free, they keep the mapping's order.

    >>> decompose({"a": frozenset(), "b": frozenset("a"), "c": frozenset("a")})
    Series(items=('a', Parallel(items=('b', 'c'))))
    """
    return _compose(tuple(dependencies), ancestors(dependencies))


def ancestors(dependencies: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Return all that each step waits for, directly or not."""
    all_before: dict[str, frozenset[str]] = {}
    for step in TopologicalSorter(dependencies).static_order():
        all_before[step] = dependencies[step].union(*(all_before[before] for before in dependencies[step]))
    return all_before


def leaves(composition: Composition) -> tuple[str, ...]:
    """Return the steps of a composition, in order."""
    if isinstance(composition, str):
        return (composition,)
    if isinstance(composition, Cells):
        return leaves(composition.item)
    return tuple(leaf for item in composition.items for leaf in leaves(item))


def with_cells(composition: Composition, matrix_of: Callable[[str], Hashable]) -> Composition:
    """Return the composition with the steps of one matrix in its cells, as many together as follow each other.

    `matrix_of` returns None for a step without a matrix, and equal values for steps that may share cells.

    >>> with_cells(Series(("a", "b", "c")), {"a": None, "b": 1, "c": 1}.get)
    Series(items=('a', Cells(item=Series(items=('b', 'c')))))
    """
    matrices = {matrix_of(leaf) for leaf in leaves(composition)}
    if matrices == {None}:
        return composition
    if len(matrices) == 1 or isinstance(composition, str):
        return Cells(composition)
    match composition:
        case Series(items):
            return Series(tuple(_runs(items, matrix_of)))
        case Parallel(items):
            return Parallel(tuple(with_cells(item, matrix_of) for item in items))
        case Cells():
            return composition


def _runs(items: Sequence[Composition], matrix_of: Callable[[str], Hashable]) -> Iterator[Composition]:
    """Yield the items, those of one matrix that follow each other as one."""

    def matrix(item: Composition) -> Hashable:
        found = {matrix_of(leaf) for leaf in leaves(item)}
        return found.pop() if len(found) == 1 else None

    for found, run in groupby(items, matrix):
        same = tuple(run)
        if found is None:
            yield from (with_cells(item, matrix_of) for item in same)
        else:
            yield Cells(same[0] if len(same) == 1 else Series(same))


def cell_groups(composition: Composition) -> Iterator[tuple[str, ...]]:
    """Yield the steps of each group that runs in the cells of one matrix."""
    match composition:
        case Cells(item):
            yield leaves(item)
        case Series(items) | Parallel(items):
            yield from (group for item in items for group in cell_groups(item))


def _compose(steps: Sequence[str], before: Mapping[str, frozenset[str]]) -> Composition:
    if len(steps) == 1:
        return steps[0]

    def are_ordered(one: str, other: str) -> bool:
        return one in before[other] or other in before[one]

    independent = _components(steps, are_ordered)
    if len(independent) > 1:
        return Parallel(tuple(_compose(part, before) for part in independent))
    successive = _components(steps, lambda one, other: not are_ordered(one, other))
    if len(successive) > 1:  # each part as a whole comes before or after each other part
        successive.sort(key=lambda part: len(before[part[0]].intersection(steps)))
        return Series(tuple(_compose(part, before) for part in successive))
    first = [step for step in steps if not before[step].intersection(steps)]
    rest = [step for step in steps if step not in first]
    return Series((_compose(first, before), _compose(rest, before)))


def _components(steps: Sequence[str], are_adjacent: Callable[[str, str], bool]) -> list[list[str]]:
    """Return the connected components of the graph that the relation makes of the steps."""
    remaining, components = list(steps), []
    while remaining:
        component, frontier = [], [remaining.pop(0)]
        while frontier:
            step = frontier.pop()
            component.append(step)
            adjacent = [other for other in remaining if are_adjacent(step, other)]
            remaining = [other for other in remaining if other not in adjacent]
            frontier.extend(adjacent)
        components.append(sorted(component, key=list(steps).index))
    return components
