"""Verdicts on what a run measures."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.flow.models import Rule, Unclear
from mlci.gate import Measurement, Measurements, RuleVerdict, judge
from mlci.plan.thresholds import bounds

COST = Rule("run", ("cost_usd",), "max", 0.5)
SECONDS = Rule("run", ("steps", "train", "seconds"), "max", 60)


def judged(rule: Rule, measurements: Measurements) -> RuleVerdict:
    [verdict] = judge(bounds([rule], {}), {}, measurements).rules
    return verdict


def test_a_number_within_its_budget_holds_and_says_what_it_is_of() -> None:
    verdict = judged(COST, {COST.path: Measurement(0.25, "estimated")})
    assert (verdict.verdict, verdict.value, verdict.margin) == ("held", 0.25, 0.25)
    assert verdict.text == "run.cost_usd 0.25 ≤ 0.5 (estimated)"


def test_a_number_beyond_its_budget_blocks() -> None:
    verdict = judged(SECONDS, {SECONDS.path: Measurement(61.5)})
    assert (verdict.verdict, verdict.held) == ("broken", False)
    assert verdict.text == "run.steps.train.seconds 61.5 ≤ 60 is missed by 1.5"


@pytest.mark.parametrize(("unclear", "held"), [("warn", True), ("pass", True), ("fail", False)])
def test_what_is_not_known_is_unclear_and_the_rule_says_what_that_means(unclear: Unclear, held: bool) -> None:
    rule = replace(COST, unclear=unclear)
    verdict = judged(rule, {COST.path: Measurement(None, "no price for ml.x")})
    assert (verdict.verdict, verdict.value, verdict.held) == ("unclear", None, held)
    assert verdict.text == "run.cost_usd can't be judged: no price for ml.x"
    assert judged(rule, {}).text == "run.cost_usd can't be judged: it was not measured"


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=5), st.floats(0, 1e6))
def test_the_longest_cell_is_judged_as_one_number(seconds: list[float], limit: float) -> None:
    cells = tuple(f"train(fold={index})" for index in range(len(seconds)))
    rule = replace(SECONDS, limit=limit, aggregate="max", cells=cells)
    measured = {rule.of_step(cell).path: Measurement(value) for cell, value in zip(cells, seconds, strict=True)}
    assert judged(rule, measured).verdict == ("held" if max(seconds) <= limit else "broken")
    unknown = {**measured, rule.of_step(cells[-1]).path: Measurement(None, "its record is old")}
    assert judged(rule, unknown).verdict == "unclear"
