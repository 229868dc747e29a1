"""Evaluating on jsonata-python: its evaluator with AWS's bounds, numbers and nulls, one of its own for each call.

The library's evaluator keeps the state of a run in itself and in a thread-local; the trees are only read. So a tree is
shared by all threads, and each evaluation makes an evaluator (a few attributes), which is the thread's current one
while it runs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from mlci_asl.jsonata import Expression, JsonataError, error_messages, numbers, serialization
from mlci_asl.jsonata.aws_functions import from_json
from mlci_asl.jsonata.functions import FUNCTIONS, Native
from mlci_asl.jsonata.jsonata_python import NULL, JException, Jsonata, Utils, is_function
from mlci_asl.jsonata.parser import Reader
from mlci_asl.jsonata.regexes import compiled
from mlci_asl.jsontext import MAX_DEPTH, Json

#: AWS takes 1+1+…+1 with 100 terms, and says "Stack overflow error" at 101.
#: Source: answers of AWS's TestState as published in github.com/floci-io/floci, docs/services/step-functions.md
_MAX_NESTING = 100
#: AWS takes [1..873782] and no element more, and strings of 2^22 characters and not of 2^23. Source: the same.
_MAX_VALUE_BYTES = 6_990_256
_BYTES_OF_A_SCALAR = 8
#: AWS ends an expression after a second of its machines. Here it is more, as a laptop may be slow and busy.
#: Source: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
_MAX_SECONDS = 5.0
_STEPS_BETWEEN_LOOKS = 16

_FAILED = "threw an error during evaluation"
_STACK = "Stack overflow error: Check for non-terminating recursive function. Consider rewriting as tail-recursive"
_TIME = "Expression evaluation timeout: Check for infinite loop"
_MEMORY = "Expression evaluation memory limit exceeded: Check for excessive memory usage"


class _Exceeded(Exception):
    """A bound of evaluation."""


def evaluate(expression: Expression, variables: Mapping[str, Json]) -> Json:
    """See the package's `evaluate`."""
    bindings = {name: from_json(variables[name]) for name in expression.variables if name in variables}
    states = variables.get("states")
    if isinstance(states, dict):
        fields = expression.states_fields
        bindings["states"] = from_json(
            states if fields is None else {name: states[name] for name in fields if name in states}
        )
    found = run(expression.tree, None, bindings)
    if found is None:
        raise JsonataError("returned nothing (undefined).")
    try:
        return _plain(found, 0)
    except RecursionError as error:
        raise JsonataError(f"{_FAILED}: {_STACK}") from error


def run(tree: object, given: Any, bindings: Mapping[str, Any], root: Any = None) -> Any:
    """What a tree evaluates to, in the library's values (None is undefined). Raises: JsonataError."""
    evaluator = _Evaluator()
    frame = Jsonata.Frame(_language())
    for name, value in {"$": root, **bindings}.items():
        frame.bindings[name] = value
    before = getattr(Jsonata.CURRENT, "jsonata", None)
    Jsonata.CURRENT.jsonata = evaluator
    try:
        return evaluator.eval(tree, given, frame)
    except _Exceeded as error:
        raise JsonataError(f"{_FAILED}: {error}") from error
    except JException as error:
        raise JsonataError(f"{_FAILED}. {error_messages.with_code(error)}") from error
    except RecursionError as error:
        raise JsonataError(f"{_FAILED}: {_STACK}") from error
    except TimeoutError as error:
        raise JsonataError(f"{_FAILED}: {_TIME}") from error
    except MemoryError as error:
        raise JsonataError(f"{_FAILED}: {_MEMORY}") from error
    # The library lets Python's own errors out where a value is not what it expects.
    except Exception as error:
        raise JsonataError(f"{_FAILED}{error_messages.of_other(error)}") from error
    finally:
        if before is None:
            del Jsonata.CURRENT.jsonata
        else:
            Jsonata.CURRENT.jsonata = before


def _language() -> Any:
    frame = Jsonata.Frame(None)
    frame.bindings = FUNCTIONS  # read only: what an expression binds goes into frames of its own
    return frame


#: What the evaluator asks whether to print its steps; only partial application parses.
_IDLE = Reader()


