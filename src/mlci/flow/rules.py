"""Reads the rules on metrics, of the gate and of `if`."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import get_args

from mlci.flow.case_rules import check_case_metric, reads_cases, with_options, without_case_keys
from mlci.flow.invalid_value import InvalidValue
from mlci.flow.measured import check_measured
from mlci.flow.metric_paths import MetricPath, parse_metric
from mlci.flow.models import RUN, Json, Op, Rule
from mlci.flow.problems import Problems, listed
from mlci.flow.reference_check import StepInterface, check_step, metrics_hint
from mlci.flow.schema_models import RuleModel
from mlci.flow.validation_messages import validated
from mlci.flow.yaml_document import Path
from mlci.flow.yaml_scalars import describe

OPS: tuple[Op, ...] = get_args(Op)
#: The words that make a condition of rules.
CONNECTIVES = ("any", "all", "not")
_PERCENT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?%")
_HINT = 'Write "- metric: <step>.<name>" and "min: <number>" below it'


def build_rules(
    written: Json,
    path: Path,
    reader: str,
    steps: Mapping[str, StepInterface],
    problems: Problems,
    left_out: Container[str | int] = (),
) -> tuple[Rule, ...]:
    """Returns the rules of the list at this path, without the items that are left out.

    `reader` names the reader of the metrics in messages: `the gate`.
    """
    if not isinstance(written, list):
        if not problems.is_suspect(path):
            problems.at(path, f'"{path[-1]}" must be a list of rules, but is {describe(written)}', _HINT)
        return ()
    if not written:
        problems.at(path, f'"{path[-1]}" has no rules', f"{_HINT}, or remove the key")
    built = [
        (rule, (*path, index, rule.op))
        for index, item in enumerate(written)
        if index not in left_out
        for rule in build_rule(item, (*path, index), reader, steps, problems)
    ]
    _check_together(built, problems)
    return tuple(rule for rule, _ in built)


def build_rule(
    item: Json, path: Path, reader: str, steps: Mapping[str, StepInterface], problems: Problems
) -> list[Rule]:
    """Returns the rules that are written as one: a rule with two limits is two."""
    if not isinstance(item, dict):
        if not problems.is_suspect(path):
            problems.at(path, f"{rule_label(path, 'item')} must be a rule, but is {describe(item)}", _HINT)
        return []
    if connective := next((name for name in CONNECTIVES if name in item and path[0] == "gate"), None):
        what = f'"{connective}" is for the "if" of a step: every rule of the gate must hold'
        problems.at_key((*path, connective), what, "Write its rules as items of the gate")
        return []
    model = validated(RuleModel, item, path, {"metric": ""}, problems)
    if item.keys().isdisjoint(OPS):
        hint = 'Give it "max_gap", or another limit' if "slice" in item else f"Give it {listed(OPS[:-1], 'or')}"
        problems.at(path, f"{rule_label(path)} has no limit", hint)
    step, metric = _metric(model.metric, (*path, "metric"), problems)
    is_of_gate = path[0] == "gate"
    has_cases = is_of_gate and reads_cases(metric, steps.get(step))
    if metric and step == RUN:
        check_measured(metric, item, path, steps, problems)
    elif metric and not has_cases:
        _check_metric(step, metric, (*path, "metric"), reader, steps, problems)
    if model.aggregate and metric and step in steps and not steps[step].has_cells:
        what = f'"aggregate" makes one number of all cells of a matrix, and step "{step}" has none'
        problems.at_key((*path, "aggregate"), what, "Remove it")
    limits = [(op, _limit(_as_written(getattr(model, op), item.get(op)), (*path, op), problems)) for op in OPS]
    rules = [
        Rule(
            step,
            metric,
            op,
            *limit,
            model.aggregate,
            reads_cases=has_cases,
            position=problems.position((*path, op)),
            param=problems.read_param((*path, op)),
        )
        for op, limit in limits
        if limit and metric
    ]
    if step == RUN:
        return [replace(rule, level=model.level or rule.level, unclear=model.unclear or rule.unclear) for rule in rules]
    if is_of_gate:
        return with_options(rules, item, model, path, problems)
    without_case_keys(item, path, problems)
    return rules


def rule_label(path: Path, noun: str = "rule") -> str:
    """Returns a rule's name in messages.

    >>> rule_label(("gate", 0)), rule_label(("steps", "a", "if", "not"))
    ('rule 1 of "gate"', 'the rule in "not"')
    """
    return f'{noun} {path[-1] + 1} of "{path[-2]}"' if isinstance(path[-1], int) else f'the {noun} in "{path[-1]}"'


def _metric(written: str, path: Path, problems: Problems) -> tuple[str, MetricPath]:
    """Return the step and the path of a metric; the path is empty where the name is wrong, which is reported."""
    if not written or problems.is_suspect(path):
        return "", ()
    try:
        return parse_metric(written)
    except InvalidValue as invalid:
        problems.at(path, invalid.what, invalid.hint)
        return "", ()


def _check_metric(
    step: str, metric: MetricPath, path: Path, reader: str, steps: Mapping[str, StepInterface], problems: Problems
) -> None:
    if not check_step(path, None, step, f"{reader} reads a metric of", steps, problems):
        return
    if steps[step].writes_metrics is not False:
        return
    if not steps[step].has_cases:
        what = f'{reader} reads a metric of step "{step}", which writes none'
        problems.at(path, what, metrics_hint(step, steps[step]))
    elif path[0] == "gate":
        check_case_metric(step, metric, path, problems)
    else:
        what = f'{reader} reads a metric of the cases of step "{step}": only the gate judges cases, after the steps'
        problems.at(path, what, metrics_hint(step, steps[step]))


def _as_written(value: float | str | None, written: Json) -> float | str | None:
    """Returns the validated value; an integer stays one, for a float has fewer digits."""
    return written if isinstance(value, float) and isinstance(written, int) else value


def _limit(value: float | str | None, path: Path, problems: Problems) -> tuple[float, bool] | None:
    """Returns the limit and whether it is relative; None if there is no valid one."""
    if value is None or problems.is_suspect(path):
        return None
    limit, is_relative = value, False
    if isinstance(limit, str):
        match = _PERCENT.fullmatch(limit)
        if match is None:
            problems.at(
                path, f'"{path[-1]}" must be a number or a percentage, but is {describe(value)}', 'Such as "2%"'
            )
            return None
        limit, is_relative = float(Decimal(match[1]) / 100), True
    if limit < 0 and path[-1] not in ("min", "max"):
        problems.at(path, f'"{path[-1]}" must be at least 0, but is {describe(value)}', "Write how far, without a sign")
        return None
    return limit, is_relative


def _check_together(built: list[tuple[Rule, Path]], problems: Problems) -> None:
    """No two rules of one list may contradict or repeat each other."""
    seen: dict[tuple[object, Op], Rule] = {}
    for rule, path in built:
        judged = (rule.metric, rule.slice, rule.level)
        if (judged, rule.op) in seen:
            what = f'"{rule.metric}" has a "{rule.op}" already'
            problems.at(path, what, "Keep one of the two")
            continue
        seen[judged, rule.op] = rule
        least, most = seen.get((judged, "min")), seen.get((judged, "max"))
        if rule.op in ("min", "max") and least and most and least.limit > most.limit:
            what = f'"{rule.metric}" cannot be at least {least.limit!r} and at most {most.limit!r}'
            problems.at(path, what, "Swap or correct the limits")
