"""Polls that learn: the end of a step is seen within seconds where earlier runs tell of it, at fewer calls than by the
plain rhythm; and where they don't, by the plain rhythm."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

import pytest

from mlci.backends.aws.api_calls import Clock
from mlci.backends.aws.follow_execution import ExecutionFollower
from mlci.backends.progress import ExpectedEnd
from mlci.backends.protocol import ExecutionArn
from mlci.backends.stop_signal import StopSignal
from mlci_asl import Event


@dataclass(frozen=True)
class Step:
    """A step: its seconds, those that it usually takes, and how long its start and its end take Step Functions."""

    seconds: float
    usual_s: float
    start_s: float
    end_s: float


@dataclass
class Run:
    """Steps one after another, on a clock that only waiting moves; `polls` are the times of the calls."""

    steps: Sequence[Step]
    time: float = 0.0
    polls: list[float] = field(default_factory=list)
    _events: list[tuple[float, str]] = field(default_factory=list)
    _seen_s: float = 0.0
    _running: list[tuple[float, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        at = 0.3
        for step in self.steps:
            start, end = at, at + step.seconds
            self._running.append((start, end, step.usual_s))
            self._events += [
                (start, "TaskStateEntered"),
                (start + step.start_s, "TaskSubmitted"),
                (end, "TaskStateExited"),
            ]
            at = end + step.end_s
        self._events = [*sorted(self._events), (at, "ExecutionSucceeded")]

    def events_after(self, arn: ExecutionArn, last_id: int) -> list[Event]:
        self.polls.append(self.time)
        self._seen_s = self.time
        now = datetime.now(timezone.utc)
        happened = [kind for at, kind in self._events if at <= self.time]
        return [Event(number, number - 1, now, kind, {}) for number, kind in enumerate(happened, 1)][last_id:]

    def ends(self) -> list[ExpectedEnd]:
        """All that earlier runs let expect of the steps that run as far as the polls have shown."""
        return [
            ExpectedEnd(usual_s - (self.time - start), usual_s)
            for start, end, usual_s in self._running
            if start <= self._seen_s < end
        ]

    def followed(self, ends: Callable[[], Sequence[ExpectedEnd] | None]) -> Run:
        def wait(stop: StopSignal, seconds: float) -> bool:
            assert seconds > 0
            self.time += seconds
            return False

        clock = Clock(lambda: self.time, lambda seconds: None, wait)
        follower = ExecutionFollower(self, ExecutionArn("arn"), lambda event: None, clock=clock, ends=ends)  # type: ignore[arg-type]
        assert follower.follow(StopSignal()).status == "SUCCEEDED"
        return self

    @property
    def late_s(self) -> float:
        """The time from the end of the run until it was seen."""
        return self.polls[-1] - self._events[-1][0]


def samples(shortest_s: float, deviation: float) -> list[list[Step]]:
    """Runs of one to five steps, each of which takes so much less or more than usual at the most."""
    chance = random.Random(7)

    def step() -> Step:
        usual_s = chance.choice([shortest_s, chance.uniform(shortest_s, 180), chance.uniform(shortest_s, 4_000)])
        seconds = usual_s * (1 + chance.uniform(-deviation, deviation))
        return Step(seconds, usual_s, chance.uniform(0.1, 2), chance.uniform(0.05, 1.5))

    return [[step() for _ in range(chance.randint(1, 5))] for _ in range(300)]


def by_the_plain_rhythm(of: Sequence[Step]) -> Run:
    return Run(of).followed(lambda: None)


def by_history(of: Sequence[Step]) -> Run:
    run = Run(of)
    return run.followed(run.ends)


@pytest.mark.slow
def test_where_history_holds_the_end_is_seen_within_five_seconds_at_fewer_calls() -> None:
    """Of 100 runs at least 98: the looks of the plain rhythm may be used up where a step takes its longest. Such an end
    is seen by the plain rhythm, and such a run may make a call more."""
    runs = [(by_history(of), by_the_plain_rhythm(of)) for of in samples(60.0, 0.08)]
    assert sum(run.late_s <= 5.0 for run, _ in runs) >= 0.98 * len(runs)
    assert max(run.late_s for run, _ in runs) <= 16.0
    assert sum(len(run.polls) for run, _ in runs) < 0.85 * sum(len(plain.polls) for _, plain in runs)
    assert max(len(run.polls) - len(plain.polls) for run, plain in runs) <= 1


@pytest.mark.slow
def test_where_it_does_not_there_are_fewer_calls_all_the_same_and_no_pause_over_thirty_seconds() -> None:
    runs = [(by_history(of), by_the_plain_rhythm(of)) for of in samples(31.0, 0.9)]
    assert sum(len(run.polls) for run, _ in runs) < 0.9 * sum(len(plain.polls) for _, plain in runs)
    assert sum(len(run.polls) <= len(plain.polls) for run, plain in runs) >= 0.95 * len(runs)
    assert all(later - sooner <= 30.0 for run, _ in runs for sooner, later in itertools.pairwise(run.polls))


@pytest.mark.parametrize("seconds", [5.0, 20.0, 29.0])
def test_steps_of_seconds_are_followed_by_the_plain_rhythm(seconds: float) -> None:
    short = [Step(seconds, seconds, 0.5, 0.5)] * 3
    assert by_history(short).polls == by_the_plain_rhythm(short).polls


def test_a_step_that_takes_longer_than_ever_is_followed_by_the_plain_rhythm_from_then_on() -> None:
    slow = by_history([Step(900.0, 300.0, 1.0, 1.0)])
    late = [poll for poll in slow.polls if poll > 340]
    assert {round(later - sooner, 6) for sooner, later in itertools.pairwise(late)} == {15.0}


def test_a_job_of_five_minutes_takes_fewer_calls_and_is_seen_at_once() -> None:
    usual = [Step(300.0, 300.0, 1.0, 1.0)]
    plain, learnt = by_the_plain_rhythm(usual), by_history(usual)
    assert (len(plain.polls), len(learnt.polls)) == (25, 19)
    assert (round(plain.late_s, 1), round(learnt.late_s, 1)) == (5.7, 0.5)
