"""The verdict on a comparison in words: the value, its change, the cases that flipped, and what the data allow."""

from __future__ import annotations

from mlci.flow.models import LESS_IS_BETTER, Rule
from mlci.gate.comparison import Comparison, Interval


def subject(rule: Rule, group: str, value: float) -> str:
    """Return the metric of a group, and its value.

    >>> subject(Rule("evaluate", ("recall",), "max_gap", 0.1, slice="sex"), "f", 0.9)
    'evaluate.recall where sex is "f" 0.9'
    """
    return f"{named(rule, group)} {number(value)}"


def named(rule: Rule, group: str) -> str:
    """Return the metric, and the group of cases that it is of."""
    return f'{rule.metric} where {rule.slice} is "{group[:80]}"' if rule.slice is not None and group else rule.metric


def evidence(compared: Comparison) -> str:
    """Return what a comparison found, for brackets.

    >>> found = Comparison("paired", "McNemar", Interval(-0.13, 0.0231), 0.95, 1, 42, ("a", "b"), ())
    >>> evidence(found)
    '2 of 42 cases turned wrong, 0 right; 95 % interval -0.13 … 0.0231'
    """
    parts = []
    if compared.to_wrong or compared.to_right:
        turned_wrong = f"{len(compared.to_wrong)} of {cases(compared.cases)} turned wrong"
        parts.append(f"{turned_wrong}, {len(compared.to_right)} right")
    elif compared.cases:
        parts.append(cases(compared.cases))
    if compared.interval:
        parts.append(f"{number(round(100 * compared.confidence, 2))} % interval {interval(compared.interval)}")
    if compared.corrected_for > 1:
        parts.append(f"corrected for {compared.corrected_for} comparisons")
    return "; ".join(parts)


def changed(change: float) -> str:
    """Return a change in words.

    >>> changed(-0.047619), changed(0.0)
    ('fell by 0.0476', 'is as it was')
    """
    if change == 0:
        return "is as it was"
    return f"{'rose' if change > 0 else 'fell'} by {short(abs(change))}"


def compared_on(compared: Comparison, baseline: float | None) -> str:
    """Return what is said behind a metric's own value, where it was compared on other cases; empty where it was not.

    >>> compared_on(Comparison("paired", "", None, 0.95, 1, 16, on="on 16 cases", value=0.875, baseline=0.75), 0.9)
    ' (baseline 0.9); on 16 cases: 0.75 → 0.875,'
    """
    if compared.value is None or compared.baseline is None or baseline is None:
        return ""
    return f" (baseline {number(baseline)}); {compared.on}: {number(compared.baseline)} → {number(compared.value)},"


def smallest(compared: Comparison, rule: Rule) -> str:
    """Return the smallest change for the worse that so many cases could have shown; empty if it is not known."""
    if compared.smallest_drop is None:
        return ""
    word = "rise" if rule.path[-1] in LESS_IS_BETTER else "drop"
    kind = "gap" if rule.op == "max_gap" else word
    return f". {cases(compared.cases)} can show a {kind} of {short(compared.smallest_drop)} at best"


def interval(found: Interval) -> str:
    return f"{short(found.low)} … {short(found.high)}"


def number(value: float) -> str:
    """Return a number to read: 0.904762 for 38 of 42."""
    return f"{value:.6g}"


def short(value: float) -> str:
    """Return a number whose last digits say nothing."""
    return f"{value:.3g}"


def cases(count: int) -> str:
    """Return a number of cases.

    >>> cases(1), cases(2)
    ('1 case', '2 cases')
    """
    return "1 case" if count == 1 else f"{count} cases"
