"""The report of a build on a pull request, as it is posted."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Literal

from mlci_dataclasses import dataclass

#: The state of a build: in progress, or how its run ended. `died` is a build that ended without a result.
State = Literal["in_progress", "passed", "gate_missed", "failed", "stopped", "died"]

#: The states in words.
STATE_WORDS: dict[State, str] = {
    "in_progress": "in progress",
    "passed": "passed",
    "gate_missed": "gate missed",
    "failed": "failed",
    "stopped": "stopped",
    "died": "ended without a result",
}


@dataclass(frozen=True)
class PullRequest:
    """A pull request at one commit of its head. `repository` is owner/name; `api_url` that of its GitHub's API."""

    repository: str
    number: int
    commit: str
    api_url: str = "https://api.github.com"


@dataclass(frozen=True)
class Annotation:
    """A remark on a line of a file in the repository."""

    path: str
    line: int
    title: str
    message: str
    level: Literal["failure", "warning", "notice"] = "failure"


@dataclass(frozen=True)
class BuildReport:
    """The report of a build.

    `build` is the build's ID, which no other has. `started` is the build's start, by which reports are ordered.
    `headline` is one sentence, `markdown` the whole report; both are as the build wrote them, and so untrusted.
    `has_changes` says that a gated metric differs from the baseline, or that the run did not pass.
    """

    flow: str
    pull_request: PullRequest
    build: str
    started: datetime
    state: State
    headline: str = ""
    details_url: str = ""
    report_url: str = ""
    markdown: str = ""
    annotations: tuple[Annotation, ...] = ()
    has_changes: bool = True
    ended: datetime | None = None

    @property
    def check_name(self) -> str:
        """The name of the check, and the context of the status.

        >>> from datetime import timezone
        >>> at = datetime(2026, 11, 23, tzinfo=timezone.utc)
        >>> BuildReport("iris", PullRequest("octo/model", 7, "c0ffee"), "b1", at, "passed").check_name
        'mlci/iris/report'
        """
        return f"mlci/{self.flow}/report"

    @property
    def url(self) -> str:
        """The address to link: the report's, else the build's."""
        return self.report_url or self.details_url

    @property
    def verdict_alone(self) -> BuildReport:
        """The report without what the build wrote, but for its headline."""
        return replace(self, markdown="", annotations=())

    def at_commit(self, commit: str) -> BuildReport:
        return replace(self, pull_request=replace(self.pull_request, commit=commit))
