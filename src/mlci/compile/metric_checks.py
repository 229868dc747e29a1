"""The states that read metrics from S3, and compare them with the limits in the execution input."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any  # the SDK is untyped: Any stands for its states

from mlci.compile.guards import GATE, Check, Guard
from mlci.compile.states import StateFactory, path_of
from mlci.compile.time_limit import READ_METRICS_S
from mlci.flow.metric_paths import MetricPath, format_metric
from mlci.flow.models import Condition
from mlci.step_types.states import MISSING_METRIC, S3_RETRIES, S3_TRANSIENT_ERRORS

GET_OBJECT = "arn:aws:states:::aws-sdk:s3:getObject"
#: Metrics that are not there yet are looked for again after this time, and after twice as long.
_LATE_WAIT_S, _LATE_ATTEMPTS = 3, 2
#: Where the results of a Map over cells are kept for the state after it.
CELL_RESULTS = "$.found_in_cells"
#: The JSONata of each aggregate of the numbers `$v`.
_AGGREGATES = {
    "mean": "$average($v)",
    "min": "$min($v)",
    "max": "$max($v)",
    "std": "($m := $average($v); $sqrt($average($map($v, function($x) { ($x - $m) * ($x - $m) }))))",
}
#: More than the rounding errors of these, in parts of the sum of all numbers.
_ROUNDING = "1e-12"


class MetricChecks(StateFactory):
    """Makes the states of guards. `late_metrics` are steps whose metrics may reach S3 after their job's end."""

    late_metrics: frozenset[str] = frozenset()

    def _check(self, guard: Guard, then: Any, otherwise: Any) -> Any:
        """Read the metrics that a guard needs, and go on by whether all of its comparisons hold."""
        numbered = list(enumerate(guard.checks))
        entry = then
        for number, check in numbered:
            if check.aggregate:
                entry = self._aggregate(guard, number, check, entry, otherwise)
        each: dict[str, list[Check]] = {}
        for _, check in numbered:
            if check.scope == "cells" and not check.aggregate:
                each.setdefault(check.step, []).append(check)
        for step, checks in each.items():
            entry = self._each_cell(guard, step, checks, entry, otherwise)
        own = [(number, check) for number, check in numbered if check.scope != "cells"]
        return self._own_metrics(guard, own, entry, otherwise) if own else entry

    def _own_metrics(self, guard: Guard, checks: Sequence[tuple[int, Check]], then: Any, otherwise: Any) -> Any:
        choice = self.sdk.Choice(self._name(f"{guard.owner}: holds?"))
        limits = path_of("$.gate") if guard.owner == GATE else path_of("$.steps", guard.owner, "when")
        rules: list[Any] = []
        connected: dict[int, Any] = {}
        for number, check in checks:
            value = path_of("$.metrics", check.step, "found", *check.path)
            found = self._rules(value, f"{limits}[{number}]", check.is_lower, check.is_negated)
            if check.place:
                connected[check.place] = self.sdk.ChoiceRule.And(found)
            else:
                rules += found
        rules += [self._connected(condition, connected) for condition in guard.conditions]
        choice.add_choice(self.sdk.ChoiceRule.And(rules), then)
        choice.default_choice(otherwise)
        entry = choice
        for step in reversed(list(dict.fromkeys(check.step for _, check in checks))):
            place, result = path_of("$.steps", step, "metrics"), path_of("$.metrics", step)
            entry = self._read_metrics(f"{guard.owner}: read metrics of {step}", step, place, result, entry)
        return entry

    def _each_cell(self, guard: Guard, step: str, checks: Sequence[Check], then: Any, otherwise: Any) -> Any:
        """Compare the metrics of each cell of a step with its own limits, in the iterations of a Map."""
        choice = self.sdk.Choice(self._name(f"{guard.owner}: holds for a cell of {step}?"))
        rules = [
            rule
            for number, check in enumerate(checks)
            for rule in self._rules(path_of("$.metrics.found", *check.path), f"$.limits[{number}]", check.is_lower)
        ]
        missed = self._ended(f"{guard.owner}: missed by a cell of {step}", {"missed": True})
        choice.add_choice(self.sdk.ChoiceRule.And(rules), self._ended(f"{guard.owner}: held by a cell of {step}", {}))
        choice.default_choice(missed)
        cells = self._read_cells(guard, step, f"{guard.owner}: check each cell of {step}", choice, "missed")
        verdict = self.sdk.Choice(self._name(f"{guard.owner}: holds for each cell of {step}?"))
        verdict.add_choice(self.sdk.ChoiceRule.IsPresent(f"{CELL_RESULTS}.missed[0]", True), otherwise)
        verdict.default_choice(then)
        cells.next(verdict)
        return cells

    def _aggregate(self, guard: Guard, index: int, check: Check, then: Any, otherwise: Any) -> Any:
        """Compare one number of all cells of a step, in JSONata: the intrinsic functions add integers only.

        Its doubles may lie a rounding error beside the exact number, by which mlci judges in the end, so the comparison
        leaves room for that: what holds exactly holds here, too.
        """
        metric = f"{check.aggregate}({format_metric(check.step, check.path)})"
        number = self._number_of_cell(f"{guard.owner}: {metric}", path_of("$.metrics.found", *check.path), {})
        cells = self._read_cells(guard, check.step, f"{guard.owner}: read each cell for {metric}", number, "value")
        limits = ("gate",) if guard.owner == GATE else ("steps", guard.owner, "when")
        limit = f"{jsonata_path(*limits)}[{index}]"
        count = f"$count({jsonata_path(*_cells_of(guard), check.step)})"
        condition = aggregate_condition(check, f"{jsonata_path('found_in_cells')}.value", count, limit)
        cells.next(self._condition(f"{guard.owner}: holds {metric}?", condition, then, otherwise))
        return cells

    def _read_cells(self, guard: Guard, step: str, name: str, after: Any, kept: str) -> Any:
        """Return a Map that reads the metrics of each cell, goes on with `after`, and keeps what has a field `kept`."""
        return self._map_cells(name, step, path_of("$", *_cells_of(guard), step), after, {f"{kept}.$": f"$[*].{kept}"})

    def _map_cells(self, name: str, step: str, items: str, after: Any, selector: Mapping[str, str]) -> Any:
        """Return a Map over places of metrics, which reads each and goes on with `after`."""
        read = self._read_metrics(f"{name}: read metrics", step, "$.metrics", "$.metrics", after)
        cells = self.sdk.Map(self._name(name), iterator=read, items_path=items, result_path=CELL_RESULTS)
        self.extra[cells.state_id] = {"ResultSelector": dict(selector)}
        return cells

    def _number_of_cell(self, title: str, value: str, kept: Mapping[str, str]) -> Any:
        """Return the states that end an iteration with the number at a path, beside what is `kept`; or with nothing."""
        rule = self.sdk.ChoiceRule
        kinds = self.sdk.Choice(self._name(f"{title}: a number?"))
        is_there = rule.IsPresent(value, True)
        for word, condition, output in (
            ("number", rule.IsNumeric(value, True), {"value.$": value}),
            ("true", rule.BooleanEquals(value, True), {"value": 1}),
            ("false", rule.BooleanEquals(value, False), {"value": 0}),
        ):
            end = self.sdk.Pass(self._name(f"{title}: {word}"), parameters={**output, **kept})
            kinds.add_choice(rule.And([is_there, condition]), end)
        kinds.default_choice(self._ended(f"{title}: none", {}))
        return kinds

    def _connected(self, condition: Condition | int, rules: Mapping[int, Any]) -> Any:
        """Return a condition as a Choice rule. `rules` has those of its rules by their places."""
        if isinstance(condition, int):
            return rules[condition]
        parts = [self._connected(part, rules) for part in condition.parts]
        return self.sdk.ChoiceRule.Or(parts) if condition.kind == "any" else self.sdk.ChoiceRule.And(parts)

    def _rules(self, value: str, limit: str, is_lower: bool, is_negated: bool = False) -> list[Any]:
        """Return the conditions that the number at one path, or the boolean, meets the limit at another.

        If `is_negated`, they are that it is there, and misses the limit.
        """
        rule = self.sdk.ChoiceRule
        if is_negated:
            compare = rule.NumericLessThanPath if is_lower else rule.NumericGreaterThanPath
            is_met = rule.NumericGreaterThan if is_lower else rule.NumericLessThan
        else:
            compare = rule.NumericGreaterThanEqualsPath if is_lower else rule.NumericLessThanEqualsPath
            is_met = rule.NumericLessThanEquals if is_lower else rule.NumericGreaterThanEquals
        holds = [
            [rule.IsNumeric(value, True), compare(value, limit)],
            *([rule.BooleanEquals(value, truth), is_met(limit, int(truth))] for truth in (True, False)),
        ]
        return [rule.IsPresent(value, True), rule.Or([rule.And(conditions) for conditions in holds])]

    def _read_metrics(self, name: str, step: str, place: str, result: str, after: Any) -> Any:
        """Put the metrics that lie at a place at `<result>.found`.

        A file that is missing or no JSON leaves an error there instead, so that every rule on it is missed. A file that
        S3 does not hand out ends the run.
        """
        task = self.sdk.Task(
            self._name(name),
            resource=self._integration(GET_OBJECT),
            parameters={"Bucket.$": f"{place}.bucket", "Key.$": f"{place}.key"},
            result_path=result,
            timeout_seconds=READ_METRICS_S,
        )
        self.extra[task.state_id] = {"ResultSelector": {"found.$": "States.StringToJson($.Body)"}}
        task.add_retry(self._retry(S3_TRANSIENT_ERRORS))
        if step in self.late_metrics:
            task.add_retry(self._retry(("S3.NoSuchKeyException",), wait_s=_LATE_WAIT_S, attempts=_LATE_ATTEMPTS))
        fail = self._fail(f"{task.state_id}: failed", f"the metrics of step {step} could not be read")
        again = self._try_again(task.state_id, task, S3_RETRIES, f"{place}.attempt", fail)
        task.add_catch(self._catch(again, dict.fromkeys(error for rule in S3_RETRIES for error in rule.errors)))
        for errors in (["States.DataLimitExceeded"], ["States.ALL"]):
            task.add_catch(self.sdk.Catch(error_equals=errors, result_path=result, next_step=after))
        return self._then(task, after)


