"""The time that is left of a run, by earlier ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

import pytest

from mlci.backends.progress import ExpectedEnd, StepState
from mlci.report.estimate import expected_ends, remaining_s

NOW = datetime(2026, 11, 23, 10, 15, 30, tzinfo=timezone.utc)
RUNNING = StepState("running", NOW - timedelta(seconds=10))
DONE = StepState("succeeded", NOW - timedelta(seconds=60), NOW)
WAITING, SKIPPED = StepState(), StepState("skipped")
USUAL = {"prepare": 20.0, "train": 100.0, "plot": 5.0, "test": 30.0, **{f"fold(n={n})": 40.0 for n in range(4)}}
BEFORE = {"train": ["prepare"], "plot": ["prepare"], "test": ["train", "plot"]}


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        ({"prepare": WAITING, "train": WAITING, "plot": WAITING, "test": WAITING}, 150),
        ({"prepare": DONE, "train": RUNNING, "plot": RUNNING, "test": WAITING}, 120),
        ({"prepare": DONE, "train": DONE, "plot": DONE, "test": RUNNING}, 20),
        ({"prepare": RUNNING, "test": SKIPPED}, 10),
        ({"plot": RUNNING}, 0),  # it takes longer than usual
        ({"prepare": RUNNING, "new": WAITING}, None),
        ({}, 0),
        ({f"fold(n={n})": WAITING for n in range(4)}, 40),
        ({"fold(n=0)": RUNNING, "fold(n=1)": WAITING, "fold(n=2)": WAITING}, 110),
        ({"fold(n=0)": RUNNING, "fold(n=1)": RUNNING, "fold(n=2)": WAITING, "fold(n=3)": WAITING}, 70),
        ({"fold(n=0)": DONE, "fold(n=1)": DONE, "fold(n=2)": RUNNING, "fold(n=3)": RUNNING}, 30),
    ],
)
def test_the_rest_is_the_longest_way_through_what_is_left(steps: Mapping[str, StepState], left: float | None) -> None:
    assert remaining_s(steps, BEFORE, USUAL, NOW) == left


def test_the_ends_of_running_steps_are_expected_by_what_they_usually_take() -> None:
    usual = {"running": 100.0, "waiting": 5.0}
    steps = {"running": StepState("running", started=NOW - timedelta(seconds=30)), "waiting": StepState()}
    assert expected_ends(steps, lambda: usual, NOW) == [ExpectedEnd(70.0, 100.0)]
    assert expected_ends(steps, dict, NOW) is None  # it never ran before


def test_no_history_is_looked_up_where_nothing_runs() -> None:
    def never() -> dict[str, float]:
        raise AssertionError

    assert expected_ends({"a": StepState(), "b": StepState("succeeded")}, never, NOW) == []
