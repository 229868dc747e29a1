"""A metric over the runs of the base branch, as lines."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.report.metric_history import MetricPoint, history_text

WHEN = datetime(2026, 11, 23, 10, 12, tzinfo=timezone.utc)


def points(*values: float | None) -> list[MetricPoint]:
    return [MetricPoint("run", "37a2b16f04c9" + "0" * 28, WHEN, value) for value in values]


def test_a_terminal_of_80_columns_has_times_commits_and_bars() -> None:
    assert history_text("evaluate.auc", "main", points(1.0, 0.5, None), 80).splitlines() == [
        "evaluate.auc on main, the newest first: 2 runs, 0.5 … 1",
        f"  2026-11-23 10:12  37a2b16f04c9    1  {'█' * 40}",
        "  2026-11-23 10:12  37a2b16f04c9  0.5  ██",
        "  2026-11-23 10:12  37a2b16f04c9    –",
    ]


def test_a_narrow_terminal_has_days_and_short_commits() -> None:
    assert history_text("evaluate.auc", "main", points(1.0, 0.5), 40).splitlines()[1:] == [
        f"  2026-11-23  37a2b16    1  {'█' * 12}",
        "  2026-11-23  37a2b16  0.5  ▋",
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("values", [(1.7976931348623157e308, -1.7976931348623157e308), (5e-324, 0.0), (0.123456,)])
def test_no_line_is_longer_than_the_terminal(values: tuple[float, ...], width: int) -> None:
    assert max(map(len, history_text("a.b", "main", points(*values), width).splitlines()[1:])) <= width


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.integers(1, 300))
def test_each_run_has_a_line_and_the_largest_value_the_longest_bar(values: list[float | None], width: int) -> None:
    lines = history_text("a.b", "main", points(*values), width).splitlines()
    known = [value for value in values if value is not None]
    if not known:
        assert lines == ["no run of main that earned the baseline has a.b"]
        return
    assert len(lines) == len(values) + 1
    bars = {value: line.count("█") for value, line in zip(values, lines[1:], strict=True) if value is not None}
    assert bars[max(known)] == max(bars.values())


def test_runs_without_commits_have_dashes() -> None:
    [_, line] = history_text("a.b", "main", [MetricPoint("run", None, None, 2)], 80).splitlines()
    assert line.split() == ["–", "–", "2", "█" * 40]
