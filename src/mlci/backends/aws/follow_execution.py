"""Polls an execution to its end: often after an event and where a step's end is near, and seldom while nothing happens.

While a job runs for minutes, a build makes at most 4 calls a minute, and after an event 8 within the first 50 seconds;
never more than 60 a minute. GetExecutionHistory allows 1,200 calls a minute per account, after a burst of 400.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Literal

from mlci.backends.aws.api_calls import AwsError, Clock
from mlci.backends.aws.executions import Executions
from mlci.backends.aws.poll_schedule import LONGEST_S, PollSchedule, pause_s
from mlci.backends.events import Event
from mlci.backends.progress import ExpectedEnd
from mlci.backends.protocol import ExecutionArn, Outcome
from mlci.backends.stop_signal import StopSignal
from mlci_dataclasses import dataclass

#: The longest pause where steps run in the build, which then makes at most 30 calls a minute.
BUILD_JOBS_LONGEST_S = 2.0
#: The longest pause while AWS throttles, or can't be reached.
LONGEST_FAILING_S = 60.0
#: After so long without a response, the execution is given up; CodeBuild's own limit is usually shorter.
MAX_SILENCE_S = 3_600.0
#: How long GetExecutionHistory may not find a new execution: the API is eventually consistent.
_UNKNOWN_S = 60.0
#: The longest pause once the execution was told to stop.
_STOPPING_S = 5.0

Status = Literal["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]
_TERMINAL_EVENTS: dict[str, tuple[Status, str]] = {
    "ExecutionSucceeded": ("SUCCEEDED", ""),
    "ExecutionFailed": ("FAILED", "executionFailedEventDetails"),
    "ExecutionTimedOut": ("TIMED_OUT", "executionTimedOutEventDetails"),
    "ExecutionAborted": ("ABORTED", "executionAbortedEventDetails"),
}


@dataclass
class ExecutionFollower:
    """Follows one execution. `log` receives one line when polls begin to fail, and one when they succeed again.

    `on_look` is called as often as the plain rhythm looks, while the execution runs. `ends` returns when the running
    steps are expected to end; None if that of one is not known. `longest_s` is the plain rhythm's longest pause.
    """

    executions: Executions
    arn: ExecutionArn
    on_event: Callable[[Event], None]
    log: Callable[[str], None] = lambda text: None
    clock: Clock = field(default_factory=Clock)
    on_look: Callable[[], None] = lambda: None
    ends: Callable[[], Sequence[ExpectedEnd] | None] = lambda: None
    longest_s: float = LONGEST_S
    last_id: int = 0
    _failed_polls: int = 0
    _last_response_s: float = 0.0

    def follow(self, stop: StopSignal) -> Outcome:
        """Follow the execution, and return its outcome. When `stop` is set, stop it, and follow it to its end.

        Raises: AwsError, if AWS rejects a poll, or has not responded for an hour.
        """
        self._last_response_s = self.clock.monotonic()
        schedule = PollSchedule(self._last_response_s, self.longest_s)
        while not stop.is_set():
            now_s = self.clock.monotonic()
            has_looked = schedule.look(now_s)
            if (has_looked and self._failed_polls) or schedule.is_due(now_s, self.ends()):
                events, outcome = self._handle_events()
                if outcome is not None:
                    return outcome
                schedule.poll(now_s, has_events=events > 0)
                if self._failed_polls:
                    schedule.put_off(now_s + pause_s(self._failed_polls, LONGEST_FAILING_S))
            if has_looked:
                self.on_look()
            next_s = schedule.next_look_s if self._failed_polls else schedule.next_s(now_s, self.ends())
            self.clock.wait(stop, max(next_s - self.clock.monotonic(), 0.0))
        self.executions.stop(self.arn, stop.error, stop.cause)
        return self._follow_to_stop()

    def _follow_to_stop(self) -> Outcome:
        empty_polls = 0
        while True:
            events, outcome = self._handle_events()
            if outcome is not None:
                return outcome
            empty_polls = 0 if events else empty_polls + 1
            self.on_look()
            polls, longest_s = (self._failed_polls or empty_polls), min(self.longest_s, _STOPPING_S)
            self.clock.sleep(pause_s(polls, longest_s))

    def _handle_events(self) -> tuple[int, Outcome | None]:
        """Poll, and return the number of new events, and the outcome if the execution has ended."""
        events = self._poll()
        for event in events:
            self.on_event(event)
            if event.type in _TERMINAL_EVENTS:
                return len(events), _outcome(self.arn, event)
        return len(events), None

    def _poll(self) -> list[Event]:
        """Return the events since the last poll; none if AWS does not respond."""
        try:
            events = self.executions.events_after(self.arn, self.last_id)
        except AwsError as error:
            self._handle_error(error)
            return []
        if self._failed_polls > 1:
            self.log("AWS responds again")
        self._failed_polls, self._last_response_s = 0, self.clock.monotonic()
        self.last_id = events[-1].id if events else self.last_id
        return events

    def _handle_error(self, error: AwsError) -> None:
        """Count a transient error. Raise any other."""
        silent_s = self.clock.monotonic() - self._last_response_s
        is_new = error.code == "ExecutionDoesNotExist" and self.last_id == 0 and silent_s < _UNKNOWN_S
        if not is_new and (not error.is_transient or silent_s > MAX_SILENCE_S):
            raise error
        self._failed_polls += 1
        if self._failed_polls == 2:
            self.log(f"AWS does not respond ({error.code}); the run continues there; retrying")


def _outcome(arn: ExecutionArn, event: Event) -> Outcome:
    status, member = _TERMINAL_EVENTS[event.type]
    details = event.details.get(member)
    failure = details if isinstance(details, dict) else {}
    return Outcome(arn, status, str(failure.get("error") or ""), str(failure.get("cause") or ""))
