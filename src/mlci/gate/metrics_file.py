"""Reads the metrics that a step wrote, within bounds: nothing in the file can end a run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable

from mlci.flow.models import Json
from mlci.plan.thresholds import ExactFloat
from mlci_dataclasses import dataclass

#: A state's data is at most 256 KiB; the file lies in it as an escaped string, beside the execution input.
#: Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
METRICS_MAX_BYTES = 65_536
#: No report needs more, and what walks a document by recursion stays far from Python's limit.
METRICS_MAX_DEPTH = 100
_TOO_DEEP = f"not JSON that can be read: nested more than {METRICS_MAX_DEPTH} levels deep"


@dataclass(frozen=True)
class Metrics:
    """The JSON that a step wrote as its metrics, and the `problem`, if the state machine can't read it."""

    document: Json = None
    problem: str = ""


def parse_metrics(data: bytes, is_collected: bool = False) -> Metrics:
    """Reads a metrics file as the state machine does: strict JSON, with an object on top.

    A file that the job collected has a text in its place where there was nothing to collect: the problem.

    NaN and Infinity, which Python writes and JSON does not know, stay in the document, so that a report can show the
    rest of it. They are the problem, for `States.StringToJson` refuses the whole file.
    Source: https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html
    """
    constants: list[str] = []

    def constant(name: str) -> float:
        constants.append(name)
        return float(name)

    if len(data) > METRICS_MAX_BYTES:
        return Metrics(None, f"too large: the state machine reads at most {METRICS_MAX_BYTES:,} bytes")
    try:
        document: Json = json.loads(
            data.decode("utf-8"), parse_constant=constant, parse_int=_integer, parse_float=ExactFloat
        )
    except RecursionError:
        return Metrics(None, _TOO_DEEP)
    except ValueError as error:
        return Metrics(None, f"not JSON: {error}")
    if constants:
        return Metrics(document, f"not JSON: it holds {constants[0]}")
    if _is_deep(document):
        return Metrics(None, _TOO_DEEP)
    if is_collected and isinstance(document, str):
        return Metrics(None, document)
    return Metrics(document)


def _integer(text: str) -> float:
    """Returns the integer, or the infinity that a double makes of it: Python reads no integer of 4,301 digits."""
    return int(text) if math.isfinite(float(text)) else ExactFloat(text)


def _is_deep(document: Json) -> bool:
    """Says whether lists and objects are nested deeper than a report can follow."""
    level = [document]
    for _ in range(METRICS_MAX_DEPTH):
        level = [item for value in level for item in _items(value)]
        if not level:
            return False
    return True


def _items(value: Json) -> Iterable[Json]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
