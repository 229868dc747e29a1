"""The addresses around a run: its repository, pull request, build, execution and reports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.flow.models import Position

#: An address that can end neither an attribute nor a link, wherever its parts come from.
_SAFE = re.compile(r"https?://[\w.:-]+(?:/[\w.:/?#&=%@+,~$;*-]*)?")
#: The pages of the AWS console that a comment may link (`pull_request.safe_markdown`).
_CONSOLE = re.compile(
    r"https://(?:[a-z0-9-]+\.)?console\.(?:aws\.amazon\.com|amazonaws\.cn|amazonaws-us-gov\.com)/(?:s3|states|codesuite)/.*"
)


@dataclass(frozen=True)
class Links:
    """The addresses around a run; "" where one is not known. `repository` is the page of a repository on a GitHub, and
    `reports` that of report.html in the S3 console: the reports link it before they are uploaded, which may fail."""

    repository: str = ""
    pull_request: str = ""
    build: str = ""
    execution: str = ""
    reports: str = ""

    def commit(self, commit: str | None) -> str:
        """Return the page of a commit.

        >>> Links("https://github.com/octo/model").commit("c0ffee"), Links().commit("c0ffee")
        ('https://github.com/octo/model/commit/c0ffee', '')
        """
        return _safe(f"{self.repository}/commit/{commit}") if self.repository and commit else ""

    def line(self, commit: str | None, position: Position | None) -> str:
        """Return the page of a line in a file of the repository."""
        if not (self.repository and commit and position and position.line):
            return ""
        return _safe(f"{self.repository}/blob/{commit}/{position.file}#L{position.line}")

    def named(self) -> Iterator[tuple[str, str]]:
        """Yield each page that is known, with its name for a reader."""
        pages = {
            "pull request": self.pull_request,
            "build log": self.build,
            "execution": self.execution,
            "reports in S3, once uploaded": self.reports,
        }
        yield from ((name, page) for name, page in pages.items() if _safe(page))

    def in_console(self) -> Iterator[tuple[str, str]]:
        """Yield the pages of the AWS console among them."""
        yield from ((name, page) for name, page in self.named() if _CONSOLE.fullmatch(page))


def _safe(address: str) -> str:
    return address if _SAFE.fullmatch(address) else ""
