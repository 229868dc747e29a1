"""`@dataclass` for the many classes that each command makes as it starts. It knows nothing of mlci.

`dataclasses` writes and compiles six functions for each frozen class as soon as it is declared, which takes 0.5 ms: for
190 classes, a third of a run that has nothing to do. Here a class gets its fields and its `__init__` when they are
first asked for, and most of the classes of a run never are. All classes share the functions that compare, hash and
print. Type checkers see `dataclasses.dataclass`; they, and nothing at run time, hold that a frozen instance stays as it
is.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
import reprlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

_LOCK = threading.RLock()  # to complete a class completes those that it inherits from


class _Late:
    """Stands for an attribute of a dataclass until one of them is asked for; then the class gets all of them."""

    def __init__(self, cls: type, name: str) -> None:
        self._cls, self._name = cls, name

    def __get__(self, instance: object, owner: type) -> Any:
        _complete(self._cls)
        value = vars(self._cls)[self._name]
        return value.__get__(instance, owner) if self._name == "__init__" else value


def _complete(cls: Any) -> None:
    """Does for a class what `dataclasses` does. Other threads may use it meanwhile, or ask for the same."""
    with _LOCK:
        if not isinstance(vars(cls)["__match_args__"], _Late):
            return
        cls.__doc__ = cls.__doc__ or cls.__name__  # else `dataclasses` writes the signature, which is not there yet
        dataclasses.dataclass(init=False, repr=False, eq=False, match_args=False)(cls)
        if isinstance(vars(cls)["__init__"], _Late):
            cls.__init__ = _init(cls)
        names = [field.name for field in dataclasses.fields(cls) if not field.kw_only]
        cls.__match_args__ = tuple(names)  # type: ignore[misc]


def _init(cls: Any) -> Any:
    """Returns the `__init__` that `dataclasses` would write."""
    parameters, statements = ["self"], ["pass"]
    values: dict[str, Any] = {"__missing": dataclasses.MISSING}
    fields: Any = dataclasses.fields(cls)
    for field in sorted(fields, key=lambda each: each.kw_only is True):
        assert field.init, f"{cls.__qualname__}.{field.name}: fields that __init__ does not take are not implemented"
        name, default, value = field.name, "", field.name
        if field.default_factory is not dataclasses.MISSING:
            values[f"__{name}"] = field.default_factory
            default, value = "=__missing", f"__{name}() if {name} is __missing else {name}"
        elif field.default is not dataclasses.MISSING:
            values[f"__{name}"] = field.default
            default = f"=__{name}"
        if field.kw_only and "*" not in parameters:
            parameters.append("*")
        parameters.append(name + default)
        statements.append(f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        statements.append("self.__post_init__()")
    exec("def __init__({}):\n {}".format(", ".join(parameters), "\n ".join(statements)), values)
    init: Any = values["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init


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


_EQUAL = _comparison(operator.eq)
_ORDER = {f"__{name}__": _comparison(getattr(operator, name)) for name in ("lt", "le", "gt", "ge")}

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls: type | None = None, /, *, frozen: bool = False, order: bool = False, eq: bool = True) -> Any:
        """Returns the class as a dataclass, or the decorator that makes one. Methods of the class's own stay.

        >>> @dataclass(frozen=True)
        ... class Point:
        ...     x: int
        ...     y: int = 0
        >>> Point(1), Point(1) == Point(1, 0), len({Point(1), Point(x=1)})
        (Point(x=1, y=0), True, 1)
        """
        if cls is None:
            return functools.partial(dataclass, frozen=frozen, order=order, eq=eq)
        equality = {"__eq__": _EQUAL, "__hash__": _hash if frozen else None} if eq else {}
        shared = {"__repr__": _repr, **equality, **(_ORDER if order else {})}
        for name, method in shared.items():
            if name not in vars(cls):
                setattr(cls, name, method)
        for name in ("__init__", "__match_args__", "__dataclass_fields__", "__dataclass_params__"):
            if name not in vars(cls):
                setattr(cls, name, _Late(cls, name))
        return cls
