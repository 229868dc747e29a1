"""The history that a baseline carries."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from mlci.baseline.history_document import MAX_RUNS, parse_history, render_history, with_history, with_metrics
from mlci.plan import NO_BASELINE, Baseline

COMMITTED = datetime(2026, 11, 23, 8, 15, 30, tzinfo=timezone.utc)


def after(former: Baseline, number: int, commit: str = "", /, **values: float) -> Baseline:
    baseline = Baseline(run_id=f"r{number}", commit=commit or f"c{number}", committed=COMMITTED)
    return with_history(with_metrics(baseline, values), former)


def test_each_baseline_carries_the_metrics_of_those_before_it() -> None:
    second = after(after(NO_BASELINE, 1, auc=0.9), 2, auc=0.95, nan=float("nan"))
    assert [(each.run_id, each.values) for each in second.history] == [("r1", {"auc": 0.9}), ("r2", {"auc": 0.95})]
    assert parse_history(render_history(second.history)) == second.history


def test_a_commit_that_is_run_again_counts_once() -> None:
    again = after(after(after(NO_BASELINE, 1), 2, "same"), 3, "same")
    assert [each.run_id for each in again.history] == ["r1", "r3"]


def test_to_write_the_same_run_again_changes_nothing() -> None:
    once = after(after(NO_BASELINE, 1), 2)
    assert with_history(once, once) == once
    without_commit = with_metrics(Baseline(run_id="r1"), {"auc": 0.9})
    assert with_history(without_commit, without_commit) == without_commit


def test_a_baseline_without_metrics_of_its_own_passes_the_history_on() -> None:
    former = after(after(NO_BASELINE, 1), 2)
    assert with_history(Baseline(run_id="r2", commit="c2"), former).history == former.history


def test_the_history_is_bounded() -> None:
    baseline = NO_BASELINE
    for number in range(30):
        baseline = after(baseline, number, **{f"m{metric}": float(metric) for metric in range(100)})
    assert [each.run_id for each in baseline.history] == [f"r{number}" for number in range(10, 30)]
    assert len(baseline.history) == MAX_RUNS
    assert {len(each.values) for each in baseline.history} == {50}


@pytest.mark.parametrize(
    "document", [None, 1, {}, [1], [{"run_id": 1}], [{"run_id": "r", "commit": None, "committed": None, "metrics": 1}]]
)
def test_what_is_not_understood_is_no_history(document: Any) -> None:
    assert parse_history(document) == ()


def test_values_that_are_no_numbers_are_left_out() -> None:
    metrics = {"auc": 0.9, "text": "x", "flag": True, "nan": float("nan"), "huge": 10**400}
    document: Any = [{"run_id": "r", "commit": 1, "committed": "yesterday", "metrics": metrics}]
    (run,) = parse_history(document)
    assert (run.commit, run.committed, run.values) == (None, None, {"auc": 0.9})
