"""Judges metrics by the rules of the gate, exactly, on numbers as they are written."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Literal

from mlci.flow.models import Json, Level, Rule, Unclear
from mlci.gate.acceptance import Acceptance
from mlci.gate.budgets import NO_MEASUREMENTS, Measurement, Measurements, measured
from mlci.gate.comparison import Comparison
from mlci.gate.metric_names import missing_metric
from mlci.gate.metrics_file import Metrics
from mlci.plan.models import Bound
from mlci.plan.thresholds import aggregated, exact, exact_threshold, number_at, value_at
from mlci_dataclasses import dataclass

_SIGN = {True: "≥", False: "≤"}
_NEGATED_SIGN = {True: "<", False: ">"}

Judgement = Literal["held", "broken", "unclear", "accepted"]
RuleOutcome = Literal["passed", "failed", "warned", "noted", "accepted"]
#: The outcome of a broken rule by its level, and of one that is unclear by what its flow says of that.
_BROKEN: Mapping[Level, RuleOutcome] = {"block": "failed", "warn": "warned", "info": "noted"}
_UNCLEAR: Mapping[Unclear, Mapping[Level, RuleOutcome]] = {
    "fail": _BROKEN,
    "warn": {"block": "warned", "warn": "warned", "info": "noted"},
    "pass": {"block": "passed", "warn": "passed", "info": "passed"},
}


@dataclass(frozen=True)
class RuleVerdict:
    """The verdict on one rule. `value` is None where the metric is missing or not a finite number.

    It is `unclear` where the cases can't decide, and `accepted` where it is broken, and somebody with the right to
    accepted that. `statement` says what was found, `notes` why the rule is in force, and who accepted it, and `refusal`
    why an acceptance does not count. `comparison` says how cases were compared. `group` is the value of the slice that
    it is on; "" where it is on all cases.
    """

    bound: Bound
    value: float | None
    verdict: Judgement
    statement: str
    comparison: Comparison | None = None
    group: str = ""
    acceptance: Acceptance | None = None
    notes: tuple[str, ...] = ()
    refusal: str = ""

    @property
    def headline(self) -> str:
        """The verdict without the acceptance that does not count."""
        return "; ".join([self.statement, *self.notes])

    @property
    def text(self) -> str:
        """The verdict in a line."""
        return "; ".join(filter(None, [self.headline, self.refusal]))

    @property
    def level(self) -> Level:
        return self.bound.rule.level

    @property
    def held(self) -> bool:
        """True if it does not block."""
        return self.outcome != "failed"

    @property
    def outcome(self) -> RuleOutcome:
        """The outcome for reports: it passed, failed, is a warning, is only told, or was accepted."""
        rule = self.bound.rule
        match self.verdict:
            case "held":
                return "passed"
            case "accepted":
                return "accepted"
            case "broken":
                return _BROKEN[rule.level]
            case "unclear":
                return _UNCLEAR[rule.unclear][rule.level]

    @property
    def margin(self) -> float | None:
        """The distance of the value from the threshold; negative where the rule was missed."""
        if self.value is None or self.bound.threshold is None:
            return None
        threshold = exact_threshold(self.bound.rule, self.bound.baseline)
        if threshold is None:
            return None
        distance = _distance(exact(self.value), threshold)
        is_above = exact(self.value) >= threshold
        return distance if distance == 0 or is_above == self.bound.is_lower else -distance


@dataclass(frozen=True)
class Verdict:
    """The verdicts on all rules of the gate. It holds if none of them blocks; a gate without rules does."""

    rules: tuple[RuleVerdict, ...]

    @property
    def held(self) -> bool:
        return all(judged.held for judged in self.rules)


def judge(
    gate: Sequence[Bound],
    metrics: Mapping[str, Metrics],
    measurements: Measurements = NO_MEASUREMENTS,
    of_cases: Mapping[int, tuple[RuleVerdict, ...]] | None = None,
) -> Verdict:
    """Returns the verdict on each rule. A metric that is missing, no number or NaN misses its rule, and so does one of
    which the flow has removed what it is about.

    `measurements` are what rules on the run itself are judged by: one that is not known leaves its rule unclear.
    `of_cases` has the verdicts on the rules that need cases or an interval, by their places in the gate.
    """
    known = of_cases or {}
    return Verdict(
        tuple(
            _with_reason(judged)
            for place, bound in enumerate(gate)
            for judged in known.get(place) or (judge_number(bound, metrics, measurements),)
        )
    )


def _with_reason(judged: RuleVerdict) -> RuleVerdict:
    """Returns a verdict that says why a rule of the base branch's is in force."""
    bound = judged.bound
    if bound.origin == "flow" or bound.is_removed:
        return judged
    return replace(judged, notes=(*judged.notes, f"the base branch's rule is in force: {bound.reason}"))


