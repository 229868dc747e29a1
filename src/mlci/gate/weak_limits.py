"""Limits that are finer than the cases can tell: said before a run, by the cases of an earlier one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from mlci.flow.models import Rule

if TYPE_CHECKING:
    from mlci.gate.cases_file import Cases

#: The metrics that are a share of cases: of these, it is known what one case is.
SHARES = frozenset(["accuracy", "recall", "precision"])
#: A rule that is broken less often than this where a metric falls by twice as much as it allows is weak.
LEAST_POWER = 0.5


def is_about_shares(rule: Rule) -> bool:
    """Return True if a rule limits the change of a share of cases."""
    is_change = rule.op in ("max_drop", "max_rise") and rule.aggregate is None and rule.slice is None
    return is_change and rule.reads_cases and rule.path[0] in SHARES


def weak_limits(rules: Iterable[Rule], cases: Mapping[str, Cases], has_statistics: bool = True) -> Iterator[str]:
    """Yield a sentence for each limit that the cases of a step are too few for.

    `cases` are those that a step wrote last. Without statistics, only limits are found that are finer than one case.
    """
    # Where the sentences are known, `is_about_shares` is all that is asked for.
    from mlci.gate.case_samples import StepCases, counted, metric_of, new_sample
    from mlci.gate.cases_file import InvalidCases

    for rule in filter(is_about_shares, rules):
        if rule.step not in cases:
            continue
        try:
            number = counted(metric_of(rule), new_sample(StepCases(cases[rule.step]), rule))
        except InvalidCases:
            continue  # the run that reads them says so
        if number and (found := _weakness(rule, number, has_statistics)):
            yield f"{rule.as_written.metric}: {found}"


def _weakness(rule: Rule, number: int, has_statistics: bool) -> str:
    """Return what a limit asks for that so many cases can't tell; "" where they can."""
    written = f"{rule.op} {rule.limit:g}" if not rule.is_relative else f"{rule.op} {rule.limit:.4g} of the baseline"
    if rule.limit * number < 1:
        return f"one of {number:,} cases is {1 / number:.2g}, more than {written}: so few can't tell a smaller change"
    if rule.confidence is None or not has_statistics:
        return ""
    from mlci.gate.statistics import paired_power, smallest_drop

    alpha, change = 1 - rule.confidence, min(2 * rule.limit, 1.0)
    power = paired_power(number, change, rule.limit, alpha)
    if power >= LEAST_POWER:
        return ""
    least = smallest_drop(number, rule.limit, alpha)
    seen = f"a change of {least:.2g} is the smallest that they show" if least <= 1 else "they show no change at all"
    return f"a change of {change:.2g}, twice {written}, shows in {power:.0%} of runs with {number:,} cases; {seen}"
