"""Evaluates expressions on jsonata-python, with AWS's limits, numbers and nulls.

The library's evaluator stores the state of a run in itself and in a thread-local; it only reads the tree. So all
threads share a tree, and each evaluation creates an evaluator (a few attributes), which is the thread's current one
while it runs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from mlci_asl.jsonata import error_messages, numbers, serialization
from mlci_asl.jsonata.aws_functions import from_json
from mlci_asl.jsonata.expressions import Expression, JsonataError
from mlci_asl.jsonata.functions import FUNCTIONS, NativeFunction
from mlci_asl.jsonata.jsonata_python import NULL, JException, Jsonata, Utils, is_function
from mlci_asl.jsonata.parser import ExpressionParser
from mlci_asl.jsonata.regexes import compile_regex
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
_STEPS_BETWEEN_CHECKS = 16

_FAILED = "threw an error during evaluation"
_STACK_OVERFLOW = (
    "Stack overflow error: Check for non-terminating recursive function. Consider rewriting as tail-recursive"
)
_TIMEOUT = "Expression evaluation timeout: Check for infinite loop"
_MEMORY_LIMIT = "Expression evaluation memory limit exceeded: Check for excessive memory usage"


class _LimitExceeded(Exception):
    """The evaluation exceeded one of AWS's limits."""


def evaluate(expression: Expression, variables: Mapping[str, Json]) -> Json:
    """See the package's `evaluate`."""
    bindings = {name: from_json(variables[name]) for name in expression.variables if name in variables}
    states = variables.get("states")
    if isinstance(states, dict):
        fields = expression.states_fields
        bindings["states"] = from_json(
            states if fields is None else {name: states[name] for name in fields if name in states}
        )
    result = run(expression.tree, None, bindings)
    if result is None:
        raise JsonataError("returned nothing (undefined).")
    try:
        return _to_json(result, 0)
    except RecursionError as error:
        raise JsonataError(f"{_FAILED}: {_STACK_OVERFLOW}") from error


def run(tree: object, input: Any, bindings: Mapping[str, Any], root: Any = None) -> Any:
    """The value of a tree, in the library's terms (None is undefined). Raises: JsonataError."""
    evaluator = _Evaluator()
    frame = Jsonata.Frame(_language_frame())
    for name, value in {"$": root, **bindings}.items():
        frame.bindings[name] = value
    previous = getattr(Jsonata.CURRENT, "jsonata", None)
    Jsonata.CURRENT.jsonata = evaluator
    try:
        return evaluator.eval(tree, input, frame)
    except _LimitExceeded as error:
        raise JsonataError(f"{_FAILED}: {error}") from error
    except JException as error:
        raise JsonataError(f"{_FAILED}. {error_messages.with_code(error)}") from error
    except RecursionError as error:
        raise JsonataError(f"{_FAILED}: {_STACK_OVERFLOW}") from error
    except TimeoutError as error:
        raise JsonataError(f"{_FAILED}: {_TIMEOUT}") from error
    except MemoryError as error:
        raise JsonataError(f"{_FAILED}: {_MEMORY_LIMIT}") from error
    # The library lets Python's own errors out where a value is not what it expects.
    except Exception as error:
        raise JsonataError(f"{_FAILED}{error_messages.of_other(error)}") from error
    finally:
        if previous is None:
            del Jsonata.CURRENT.jsonata
        else:
            Jsonata.CURRENT.jsonata = previous


def _language_frame() -> Any:
    frame = Jsonata.Frame(None)
    frame.bindings = FUNCTIONS  # read only: an expression binds its variables in frames of its own
    return frame


#: The evaluator reads its debug flag here; only partial application parses.
_IDLE_PARSER = ExpressionParser()


class _Evaluator(Jsonata):  # type: ignore[misc]
    """One evaluation. Overrides the library where it differs from the language, or has no limit."""

    def __init__(self) -> None:  # the library's would parse
        self.parser = _IDLE_PARSER
        self.environment = None
        self.input = None
        self.regex_engine = compile_regex
        self.timestamp = round(time.time() * 1000)
        self._nesting = 0
        self._steps = 0
        self._deadline = time.monotonic() + _MAX_SECONDS

    def eval(self, expr: Any, input: Any, environment: Any) -> Any:
        outer = self.input, self.environment
        self._nesting += 1
        self._steps += 1
        if self._nesting > _MAX_NESTING:
            raise _LimitExceeded(_STACK_OVERFLOW)
        if self._steps % _STEPS_BETWEEN_CHECKS == 0 and time.monotonic() > self._deadline:
            raise _LimitExceeded(_TIMEOUT)
        try:
            result = self._eval(expr, input, environment)
        finally:
            self._nesting -= 1
            self.input, self.environment = outer
        if isinstance(result, list):
            _check_size(len(result) * _BYTES_OF_A_SCALAR)
        elif isinstance(result, str):
            _check_size(len(result))
        return result

    def apply_inner(self, proc: Any, args: Any, input: Any, environment: Any) -> Any:
        if not is_function(proc):
            raise JException("T1006", -1)  # the library prints it, too
        if isinstance(proc, NativeFunction):
            return proc.run(proc.validate(args, input))
        return super().apply_inner(proc, args, input, environment)

    def partial_apply_native_function(self, native: Any, args: Any) -> Any:
        self.parser = ExpressionParser()
        return super().partial_apply_native_function(native, args)

    def evaluate_numeric_expression(self, lhs: Any, rhs: Any, op: Any) -> Any:
        for value, code in ((lhs, "T2001"), (rhs, "T2002")):
            if value is not None and not Utils.is_numeric(value):
                raise JException(code, -1, op, value)
        if lhs is None or rhs is None:
            return None
        return numbers.normal(_calculate(float(lhs), float(rhs), op))

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
        _check_size((rhs - lhs + 1) * _BYTES_OF_A_SCALAR)
        return Utils.create_sequence_from_iter(range(lhs, rhs + 1))


def _check_size(size_bytes: int) -> None:
    if size_bytes > _MAX_VALUE_BYTES:
        raise _LimitExceeded(_MEMORY_LIMIT)


def _calculate(lhs: float, rhs: float, op: str) -> float:
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


def _to_json(value: Any, depth: int) -> Json:
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
        return {str(name): _to_json(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list):
        return [_to_json(item, depth + 1) for item in value]
    raise JsonataError(f"returned an unsupported result type: {serialization.to_json(str(value))}")
