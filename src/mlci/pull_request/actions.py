"""The report of a run in GitHub Actions, from the event of its pull request.

Source: https://docs.github.com/en/actions/reference/workflows-and-actions/variables
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from mlci.errors import InputError
from mlci.flow.models import Json
from mlci.pull_request.models import BuildReport, PullRequest
from mlci.pull_request.result_document import ResultDocument, state_of

#: What a job that others need ended as: `${{ needs.<job>.result }}`.
JOB_RESULTS = ("success", "failure", "cancelled", "skipped")
#: The longest that a run of a workflow takes, approvals and all.
#: Source: https://docs.github.com/en/actions/reference/limits
_RUN_MAX = timedelta(days=35)
_EVENTS = ("pull_request", "pull_request_target")
#: GitHub's limit of a job's summary.
#: Source: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#step-isolation-and-limits
SUMMARY_MAX_BYTES = 1 << 20


def pull_request_of(environment: Mapping[str, str], event: Json) -> PullRequest:
    """Return the pull request that the workflow runs for. Its commit is the newest of its head, not the merge.

    Raises: InputError, if it runs for none.
    """
    name = environment.get("GITHUB_EVENT_NAME", "")
    pull = event.get("pull_request") if isinstance(event, dict) and name in _EVENTS else None
    head = pull.get("head") if isinstance(pull, dict) else None
    number, commit = (pull or {}).get("number"), (head or {}).get("sha")  # type: ignore[union-attr]
    repository = environment.get("GITHUB_REPOSITORY", "")
    if not isinstance(number, int) or not isinstance(commit, str) or not re.fullmatch(r"[0-9a-f]{40,64}", commit):
        raise InputError(
            "this is no run of GitHub Actions for a pull request, so there is nothing to post to",
            "Run the step with `if: github.event_name == 'pull_request'`.",
        )
    return PullRequest(repository, number, commit, environment.get("GITHUB_API_URL") or "https://api.github.com")


def report_in_progress(flow: str, environment: Mapping[str, str], event: Json, now: datetime) -> BuildReport:
    """Return the report of a run that has begun.

    Raises: InputError.
    """
    run, attempt = environment.get("GITHUB_RUN_ID", ""), environment.get("GITHUB_RUN_ATTEMPT", "1")
    server, repository = environment.get("GITHUB_SERVER_URL", ""), environment.get("GITHUB_REPOSITORY", "")
    return BuildReport(
        flow=flow,
        pull_request=pull_request_of(environment, event),
        build=f"{run}-{attempt}",
        started=now,
        state="in_progress",
        details_url=f"{server}/{repository}/actions/runs/{run}" if server and run else "",
    )


def report_of_run(begun: BuildReport, result: ResultDocument | None, markdown: str, job_result: str) -> BuildReport:
    """Return the report of a run that has ended, by its result and by what its job ended as."""
    state = state_of(result, {"success": True, "failure": False}.get(job_result))
    if result is None or state != result.status:
        ended = {"cancelled": "stopped: the job was cancelled", "skipped": "stopped: the job did not run"}
        headline = ended.get(job_result, "the job left no valid result: its log says why")
        return replace(begun, state=state, headline=headline, ended=begun.started)
    return replace(
        begun,
        state=state,
        started=_start_of(result, begun.started),
        ended=begun.started,
        headline=result.headline,
        markdown=markdown,
        annotations=result.annotations,
        has_changes=result.has_changes,
    )


def _start_of(result: ResultDocument, now: datetime) -> datetime:
    """Return the start of a run, by which reports are ordered; now if that is no time at which it can have begun."""
    started = result.started
    return started if started is not None and timedelta(0) <= now - started <= _RUN_MAX else now


def summary_text(report: bytes, present_bytes: int = 0) -> bytes:
    """Return report.md for the summary of a job, within GitHub's limit: whole lines, and a word about the rest.

    >>> len(summary_text(b"line\\n" * 500_000)) <= SUMMARY_MAX_BYTES
    True
    """
    room = SUMMARY_MAX_BYTES - present_bytes
    if len(report) <= room:
        return report
    notice = b"\n\nThe report is cut: the run's folder has all of it.\n"
    return report[: room - len(notice)].rpartition(b"\n")[0] + notice if room > len(notice) else b""
