"""The functions of the language: the library's, those of them that it answers otherwise than AWS, and AWS's own six.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html (the six, and that $eval is none),
https://docs.jsonata.org, and github.com/jsonata-js/jsonata v2.0.6 src/functions.js (what they do in each corner).
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from mlci_asl.jsonata import aws_functions, function_overrides, numbers
from mlci_asl.jsonata.jsonata_python import NULL, JException, Jsonata, Signature


class _Strict(Signature):  # type: ignore[misc]
    """A signature that knows null: the library takes it for a missing argument, which every parameter accepts."""

    def get_symbol(self, value: Any) -> str:
        return "l" if value is NULL else str(super().get_symbol(value))

    def validate(self, args: Any, context: Any) -> Any:
        try:
            return super().validate(args, context)
        except JException as error:
            if error.error == "T0411":
                raise JException("T0411", -1, error.expected, self.function_name) from error
            raise


class Native(Jsonata.JFunction):  # type: ignore[misc]
    """A function that is written in Python; missing arguments are None."""

    def __init__(self, name: str, signature: Signature, implementation: Callable[..., Any]) -> None:
        self.function = None
        self.function_name = name
        self.signature = signature
        self.implementation = implementation
        self.arity = _arity(implementation)

    def call(self, input: Any, args: Any) -> Any:
        """As $map and its like call it: nothing has been checked."""
        return self.run(self.signature.validate(list(args), None))

    def run(self, args: list[Any]) -> Any:
        """The value for arguments that the signature has checked."""
        given = args[: self.arity]
        found = self.implementation(*given, *[None] * (self.arity - len(given)))
        if isinstance(found, (int, float)) and not isinstance(found, bool):
            return numbers.normal(found)
        return found

    def get_number_of_args(self) -> int:
        return self.arity


class Variadic(Native):
    """$zip, which takes any number of arrays."""

    def run(self, args: list[Any]) -> Any:
        return self.implementation(*args)


def _arity(implementation: Callable[..., Any]) -> int:
    return len(inspect.signature(implementation).parameters)


def _functions() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, native in Jsonata.static_frame.bindings.items():
        signature = copy.copy(native.signature)
        signature.__class__ = _Strict
        implementation = function_overrides.FUNCTIONS.get(name, native.method)
        found[name] = (Variadic if name == "zip" else Native)(name, signature, implementation)
    del found["eval"]
    for name, (signature, implementation) in aws_functions.FUNCTIONS.items():
        found[name] = Native(name, _Strict(signature, name), implementation)
    return found


#: By name, as an expression calls them without the `$`.
FUNCTIONS: Mapping[str, Any] = MappingProxyType(_functions())