def aggregate_condition(check: Check, values: str, count: str, limit: str) -> str:
    """Return the JSONata condition that an aggregate holds, from expressions for its numbers and the others."""
    assert check.aggregate is not None
    compared = f"$a + $r >= {limit}" if check.is_lower else f"$a - $r <= {limit}"
    is_computed = check.aggregate in ("mean", "std")
    rounding = f"{_ROUNDING} * $sum($map($v, function($x) {{ $abs($x) }}))" if is_computed else "0"
    holds = f"($a := {_AGGREGATES[check.aggregate]}; $r := {rounding}; {compared})"
    return f"($v := {values}; $count($v) = {count} and {holds})"


def message_text(texts: str, metrics: Sequence[tuple[str, MetricPath]]) -> str:
    """Return the JSONata of a message: the texts at a path, with the metrics that were read between them.

    >>> message_text("$.steps.stop.message", [("evaluate", ("auc",))])[:44]
    '$states.input.steps.stop.message[0] & ($v :='
    """
    texts = jsonata_of(texts)
    parts = [f"{texts}[0]"]
    for index, (step, path) in enumerate(metrics, 1):
        value = jsonata_path("metrics", step, "found")
        for key in path:
            value = f"{value}[{key}]" if isinstance(key, int) else f"$lookup({value}, {json.dumps(key)})"
        parts += [f"($v := {value}; $exists($v) ? $string($v) : '{MISSING_METRIC}')", f"{texts}[{index}]"]
    return " & ".join(parts)


def rejection_text(step: str, decision: str) -> str:
    """Return the JSONata of the reason that a run ends with where the decision at a path is not to approve."""
    decision = jsonata_of(decision)
    by, reason = (f"$string({decision}.{field})" for field in ("by", "reason"))
    return (
        f"{json.dumps(step)} & ' was rejected' & ($exists({decision}.by) ? ' by ' & {by} : '')"
        f" & ({decision}.reason ? ': ' & {reason} : '')"
    )


def jsonata_of(path: str) -> str:
    """Return a reference path as JSONata: one into the state's input, or into a workflow variable.

    >>> jsonata_of("$.steps['train-a'].job"), jsonata_of("$found.a")
    ('$states.input.steps.`train-a`.job', '$found.a')
    """
    root = path if re.match(r"\$\w", path) else "$states.input" + path.removeprefix("$")
    return root.replace("['", ".`").replace("']", "`")


def _cells_of(guard: Guard) -> tuple[str, ...]:
    """Return the keys in the execution input of the cells that a guard compares, by step."""
    return ("gate_cells",) if guard.owner == GATE else ("steps", guard.owner, "when_cells")


def jsonata_path(*keys: str) -> str:
    return "$states.input" + "".join(f".`{key}`" for key in keys)
