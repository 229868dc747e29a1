"""All functions of the language: the library's, its overrides, and the six that AWS adds.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html (the six; no $eval),
https://docs.jsonata.org, and github.com/jsonata-js/jsonata v2.0.6 src/functions.js (the edge cases).
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from mlci_asl.jsonata import aws_functions, function_overrides, numbers
from mlci_asl.jsonata.jsonata_python import NULL, JException, Jsonata, Signature


class _StrictSignature(Signature):  # type: ignore[misc]
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


class NativeFunction(Jsonata.JFunction):  # type: ignore[misc]
    """A function that is written in Python; missing arguments are None."""

    def __init__(self, name: str, signature: Signature, implementation: Callable[..., Any]) -> None:
        self.function = None
        self.function_name = name
        self.signature = signature
        self.implementation = implementation
        self.arity = _arity(implementation)

    def call(self, input: Any, args: Any) -> Any:
        """Called by $map and similar functions, which check no arguments."""
        return self.run(self.signature.validate(list(args), None))

    def run(self, args: list[Any]) -> Any:
        """The value for arguments that the signature has checked."""
        arguments = args[: self.arity]
        result = self.implementation(*arguments, *[None] * (self.arity - len(arguments)))
        if isinstance(result, (int, float)) and not isinstance(result, bool):
            return numbers.normal(result)
        return result

    def get_number_of_args(self) -> int:
        return self.arity


class VariadicFunction(NativeFunction):
    """$zip, which takes any number of arrays."""

    def run(self, args: list[Any]) -> Any:
        return self.implementation(*args)


def _arity(implementation: Callable[..., Any]) -> int:
    return len(inspect.signature(implementation).parameters)


def _functions() -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, native in Jsonata.static_frame.bindings.items():
        signature = copy.copy(native.signature)
        signature.__class__ = _StrictSignature
        implementation = function_overrides.FUNCTIONS.get(name, native.method)
        result[name] = (VariadicFunction if name == "zip" else NativeFunction)(name, signature, implementation)
    del result["eval"]
    for name, (signature, implementation) in aws_functions.FUNCTIONS.items():
        result[name] = NativeFunction(name, _StrictSignature(signature, name), implementation)
    return result


#: By name, as an expression calls them without the `$`.
FUNCTIONS: Mapping[str, Any] = MappingProxyType(_functions())
