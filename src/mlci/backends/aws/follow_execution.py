"""Following an execution to its end, by polling that is quick after something has happened, and rare otherwise.

While a job runs for minutes, a build makes 4 calls a minute; after an event, 8 within the first 50 seconds; never
more than 60 a minute. GetExecutionHistory allows an account 1,200 a minute, after a burst of 400.
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
#: The same while AWS says "later", or can't be reached.
LONGEST_TROUBLED_S = 60.0
#: Without any answer for so long, an execution is given up; CodeBuild's own limit is usually shorter.
GIVEN_UP_S = 3_600.0
#: How long a new execution may be unknown to the rest of an eventually consistent API.
_UNKNOWN_S = 60.0

Status = Literal["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]
_ENDS: dict[str, tuple[Status, str]] = {
    "ExecutionSucceeded": ("SUCCEEDED", ""),
    "ExecutionFailed": ("FAILED", "executionFailedEventDetails"),
    "ExecutionTimedOut": ("TIMED_OUT", "executionTimedOutEventDetails"),
    "ExecutionAborted": ("ABORTED", "executionAbortedEventDetails"),
}


def pause_s(quiet: int, longest_s: float = LONGEST_S) -> float:
    """How long to wait after so many polls that brought nothing.

    >>> [pause_s(quiet) for quiet in (0, 1, 2, 7, 100)]
    [1.0, 1.5, 2.25, 15.0, 15.0]
    """
    return float(min(FIRST_S * GROWTH ** min(quiet, 20), longest_s))


@dataclass
class Watch:
    """Follows one execution. `tell` hears of trouble, once for each time that it begins."""

    executions: Executions
    arn: ExecutionArn
    on_event: Callable[[Event], None]
    tell: Callable[[str], None] = lambda text: None
    clock: Clock = field(default_factory=Clock)
    last_id: int = 0
    _quiet: int = 0
    _trouble: int = 0
    _heard: float = 0.0

    def to_its_end(self, stop: StopSignal) -> Outcome:
        """How it ended. When `stop` is set it is stopped, once, and then followed to the end of that.

        Raises: AwsError, where AWS refuses to tell, or has not been reached for an hour.
        """
        self._heard, is_asked = self.clock.monotonic(), False
        while True:
            if stop.is_set() and not is_asked:
                self.executions.stop(self.arn, stop.error, stop.cause)
                is_asked = True
                self._quiet = 0
            for event in self._new():
                self.on_event(event)
                if event.type in _ENDS:
                    return _outcome(self.arn, event)
            pause = self._pause_s()
            if is_asked:
                self.clock.sleep(min(pause, 5.0))
            else:
                self.clock.wait(stop, pause)

    def _pause_s(self) -> float:
        return pause_s(self._trouble, LONGEST_TROUBLED_S) if self._trouble else pause_s(self._quiet)

    def _new(self) -> list[Event]:
        """What has happened since the last time; nothing where AWS does not answer."""
        try:
            events = self.executions.events_after(self.arn, self.last_id)
        except AwsError as error:
            self._bear(error)
            return []
        if self._trouble > 1:
            self.tell("AWS answers again")
        self._trouble, self._heard = 0, self.clock.monotonic()
        self._quiet = 0 if events else self._quiet + 1
        self.last_id = events[-1].id if events else self.last_id
        return events

    def _bear(self, error: AwsError) -> None:
        """Notes trouble that passes. Raises the error where it does not."""
        silent_s = self.clock.monotonic() - self._heard
        is_new = error.code == "ExecutionDoesNotExist" and self.last_id == 0 and silent_s < _UNKNOWN_S
        if not is_new and (not error.is_passing or silent_s > GIVEN_UP_S):
            raise error
        self._trouble += 1
        if self._trouble == 2:
            self.tell(f"AWS does not answer ({error.code}); the run goes on there, and is asked for again")


def _outcome(arn: ExecutionArn, event: Event) -> Outcome:
    status, member = _ENDS[event.type]
    details = event.details.get(member)
    told = details if isinstance(details, dict) else {}
    return Outcome(arn, status, str(told.get("error") or ""), str(told.get("cause") or ""))
