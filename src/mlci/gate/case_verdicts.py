"""Judges the rules that compare intervals: each is broken, held, or unclear where the data can't decide.

A rule is broken where the whole interval lies beyond its limit, and held where all of it lies within. All comparisons
of one level are a family: the chance that any of them is broken by mere chance stays at the level that the rules
state, by Holm's correction. The interval of a comparison is at the level that it got.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Literal, TypeAlias

from mlci.flow.models import LESS_IS_BETTER, Rule
from mlci.gate import case_texts as texts
from mlci.gate.case_samples import (
    IncomparableBaseline,
    Sample,
    Samples,
    StepCases,
    are_equal,
    counted,
    flips,
    group_sizes,
    metric_of,
    new_sample,
    samples,
)
from mlci.gate.cases_file import InvalidCases
from mlci.gate.comparison import Comparison, Interval
from mlci.gate.statistics import Estimate, UndefinedMetric, change, gap, holm, number, value
from mlci.gate.statistics.spread import spread
from mlci.gate.verdict import Judgement, RuleVerdict
from mlci.plan.models import Bound
from mlci.plan.thresholds import exact_threshold
from mlci_dataclasses import dataclass

#: The metrics of cells, of the run and of the baseline.
CellNumbers: TypeAlias = tuple[Mapping[str, float], Mapping[str, float]]
_CHANGES = ("max_drop", "max_rise")
_MAX_GROUPS = 200


@dataclass(frozen=True)
class _Candidate:
    """A comparison before its level is known. `limit` is in what the estimate is of: a change, a gap, or a number.

    `change` is the change or the gap; None where the number itself is judged. `on`, and the `compared` values of the
    baseline and the run, are those of a comparison on other cases than each model's own.
    """

    bound: Bound
    group: str
    value: float
    estimate: Estimate
    limit: float
    change: float | None
    kind: Literal["paired", "independent"]
    cases: int
    to_wrong: tuple[str, ...] = ()
    to_right: tuple[str, ...] = ()
    note: str = ""
    is_same: bool = False
    on: str = ""
    compared: tuple[float, float] | None = None

    @property
    def is_lower(self) -> bool:
        return self.bound.is_lower

    @property
    def p(self) -> float:
        """The p-value of: the limit is kept."""
        return self.estimate.bound.p(self.limit) if self.is_lower else self.estimate.negated.p(-self.limit)

    @property
    def alpha(self) -> float:
        assert self.bound.rule.confidence is not None
        return 1 - self.bound.rule.confidence


def case_numbers(gate: Iterable[Bound], tables: Mapping[str, StepCases]) -> dict[str, dict[str, float]]:
    """Return the metrics of cases that rules ask for, by step. One that is wrong or undefined is left out."""
    found: dict[str, dict[str, float]] = {}
    for bound in gate:
        for step in bound.rule.steps if bound.rule.reads_cases else ():
            try:
                rule = replace(bound.rule, slice=None)
                number_of_step = value(metric_of(rule), new_sample(tables[step], rule).outcomes)
            except (KeyError, InvalidCases, UndefinedMetric):
                continue
            found.setdefault(step, {})[metric_of(rule)] = float(number_of_step)
    return found


def case_problem(rule: Rule, tables: Mapping[str, StepCases]) -> str:
    """Return why a metric of cases can't be judged; empty if it can."""
    for step in rule.steps:
        if step not in tables:
            return f'{rule.metric} is missing: step "{step}" wrote no cases'
        try:
            value(metric_of(rule), new_sample(tables[step], replace(rule, slice=None)).outcomes)
        except InvalidCases as invalid:
            return f'{rule.metric} can\'t be judged: in the cases of "{step}", {invalid}'
        except UndefinedMetric as undefined:
            return f'{rule.metric} can\'t be judged: {undefined} of "{step}"'
    return ""


