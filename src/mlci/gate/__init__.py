"""Metrics + bounds → Verdict. Pure; the state machine judges the same bounds, to stop what comes after the gate."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlci.flow.models import Json
from mlci.plan.models import Bound
from mlci.plan.thresholds import number_at

__all__ = ["Judged", "Metrics", "Verdict", "judge", "parse_metrics"]

#: A state's data is at most 256 KiB; the file lies in it as an escaped string, beside the execution input.
#: Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
METRICS_MAX_BYTES = 65_536

_SIGN = {True: "≥", False: "≤"}


@dataclass(frozen=True)
class Metrics:
    """What a step measured: the JSON that it wrote, and `problem`, where the state machine could not read it."""

    document: Json = None
    problem: str = ""


@dataclass(frozen=True)
class Judged:
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
        distance = self.value - self.bound.threshold
        return distance if self.bound.is_lower else -distance


@dataclass(frozen=True)
class Verdict:
    """What came of every rule of the gate. A gate without rules holds."""

    rules: tuple[Judged, ...]

    @property
    def held(self) -> bool:
        return all(judged.held for judged in self.rules)


def judge(gate: Sequence[Bound], metrics: Mapping[str, Metrics]) -> Verdict:
    """The verdict on each rule, given each step's metrics. What is missing, no number or NaN misses its rule."""
    return Verdict(tuple(_judged(bound, metrics.get(bound.rule.step)) for bound in gate))


def parse_metrics(data: bytes) -> Metrics:
    """A metrics file as the state machine reads it: strict JSON, with an object on top.

    NaN and Infinity, which Python writes and JSON does not know, are kept in the document (so that a report can show
    the rest of it), and named as the problem: `States.StringToJson` refuses the whole file.
    Source: https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html
    """
    strange: list[str] = []

    def constant(name: str) -> float:
        strange.append(name)
        return float(name.replace("Infinity", "inf"))

    if len(data) > METRICS_MAX_BYTES:
        return Metrics(None, f"too large: {len(data):,} bytes, and the state machine reads {METRICS_MAX_BYTES:,}")
    try:
        document: Json = json.loads(data.decode("utf-8"), parse_constant=constant)
    except (ValueError, RecursionError) as error:
        return Metrics(None, f"not JSON: {error}")
    if strange:
        return Metrics(document, f"not JSON: it holds {strange[0]}")
    return Metrics(document)


def _judged(bound: Bound, metrics: Metrics | None) -> Judged:
    rule = bound.rule
    value = number_at(metrics.document, rule.path) if metrics else None
    if metrics is None:
        return Judged(bound, None, False, f'{rule.metric} is missing: step "{rule.step}" wrote no metrics')
    if metrics.problem:
        return Judged(
            bound, value, False, f'{rule.metric} can\'t be judged: the metrics of "{rule.step}" are {metrics.problem}'
        )
    if value is None:
        return Judged(bound, None, False, f"{rule.metric} is {_what_is_there(metrics.document, rule.path)}")
    if bound.threshold is None:
        return Judged(bound, value, True, f"{rule.metric} {_number(value)}: no baseline to compare with yet")
    held = value >= bound.threshold if bound.is_lower else value <= bound.threshold
    text = f"{rule.metric} {_number(value)} {_SIGN[bound.is_lower]} {_number(bound.threshold)}{_allowance(bound)}"
    if not held:
        distance = abs(value - bound.threshold)
        text = f"{text} is missed by {_number(distance)}"
    return Judged(bound, value, held, text)


def _what_is_there(document: Json, path: Sequence[str]) -> str:
    value = document
    for part in path:
        if not isinstance(value, dict) or part not in value:
            return "missing from the metrics file"
        value = value[part]
    return f"not a number: {json.dumps(value)[:60]}"


def _allowance(bound: Bound) -> str:
    """Where a threshold comes from, if not from the flow itself: ` (baseline 0.95, max_drop 2%)`."""
    rule = bound.rule
    if rule.op in ("min", "max") or bound.baseline is None:
        return ""
    leeway = f"{_number(rule.limit * 100)}%" if rule.is_relative else _number(rule.limit)
    return f" (baseline {_number(bound.baseline)}, {rule.op} {leeway})"


def _number(value: float) -> str:
    """Short enough to read, long enough to tell 0.99989 from 0.9999.

    >>> _number(0.99989), _number(3), _number(0.30000000000000004)
    ('0.99989', '3', '0.3')
    """
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else f"{value:.6g}"
