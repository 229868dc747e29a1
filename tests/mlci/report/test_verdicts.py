"""The verdicts on rules, as each report tells them: what is broken, what can't be told, and what is a mere warning."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime, timezone
from html import unescape
from typing import Any
from xml.etree import ElementTree

import pytest

from mlci.backends.progress import StepState, initial_progress
from mlci.backends.protocol import ExecutionArn, Outcome
from mlci.flow.models import Level, Rule, Unclear
from mlci.gate import Acceptance, Comparison, Interval, RuleVerdict, Verdict
from mlci.gate.verdict import Judgement
from mlci.outcome.conclusion import conclude
from mlci.plan.models import Bound
from mlci.report.console import summary
from mlci.report.html import page
from mlci.report.junit import junit
from mlci.report.markdown import markdown
from mlci.report.result import Result, Status, is_readable, to_json
from mlci.report.signs import OUTCOME_EMOJI, OUTCOME_SIGNS

COMPARED = Comparison("paired", "McNemar", Interval(-0.13, 0.02), 0.975, 2, 42, ("c1", "c2"), (), 0.11, "by hand")


def verdict(judgement: Judgement, level: Level = "block", unclear: Unclear = "warn", group: str = "") -> RuleVerdict:
    rule = Rule(
        "evaluate", ("recall",), "max_drop", 0.02, reads_cases=True, confidence=0.95, level=level, unclear=unclear
    )
    rule = replace(rule, slice="sex" if group else None)
    return RuleVerdict(Bound(rule, 0.93, 0.95), 0.9, judgement, f"the rule is {judgement}", COMPARED, group)


def result(*rules: RuleVerdict) -> Result:
    started = datetime(2026, 11, 23, 10, 15, 30, tzinfo=timezone.utc)
    status = Status.PASSED if Verdict(rules).held else Status.GATE_MISSED
    return Result("small", "20261123-101530-3f9c2a", "local", None, status, started, 1.0, {}, rules, {}, "arn")


@pytest.mark.parametrize(
    ("judged", "outcome"),
    [
        (verdict("held"), "passed"),
        (verdict("accepted"), "accepted"),
        (verdict("broken"), "failed"),
        (verdict("broken", "warn"), "warned"),
        (verdict("broken", "info"), "noted"),
        (verdict("unclear"), "warned"),
        (verdict("unclear", unclear="fail"), "failed"),
        (verdict("unclear", unclear="pass"), "passed"),
        (verdict("unclear", "warn", "fail"), "warned"),
        (verdict("unclear", "info"), "noted"),
    ],
)
def test_every_report_tells_the_same(judged: RuleVerdict, outcome: Any) -> None:
    made = result(judged)
    assert judged.outcome == outcome
    assert (made.exit_code, judged.held) == ((1, False) if outcome == "failed" else (0, True))
    for text in (summary(made, "folder"), markdown(made), unescape(page(made)), junit(made)):
        assert judged.text in text
    assert f"{OUTCOME_SIGNS[outcome]} {judged.text}" in summary(made, "folder")
    assert f"| {OUTCOME_EMOJI[outcome]} |" in markdown(made)
    [case] = ElementTree.fromstring(junit(made)).iter("testcase")
    tags = {
        "failed": "failure",
        "warned": "skipped",
        "accepted": "skipped",
        "noted": "system-out",
        "passed": "system-out",
    }
    assert [each.tag for each in case] == [tags[outcome]]
    found: Any = to_json(made)["rules"]
    assert (found[0]["verdict"], found[0]["held"], found[0]["outcome"]) == (judged.verdict, judged.held, outcome)


def test_the_margin_stands_before_the_reason_of_a_rule() -> None:
    note = "the base branch's rule is in force: removed from the gate"
    bound = Bound(Rule("evaluate", ("auc",), "min", 0.5), 0.5, origin="base", reason="removed from the gate")
    judged = RuleVerdict(bound, 0.75, "held", "evaluate.auc 0.75 ≥ 0.5", notes=(note,))
    assert judged.text == f"evaluate.auc 0.75 ≥ 0.5; {note}"
    assert f"✔ evaluate.auc 0.75 ≥ 0.5, margin 0.25; {note}\n" in summary(result(judged), "folder")


def test_the_last_line_counts_what_was_accepted() -> None:
    assert "small: passed with 1 accepted miss in " in summary(result(verdict("accepted")), "folder")
    rules = (verdict("accepted"), verdict("accepted"), verdict("unclear"))
    assert "small: passed with 1 warning and 2 accepted misses in " in summary(result(*rules), "folder")


def test_result_json_is_schema_2() -> None:
    accepted = Acceptance(
        "evaluate.recall",
        "r",
        "c0ffee",
        "ada",
        "a better cohort",
        date(2027, 1, 1),
        datetime(2026, 12, 1, tzinfo=timezone.utc),
    )
    document: Any = json.loads(
        json.dumps(to_json(result(replace(verdict("accepted", group="f"), acceptance=accepted))))
    )
    assert (document["schema"], is_readable(document), is_readable({**document, "schema": 1})) == (2, True, True)
    assert not is_readable({**document, "schema": 3})
    [rule] = document["rules"]
    assert (rule["level"], rule["slice"], rule["group"], rule["cases"]) == ("block", "sex", "f", 42)
    assert (rule["interval"], rule["confidence"]) == ([-0.13, 0.02], 0.975)
    assert rule["comparison"] == {
        "kind": "paired",
        "method": "McNemar",
        "corrected_for": 2,
        "turned_wrong": 2,
        "turned_right": 0,
        "to_wrong": ["c1", "c2"],
        "to_right": [],
        "smallest_drop": 0.11,
        "note": "by hand",
        "on": "",
        "value": None,
        "baseline": None,
    }
    assert (rule["acceptance"]["by"], rule["acceptance"]["until"]) == ("ada", "2027-01-01")


def test_the_drawing_is_of_what_was_compared() -> None:
    compared = replace(COMPARED, on="on the 30 cases that both have", value=0.75, baseline=0.8)
    judged = replace(verdict("held"), bound=replace(verdict("held").bound, threshold=None), comparison=compared)
    assert "change between -0.13 and 0.02 at 97.5 % confidence, limit -0.02, 42 cases" in page(result(judged))
    assert "<code>evaluate.recall</code> | 0.9 | max_drop 0.02 | 0.95 | -0.05 |" in markdown(result(judged))


def test_a_run_that_misses_no_more_than_warnings_passes() -> None:
    rules = (verdict("broken", "warn"), verdict("broken", "info"), verdict("unclear"))
    outcome = Outcome(ExecutionArn("arn"), "SUCCEEDED")
    assert conclude(outcome, Verdict(rules), initial_progress([])) == (Status.PASSED, "")
    assert "small: passed with 2 warnings in " in summary(result(*rules), "folder")


@pytest.mark.parametrize("status", [Status.FAILED, Status.STOPPED])
def test_a_rule_whose_step_did_not_finish_is_not_judged(status: Status) -> None:
    ended, other = verdict("broken"), verdict("broken")
    other = replace(other, bound=replace(other.bound, rule=replace(other.bound.rule, step="other")))
    steps = {"evaluate": StepState("succeeded"), "other": StepState("skipped")}
    made = replace(result(ended, other), status=status, steps=steps)
    rules = to_json(made)["rules"]
    assert isinstance(rules, list)
    assert [(rule["outcome"], rule["held"]) for rule in rules if isinstance(rule, dict)] == [
        ("failed", False),
        ("not_judged", False),
    ]
    text = 'not judged: step "other" did not finish'
    assert text in unescape(page(made))
    assert "–</span> not judged" in page(made)
    assert text in markdown(made).replace("\\", "").replace("&quot;", '"')
    assert markdown(made).count("| ❌ |") == 1
    assert markdown(made).count("| ➖ |") == 1
    suite = ElementTree.fromstring(junit(made))
    assert [len(suite.findall(f".//testsuite[@name='small.gate']//{tag}")) for tag in ("failure", "skipped")] == [1, 1]
    assert "not_judged" not in str(to_json(replace(made, status=Status.GATE_MISSED)))


def test_each_rule_has_a_test_of_its_own() -> None:
    made = result(verdict("held", group="f"), verdict("held", group="m"), verdict("held"), verdict("held", "warn"))
    assert [case.get("name") for case in ElementTree.fromstring(junit(made)).iter("testcase")] == [
        "evaluate.recall max_drop (sex = f)",
        "evaluate.recall max_drop (sex = m)",
        "evaluate.recall max_drop",
        "evaluate.recall max_drop, warn",
    ]
