"""The reporter on AWS: collects the report of a build from what CodeBuild and the bucket have of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol  # a build has the shape of the API

from mlci.pull_request.codebuild import read_build, report_of_build
from mlci.pull_request.models import BuildReport, PullRequest
from mlci.pull_request.result_document import REPORT_MAX_BYTES, RESULT_MAX_BYTES, read_result, report_text


class StoredBuild(Protocol):
    """A build of a flow, and the reports that it wrote."""

    @property
    def flow(self) -> str: ...

    @property
    def build_url(self) -> str: ...

    @property
    def page_url(self) -> str: ...

    def build(self) -> Mapping[str, Any]: ...

    def names(self) -> frozenset[str]: ...

    def read(self, name: str, max_bytes: int) -> bytes | None: ...


def collect_report(stored: StoredBuild, head: Callable[[PullRequest], str]) -> BuildReport | None:
    """Return the report of a build; None if it is of no pull request.

    `head` returns the newest commit of a pull request, for a build whose source is not known, or never will be.

    Raises: InputError; what `stored` and `head` raise.
    """
    build = read_build(stored.build(), stored.build_url)
    if build is None:
        return None
    if not build.pull_request.commit:
        build = build.at_commit(head(build.pull_request))
    names = frozenset[str]() if build.is_in_progress else stored.names()
    result = read_result(stored.read("result.json", RESULT_MAX_BYTES + 1) if "result.json" in names else None)
    text = report_text(stored.read("report.md", REPORT_MAX_BYTES) if "report.md" in names else None)
    return report_of_build(stored.flow, build, result, text, stored.page_url if "report.html" in names else "")
