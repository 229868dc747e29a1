"""A flow's graph → the nested series and parallels that a state machine can express.

A state machine nests: what runs in parallel starts together and is awaited together. A series-parallel graph loses
nothing by that. Any other graph contains an N (a→c, a→d, b→d), and gets an order that it did not ask for. Source:
Valdes, Tarjan, Lawler, "The recognition of series parallel digraphs" (1982); the decomposition here is the modular one,
on the order's comparability graph.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from itertools import groupby
from typing import TypeAlias

from mlci_dataclasses import dataclass


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
    return _decomposed(tuple(dependencies.items()))


@functools.lru_cache(maxsize=2)  # of one flow, several parts of a run ask for it
def _decomposed(dependencies: tuple[tuple[str, frozenset[str]], ...]) -> Composition:
    return _Order(dict(dependencies)).compose((1 << len(dependencies)) - 1)


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


class _Order:
    """The order of a graph's steps, in which sets of steps are the bits of an integer: the first step is bit 0.

    `before` has the steps that each step waits for, and `related` these and those that wait for it.
    """

    def __init__(self, dependencies: Mapping[str, frozenset[str]]) -> None:
        self.names = tuple(dependencies)
        place = {name: number for number, name in enumerate(self.names)}
        self.before = [0] * len(self.names)
        after = [0] * len(self.names)
        order = [*TopologicalSorter(dependencies).static_order()]
        for name in order:
            own = place[name]
            for other in dependencies[name]:
                self.before[own] |= self.before[place[other]] | 1 << place[other]
        for name in reversed(order):
            own = place[name]
            for other in dependencies[name]:
                after[place[other]] |= after[own] | 1 << own
        self.related = [earlier | later for earlier, later in zip(self.before, after, strict=True)]

    def compose(self, steps: int) -> Composition:
        if steps & (steps - 1) == 0:
            return self.names[steps.bit_length() - 1]
        independent = self._components(steps, is_related=True)
        if len(independent) > 1:
            return Parallel(tuple(map(self.compose, independent)))
        successive = self._components(steps, is_related=False)
        if len(successive) > 1:  # each part as a whole comes before or after each other part
            successive.sort(key=lambda part: (self.before[_first(part)] & steps).bit_count())
            return Series(tuple(map(self.compose, successive)))
        first = sum(1 << step for step in _bits(steps) if not self.before[step] & steps)
        return Series((self.compose(first), self.compose(steps & ~first)))

    def _components(self, steps: int, is_related: bool) -> list[int]:
        """Return the connected components of the graph in which steps are adjacent that are related, or are not."""
        components = []
        while steps:
            component = frontier = steps & -steps
            steps ^= component
            while frontier:
                step = frontier & -frontier
                frontier ^= step
                related = self.related[_first(step)]
                adjacent = steps & related if is_related else steps & ~related
                steps ^= adjacent
                component |= adjacent
                frontier |= adjacent
            components.append(component)
        return components


def _first(steps: int) -> int:
    return (steps & -steps).bit_length() - 1


def _bits(steps: int) -> Iterator[int]:
    """Yield the places of the bits of an integer, from the lowest on.

    >>> list(_bits(0b1101))
    [0, 2, 3]
    """
    while steps:
        yield _first(steps)
        steps &= steps - 1