def judge_intervals(
    gate: Sequence[Bound], tables: Mapping[str, StepCases], numbers: Mapping[Bound, CellNumbers]
) -> list[list[RuleVerdict]]:
    """Return the verdicts on each rule that compares intervals: one for each group of a slice, and else one.

    `numbers` has those of the cells, and of the baseline's, of each rule on a mean. The rules of the base branch's gate
    are families of their own, and so are those on cells that the baseline does not have: else, rules and cells that a
    pull request adds would widen the intervals of those that judge it.
    """
    found = [list(_candidates(bound, tables, numbers)) for bound in gate]
    families: dict[tuple[str, str, bool], list[_Candidate]] = {}
    for judged in found:
        for each in judged:
            if isinstance(each, _Candidate):
                key = (each.bound.origin, each.bound.rule.level, each.bound.is_added)
                families.setdefault(key, []).append(each)
    verdicts: dict[int, RuleVerdict] = {}
    for family in families.values():
        levels = holm([(each.p, each.alpha) for each in family])
        for each, level in zip(family, levels, strict=True):
            verdicts[id(each)] = _verdict(each, level, len(family))
    return [[each if isinstance(each, RuleVerdict) else verdicts[id(each)] for each in judged] for judged in found]


def _candidates(
    bound: Bound, tables: Mapping[str, StepCases], numbers: Mapping[Bound, CellNumbers]
) -> Iterator[_Candidate | RuleVerdict]:
    rule = bound.rule
    if rule.aggregate:
        yield _of_means(bound, *numbers[bound])
        return
    try:
        if rule.slice is not None:
            yield from _of_groups(bound, tables[rule.step])
        elif rule.op in _CHANGES:
            own = new_sample(tables[rule.step], rule)
            yield _of_baseline(bound, own, samples(tables[rule.step], rule), "")
        else:
            yield _of_number(bound, new_sample(tables[rule.step], rule), "")
    except InvalidCases as invalid:
        text = f'{rule.metric} can\'t be judged: in the cases of "{rule.step}", {invalid}'
        yield RuleVerdict(bound, None, "broken", text)
    except IncomparableBaseline as incomparable:
        yield RuleVerdict(bound, None, "unclear", f"{rule.metric} can't be compared: {incomparable}")


def _of_groups(bound: Bound, tables: StepCases) -> Iterator[_Candidate | RuleVerdict]:
    """Yield what is compared of each group that is large enough; a line where there is none."""
    rule = bound.rule
    if rule.op not in _CHANGES:
        bound = replace(bound, baseline=None)  # that of all cases is none of a group's
    sample = new_sample(tables, rule)
    sizes = group_sizes(sample)
    large = [group for group, size in sizes.items() if size >= rule.min_cases]
    small = [f'"{group[:40]}" ({size})' for group, size in sizes.items() if size < rule.min_cases]
    note = f"groups of fewer than {rule.min_cases} cases are not judged: {', '.join(small[:8])}" if small else ""
    note += f" and {len(small) - 8} more" if len(small) > 8 else ""
    if len(large) > _MAX_GROUPS:
        raise InvalidCases(f'"{rule.slice}" has {len(large)} groups, and at most {_MAX_GROUPS} are judged')
    if not large:
        text = f"{rule.metric} by {rule.slice} can't be judged: no group has {rule.min_cases} cases"
        yield RuleVerdict(bound, None, "unclear", text)
    found = samples(tables, rule) if rule.op in _CHANGES and large else None
    for group in large:
        try:
            each = _of_group(bound, tables, sample, group, found)
        except UndefinedMetric as undefined:
            text = f"{texts.named(rule, group)} can't be judged: {undefined}"
            each = RuleVerdict(bound, None, "unclear", text, group=group)
        if isinstance(each, _Candidate):
            each = replace(each, note="; ".join(filter(None, (each.note, note))))
        yield each
        note = ""


def _of_group(
    bound: Bound, tables: StepCases, sample: Sample, group: str, found: Samples | None
) -> _Candidate | RuleVerdict:
    rule = bound.rule
    if rule.op in _CHANGES:
        return _of_baseline(bound, sample.where(group.__eq__), found, group)
    own = sample.where(group.__eq__)
    if rule.op != "max_gap":
        return _of_number(bound, own, group)
    rest = sample.where(group.__ne__)
    metric = metric_of(rule)
    estimate = gap(metric, own.outcomes, rest.outcomes)
    sign = -1 if bound.is_lower else 1
    others = value(metric, rest.outcomes)
    judged = replace(bound, threshold=float(others + sign * rule.limit))
    return _Candidate(
        judged,
        group,
        float(value(metric, own.outcomes)),
        estimate,
        float(sign * rule.limit),
        estimate.value,
        "independent",
        counted(metric, own),
    )


