"""Reports to post, and a clock that only waiting moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from mlci.pull_request.models import BuildReport, PullRequest, State
from mlci.pull_request.posting import PostClock

COMMIT, OLDER = "c" * 40, "b" * 40
AT = datetime(2026, 11, 23, 10, 15, tzinfo=timezone.utc)


@dataclass
class FakeClock:
    """A clock that only waiting moves."""

    now: float = 0.0
    waits: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.waits.append(seconds)

    def clock(self) -> PostClock:
        return PostClock(lambda: self.now, self.sleep, lambda: 1.0)


def report(state: State = "passed", commit: str = COMMIT, build: str = "b1", minutes: int = 0) -> BuildReport:
    """The report of a build that began so many minutes after the first."""
    return BuildReport(
        flow="iris",
        pull_request=PullRequest("octo/model", 7, commit),
        build=build,
        started=AT + timedelta(minutes=minutes),
        ended=None if state == "in_progress" else AT + timedelta(minutes=minutes + 5),
        state=state,
        headline=f"{state} by {build}",
        details_url="https://eu-west-1.console.aws.amazon.com/codesuite/codebuild/x",
        markdown="" if state == "in_progress" else f"## verdict of {build}\n",
    )
