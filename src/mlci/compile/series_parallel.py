"""A flow's graph → the nested series and parallels that a state machine can express.

A state machine nests: what runs side by side starts together and is awaited together. Where the graph is
series-parallel, nothing is lost by that; the one shape that is not (an N: a→c, a→d, b→d) gets an order it did not ask
for. Source: Valdes, Tarjan, Lawler, "The recognition of series parallel digraphs" (1982); the decomposition here is the
modular one, on the order's comparability graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import TypeAlias


@dataclass(frozen=True)
class Series:
    """One after the other."""

    items: tuple[Shape, ...]


@dataclass(frozen=True)
class Together:
    """Side by side, and all awaited."""

    items: tuple[Shape, ...]


#: A step's name, or steps in series or together.
Shape: TypeAlias = "str | Series | Together"


def shape_of(dependencies: Mapping[str, frozenset[str]]) -> Shape:
    """The shape of a graph, given each step's direct predecessors; steps keep the mapping's order where free.

    >>> shape_of({"a": frozenset(), "b": frozenset("a"), "c": frozenset("a")})
    Series(items=('a', Together(items=('b', 'c'))))
    """
    return _shape(tuple(dependencies), ancestors(dependencies))


def ancestors(dependencies: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """All that each step waits for, directly or not."""
    found: dict[str, frozenset[str]] = {}
    for step in TopologicalSorter(dependencies).static_order():
        found[step] = dependencies[step].union(*(found[before] for before in dependencies[step]))
    return found


def leaves(shape: Shape) -> tuple[str, ...]:
    """The steps of a shape, in order."""
    return (shape,) if isinstance(shape, str) else tuple(leaf for item in shape.items for leaf in leaves(item))


def _shape(steps: Sequence[str], before: Mapping[str, frozenset[str]]) -> Shape:
    if len(steps) == 1:
        return steps[0]

    def ordered(one: str, other: str) -> bool:
        return one in before[other] or other in before[one]

    apart = _components(steps, ordered)
    if len(apart) > 1:
        return Together(tuple(_shape(part, before) for part in apart))
    in_turn = _components(steps, lambda one, other: not ordered(one, other))
    if len(in_turn) > 1:  # each part as a whole comes before or after each other part
        in_turn.sort(key=lambda part: len(before[part[0]].intersection(steps)))
        return Series(tuple(_shape(part, before) for part in in_turn))
    first = [step for step in steps if not before[step].intersection(steps)]
    rest = [step for step in steps if step not in first]
    return Series((_shape(first, before), _shape(rest, before)))


def _components(steps: Sequence[str], joined: Callable[[str, str], bool]) -> list[list[str]]:
    left, found = list(steps), []
    while left:
        part, frontier = [], [left.pop(0)]
        while frontier:
            step = frontier.pop()
            part.append(step)
            near = [other for other in left if joined(step, other)]
            left = [other for other in left if other not in near]
            frontier.extend(near)
        found.append(sorted(part, key=list(steps).index))
    return found
