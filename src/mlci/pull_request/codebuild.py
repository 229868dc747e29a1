"""The report of a build in CodeBuild, for the reporter: what CodeBuild says of the build counts, and what the build
wrote is untrusted.

Source: https://docs.aws.amazon.com/codebuild/latest/APIReference/API_Build.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any  # a build has the shape of the API

from mlci.errors import InputError
from mlci.pull_request.models import BuildReport, PullRequest
from mlci.pull_request.result_document import ResultDocument, state_of
from mlci_dataclasses import dataclass

#: `pr/7` of a webhook, `refs/pull/7/head^{<commit>}` of a workflow.
_PULL_REQUEST = re.compile(r"(?:pr|refs/pull)/(?P<number>\d{1,9})(?:/(?:head|merge))?(?:\^\{(?P<commit>[0-9a-f]+)\})?")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_LOCATION = re.compile(r"https://(?:[^@/]*@)?(?P<host>[\w.:-]+)/(?P<name>[\w.-]+/[\w.-]+?)(?:\.git)?/?")
#: Whether a build that has ended succeeded; None where it was stopped. Its other ends are failures.
_ENDS = {"SUCCEEDED": True, "STOPPED": None}


@dataclass(frozen=True)
class CodeBuildRun:
    """A build of a pull request, as CodeBuild tells of it. `commit` is "" until its source is known."""

    id: str
    status: str
    started: datetime
    ended: datetime | None
    pull_request: PullRequest
    url: str = ""

    def at_commit(self, commit: str) -> CodeBuildRun:
        return replace(self, pull_request=replace(self.pull_request, commit=commit))

    @property
    def is_in_progress(self) -> bool:
        return self.status == "IN_PROGRESS"


def read_build(build: Mapping[str, Any], url: str) -> CodeBuildRun | None:
    """Return a build; None if it is of no pull request.

    Raises: InputError, if its source is not on GitHub.
    """
    version = _PULL_REQUEST.fullmatch(str(build.get("sourceVersion") or ""))
    if version is None:
        return None
    location = _LOCATION.fullmatch(str(build.get("source", {}).get("location") or ""))
    if location is None:
        raise InputError(f"the source of build {build.get('id')} is no repository on GitHub")
    commits = (str(build.get("resolvedSourceVersion") or ""), version["commit"] or "")
    commit = next((each for each in commits if _COMMIT.fullmatch(each)), "")
    return CodeBuildRun(
        id=str(build["id"]),
        status=str(build["buildStatus"]),
        started=build["startTime"],
        ended=build.get("endTime"),
        pull_request=PullRequest(location["name"], int(version["number"]), commit, api_url(location["host"])),
        url=url,
    )


def api_url(host: str) -> str:
    """Return the address of the API of a GitHub.

    >>> api_url("github.com"), api_url("octo.ghe.com"), api_url("ghe.example")
    ('https://api.github.com', 'https://api.octo.ghe.com', 'https://ghe.example/api/v3')
    """
    is_hosted = host == "github.com" or host.endswith(".ghe.com")
    return f"https://api.{host}" if is_hosted else f"https://{host}/api/v3"


def report_of_build(
    flow: str, build: CodeBuildRun, result: ResultDocument | None, markdown: str, report_url: str
) -> BuildReport:
    """Return the report of a build, in progress or ended."""
    begun = BuildReport(
        flow=flow,
        pull_request=build.pull_request,
        build=build.id,
        started=build.started,
        state="in_progress",
        details_url=build.url,
    )
    if build.is_in_progress:
        return begun
    state = state_of(result, _ENDS.get(build.status, False))
    if result is None or state != result.status:
        word = build.status.lower().replace("_", " ")
        left = "and left no valid result" if result is None else "though its result says that it passed"
        return replace(
            begun, state=state, ended=build.ended, headline=f"the build {_ended(word)}, {left}: its log says why"
        )
    return replace(
        begun,
        state=state,
        ended=build.ended,
        headline=result.headline,
        report_url=report_url,
        markdown=markdown,
        annotations=result.annotations,
        has_changes=result.has_changes,
    )


def _ended(status: str) -> str:
    return {"stopped": "was stopped", "fault": "failed in CodeBuild"}.get(status, status)
