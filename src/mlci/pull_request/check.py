"""The check of a report: the payloads of a check run and of a commit status.

A check run needs the token of a GitHub App; it has the report and annotations in it. A commit status is a line.
Sources: https://docs.github.com/en/rest/checks/runs and https://docs.github.com/en/rest/commits/statuses
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from mlci.pull_request.models import STATE_WORDS, Annotation, BuildReport, State
from mlci.pull_request.safe_markdown import BREAK, safe_markdown
from mlci.report.untrusted_text import one_line
from mlci_dataclasses import dataclass

#: "The Checks API limits the number of annotations to a maximum of 50 per API request."
ANNOTATIONS_PER_REQUEST = 50
#: A build of a pull request chooses how many it has: each further batch takes a request of the App's limit.
_ANNOTATIONS_MAX = 200
_SUMMARY_MAX_CHARS = 65_535
#: A message may have 64 KiB, and a title 255 characters.
_MESSAGE_MAX_CHARS, _TITLE_MAX_CHARS = 16_000, 255
_DESCRIPTION_MAX_CHARS = 140

Conclusion = Literal["success", "failure", "cancelled"]
StatusState = Literal["pending", "success", "failure", "error"]

_CONCLUSIONS: dict[State, Conclusion] = {
    "passed": "success",
    "gate_missed": "failure",
    "failed": "failure",
    "stopped": "cancelled",
    "died": "failure",
}
_STATUS_STATES: dict[State, StatusState] = {
    "in_progress": "pending",
    "passed": "success",
    "gate_missed": "failure",
    "failed": "error",
    "stopped": "error",
    "died": "error",
}


@dataclass(frozen=True)
class CheckOutput:
    """The output of a check run. Each batch of annotations takes a request; they add up."""

    title: str
    summary: str
    batches: tuple[tuple[dict[str, str | int], ...], ...]

    def parameters(self) -> Iterator[dict[str, str | list[dict[str, str | int]]]]:
        """Yield the parameter `output` of each request, of which there is at least one."""
        for batch in self.batches or ((),):
            output: dict[str, str | list[dict[str, str | int]]] = {"title": self.title, "summary": self.summary}
            yield {**output, "annotations": list(batch)} if batch else output


def conclusion(report: BuildReport) -> Conclusion | None:
    """Return the conclusion of the check run; None while the build goes on."""
    return None if report.state == "in_progress" else _CONCLUSIONS[report.state]


def check_output(report: BuildReport) -> CheckOutput:
    """Return the output of the check run."""
    annotations = [_annotation(each) for each in report.annotations[:_ANNOTATIONS_MAX]]
    batches = tuple(
        tuple(annotations[first : first + ANNOTATIONS_PER_REQUEST])
        for first in range(0, len(annotations), ANNOTATIONS_PER_REQUEST)
    )
    summary = safe_markdown(report.markdown, _SUMMARY_MAX_CHARS) if report.markdown.strip() else _no_report(report)
    return CheckOutput(_shortened(title(report), _TITLE_MAX_CHARS), summary, batches)


def title(report: BuildReport) -> str:
    """Return the verdict in one line, as text."""
    return _quiet(report.headline or STATE_WORDS[report.state])


def status_state(report: BuildReport) -> StatusState:
    return _STATUS_STATES[report.state]


def status_description(report: BuildReport) -> str:
    """Return the description of the commit status."""
    return _shortened(title(report), _DESCRIPTION_MAX_CHARS)


def _no_report(report: BuildReport) -> str:
    if report.state == "in_progress":
        return "The report follows when the build has ended.\n"
    return "The build left no report: its log says why.\n"


def _annotation(annotation: Annotation) -> dict[str, str | int]:
    return {
        "path": annotation.path,
        "start_line": annotation.line,
        "end_line": annotation.line,
        "annotation_level": annotation.level,
        "title": _shortened(_quiet(annotation.title), _TITLE_MAX_CHARS),
        "message": _shortened(_quiet(annotation.message), _MESSAGE_MAX_CHARS),
    }


def _quiet(text: str) -> str:
    """Return the text in one line, without mentions."""
    return one_line(text).replace("@", f"@{BREAK}")


def _shortened(text: str, max_chars: int) -> str:
    return text if len(text) <= max_chars else f"{text[: max_chars - 1]}…"