def judge_number(
    bound: Bound, metrics: Mapping[str, Metrics], measurements: Measurements = NO_MEASUREMENTS
) -> RuleVerdict:
    """Returns the verdict on a rule by a number: the metric, or one number of all cells."""
    rule = bound.rule
    if bound.is_removed:
        limit = _leeway(rule)
        text = f"{rule.metric} can't be judged: {bound.reason}, and the base branch's gate has {rule.op} {limit} for it"
        return RuleVerdict(bound, None, "broken", text)
    if rule.is_budget:
        return _judged_budget(bound, measured(rule, measurements))
    if rule.aggregate is None:
        return _judged(bound, metrics.get(rule.step))
    numbers = numbers_of_cells(bound, metrics)
    if isinstance(numbers, RuleVerdict):
        return numbers
    return _compared(bound, aggregated(list(numbers.values()), rule.aggregate))


def numbers_of_cells(bound: Bound, metrics: Mapping[str, Metrics]) -> dict[str, float] | RuleVerdict:
    """Returns the metric of each cell of a rule; the verdict, if one has none."""
    rule, numbers = bound.rule, {}
    for cell in rule.cells:
        own = replace(bound, rule=replace(rule, step=cell, aggregate=None, cells=()), threshold=None)
        judged = _judged(own, metrics.get(cell))
        if judged.value is None or judged.verdict == "broken":
            return RuleVerdict(bound, None, "broken", f"{rule.metric} can't be judged: {judged.text}")
        numbers[cell] = judged.value
    return numbers


def _judged_budget(bound: Bound, measurement: Measurement) -> RuleVerdict:
    if measurement.value is None:
        return RuleVerdict(bound, None, "unclear", f"{bound.rule.metric} can't be judged: {measurement.note}")
    judged = _compared(bound, measurement.value)
    return replace(judged, statement=f"{judged.statement} ({measurement.note})") if measurement.note else judged


def _judged(bound: Bound, metrics: Metrics | None) -> RuleVerdict:
    rule = bound.rule
    value = number_at(metrics.document, rule.path) if metrics else None
    if metrics is None:
        noun = "cases" if rule.reads_cases else "metrics"
        return RuleVerdict(bound, None, "broken", f'{rule.metric} is missing: step "{rule.step}" wrote no {noun}')
    if metrics.problem:
        return RuleVerdict(
            bound,
            value,
            "broken",
            f'{rule.metric} can\'t be judged: the metrics of "{rule.step}" are {metrics.problem}',
        )
    if value is None:
        return RuleVerdict(bound, None, "broken", f"{rule.metric} is {_what_is_there(metrics.document, rule)}")
    return _compared(bound, value)


def _compared(bound: Bound, value: float) -> RuleVerdict:
    rule = bound.rule
    threshold = exact_threshold(rule, bound.baseline)
    if threshold is None or bound.threshold is None:
        text = f"{rule.metric} {_number(value)}: {bound.no_baseline}"
        return RuleVerdict(bound, value, "broken" if rule.is_negated else "held", text)
    held = exact(value) >= threshold if bound.is_lower else exact(value) <= threshold
    held, sign = (not held, _NEGATED_SIGN) if rule.is_negated else (held, _SIGN)
    text = f"{rule.metric} {_number(value)} {sign[bound.is_lower]} {_number(bound.threshold)}{_allowance(bound)}"
    if not held:
        text = f"{text} is missed by {_number(_distance(exact(value), threshold))}"
    return RuleVerdict(bound, value, "held" if held else "broken", text)


def _distance(one: Fraction, other: Fraction) -> float:
    """Returns how far two numbers are apart; the largest double where none is large enough."""
    try:
        return float(abs(one - other))
    except OverflowError:
        return sys.float_info.max


def _what_is_there(document: Json, rule: Rule) -> str:
    try:
        value = value_at(document, rule.path)
    except LookupError:
        return missing_metric(rule.step, rule.path, document)
    if isinstance(value, float):
        return "not a number that can be compared: it is beyond 1.8e308, the largest double"
    return f"not a number: {json.dumps(value)[:60]}"


def _allowance(bound: Bound) -> str:
    """Returns the origin of a threshold that is not in the flow itself: ` (baseline 0.95, max_drop 2%)`."""
    rule = bound.rule
    if rule.op in ("min", "max") or bound.baseline is None:
        return ""
    return f" (baseline {_number(bound.baseline)}, {rule.op} {_leeway(rule)})"


def _leeway(rule: Rule) -> str:
    return f"{_number(float(exact(rule.limit) * 100))}%" if rule.is_relative else _number(rule.limit)


def _number(value: float) -> str:
    """Returns a number that is short enough to read, and long enough to tell 0.99989 from 0.9999.

    >>> _number(0.99989), _number(3.0), _number(0.30000000000000004), _number(9007199254740993)
    ('0.99989', '3', '0.3', '9007199254740993')
    """
    is_short = abs(value) < (1e21 if isinstance(value, int) else 1e15)
    return str(int(value)) if value == int(value) and is_short else f"{value:.6g}"