def _of_number(bound: Bound, sample: Sample, group: str) -> _Candidate:
    metric = metric_of(bound.rule)
    estimate = number(metric, sample.outcomes)
    cases = counted(metric, sample)
    return _Candidate(
        bound, group, float(estimate.value), estimate, float(bound.rule.limit), None, "independent", cases
    )


def _of_baseline(bound: Bound, own: Sample, found: Samples | None, group: str) -> _Candidate | RuleVerdict:
    """Return the comparison with the baseline, or the verdict where there is nothing to compare with.

    Raises: UndefinedMetric, for a group.
    """
    rule, metric = bound.rule, metric_of(bound.rule)
    now = float(value(metric, own.outcomes))
    try:
        found = found.where(group) if found and group else found
        before, after = (
            (float(value(metric, each.outcomes)) for each in (found.base, found.new)) if found else (None, now)
        )
    except (IncomparableBaseline, UndefinedMetric) as error:
        text = f"{texts.subject(rule, group, now)} can't be compared: {error}"
        return RuleVerdict(bound, now, "unclear", text, group=group)
    if found is None or before is None:
        return _without_cases(bound, now, group)
    own_before = _own_baseline(bound, found, group, before)
    is_own = _is_close(now, after) and _is_close(own_before, before)
    threshold = exact_threshold(rule, before) if is_own else None  # no limit of numbers that were not compared
    estimate = change(metric, found.new.outcomes, found.base.outcomes, found.kind == "paired")
    if found.kind == "paired":
        cases, to_wrong, to_right = flips(metric, found)
    else:
        cases, to_wrong, to_right = counted(metric, found.new), (), ()
    return _Candidate(
        replace(bound, threshold=None if threshold is None else float(threshold), baseline=own_before),
        group,
        now,
        estimate,
        _allowed(rule, before),
        estimate.value,
        found.kind,
        cases,
        to_wrong,
        to_right,
        found.note,
        are_equal(found),
        "" if is_own else found.on,
        None if is_own else (before, after),
    )


def _own_baseline(bound: Bound, found: Samples, group: str, compared: float) -> float:
    """Return the metric of the baseline on its own cases; as it was `compared`, where these are not known."""
    if found.own_base is None:
        return compared if group or bound.baseline is None else bound.baseline
    try:
        return float(value(metric_of(bound.rule), found.own_base.outcomes))
    except UndefinedMetric:
        return compared


def _is_close(one: float, other: float) -> bool:
    """Return True for two numbers that differ by the order of what was summed up, and by digits of labels at most."""
    return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)


def _without_cases(bound: Bound, now: float, group: str) -> RuleVerdict:
    """Return the verdict where the baseline has no cases: there is none, or it has a number alone."""
    rule, subject = bound.rule, texts.subject(bound.rule, group, now)
    if bound.baseline is None or group:
        why = bound.no_baseline if bound.baseline is None else "the baseline kept no cases to compare with"
        return RuleVerdict(bound, now, "held", f"{subject}: {why}", group=group)
    assert rule.confidence is not None
    change = now - bound.baseline
    words = f"{subject} {texts.changed(change)}" + (f" from {texts.number(bound.baseline)}" if change else "")
    text = f"{words}. The baseline kept no cases, so a change can't be told from chance: its next run keeps them"
    compared = Comparison("number", "none", None, rule.confidence, 1, 0)
    return RuleVerdict(bound, now, "unclear", text, compared)


