"""`@dataclass` for the many classes that each command makes as it starts.

`dataclasses` writes and compiles six functions for each frozen class, which takes 0.5 ms: for 150 classes, a quarter of
a run that has nothing to do. Here only `__init__` is compiled; all classes share the functions that compare, hash and
print. Type checkers see `dataclasses.dataclass`; they, and nothing at run time, hold that a frozen instance stays as it
is.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
import reprlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]


@functools.cache
def _values(cls: Any) -> Callable[[object], object]:
    """Returns the function that reads the values by which instances of a class are compared."""
    names = [field.name for field in dataclasses.fields(cls) if field.compare]
    if len(names) < 2:  # `attrgetter` of one name returns the value itself; only in a tuple does NaN equal itself
        return lambda instance: tuple(getattr(instance, name) for name in names)
    return operator.attrgetter(*names)


def _comparison(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def compare(one: Any, other: Any) -> Any:
        if one.__class__ is not other.__class__:
            return NotImplemented
        values = _values(one.__class__)
        return operation(values(one), values(other))

    return compare


def _hash(instance: Any) -> int:
    return hash(_values(instance.__class__)(instance))


@reprlib.recursive_repr()
def _repr(instance: Any) -> str:
    values = (f"{each.name}={getattr(instance, each.name)!r}" for each in dataclasses.fields(instance) if each.repr)
    return f"{type(instance).__qualname__}({', '.join(values)})"


_EQUALITY = {"__eq__": _comparison(operator.eq)}
_ORDER = {f"__{name}__": _comparison(getattr(operator, name)) for name in ("lt", "le", "gt", "ge")}

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls: type | None = None, /, *, frozen: bool = False, order: bool = False) -> Any:
        """Returns the class as a dataclass, or the decorator that makes one. Methods of the class's own stay.

        >>> @dataclass(frozen=True)
        ... class Point:
        ...     x: int
        ...     y: int = 0
        >>> Point(1), Point(1) == Point(1, 0), len({Point(1), Point(x=1)})
        (Point(x=1, y=0), True, 1)
        """
        if cls is None:
            return functools.partial(dataclass, frozen=frozen, order=order)
        shared = {"__repr__": _repr, **_EQUALITY, "__hash__": _hash if frozen else None, **(_ORDER if order else {})}
        for name, method in shared.items():
            if name not in vars(cls):
                setattr(cls, name, method)
        return dataclasses.dataclass(repr=False, eq=False)(cls)
