"""The clock of a run."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from mlci.report.run_phases import RunPhase
from mlci.running.phase_clock import PhaseClock


def at(second: float) -> datetime:
    return datetime(2026, 11, 23, 10, 15, 30, tzinfo=timezone.utc) + timedelta(seconds=second)


def test_each_phase_begins_where_the_one_before_it_ends() -> None:
    times = iter([at(0), at(5), at(3)])
    clock = PhaseClock(lambda: next(times), at(-1))
    clock.end("planning")
    clock.end("running")  # the clock was set back
    assert clock.phases == [
        RunPhase("build", at(-1), at(0)),
        RunPhase("planning", at(0), at(5)),
        RunPhase("running", at(5), at(5)),
    ]


def test_a_build_that_started_later_by_its_own_clock_is_no_phase() -> None:
    assert PhaseClock(lambda: at(0), at(1)).phases == []
