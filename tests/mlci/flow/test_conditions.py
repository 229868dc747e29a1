"""`if` with `any`, `all` and `not`: what is read of it, and what is refused."""

from __future__ import annotations

import pytest

from mlci.errors import InputError
from mlci.flow import dependencies, load
from mlci.flow.conditions import MAX_DEPTH
from mlci.flow.models import Condition, Flow

FLOW = """flow: choose
defaults: {image: "mine.example/image:7"}
steps:
  a: {uses: processing, run: a.py, outputs: [out], metrics: out/m.json}
  b: {uses: processing, run: a.py, outputs: [out], metrics: out/m.json}
  cells: {uses: processing, run: a.py, matrix: {fold: [1, 2]}, outputs: [out], metrics: out/m.json}
  then: {uses: wait, seconds: 1, if: %s}
"""


def flow(condition: str) -> Flow:
    return load((FLOW % condition).encode(), "flow.yaml")


def read(condition: str) -> tuple[list[tuple[str, str, float, int, bool]], tuple[Condition, ...]]:
    step = flow(condition).steps["then"]
    return [(rule.metric, rule.op, rule.limit, rule.place, rule.is_negated) for rule in step.when], step.conditions


@pytest.mark.parametrize(
    ("condition", "rules", "conditions"),
    [
        ("[{metric: a.x, min: 1}]", [("a.x", "min", 1, 0, False)], ()),
        (
            "{any: [{metric: a.x, min: 1}, {metric: b.y, max: 2}]}",
            [("a.x", "min", 1, 1, False), ("b.y", "max", 2, 2, False)],
            (Condition("any", (1, 2)),),
        ),
        ("[{any: [{metric: a.x, min: 1}]}]", [("a.x", "min", 1, 1, False)], (Condition("any", (1,)),)),
        ("{not: {metric: a.x, min: 1}}", [("a.x", "min", 1, 1, True)], (Condition("all", (1,)),)),
        ("{not: {not: {metric: a.x, min: 1}}}", [("a.x", "min", 1, 1, False)], (Condition("all", (1,)),)),
        (
            "{not: {any: [{metric: a.x, min: 1, max: 2}, {all: [{metric: b.y, max_drop: 2%}]}]}}",
            [("a.x", "min", 1, 1, True), ("a.x", "max", 2, 2, True), ("b.y", "max_drop", 0.02, 3, True)],
            (Condition("all", (Condition("any", (1, 2)), Condition("any", (3,)))),),
        ),
        (
            "[{metric: a.x, min: 1}, {any: [{metric: a.x, min: 3}, {metric: a.x, max: 2}]}, {metric: cells.z, max: 1}]",
            [
                ("a.x", "min", 1, 0, False),
                ("cells(fold=1).z", "max", 1, 0, False),
                ("cells(fold=2).z", "max", 1, 0, False),
                ("a.x", "min", 3, 1, False),
                ("a.x", "max", 2, 2, False),
            ],
            (Condition("any", (1, 2)),),
        ),
    ],
)
def test_each_form_is_read(
    condition: str, rules: list[tuple[str, str, float, int, bool]], conditions: tuple[Condition, ...]
) -> None:
    assert read(condition) == (rules, conditions)


def test_a_step_waits_for_every_metric_in_its_condition() -> None:
    found = flow("{any: [{metric: a.x, min: 1}, {not: {metric: b.y, max: 2}}]}")
    assert dependencies(found)["then"] == {"a", "b"}


DEEP = "{not: " * MAX_DEPTH + "{metric: a.x, min: 1}" + "}" * MAX_DEPTH


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("{any: []}", '7:44: "any" must be a list of rules, but is empty'),
        ("{any: {metric: a.x, min: 1}}", '7:44: "any" must be a list of rules, but is a mapping'),
        ("{any: [1]}", '7:45: item 1 of "any" must be a rule, but is the integer 1'),
        ("{not: [{metric: a.x, min: 1}]}", '7:44: "not" takes one rule or condition, but is a list. Write not: {any:'),
        ("{not: 3}", '7:44: the item in "not" must be a rule, but is the integer 3'),
        ("{not: {metric: a.x}}", '7:44: the rule in "not" has no limit'),
        ("{any: [{metric: a.x, mn: 1}]}", 'unknown key "mn" in rule 1 of "any"'),
        (
            "{any: [{metric: c.x, min: 1}]}",
            '7:54: "if" of step "then" reads a metric of step "c", which does not exist',
        ),
        ("{any: [{metric: a.x, min: 1}], metric: a.x}", '7:69: "any" stands alone, and "metric" is beside it'),
        ("{metric: a.x, min: 1}", '7:38: "if" must be a list of rules, but is a mapping'),
        ("{any: [{metric: cells.z, min: 1}]}", 'rule 1 of "any" compares a metric of step "cells", which has a matrix'),
        ("{any: [{metric: then.x, min: 1}]}", 'reads a metric of step "then", which writes none'),
        (f"{{not: {DEEP}}}", f'"if" is nested too deeply: {MAX_DEPTH} levels are the most'),
    ],
)
def test_what_is_wrong_is_refused(condition: str, expected: str) -> None:
    with pytest.raises(InputError) as raised:
        flow(condition)
    assert expected in str(raised.value)
    flow(DEEP)


def test_every_rule_of_the_gate_must_hold() -> None:
    text = FLOW % "[{metric: a.x, min: 1}]" + "gate: [{any: [{metric: a.x, min: 1}]}]\n"
    with pytest.raises(InputError, match=r'8:9: "any" is for the "if" of a step: every rule of the gate must hold'):
        load(text.encode(), "flow.yaml")
