"""Tests of `mlci_dataclasses`: its classes behave as those of `dataclasses`."""

from __future__ import annotations

import dataclasses
import inspect
import math
import sys
import threading
from typing import Any

import pytest

import mlci_dataclasses

DECORATORS: tuple[Any, ...] = (dataclasses.dataclass, mlci_dataclasses.dataclass)


def classes(**options: Any) -> list[Any]:
    """Returns the same class, made by either decorator."""
    made = []
    for decorator in DECORATORS:

        class Point:
            x: float
            y: tuple[int, ...] = dataclasses.field(default=(), repr=False)
            note: str = dataclasses.field(default="", compare=False)

        Point.__qualname__ = "Point"
        made.append(decorator(**options)(Point))
    return made


@pytest.mark.parametrize("options", [{}, {"frozen": True}, {"frozen": True, "order": True}])
def test_instances_compare_print_and_hash_as_those_of_dataclasses(options: dict[str, bool]) -> None:
    one, other = classes(**options)
    values: list[dict[str, Any]] = [{"x": 1}, {"x": 1, "note": "a"}, {"x": 1, "y": (2,)}, {"x": 0}]
    if sys.version_info < (3, 13):  # later ones compare field by field, and NaN with itself
        values.append({"x": math.nan})
    for left in values:
        assert repr(one(**left)) == repr(other(**left))
        if options:
            assert hash(one(**left)) == hash(other(**left))
        for right in values:
            assert (one(**left) == one(**right)) == (other(**left) == other(**right))
            if "order" in options:
                assert (one(**left) < one(**right)) == (other(**left) < other(**right))
                assert (one(**left) >= one(**right)) == (other(**left) >= other(**right))
    assert other(math.nan) == other(math.nan)
    assert one(1) != other(1)
    assert dataclasses.replace(other(1), x=2) == other(2)
    assert dataclasses.asdict(other(1)) == dataclasses.asdict(one(1))


def test_a_class_that_may_change_has_no_hash() -> None:
    for made in classes():
        with pytest.raises(TypeError, match="unhashable"):
            hash(made(1))


def test_a_class_without_equality_compares_by_identity() -> None:
    for made in classes(frozen=True, eq=False):
        one = made(1)
        assert one == one != made(1)
        assert len({one, made(1)}) == 2


def test_instances_of_different_classes_differ_and_have_no_order() -> None:
    @mlci_dataclasses.dataclass(frozen=True, order=True)
    class Parent:
        x: int

    @mlci_dataclasses.dataclass(frozen=True, order=True)
    class Child(Parent):
        z: int = 0

    assert Parent(1) != Child(1)
    assert Child(1) == Child(1, 0) != Child(1, 2)
    with pytest.raises(TypeError, match="not supported"):
        assert Parent(1) < Child(1)


def test_a_field_that_stands_alone_is_compared_as_in_dataclasses() -> None:
    @mlci_dataclasses.dataclass(frozen=True)
    class Single:
        x: float

    @mlci_dataclasses.dataclass(frozen=True)
    class Empty:
        pass

    assert Single(math.nan) == Single(math.nan)
    assert Single(1) != Single(2)
    assert Empty() == Empty()
    assert len({Empty(), Empty()}) == 1


def test_methods_of_the_class_stay() -> None:
    @mlci_dataclasses.dataclass(frozen=True)
    class Loud:
        x: int

        def __repr__(self) -> str:
            return "loud"

        def __hash__(self) -> int:
            return 7

    assert (repr(Loud(1)), hash(Loud(1)), Loud(1) == Loud(1)) == ("loud", 7, True)


def test_an_instance_that_holds_itself_can_be_printed() -> None:
    @mlci_dataclasses.dataclass
    class Node:
        next: object = None

    node = Node()
    node.next = node
    assert repr(node).endswith("Node(next=...)")


def test_init_takes_what_that_of_dataclasses_takes() -> None:
    made = []
    for decorator in DECORATORS:

        class Parent:
            x: float
            missing: str = "a"

        class Child(decorator(Parent)):  # type: ignore[misc]
            x: int
            name: str = dataclasses.field(default="", kw_only=True)
            parts: list[int] = dataclasses.field(default_factory=list)
            other: int | None = None

            def __post_init__(self) -> None:
                self.sum = len(self.parts) + self.x

        made.append(decorator(Child))
    one, other = made
    parameters = [inspect.signature(each).parameters.values() for each in made]
    assert [(each.name, each.kind) for each in parameters[0]] == [(each.name, each.kind) for each in parameters[1]]
    taken: list[Any] = [((1,), {}), ((1, "b", [2], 3), {}), ((1,), {"name": "c", "other": 4})]
    for arguments, named in taken:
        assert vars(one(*arguments, **named)) == vars(other(*arguments, **named))
    assert other(1).parts is not other(1).parts
    refused: list[Any] = [((), {}), ((1, "b", [], 3, 4), {}), ((1,), {"nothing": 1}), ((1,), {"x": 1})]
    for arguments, named in refused:
        with pytest.raises(TypeError, match=r"Child\.__init__\(\) "):
            other(*arguments, **named)


def test_a_class_is_completed_by_whatever_asks_for_it_first() -> None:
    def declared() -> Any:
        @mlci_dataclasses.dataclass(frozen=True)
        class Point:
            x: int
            y: int = 2

        return Point

    class Subclass(declared()):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(1)

    assert [field.name for field in dataclasses.fields(declared())] == ["x", "y"]
    assert dataclasses.is_dataclass(declared())
    assert declared().__match_args__ == ("x", "y")
    assert vars(Subclass()) == {"x": 1, "y": 2}
    assert dataclasses.replace(declared()(3), y=4).y == 4
    point = declared()
    match point(5):
        case point(x, 2):
            assert x == 5
        case other:
            pytest.fail(repr(other))


def test_many_threads_make_the_first_instances() -> None:
    for _ in range(20):

        @mlci_dataclasses.dataclass(frozen=True)
        class Parent:
            x: int

        @mlci_dataclasses.dataclass(frozen=True)
        class Child(Parent):
            y: list[int] = dataclasses.field(default_factory=list)

        barrier = threading.Barrier(8)
        found: list[Any] = []

        def make(number: int, barrier: threading.Barrier = barrier, found: list[Any] = found, cls: Any = Child) -> None:
            barrier.wait()
            found.append(cls(number, [number]))

        threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(each.x for each in found) == list(range(8))


def test_a_field_that_init_does_not_take_is_refused() -> None:
    @mlci_dataclasses.dataclass
    class Point:
        x: int = dataclasses.field(default=1, init=False)

    with pytest.raises(AssertionError, match="not implemented"):
        Point()
