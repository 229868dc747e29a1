"""Metrics + bounds → Verdict. Pure; the state machine judges the same bounds, to stop what comes after the gate."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from mlci.flow.models import Json
from mlci.plan.models import Bound
from mlci.plan.thresholds import ExactFloat, exact, exact_threshold, number_at

__all__ = ["METRICS_MAX_BYTES", "Metrics", "RuleVerdict", "Verdict", "judge", "parse_metrics"]

#: A state's data is at most 256 KiB; the file lies in it as an escaped string, beside the execution input.
#: Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
METRICS_MAX_BYTES = 65_536
#: No report needs more, and what walks a document by recursion stays far from Python's limit.
METRICS_MAX_DEPTH = 100
_TOO_DEEP = f"not JSON that can be read: nested more than {METRICS_MAX_DEPTH} levels deep"

_SIGN = {True: "≥", False: "≤"}


@dataclass(frozen=True)
class Metrics:
    """What a step measured: the JSON that it wrote, and `problem`, where the state machine could not read it."""

    document: Json = None
    problem: str = ""


@dataclass(frozen=True)
class RuleVerdict:
    """A rule and what came of it. `value` is None where the metric is missing or not a finite number."""

    bound: Bound
    value: float | None
    held: bool
    text: str

    @property
    def margin(self) -> float | None:
        """How far the value is on the right side of the threshold; negative where it was missed."""
        if self.value is None or self.bound.threshold is None:
            return None
        threshold = exact_threshold(self.bound.rule, self.bound.baseline)
        if threshold is None:
            return None
        distance = _distance(exact(self.value), threshold)
        is_above = exact(self.value) >= threshold
        return distance if is_above == self.bound.is_lower else -distance


@dataclass(frozen=True)
class Verdict:
    """What came of every rule of the gate. A gate without rules holds."""

    rules: tuple[RuleVerdict, ...]

    @property
    def held(self) -> bool:
        return all(judged.held for judged in self.rules)


def judge(gate: Sequence[Bound], metrics: Mapping[str, Metrics]) -> Verdict:
    """The verdict on each rule, given each step's metrics. What is missing, no number or NaN misses its rule."""
    return Verdict(tuple(_judged(bound, metrics.get(bound.rule.step)) for bound in gate))


def parse_metrics(data: bytes) -> Metrics:
    """Reads a metrics file as the state machine does: strict JSON, with an object on top.

    NaN and Infinity, which Python writes and JSON does not know, stay in the document, so that a report can show the
    rest of it. They are the problem, for `States.StringToJson` refuses the whole file.
    Source: https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html
    """
    constants: list[str] = []

    def constant(name: str) -> float:
        constants.append(name)
        return float(name.replace("Infinity", "inf"))

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


def _judged(bound: Bound, metrics: Metrics | None) -> RuleVerdict:
    rule = bound.rule
    value = number_at(metrics.document, rule.path) if metrics else None
    if metrics is None:
        return RuleVerdict(bound, None, False, f'{rule.metric} is missing: step "{rule.step}" wrote no metrics')
    if metrics.problem:
        return RuleVerdict(
            bound, value, False, f'{rule.metric} can\'t be judged: the metrics of "{rule.step}" are {metrics.problem}'
        )
    if value is None:
        return RuleVerdict(bound, None, False, f"{rule.metric} is {_what_is_there(metrics.document, rule.path)}")
    threshold = exact_threshold(rule, bound.baseline)
    if threshold is None or bound.threshold is None:
        return RuleVerdict(bound, value, True, f"{rule.metric} {_number(value)}: no baseline to compare with yet")
    held = exact(value) >= threshold if bound.is_lower else exact(value) <= threshold
    text = f"{rule.metric} {_number(value)} {_SIGN[bound.is_lower]} {_number(bound.threshold)}{_allowance(bound)}"
    if not held:
        text = f"{text} is missed by {_number(_distance(exact(value), threshold))}"
    return RuleVerdict(bound, value, held, text)


def _distance(one: Fraction, other: Fraction) -> float:
    """Returns how far two numbers are apart; the largest double where none is large enough."""
    try:
        return float(abs(one - other))
    except OverflowError:
        return sys.float_info.max


def _what_is_there(document: Json, path: Sequence[str]) -> str:
    value = document
    for part in path:
        if not isinstance(value, dict) or part not in value:
            return "missing from the metrics file"
        value = value[part]
    if isinstance(value, float):
        return "not a number that can be compared: it is beyond 1.8e308, the largest double"
    return f"not a number: {json.dumps(value)[:60]}"


def _allowance(bound: Bound) -> str:
    """Where a threshold comes from, if not from the flow itself: ` (baseline 0.95, max_drop 2%)`."""
    rule = bound.rule
    if rule.op in ("min", "max") or bound.baseline is None:
        return ""
    leeway = f"{_number(float(exact(rule.limit) * 100))}%" if rule.is_relative else _number(rule.limit)
    return f" (baseline {_number(bound.baseline)}, {rule.op} {leeway})"


def _number(value: float) -> str:
    """Short enough to read, long enough to tell 0.99989 from 0.9999.

    >>> _number(0.99989), _number(3.0), _number(0.30000000000000004), _number(9007199254740993)
    ('0.99989', '3', '0.3', '9007199254740993')
    """
    is_short = abs(value) < (1e21 if isinstance(value, int) else 1e15)
    return str(int(value)) if value == int(value) and is_short else f"{value:.6g}"
