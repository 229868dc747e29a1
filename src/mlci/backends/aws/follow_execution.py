"""Polls an execution to its end: often after an event, and less often while nothing happens.

While a job runs for minutes, a build makes 4 calls a minute; after an event, 8 within the first 50 seconds; never
more than 60 a minute. GetExecutionHistory allows 1,200 calls a minute per account, after a burst of 400.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from mlci.backends.aws.api_calls import AwsError, Clock
from mlci.backends.aws.executions import Executions
from mlci.backends.events import Event
from mlci.backends.protocol import ExecutionArn, Outcome
from mlci.backends.stop_signal import StopSignal

FIRST_S, GROWTH, LONGEST_S = 1.0, 1.5, 15.0
#: The same where steps run in the build, which then makes at most 30 calls a minute.
BUILD_JOBS_LONGEST_S = 2.0
#: The longest pause while AWS throttles, or can't be reached.
LONGEST_FAILING_S = 60.0
#: After so long without a response, the execution is given up; CodeBuild's own limit is usually shorter.
MAX_SILENCE_S = 3_600.0
#: How long GetExecutionHistory may not find a new execution: the API is eventually consistent.
_UNKNOWN_S = 60.0

Status = Literal["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]
_TERMINAL_EVENTS: dict[str, tuple[Status, str]] = {
    "ExecutionSucceeded": ("SUCCEEDED", ""),
    "ExecutionFailed": ("FAILED", "executionFailedEventDetails"),
    "ExecutionTimedOut": ("TIMED_OUT", "executionTimedOutEventDetails"),
    "ExecutionAborted": ("ABORTED", "executionAbortedEventDetails"),
}


def pause_s(empty_polls: int, longest_s: float = LONGEST_S) -> float:
    """Return the pause after so many polls without an event.

    >>> [pause_s(polls) for polls in (0, 1, 2, 7, 100)]
    [1.0, 1.5, 2.25, 15.0, 15.0]
    """
    return float(min(FIRST_S * GROWTH ** min(empty_polls, 20), longest_s))


@dataclass
class ExecutionFollower:
    """Follows one execution. `log` receives one line when polls begin to fail, and one when they succeed again.

    `on_poll` is called after each poll, while the execution runs. `longest_s` is the longest pause between two polls.
    """

    executions: Executions
    arn: ExecutionArn
    on_event: Callable[[Event], None]
    log: Callable[[str], None] = lambda text: None
    clock: Clock = field(default_factory=Clock)
    on_poll: Callable[[], None] = lambda: None
    longest_s: float = LONGEST_S
    last_id: int = 0
    _empty_polls: int = 0
    _failed_polls: int = 0
    _last_response_s: float = 0.0

    def follow(self, stop: StopSignal) -> Outcome:
        """Follow the execution, and return its outcome. When `stop` is set, stop it, and follow it to its end.

        Raises: AwsError, if AWS rejects a poll, or has not responded for an hour.
        """
        self._last_response_s, is_stop_sent = self.clock.monotonic(), False
        while True:
            if stop.is_set() and not is_stop_sent:
                self.executions.stop(self.arn, stop.error, stop.cause)
                is_stop_sent = True
                self._empty_polls = 0
            for event in self._poll():
                self.on_event(event)
                if event.type in _TERMINAL_EVENTS:
                    return _outcome(self.arn, event)
            self.on_poll()
            pause = self._pause_s()
            if is_stop_sent:
                self.clock.sleep(min(pause, 5.0))
            else:
                self.clock.wait(stop, pause)

    def _pause_s(self) -> float:
        return (
            pause_s(self._failed_polls, LONGEST_FAILING_S)
            if self._failed_polls
            else pause_s(self._empty_polls, self.longest_s)
        )

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
        self._empty_polls = 0 if events else self._empty_polls + 1
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
