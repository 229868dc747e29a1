"""The drawings of metrics over the runs of the base branch."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from mlci.flow.models import Rule
from mlci.gate.verdict import RuleVerdict
from mlci.plan.models import Baseline, Bound, GatedMetrics
from mlci.report.html import page
from mlci.report.html.history import history_drawings
from mlci.report.result import Result, Status

START = datetime(2026, 11, 23, 10, 15, 30, tzinfo=timezone.utc)


def result(former: list[float], value: float, limit: float | None = 0.9, name: str = "auc", rules: int = 1) -> Result:
    gate = [Rule("evaluate", (each,), "min", 0.9) for each in (name, *(f"m{number}" for number in range(1, rules)))]
    history = [
        GatedMetrics(f"r{number}", f"{number}" * 40, START, {rule.metric: old for rule in gate})
        for number, old in enumerate(former)
    ]
    judged = [RuleVerdict(Bound(rule, limit), value, "broken", "missed") for rule in gate]
    baseline = Baseline(run_id="r9", history=tuple(history))
    return Result("x", "r", "local", None, Status.PASSED, START, 1, {}, (*judged, judged[0]), {}, "", baseline=baseline)


def test_a_metric_is_drawn_once_with_each_run_of_the_base_branch_and_this_one() -> None:
    drawn = history_drawings(result([0.9, 0.95, 0.97], 0.92))
    assert drawn.count("<figure") == 1
    assert re.findall(r'class="(?:dot|own failed)" cx="([\d.]+)" cy="([\d.]+)"', drawn) == [
        ("8.0", "56.0"),
        ("89.3", "21.7"),
        ("170.7", "8.0"),
        ("252.0", "42.3"),
    ]
    assert "commit 111111111111, 2026-11-23: 0.95" in drawn
    assert "evaluate.auc over 3 runs of the base branch: 0.9 to 0.97; this run 0.92" in drawn
    assert "limit 0.9" in drawn


def test_a_limit_that_is_far_away_is_not_drawn() -> None:
    assert 'class="limit"' not in history_drawings(result([0.98, 0.99], 0.985, limit=0.5))


def test_one_run_of_the_base_branch_is_no_history() -> None:
    assert history_drawings(result([0.9], 0.92)) == ""
    assert 'id="history"' not in page(result([], 0.92))


def test_of_more_metrics_only_the_number_is_told() -> None:
    drawn = history_drawings(result([0.9, 0.95], 0.92, rules=30))
    assert drawn.count("<figure") == 24
    assert "and 6 metrics more" in drawn


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(FINITE, min_size=2, max_size=20), FINITE, FINITE | st.none(), st.text())
def test_each_drawing_is_whole_and_within_its_place(
    former: list[float], value: float, limit: float | None, name: str
) -> None:
    drawn = history_drawings(result(former, value, limit, name))
    tree = ElementTree.fromstring(drawn)
    circles = list(tree.iter("circle"))
    assert len(circles) == len(former) + 1
    assert all(0 <= float(circle.attrib["cy"]) <= 64 for circle in circles)
    assert page(result(former, value, limit, name)).count("<script") == 1