def _of_means(bound: Bound, new: Mapping[str, float], base: Mapping[str, float]) -> _Candidate | RuleVerdict:
    """Return the comparison of the mean of cells with that of the baseline, by their spread."""
    rule, now = bound.rule, fmean(new.values())
    subject = texts.subject(rule, "", now)
    if not base:
        return RuleVerdict(bound, now, "held", f"{subject}: {bound.no_baseline}")
    if min(len(new), len(base)) < 2:
        return RuleVerdict(bound, now, "unclear", f"{subject} can't be compared: one cell has no spread")
    is_paired = new.keys() == base.keys()
    before = [base[cell] for cell in new] if is_paired else list(base.values())
    estimate = spread(list(new.values()), before, is_paired)
    note = f"by the spread of {len(new)} cells{'' if is_paired else f', and of {len(base)} others of the baseline'}"
    is_same = is_paired and list(new.values()) == before
    kind: Literal["paired", "independent"] = "paired" if is_paired else "independent"
    limit = _allowed(rule, fmean(before))
    return _Candidate(bound, "", now, estimate, limit, estimate.value, kind, 0, note=note, is_same=is_same)


def _allowed(rule: Rule, before: float) -> float:
    """Return the change that a rule allows, signed."""
    leeway = float(abs(before) * rule.limit if rule.is_relative else rule.limit)
    return -leeway if rule.op == "max_drop" else leeway


def _verdict(each: _Candidate, alpha: float, family: int) -> RuleVerdict:
    low, high = (0.0, 0.0) if each.is_same else each.estimate.interval(alpha)
    judgement: Judgement = "unclear"
    if each.is_same:
        judgement = "held"
    elif each.p <= alpha:
        judgement = "broken"
    elif (low >= each.limit) if each.is_lower else (high <= each.limit):
        judgement = "held"
    compared = Comparison(
        each.kind,
        each.estimate.method,
        Interval(float(low), float(high)),
        1 - alpha,
        family,
        each.cases,
        each.to_wrong,
        each.to_right,
        _smallest(each, alpha),
        each.note,
        each.on,
        *(reversed(each.compared) if each.compared else ()),
    )
    return RuleVerdict(each.bound, each.value, judgement, _text(each, judgement, compared), compared, each.group)


def _smallest(each: _Candidate, alpha: float) -> float | None:
    """Return the smallest change for the worse that such cases show; None for a rule on the other direction."""
    is_worse = each.is_lower != (each.bound.rule.path[-1] in LESS_IS_BETTER)
    if each.change is None or not is_worse or each.bound.rule.aggregate:
        return None
    return float(each.estimate.smallest_change(each.limit, alpha))


def _text(each: _Candidate, judgement: Judgement, compared: Comparison) -> str:
    rule = each.bound.rule
    lead = texts.compared_on(compared, each.bound.baseline)
    subject = f"{texts.subject(rule, each.group, each.value)}{lead}"
    note = f" ({compared.note})" if compared.note else ""
    found = texts.evidence(compared)
    limit = texts.short(abs(each.limit))
    if each.is_same and lead:
        return f"{subject} no prediction changed{note}"
    if each.is_same:
        return f"{subject} is as it was: {'no cell' if rule.aggregate else 'no case'} changed{note}"
    if each.change is None:
        sign = {"held": ("≥", "≤"), "broken": ("<", ">"), "unclear": ("≥", "≤")}[judgement][0 if each.is_lower else 1]
        words = f"{subject} ({found})"
        if judgement == "unclear":
            return f"{words}: the data can't decide whether it is {sign} {texts.number(each.limit)}{note}"
        return f"{words} is {sign} {texts.number(each.limit)}{note}"
    if rule.op == "max_gap":
        side = "behind" if (each.change < 0) == each.is_lower else "ahead of"
        words = f"{subject} is {texts.short(abs(each.change))} {side} the others ({found})"
        doubt = f"the data can't decide whether it is behind by more than {limit}"
    else:
        words = f"{subject} {texts.changed(each.change)} ({found})"
        doubt = f"the data can't decide whether it {'fell' if each.is_lower else 'rose'} by more than {limit}"
    match judgement:
        case "broken":
            return f"{words}, and more than {limit} in all of it{note}"
        case "held":
            return f"{words}, within {limit}{note}"
        case _:
            return f"{words}: {doubt}{texts.smallest(compared, rule)}{note}"
