"""One result, rendered: every report tells the same, and holds what hostile texts put into it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from html import unescape
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.backends.progress import StepState
from mlci.flow.models import Rule
from mlci.gate import judge, parse_metrics
from mlci.plan.thresholds import bounds
from mlci.report.console import summary
from mlci.report.flow_graph import FlowGraph, Node
from mlci.report.html import page
from mlci.report.junit import junit
from mlci.report.markdown import markdown
from mlci.report.result import Result, Status, to_json
from mlci.reuse.differences import Explanation

START = datetime(2026, 11, 23, 10, 15, 30, tzinfo=timezone.utc)


def result(status: Status = Status.GATE_MISSED, reason: str = "because", log: str = "the last line") -> Result:
    rules = bounds([Rule("evaluate", ("auc",), "min", 0.9999), Rule("evaluate", ("recall",), "min", 0.9)], {})
    metrics = {"evaluate": parse_metrics(b'{"auc": 0.9951, "recall": 0.95}')}
    return Result(
        flow="breast-cancer",
        run_id="20261123-101530-3f9c2a",
        cloud="local",
        commit="0123456789abcdef",
        status=status,
        started=START,
        seconds=12.5,
        steps={
            "train": StepState("failed", START, START + timedelta(seconds=3), "job-0-0", reason),
            "evaluate": StepState("succeeded", START, START + timedelta(seconds=2), "job-0-0"),
            "register": StepState("skipped"),
        },
        rules=judge(rules, metrics).rules,
        metrics=metrics,
        execution="arn:aws:states:us-east-1:000000000000:execution:mlci-x:y",
        reason=reason,
        env={"GIT_SHA": "a|b<i>\n`c"},
        log_tails={"train": log},
        graph=FlowGraph((Node("s1", "step", "train", "training", "failed"),)),
    )


@pytest.mark.parametrize("status", list(Status))
def test_every_status_has_an_exit_code_of_its_own_and_only_passed_is_zero(status: Status) -> None:
    expected = {Status.PASSED: 0, Status.GATE_MISSED: 1, Status.FAILED: 3, Status.STOPPED: 4}
    assert result(status).exit_code == expected[status]
    for render in (markdown, junit, page):
        assert render(result(status))


def test_result_json_has_the_fields_that_others_rely_on() -> None:
    made = to_json(result())
    assert set(made) >= {"schema", "flow", "run_id", "cloud", "commit", "status", "exit_code", "started", "seconds"}
    assert set(made) >= {"steps", "metrics", "rules", "execution"}
    assert made["steps"]["train"] == {"status": "failed", "seconds": 3.0, "job": "job-0-0", "reason": "because"}  # type: ignore[call-overload, index]
    assert set(made["rules"][0]) >= {"metric", "op", "limit", "value", "baseline", "held", "text"}  # type: ignore[index, arg-type]


def test_result_json_is_json_even_where_a_metric_is_not() -> None:
    strange = replace(result(), metrics={"evaluate": parse_metrics(b'{"auc": NaN, "deep": [Infinity, 1]}')})
    text = json.dumps(to_json(strange), allow_nan=False)
    assert json.loads(text)["metrics"] == {"evaluate": {"auc": None, "deep": [None, 1]}}


def test_all_reports_tell_the_missed_rule_and_by_how_much() -> None:
    text = "evaluate.auc 0.9951 ≥ 0.9999 is missed by 0.0048"
    for render in (markdown, page, junit, lambda made: summary(made, "folder")):
        assert text in render(result())


def test_junit_has_a_case_a_step_and_a_rule() -> None:
    root = ElementTree.fromstring(junit(result()))
    assert [case.get("name") for case in root.iter("testcase")] == [
        "train",
        "evaluate",
        "register",
        "evaluate.auc min",
        "evaluate.recall min",
    ]
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("5", "2", "1")


def test_reports_have_params_and_the_metrics_that_no_rule_judges() -> None:
    rule = Rule("fold", ("auc",), "min", 0.5, aggregate="mean", cells=("fold(n=0)", "fold(n=1)"))
    metrics = {name: parse_metrics(b'{"auc": 0.75, "loss": 0.125, "by.class": [1]}') for name in rule.cells}
    made = replace(
        result(), params={"depth": 4}, metrics=metrics, rules=judge(bounds([rule], {}), metrics).rules, is_dirty=True
    )
    for text in ("depth", "fold(n=0).loss", "0.125", "with changes that it does not hold"):
        assert text in page(made)
        assert text in markdown(made)
    assert 'fold(n=1)["by.class"][0]' in unescape(page(made))
    assert "fold(n=0).auc" not in page(made) + markdown(made)


def test_a_partial_run_is_called_so_everywhere() -> None:
    made = replace(result(Status.PASSED), rules=(), is_partial=True, taken={"prepare": "20261122-101530-aaaaaa"})
    for text in (page(made), markdown(made), summary(made, "folder")):
        assert "part of the flow succeeded (no verdict)" in text
    for text in (page(made), markdown(made)):
        assert "20261122-101530-aaaaaa" in text
    assert (to_json(made)["partial"], to_json(made)["taken"]) == (True, {"prepare": "20261122-101530-aaaaaa"})


def test_reports_say_what_has_changed_of_each_step_since_an_earlier_run() -> None:
    run_id = "20261122-101530-aaaaaa"
    changes = {
        "train": Explanation("train", run_id, ("hyperparameter <b>: 4 → 5", "code: a.py changed")),
        "evaluate": Explanation("evaluate", run_id),
    }
    made = replace(result(), changes=changes)
    for text in (unescape(page(made)), unescape(markdown(made))):
        assert f"hyperparameter <b>: 4 → 5; code: a.py changed (since run {run_id})" in text
        assert f"nothing that counts has changed (since run {run_id})" in text
    assert "<b>" not in page(made) + markdown(made)
    assert to_json(made)["changes"] == {
        "train": {"run_id": run_id, "changes": ["hyperparameter <b>: 4 → 5", "code: a.py changed"]},
        "evaluate": {"run_id": run_id, "changes": []},
    }
    assert "Changes of steps" not in page(result()) + markdown(result())


@given(st.text(), st.text())
def test_no_name_or_value_breaks_a_table(name: str, value: str) -> None:
    document = json.dumps({name: 1})
    made = replace(result(), params={name: value}, metrics={"evaluate": parse_metrics(document.encode())})
    table_lines = [line for line in markdown(made).split("\n") if line.startswith("| ")]
    assert all(line.endswith(" |") for line in table_lines)
    assert page(replace(made, params={"<script>": "<script>"})).count("<script") == 1


@given(st.text(), st.text())
def test_no_text_of_a_script_breaks_a_report(reason: str, log: str) -> None:
    made = result(reason=reason, log=log)
    ElementTree.fromstring(junit(made))
    assert page(replace(made, reason="<script>alert(1)</script>")).count("<script") == 1
    assert markdown(made)


def test_the_estimated_cost_stands_beside_the_steps_where_it_is_known() -> None:
    priced = replace(result(), costs={"train": 0.25, "register": 0.0})
    line = "Estimated cost of the jobs, by AWS's on-demand prices: $0.25, without that of evaluate, which is not known."
    text = unescape(markdown(priced)).replace("\\$", "$")  # two unescaped ones would be a formula
    assert "| step | status | time | cost | note |" in text
    assert "| train | failed | 3.0 s | $0.25 |" in text
    assert line in text
    assert line in unescape(page(priced))
    assert "cost" not in markdown(result())
    assert to_json(priced)["steps"]["train"]["cost_usd"] == 0.25  # type: ignore[call-overload, index]
