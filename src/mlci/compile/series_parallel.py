"""A flow's graph → the nested series and parallels that a state machine can express.

A state machine nests: what runs in parallel starts together and is awaited together. A series-parallel graph loses
nothing by that. Any other graph contains an N (a→c, a→d, b→d), and gets an order that it did not ask for. Source:
Valdes, Tarjan, Lawler, "The recognition of series parallel digraphs" (1982); the decomposition here is the modular one,
on the order's comparability graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import TypeAlias


@dataclass(frozen=True)
class Series:
    """Steps, or groups of steps, one after the other."""

    items: tuple[Composition, ...]


@dataclass(frozen=True)
class Parallel:
    """Steps, or groups of steps, that start together and are awaited together."""

    items: tuple[Composition, ...]


#: A step's name, or steps in series or in parallel.
Composition: TypeAlias = "str | Series | Parallel"


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
    return tuple(leaf for item in composition.items for leaf in leaves(item))


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
