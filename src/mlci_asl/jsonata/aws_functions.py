"""The six functions that Step Functions adds to JSONata.

Invalid arguments have AWS's results: undefined for some, an error for others. Numbers are truncated towards zero.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html, recorded histories of LocalStack's
Step Functions tests (intrinsic_functions/test_*_jsonata), and answers of AWS's TestState as published in
github.com/floci-io/floci, docs/services/step-functions.md
"""

from __future__ import annotations

import hashlib
import random as chance
import uuid as uuids
from collections.abc import Callable, Mapping
from typing import Any

from mlci_asl import jsontext
from mlci_asl.jsonata import numbers
from mlci_asl.jsonata.jsonata_python import NULL, JException, Utils

_ALGORITHMS = {"SHA-1": "sha1", "SHA-384": "sha384", "SHA-256": "sha256", "SHA-512": "sha512", "MD5": "md5"}
#: AWS gives $range(1, 360145, 1) and refuses one more.
_MAX_RANGE = 360_145
_MEMORY_LIMIT = "Expression evaluation memory limit exceeded: Check for excessive memory usage"


def _mismatch(function: str, argument: int) -> JException:
    return JException("T0410", -1, argument, function)


def _invalid_argument(message: str) -> JException:
    return JException("D3137", -1, message)


def _refuse_surplus(function: str, value: Any, argument: int) -> None:
    if value is not None:
        raise _mismatch(function, argument)


def _integer(value: Any, function: str, argument: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _mismatch(function, argument)
    return int(value)


def partition(array: Any, size: Any, surplus: Any) -> Any:
    """An array in chunks of `size`; no chunks of a size of zero, or of an empty array."""
    _refuse_surplus("partition", surplus, 3)
    if array is None:
        return None
    if not isinstance(array, list):
        raise JException('T0412: Argument 1 of function "partition" must be an array of undefined', -1)
    if size is None:
        return [list(array)] if array else None
    size = _integer(size, "partition", 2)
    if size < 0:
        raise _invalid_argument("Second argument must be zero or greater")
    if size == 0 or not array:
        return None
    items = list(array)
    return [items[start : start + size] for start in range(0, len(items), size)]


def range_(start: Any, end: Any, step: Any, surplus: Any) -> Any:
    """The numbers from `start` to `end`, both included; a single one is a number and no array."""
    _refuse_surplus("range", surplus, 4)
    start, end = _integer(start, "range", 1), _integer(end, "range", 2)
    if step is None:
        return None
    step = _integer(step, "range", 3)
    if step == 0 or (end - start) * step < 0:
        return None
    numbers_range = range(start, end + (1 if step > 0 else -1), step)
    if (end - start) // step >= _MAX_RANGE:
        raise MemoryError(_MEMORY_LIMIT)
    return Utils.create_sequence_from_iter(numbers_range)


def hash_(text: Any, algorithm: Any, surplus: Any) -> Any:
    """The digest of a text's UTF-8, in lowercase hexadecimal digits."""
    _refuse_surplus("hash", surplus, 3)
    if not isinstance(text, str):
        raise _mismatch("hash", 1)
    if algorithm is None:
        return None
    if not isinstance(algorithm, str):
        raise _mismatch("hash", 2)
    if algorithm not in _ALGORITHMS:
        raise _invalid_argument(f"Hash algorithm '{algorithm}' must be one of {', '.join(_ALGORITHMS)}")
    return hashlib.new(_ALGORITHMS[algorithm], text.encode(), usedforsecurity=False).hexdigest()


def random(seed: Any, surplus: Any) -> Any:
    """A number from 0 to below 1; with a seed always the same, the first of java.util.Random.

    >>> random(42, None)
    0.7275636800328681
    """
    _refuse_surplus("random", surplus, 2)
    if seed is None:
        return chance.random()
    state = (_integer(seed, "random", 1) ^ 0x5DEECE66D) & _MASK
    state, high = _next(state, 26)
    _, low = _next(state, 27)
    return ((high << 27) + low) / (1 << 53)


_MASK = (1 << 48) - 1


def _next(state: int, bits: int) -> tuple[int, int]:
    state = (state * 0x5DEECE66D + 0xB) & _MASK
    return state, state >> (48 - bits)


def uuid(surplus: Any) -> Any:
    """A version 4 UUID."""
    _refuse_surplus("uuid", surplus, 1)
    return str(uuids.uuid4())


def parse(text: Any, surplus: Any) -> Any:
    """The value of a JSON text."""
    _refuse_surplus("parse", surplus, 2)
    if text is None:
        return None
    if not isinstance(text, str):
        raise _mismatch("parse", 1)
    repeated: list[str] = []
    try:
        value = jsontext.parse(text, repeated.append)
    except ValueError as error:
        raise _invalid_argument("Invalid JSON") from error
    if repeated:
        raise _invalid_argument("Invalid JSON")
    return from_json(value)


def from_json(value: jsontext.Json) -> Any:
    """A copy of a JSON value in the library's terms, where None is undefined."""
    if value is None:
        return NULL
    if isinstance(value, dict):
        return {name: from_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [from_json(item) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return numbers.normal(value)
    return value


#: By name: the signature, with a surplus argument so that it is refused in AWS's words, and the function.
FUNCTIONS: Mapping[str, tuple[str, Callable[..., Any]]] = {
    "partition": ("<x?x?x?:x>", partition),
    "range": ("<x?x?x?x?:x>", range_),
    "hash": ("<x?x?x?:x>", hash_),
    "random": ("<x?x?:x>", random),
    "uuid": ("<x?:x>", uuid),
    "parse": ("<x?x?:x>", parse),
}
