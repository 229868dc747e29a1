"""Posts a report: its check first, then the comment. Whatever GitHub says, the verdict stands.

Each part finds out first what is there, so that it can be tried again after any failure, in part or in whole.
"""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

from mlci.pull_request.check import check_output, conclusion, status_description, status_state
from mlci.pull_request.comment import CommentMode, comment_body, is_comment_due, marker, read_comment
from mlci.pull_request.github_calls import Busy, GitHubCalls, PostedComment, Unposted
from mlci.pull_request.models import BuildReport
from mlci_dataclasses import dataclass

T = TypeVar("T")

#: "Validation failed, or the endpoint has been spammed."
_INVALID = 422
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 30.0
#: Somebody who has read the comment before it was written writes it within this time.
_SETTLE_S = 3.0
_SETTLE_ROUNDS = 3


@dataclass(frozen=True)
class PostClock:
    """Time and waiting."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random


@dataclass(frozen=True)
class Attempt:
    """The result of posting a part: a line about it, and the reason if nothing was posted."""

    line: str
    failure_reason: str | None = None


@dataclass(frozen=True)
class Poster:
    """Posts reports. `limit_s` bounds the time of one report, retries and all."""

    calls: GitHubCalls
    comment: CommentMode = "always"
    limit_s: float = 120.0
    clock: PostClock = PostClock()

    def post(self, report: BuildReport) -> Iterator[str]:
        """Post a report, and yield a line about each part: what was posted, or why not. Where nothing was, for one
        reason, it is one line."""
        deadline = self.clock.monotonic() + self.limit_s
        check = self._attempted("check", lambda each: self._post_check(each, deadline), report)
        if self.comment == "never" or report.state == "in_progress":
            yield check.line
            return
        comment = self._attempted("comment", lambda each: self._post_comment(each, deadline), report)
        if check.failure_reason is not None and check.failure_reason == comment.failure_reason:
            yield f"neither the check nor the comment was posted: {check.failure_reason}"
        else:
            yield from (check.line, comment.line)

    def _attempted(self, part: str, work: Callable[[BuildReport], str], report: BuildReport) -> Attempt:
        """Post a part. A check must end whatever the build wrote, so what GitHub finds invalid is left out."""
        try:
            return Attempt(work(report))
        except (Unposted, Busy) as error:
            failure = error
        if isinstance(failure, Unposted) and failure.status == _INVALID and report != report.verdict_alone:
            with suppress(Unposted, Busy):
                return Attempt(f"{work(report.verdict_alone)} (without its report: {failure.reason})")
        return Attempt(f"the {part} was not posted: {failure.reason}", failure.reason)

    def _post_check(self, report: BuildReport, deadline: float) -> str:
        if self.calls.may_create_checks:
            try:
                return self._post_check_run(report, deadline)
            except Unposted as error:
                if error.status not in (403, 404):
                    raise
        return self._retried(lambda: self._post_status(report), deadline)

    def _post_check_run(self, report: BuildReport, deadline: float) -> str:
        """Create the check run of the build, or end the one that it has. Batches of annotations add up."""
        name, ended = report.check_name, conclusion(report)
        check: int | None = None
        for output in check_output(report).parameters():
            parameters: dict[str, Any] = {"output": output, **({"details_url": report.url} if report.url else {})}
            parameters |= {"conclusion": ended} if ended else {"status": "in_progress"}
            if ended and report.ended:
                parameters["completed_at"] = report.ended
            send = functools.partial(self._send_check, report, check, parameters)
            check = self._retried(send, deadline)
            if check is None:
                return f"the check {name} has ended already"
        return f"the check {name} is {ended or 'in progress'}"

    def _send_check(self, report: BuildReport, check: int | None, parameters: dict[str, Any]) -> int | None:
        """Send a request about the check run of the build, and return its ID; None if it has ended already."""
        commit, name = report.pull_request.commit, report.check_name
        if check is None:
            found = [each for each in self.calls.checks(commit, name) if each.build == report.build]
            if not found:
                own = {"name": name, "head_sha": commit, "external_id": report.build, "started_at": report.started}
                return self.calls.create_check(**own, **parameters)
            if found[0].status == "completed" and found[0].conclusion == parameters.get(
                "conclusion", found[0].conclusion
            ):
                return None  # this event came late, or twice
            check = found[0].id
        self.calls.update_check(check, **parameters)
        return check

    def _post_status(self, report: BuildReport) -> str:
        name, commit, state = report.check_name, report.pull_request.commit, status_state(report)
        if state == "pending":
            later = [each for each in self.calls.statuses(commit, name) if each.created >= report.started]
            if any(each.state != "pending" for each in later):
                return f"the status {name} has ended already"
        url = {"target_url": report.url} if report.url else {}
        self.calls.create_status(commit, state=state, context=name, description=status_description(report), **url)
        return f"the status {name} is {state}"

    def _post_comment(self, report: BuildReport, deadline: float) -> str:
        """Write the comment, and look after a while whether somebody who had read it before has written it since."""
        for _ in range(_SETTLE_ROUNDS):
            done = self._retried(lambda: self._write_comment(report), deadline)
            if done is not None:
                return done
            self.clock.sleep(_SETTLE_S)
            if self._retried(lambda: self._has_report(report), deadline):
                break
        return "the comment is up to date"

    def _write_comment(self, report: BuildReport) -> str | None:
        """Write the report into the comment. Return a line if there is nothing to write."""
        number, login = report.pull_request.number, self.calls.login()
        head = self.calls.head(number)
        own = self._own_comments(report, login)
        if not is_comment_due(self.comment, report, bool(own)):
            return "no comment: nothing has changed"
        if not own:
            created = self.calls.create_comment(number, comment_body(report, None, head))
            earlier = [each for each in self._own_comments(report, login) if each.id < created]
            if not earlier:
                return None
            self.calls.delete_comment(number, created)  # another report came first
            own = earlier
        present = read_comment(report.flow, own[0].body)
        body = comment_body(report, present, head)
        if body.split() == own[0].body.split():
            return "the comment has this report already"
        self.calls.update_comment(number, own[0].id, body)
        return None

    def _own_comments(self, report: BuildReport, login: str) -> list[PostedComment]:
        """Return the flow's comments that this account has written, the oldest first.

        An App of which only a token is there doesn't know its account: it takes those of any App.
        """
        first = marker(report.flow)
        comments = self.calls.comments(report.pull_request.number)
        own = (each for each in comments if (each.login == login if login else each.is_bot))
        found = [each for each in own if each.body.startswith(first)]
        return sorted(found, key=lambda each: each.id)

    def _has_report(self, report: BuildReport) -> bool:
        own = self._own_comments(report, self.calls.login())
        present = read_comment(report.flow, own[0].body) if own else None
        return present is not None and any(
            entry.build == report.build or entry.commit == report.pull_request.commit for entry in present.entries
        )

    def _retried(self, work: Callable[[], T], deadline: float) -> T:
        """Return the result of `work`, which is tried again while GitHub is busy.

        Raises: Unposted; Busy, where the time limit would pass.
        """
        backoff_s = _FIRST_WAIT_S
        while True:
            try:
                return work()
            except Busy as busy:
                wait_s = busy.wait_s if busy.wait_s is not None else backoff_s * (0.5 + self.clock.jitter() / 2)
                if self.clock.monotonic() + wait_s > deadline:
                    raise
            self.clock.sleep(wait_s)
            backoff_s = min(2 * backoff_s, _LONGEST_WAIT_S)
