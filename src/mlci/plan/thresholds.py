"""Rules and a baseline → the numbers that metrics are held against, by the state machine and by mlci alike.

Comparisons are exact, on numbers as they are written: 0.3 is three tenths, and an integer keeps all of its digits.
Step Functions may compare doubles. Rounding keeps the order of numbers, so a metric that holds exactly holds there,
too; where only the doubles hold, the exact verdict counts, and the gate is missed.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from fractions import Fraction

from mlci.flow.metric_paths import MetricPath
from mlci.flow.models import Aggregate, Flow, Json, Rule, Selection
from mlci.flow.names import written_name
from mlci.plan.models import Bound

#: Beyond this power of ten, a number of a JSON text is taken as the double that it is nearest to.
_MAX_EXPONENT = 400


class ExactFloat(float):
    """A number of a JSON text that keeps what is written, which may have more digits than a double.

    >>> ExactFloat("0.1000000000000000000001"), exact(ExactFloat("0.1000000000000000000001")) > exact(0.1)
    (0.1, True)
    """

    written: Decimal

    def __new__(cls, text: str) -> ExactFloat:
        number = super().__new__(cls, text)
        number.written = Decimal(text)
        return number


class ExactFraction(float):
    """A computed number that keeps its exact value, which may be no double.

    >>> exact(ExactFraction(Fraction(1, 3)))
    Fraction(1, 3)
    """

    fraction: Fraction

    def __new__(cls, fraction: Fraction) -> ExactFraction:
        number = super().__new__(cls, fraction)
        number.fraction = fraction
        return number


def bounds(rules: Iterable[Rule], baseline: Mapping[str, Json]) -> tuple[Bound, ...]:
    """Returns each rule with its threshold. `baseline` maps steps to their metrics.

    >>> rule = Rule("evaluate", ("auc",), "max_drop", 0.02)
    >>> bounds([rule], {"evaluate": {"auc": 0.75}})[0].threshold
    0.73
    """
    return tuple(_bound(rule, _baseline_number(rule, baseline), bool(baseline)) for rule in rules)


def gate_bounds(flow: Flow, baseline: Mapping[str, Json]) -> tuple[Bound, ...]:
    """Returns the bounds of a flow's gate: those of its own rules, and of the base branch's that are in force."""
    own = bounds(flow.gate, baseline)
    base = bounds((each.rule for each in flow.base_gate), baseline)
    return own + tuple(
        replace(bound, origin="base", reason=each.reason, is_removed=each.is_removed, is_added=each.is_added)
        for bound, each in zip(base, flow.base_gate, strict=True)
    )


def _baseline_number(rule: Rule, baseline: Mapping[str, Json]) -> float | None:
    """Returns the metric of a baseline; for one number of all cells, that of the cells which the baseline has."""
    if rule.aggregate is None:
        return number_at(baseline.get(rule.step), rule.path)
    numbers = baseline_numbers(rule, baseline)
    return aggregated(list(numbers.values()), rule.aggregate) if numbers else None


def baseline_numbers(rule: Rule, baseline: Mapping[str, Json]) -> dict[str, float]:
    """Returns the metric of each cell that a baseline has; none of them if one lacks it."""
    cells = {step: metrics for step, metrics in baseline.items() if written_name(step) == rule.step}
    found = {step: number_at(metrics, rule.path) for step, metrics in cells.items()}
    numbers = {step: number for step, number in found.items() if number is not None}
    return numbers if len(numbers) == len(found) else {}


def aggregated(numbers: Sequence[float], aggregate: Aggregate) -> float:
    """Returns one number of some, exactly; a root to 100 digits. The deviation is that of the population.

    >>> aggregated([1, 2], "mean"), aggregated([1, 3], "std"), aggregated([0.1, 0.2, 0.3], "mean") == 0.2
    (1.5, 1.0, True)
    """
    values = list(map(exact, numbers))
    match aggregate:
        case "min" | "max":
            return min(numbers, key=exact) if aggregate == "min" else max(numbers, key=exact)
        case "mean":
            return ExactFraction(sum(values, Fraction()) / len(values))
        case "std":
            mean = sum(values, Fraction()) / len(values)
            variance = sum(((value - mean) ** 2 for value in values), Fraction()) / len(values)
            digits = Context(prec=100, Emax=MAX_EMAX, Emin=MIN_EMIN)
            quotient = digits.divide(Decimal(variance.numerator), Decimal(variance.denominator))
            return ExactFraction(Fraction(digits.sqrt(quotient)))


def best_cell(selection: Selection, metrics: Sequence[Json]) -> int | None:
    """Returns the index of the cell whose metric is the best, the first of those that are as good; None for none.

    >>> best_cell(Selection("score", ("r2",), "max"), [{"r2": 0.1}, None, {"r2": 0.5}, {"r2": 0.5}])
    2
    """
    numbers = {index: number_at(document, selection.path) for index, document in enumerate(metrics)}
    found = {index: float(number) for index, number in numbers.items() if number is not None}
    choose = max if selection.best == "max" else min
    return choose(found, key=lambda index: found[index]) if found else None


def number_at(metrics: Json, path: MetricPath) -> float | None:
    """Returns the number that a path leads to; None where there is none, or none within a double's range.

    >>> number_at({"a.b": [{"f1": 0.5}], "ok": True}, ("a.b", 0, "f1")), number_at({"ok": True}, ("ok",))
    (0.5, 1)
    """
    try:
        value = value_at(metrics, path)
    except LookupError:
        return None
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, (int, float)):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:  # an integer that no double holds
        return None


def value_at(metrics: Json, path: MetricPath) -> Json:
    """Returns the value that a path leads to.

    >>> value_at({"a": [1, 2]}, ("a", 1))
    2

    Raises: LookupError, if there is none.
    """
    value = metrics
    for key in path:
        match key, value:
            case (str(), dict()) | (int(), list()):
                value = value[key]  # type: ignore[index]
            case _:
                raise LookupError(key)
    return value


def exact(number: float) -> Fraction:
    """Returns the number as it is written.

    >>> exact(0.1), exact(9007199254740993)
    (Fraction(1, 10), Fraction(9007199254740993, 1))
    """
    if isinstance(number, int):
        return Fraction(number)
    if isinstance(number, ExactFraction):
        return number.fraction
    written = number.written if isinstance(number, ExactFloat) else Decimal(repr(number))
    if written and abs(written.adjusted()) > _MAX_EXPONENT:
        return Fraction(float(number))
    return Fraction(written)


def exact_threshold(rule: Rule, baseline: float | None) -> Fraction | None:
    """Returns the number that a rule's metric must not fall below, or not exceed.

    None where the rule compares with a baseline, and there is none, or with the other cases.
    """
    limit = exact(rule.limit)
    if rule.op in ("min", "max"):
        return limit
    if baseline is None or rule.op == "max_gap":
        return None
    base = exact(baseline)
    leeway = abs(base) * limit if rule.is_relative else limit
    return base - leeway if rule.op == "max_drop" else base + leeway


def _bound(rule: Rule, baseline: float | None, has_baseline: bool) -> Bound:
    threshold, lacks_metric = exact_threshold(rule, baseline), has_baseline and baseline is None
    if threshold is None:
        return Bound(rule, None, lacks_metric=lacks_metric)
    return Bound(rule, _number(threshold), baseline, lacks_metric=lacks_metric)


def _number(value: Fraction) -> float:
    """Returns the nearest double, or the integer itself where no double is equal to it."""
    try:
        nearest = float(value)
    except OverflowError:
        return sys.float_info.max if value > 0 else -sys.float_info.max
    return value.numerator if value.denominator == 1 and nearest != value else nearest