class _Evaluator(Jsonata):  # type: ignore[misc]
    """One evaluation. Overrides what the library does otherwise than the language, or without a bound."""

    def __init__(self) -> None:  # the library's would parse
        self.parser = _IDLE
        self.environment = None
        self.input = None
        self.regex_engine = compiled
        self.timestamp = round(time.time() * 1000)
        self._nesting = 0
        self._steps = 0
        self._deadline = time.monotonic() + _MAX_SECONDS

    def eval(self, expr: Any, input: Any, environment: Any) -> Any:
        saved = self.input, self.environment
        self._nesting += 1
        self._steps += 1
        if self._nesting > _MAX_NESTING:
            raise _Exceeded(_STACK)
        if self._steps % _STEPS_BETWEEN_LOOKS == 0 and time.monotonic() > self._deadline:
            raise _Exceeded(_TIME)
        try:
            found = self._eval(expr, input, environment)
        finally:
            self._nesting -= 1
            self.input, self.environment = saved
        if isinstance(found, list):
            _bound(len(found) * _BYTES_OF_A_SCALAR)
        elif isinstance(found, str):
            _bound(len(found))
        return found

    def apply_inner(self, proc: Any, args: Any, input: Any, environment: Any) -> Any:
        if not is_function(proc):
            raise JException("T1006", -1)  # the library prints it, too
        if isinstance(proc, Native):
            return proc.run(proc.validate(args, input))
        return super().apply_inner(proc, args, input, environment)

    def partial_apply_native_function(self, native: Any, args: Any) -> Any:
        self.parser = Reader()
        return super().partial_apply_native_function(native, args)

    def evaluate_numeric_expression(self, lhs: Any, rhs: Any, op: Any) -> Any:
        for value, code in ((lhs, "T2001"), (rhs, "T2002")):
            if value is not None and not Utils.is_numeric(value):
                raise JException(code, -1, op, value)
        if lhs is None or rhs is None:
            return None
        return numbers.normal(_calculated(float(lhs), float(rhs), op))

    def evaluate_equality_expression(self, lhs: Any, rhs: Any, op: Any) -> Any:
        if lhs is None or rhs is None:
            return False
        return Utils.is_deep_equal(lhs, rhs) == (op == "=")

    def evaluate_includes_expression(self, lhs: Any, rhs: Any) -> Any:
        if lhs is None or rhs is None:
            return False
        return any(Utils.is_deep_equal(item, lhs) for item in (rhs if isinstance(rhs, list) else [rhs]))

    def evaluate_group_expression(self, expr: Any, input: Any, environment: Any) -> Any:
        if isinstance(input, Utils.JList) and input.tuple_stream and not input:
            return {}  # a join that found nothing
        return super().evaluate_group_expression(expr, input, environment)

    def evaluate_range_expression(self, lhs: Any, rhs: Any) -> Any:
        for value, code in ((lhs, "T2003"), (rhs, "T2004")):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
                raise JException(code, -1, value)
        if lhs is None or rhs is None or lhs > rhs:
            return None
        _bound((rhs - lhs + 1) * _BYTES_OF_A_SCALAR)
        return Utils.create_sequence_from_iter(range(lhs, rhs + 1))


def _bound(size_bytes: int) -> None:
    if size_bytes > _MAX_VALUE_BYTES:
        raise _Exceeded(_MEMORY)


def _calculated(lhs: float, rhs: float, op: str) -> float:
    """Arithmetic of doubles as IEEE 754 and JavaScript have it, where Python raises errors."""
    match op:
        case "+":
            return lhs + rhs
        case "-":
            return lhs - rhs
        case "*":
            return lhs * rhs
        case "/" if rhs == 0:
            return math.nan if lhs == 0 or math.isnan(lhs) else math.copysign(math.inf, lhs) * math.copysign(1, rhs)
        case "/":
            return lhs / rhs
        case _:
            return math.fmod(lhs, rhs) if rhs != 0 and math.isfinite(lhs) else math.nan


def _plain(value: Any, depth: int) -> Json:
    """A copy of one of the library's values as JSON. Raises: JsonataError for functions."""
    if depth > MAX_DEPTH:
        raise RecursionError
    if value is None or value is NULL:
        return None
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)):
        if not math.isfinite(value):
            return numbers.name_of_non_finite(value)
        return numbers.normal(value)
    if is_function(value):
        raise JsonataError("returned an unsupported result type.")
    if isinstance(value, dict):
        return {str(name): _plain(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, depth + 1) for item in value]
    raise JsonataError(f"returned an unsupported result type: {serialization.to_json(str(value))}")
