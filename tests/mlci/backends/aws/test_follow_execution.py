"""Polling: how often, how it bears trouble, and that it misses no event."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone

import pytest

from mlci.backends.aws.api_calls import AwsError, Clock
from mlci.backends.aws.executions import Executions
from mlci.backends.aws.follow_execution import MAX_SILENCE_S, ExecutionFollower
from mlci.backends.protocol import ExecutionArn, Outcome
from mlci.backends.stop_signal import StopSignal
from mlci_asl import Event
from support.fake_aws import ACCOUNT, REGION, Execution, PretendAws

ARN = ExecutionArn(f"arn:aws:states:{REGION}:{ACCOUNT}:execution:mlci-small:r1")
THROTTLED = AwsError("GetExecutionHistory", "ThrottlingException", "Rate exceeded", is_transient=True)


@dataclass
class History:
    """Executions whose events come at the times given, on a clock of its own that only waiting moves."""

    ends_at: float = 0.0
    events_at: tuple[float, ...] = ()
    troubles: list[AwsError] = field(default_factory=list)
    time: float = 0.0
    polls: list[float] = field(default_factory=list)
    stopped: list[float] = field(default_factory=list)

    def events_after(self, arn: ExecutionArn, last_id: int) -> list[Event]:
        self.polls.append(self.time)
        if self.troubles:
            raise self.troubles.pop(0)
        moments = [moment for moment in self.events_at if moment <= self.time]
        events = [event(number + 1, "PassStateEntered") for number in range(len(moments))]
        if self.time >= self.ends_at or self.stopped:
            events.append(event(len(events) + 1, "ExecutionAborted" if self.stopped else "ExecutionSucceeded"))
        return events[last_id:]

    def stop(self, arn: ExecutionArn, error: str, cause: str) -> bool:
        self.stopped.append(self.time)
        return True

    @property
    def clock(self) -> Clock:
        def sleep(seconds: float) -> None:
            self.time += seconds

        def wait(stop: StopSignal, seconds: float) -> bool:
            if not stop.is_set():
                sleep(seconds)
            return stop.is_set()

        return Clock(lambda: self.time, sleep, wait)

    def watch(
        self, messages: list[str] | None = None, seen: list[Event] | None = None, stop: StopSignal | None = None
    ) -> Outcome:
        on_event = (seen if seen is not None else []).append
        log = (messages if messages is not None else []).append
        return ExecutionFollower(self, ARN, on_event, log, self.clock).follow(stop or StopSignal())  # type: ignore[arg-type]


def event(number: int, kind: str) -> Event:
    return Event(number, number - 1, datetime.now(timezone.utc), kind, {})


def test_an_hour_in_which_nothing_happens_takes_four_calls_a_minute() -> None:
    history = History(ends_at=3_600)
    assert history.watch().status == "SUCCEEDED"
    assert len(history.polls) <= 4 * 60 + 10


def test_an_event_is_seen_within_seconds_and_makes_polling_quick_again() -> None:
    history = History(ends_at=600, events_at=(300.0,))
    history.watch()
    after = [poll - 300 for poll in history.polls if 300 <= poll <= 360]
    assert after[0] <= 15
    assert len(after) <= 10
    assert after[1] - after[0] == 1.0


def test_never_more_than_sixty_calls_a_minute() -> None:
    history = History(ends_at=60, events_at=tuple(number / 10 for number in range(600)))
    history.watch()
    assert len(history.polls) <= 61


def test_a_throttled_watch_asks_less_often_and_tells_once() -> None:
    messages: list[str] = []
    history = History(ends_at=5, troubles=[THROTTLED] * 12)
    assert history.watch(messages).status == "SUCCEEDED"
    assert messages == [
        "AWS does not respond (ThrottlingException); the run continues there; retrying",
        "AWS responds again",
    ]
    gaps = [later - sooner for sooner, later in zip(history.polls, history.polls[1:], strict=False)]
    assert max(gaps) == 60.0


def test_one_lost_call_is_not_worth_a_word() -> None:
    messages: list[str] = []
    History(ends_at=5, troubles=[THROTTLED]).watch(messages)
    assert messages == []


def test_an_hour_without_an_answer_is_given_up() -> None:
    history = History(ends_at=5, troubles=[THROTTLED] * 1_000)
    with pytest.raises(AwsError):
        history.watch()
    assert history.time >= MAX_SILENCE_S


def test_a_refusal_is_not_borne() -> None:
    with pytest.raises(AwsError, match="AccessDenied"):
        History(troubles=[AwsError("GetExecutionHistory", "AccessDeniedException", "no")]).watch()


def test_an_execution_that_the_api_does_not_know_yet_is_waited_for() -> None:
    unknown = AwsError("GetExecutionHistory", "ExecutionDoesNotExist", "Execution Does Not Exist")
    assert History(ends_at=5, troubles=[unknown] * 4).watch().status == "SUCCEEDED"
    with pytest.raises(AwsError, match="ExecutionDoesNotExist"):
        History(ends_at=5, troubles=[unknown] * 100).watch()


def test_a_stop_is_asked_for_once_and_followed_to_its_end() -> None:
    stop = StopSignal()
    stop.set("mlci.Stopped", "stopped by SIGTERM")
    history = History(ends_at=1_000)
    assert history.watch(stop=stop).status == "ABORTED"
    assert history.stopped == [0.0]


def test_a_poll_of_a_long_history_reads_only_what_is_new(pretended: PretendAws) -> None:
    """2,500 events are three pages the first time, and one call from then on."""
    executions = Executions(pretended.session().api("stepfunctions"))
    execution = Execution(ARN, "v", "{}", events=[event(number, "PassStateEntered") for number in range(1, 2_501)])
    pretended.states.executions[ARN] = execution
    assert [found.id for found in executions.events_after(ARN, 0)] == list(range(1, 2_501))
    assert pretended.calls == ["sfn.GetExecutionHistory"] * 3
    pretended.calls.clear()
    execution.events.append(event(2_501, "PassStateExited"))
    assert [found.id for found in executions.events_after(ARN, 2_500)] == [2_501]
    assert pretended.calls == ["sfn.GetExecutionHistory"]


def test_an_event_that_shows_late_is_not_missed(pretended: PretendAws) -> None:
    executions = Executions(pretended.session().api("stepfunctions"))
    events = [event(number, "PassStateEntered") for number in (1, 2, 4, 5)]
    execution = pretended.states.executions[ARN] = Execution(ARN, "v", "{}", events=events)
    assert [found.id for found in executions.events_after(ARN, 0)] == [1, 2]
    assert executions.events_after(ARN, 2) == []
    execution.events.insert(2, event(3, "PassStateExited"))
    assert [found.id for found in executions.events_after(ARN, 2)] == [3, 4, 5]
