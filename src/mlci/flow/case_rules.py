"""The keys of a rule that say how cases are compared, and how much a miss weighs.

A rule compares an interval with its limit where it has a `confidence`, and a number elsewhere. The metrics that cases
give are known by their names, whatever else the step writes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

from mlci.flow.metric_paths import MetricPath
from mlci.flow.models import CaseMetric, Json, Op, Rule
from mlci.flow.problems import Candidates, Problems, listed
from mlci.flow.reference_check import StepInterface
from mlci.flow.schema_models import RuleModel
from mlci.flow.yaml_document import Path
from mlci.flow.yaml_scalars import describe

CASE_METRICS: tuple[str, ...] = get_args(CaseMetric)
#: Those of one class, which `positive` names.
_OF_A_CLASS = ("recall", "precision", "f1", "auc")
#: The columns of cases that have a meaning of their own; `label` and `predicted` have groups as well.
_NO_GROUPS = ("id", "score", "baseline_predicted", "baseline_score")
DEFAULT_CONFIDENCE = 0.95
_LEAST_CONFIDENCE, _MOST_CONFIDENCE = 0.5, 0.999
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,9})?) ?%")
#: Without these keys, a rule compares numbers, as the state machine does.
_KEYS = ("confidence", "confidence_on", "unclear", "level", "slice", "min_cases", "max_gap", "positive")
#: The limits that compare with the baseline.
_CHANGES: tuple[Op, ...] = ("max_drop", "max_rise")


def reads_cases(path: MetricPath, step: StepInterface | None) -> bool:
    """Return True if a metric of a step is one that its cases give."""
    return step is not None and step.has_cases and len(path) == 1 and path[0] in CASE_METRICS


def check_case_metric(step: str, path: MetricPath, place: Path, problems: Problems) -> None:
    """Report a metric that the cases of a step do not give, where it writes no other metrics."""
    what = f'the cases of step "{step}" give no metric "{_shown(path)}"'
    hint = f'They give {listed(CASE_METRICS)}. For others, give "{step}" a "metrics: <output>/<file>.json"'
    problems.at(place, what, hint, Candidates(_shown(path), CASE_METRICS))


def without_case_keys(item: Mapping[str, Json], path: Path, problems: Problems) -> None:
    """Report the keys of a rule in an `if` that only the gate takes."""
    for key in _KEYS:
        if key in item and not problems.is_suspect((*path, key)):
            what = f'"{key}" is for rules of the gate: an "if" is judged while the flow runs, by numbers alone'
            problems.at_key((*path, key), what, "Remove it, or put the rule into the gate and use after: gate")


def with_options(
    rules: list[Rule], item: Mapping[str, Json], model: RuleModel, path: Path, problems: Problems
) -> list[Rule]:
    """Return the rules that are written as one with its keys on cases and on its level. What is wrong is reported."""
    if not rules:
        return rules
    options = _Options(rules[0], item, model, path, problems)
    options.check()
    confidence = options.confidence()
    return [
        replace(
            rule,
            level=model.level or rule.level,
            confidence=confidence if options.compares_intervals(rule.op) else None,
            unclear=model.unclear or rule.unclear,
            slice=model.slice,
            min_cases=rule.min_cases if model.min_cases is None else model.min_cases,
            positive=model.positive,
        )
        for rule in rules
    ]


class _Options:
    """The keys of one written rule. `rule` is one of the rules that it becomes."""

    def __init__(self, rule: Rule, item: Mapping[str, Json], model: RuleModel, path: Path, problems: Problems) -> None:
        self.rule, self.item, self.model, self.path, self.problems = rule, item, model, path, problems
        self.ops = tuple(op for op in get_args(Op) if getattr(model, op) is not None)

    def compares_intervals(self, op: Op) -> bool:
        """Return True if a limit of the rule is compared with an interval."""
        if self.rule.aggregate:
            return self.rule.aggregate == "mean" and op in _CHANGES and self.model.confidence is not None
        is_compared = op in _CHANGES or self.model.slice is not None or self.model.confidence_on is not None
        return self.rule.reads_cases and is_compared

    def check(self) -> None:
        for key in _KEYS:
            what, hint = getattr(self, f"_{key}")() if self._is_written(key) else ("", "")
            if what:
                self.problems.at_key((*self.path, key), what, hint)

    def confidence(self) -> float:
        """Return the confidence that is written, or the default."""
        value, path = self.model.confidence, (*self.path, "confidence")
        if value is None or self.problems.is_suspect(path):
            return DEFAULT_CONFIDENCE
        number = value
        if isinstance(number, str):
            match = _PERCENT.fullmatch(number)
            if match is None:
                self.problems.at(path, f'"confidence" must be a percentage, but is {describe(value)}', 'Such as "95%"')
                return DEFAULT_CONFIDENCE
            number = float(match[1]) / 100
        elif _LEAST_CONFIDENCE <= number / 100 <= _MOST_CONFIDENCE:
            what = f'"confidence" must be below 1, but is {describe(self.item["confidence"])}'
            self.problems.at(path, what, f"Did you mean {number:g}%?")
            return DEFAULT_CONFIDENCE
        if not _LEAST_CONFIDENCE <= number <= _MOST_CONFIDENCE:
            what = f'"confidence" must be from 50% to 99.9%, but is {describe(value)}'
            self.problems.at(path, what, 'Such as "95%"')
            return DEFAULT_CONFIDENCE
        return number

    def _is_written(self, key: str) -> bool:
        return key in self.item and not self.problems.is_suspect((*self.path, key))

    def _confidence(self) -> tuple[str, str]:
        if not self.rule.reads_cases and not self.rule.aggregate:
            return self._needs_cases("confidence")
        if any(map(self.compares_intervals, self.ops)):
            return "", ""
        if self.rule.aggregate:
            what = '"confidence" is for max_drop and max_rise of a mean, which it judges by the spread of the cells'
            return what, "Remove it, or write aggregate: mean and max_drop"
        what = '"confidence" is for max_drop, max_rise and slices; min and max judge the number itself'
        return what, 'Remove it, or add "confidence_on: all"'

    def _confidence_on(self) -> tuple[str, str]:
        return ("", "") if self.rule.reads_cases and not self.rule.aggregate else self._needs_cases("confidence_on")

    def _unclear(self) -> tuple[str, str]:
        if any(map(self.compares_intervals, self.ops)):
            return "", ""
        if not self.rule.reads_cases:
            return self._needs_cases("unclear")
        return '"unclear" is for max_drop, max_rise and slices: a number is never unclear', "Remove it"

    def _level(self) -> tuple[str, str]:
        return "", ""

    def _slice(self) -> tuple[str, str]:
        if not self.rule.reads_cases or self.rule.aggregate:
            return self._needs_cases("slice")
        if self.model.slice in _NO_GROUPS or not self.model.slice:
            what = f'"slice" names a column with groups of cases, and "{self.model.slice}" has none'
            return what, f"Name a column of your own, and not one of {listed(('id', *_NO_GROUPS[1:]))}"
        return "", ""

    def _min_cases(self) -> tuple[str, str]:
        if self.model.slice is None:
            return '"min_cases" is the size of the smallest group of a slice', 'Remove it, or add "slice: <column>"'
        return "", ""

    def _max_gap(self) -> tuple[str, str]:
        if self.model.slice is None:
            what = '"max_gap" is how far a group of cases may lie behind the others'
            return what, 'Add "slice: <column>", or use "max_drop" for the change since the baseline'
        return "", ""

    def _positive(self) -> tuple[str, str]:
        if not self.rule.reads_cases:
            return self._needs_cases("positive")
        if self.rule.path[0] not in _OF_A_CLASS:
            return f'"positive" means nothing for {self.rule.path[0]}', f"It is for {listed(_OF_A_CLASS)}"
        return "", ""

    def _needs_cases(self, key: str) -> tuple[str, str]:
        """Return what is wrong with a key where the rule reads no cases, and what to do about it."""
        step, has_cases = self.rule.step, self.rule.reads_cases
        if has_cases:
            return f'"{key}" is for a rule without "aggregate"', 'Remove "aggregate", and each cell is judged'
        what = f'"{key}" is for metrics of cases, and "{self.rule.metric}" is none'
        return what, f'Give "{step}" a "cases: <output>/<file>.csv", and name one of {listed(CASE_METRICS)}'


def _shown(path: MetricPath) -> str:
    return ".".join(map(str, path))
