"""The output of `mlci bootstrap`: the preview of a change set, stack events, the resources, and the next steps."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from mlci.backends.aws.cloudformation_stacks import ResourceChange, StackEvent
from mlci.report.signs import STEP_SIGNS
from mlci_dataclasses import dataclass

Style = Literal["", "bold", "green", "yellow", "bold red", "dim"]


class Line(NamedTuple):
    """A line of output, and its style on a terminal."""

    text: str
    style: Style = ""


_SIGNS: Mapping[str, str] = {"Add": "+", "Import": "+", "Modify": "~", "Dynamic": "?", "SyncWithActual": "~"}
#: What happens to the old resource when one is replaced or removed.
_OLD_RESOURCE: Mapping[str, str] = {
    "Retain": "removed from the stack, but kept in the account",
    "Snapshot": "DELETED, after a snapshot",
    "ReplaceAndRetain": "REPLACED; the old one is kept in the account",
    "ReplaceAndSnapshot": "REPLACED; the old one is deleted after a snapshot",
}


def change_set_lines(
    changes: Sequence[ResourceChange], parameters: Sequence[tuple[str, str | None, str]]
) -> list[Line]:
    """Return the preview of a change set: a line per resource, with replacements and removals last, where a reader sees
    them. `parameters` are the name, the value before (None if there was none) and the value after."""
    width = max((len(change.resource) for change in changes), default=0)
    ordered = sorted(changes, key=_severity)
    lines = [_change_line(change, width) for change in ordered]
    if parameters:
        widest = max(len(name) for name, _, _ in parameters)
        lines.append(Line("Parameters", "bold"))
        lines += [Line(f"  {name:{widest}}  {_values(before, after)}") for name, before, after in parameters]
    return lines


def _severity(change: ResourceChange) -> int:
    """Return the position of a change in the preview: the most destructive changes come last."""
    if change.action == "Remove":
        return 3
    return {"True": 2, "Conditional": 1}.get(change.replacement, 0)


def _change_line(change: ResourceChange, width: int) -> Line:
    head = f"{change.resource:{width}}  {change.resource_type}"
    properties = f": {', '.join(change.properties)}" if change.properties else ""
    if change.action == "Remove":
        return Line(f"  - {head}  {_OLD_RESOURCE.get(change.policy, 'DELETED')}", "bold red")
    if change.replacement == "True":
        old_resource = _OLD_RESOURCE.get(change.policy, "REPLACED; the old one is deleted")
        return Line(f"  ± {head}  {old_resource}{properties}", "bold red")
    if change.replacement == "Conditional":
        return Line(f"  ± {head}  updated, and possibly REPLACED{properties}", "yellow")
    sign = _SIGNS.get(change.action, "?")
    words = {"Modify": f"  updated in place{properties}", "Dynamic": "  may change; known only at execution"}
    other = "" if change.action in _SIGNS else f"  {change.action}"
    return Line(f"  {sign} {head}{words.get(change.action, other)}", "green" if sign == "+" else "")


def _values(before: str | None, after: str) -> str:
    old, new = (value or "(none)" for value in (before, after))
    return new if before is None else f"{old} → {new}"


def event_line(event: StackEvent, now: datetime) -> Line | None:
    """Return the line of an event, or None for an event that repeats the one before it."""
    if event.status.endswith("_IN_PROGRESS") and event.reason.endswith("Initiated") and not event.is_stack:
        return None
    name = "the stack" if event.is_stack else event.resource
    reason = f": {event.reason}" if event.reason and not event.status.endswith("_COMPLETE") else ""
    time = f"{now:%H:%M:%S}"
    if event.status.endswith("_FAILED"):
        style: Style = "bold red" if event.is_failure else "dim"
        return Line(f"{time}  {STEP_SIGNS['failed']} {name} {event.status}{reason}", style)
    if event.status.endswith("_IN_PROGRESS"):
        return Line(f"{time}  {STEP_SIGNS['running']} {name} {event.status}{'' if event.is_stack else reason}", "dim")
    return Line(f"{time}  {STEP_SIGNS['succeeded']} {name} {event.status}", "green")


def failure_summary(events: Iterable[StackEvent]) -> str:
    """Return the first failures as one text; later ones mostly follow from them."""
    reasons = [f"{event.resource} ({event.resource_type}): {event.reason or event.status}" for event in events]
    return "; ".join(list(dict.fromkeys(reasons))[:3]) or "CloudFormation gave no reason"


@dataclass(frozen=True)
class BootstrapSummary:
    """The result of `mlci bootstrap`.

    `connections_page` is the link for the handshake, or None if it is complete; `command` continues after it.
    `settings` are the names of the SSM parameters. `has_reporter` says that the stack posts reports.
    """

    flow: str
    region: str
    host: str
    repository: str
    outputs: Mapping[str, str]
    settings: tuple[str, ...]
    uses_actions: bool
    has_buildspec: bool
    connections_page: str | None
    command: str
    has_reporter: bool = True


def resource_lines(summary: BootstrapSummary) -> list[Line]:
    """Return a line for each kind of resource in the stack."""
    outputs = summary.outputs
    resources = {
        "bucket": outputs.get("Bucket"),
        "projects": " and ".join(outputs[name] for name in ("PullRequestProject", "BaseProject") if name in outputs),
        "connection": outputs.get("ConnectionArn"),
        "settings": f"{', '.join(summary.settings)} (SSM parameters, which runs of this flow read)",
    }
    return [Line(f"  {name:10}  {value}") for name, value in resources.items() if value]


def next_step_lines(summary: BootstrapSummary) -> list[Line]:
    """Return the next steps of the user, numbered."""
    lines = [Line("Next steps", "bold")]
    for number, (first, *more) in enumerate(_steps(summary), 1):
        lines += [Line(f"  {number}. {first}"), *(Line(f"     {line}") for line in more)]
    return lines


def _steps(summary: BootstrapSummary) -> Iterator[Sequence[str]]:
    if summary.connections_page:
        yield [
            *handshake_instructions(summary.connections_page),
            f"Then run again to create the two projects: {summary.command}",
        ]
    if not summary.has_buildspec:
        yield [
            "Add buildspec.yaml, the commands of a build, to the root of the repository:",
            "mlci buildspec > buildspec.yaml",
        ]
    files = "flow.yaml, its scripts and buildspec.yaml"
    yield [f"Commit {files}, and push."]
    if summary.uses_actions:
        yield [
            "Commit .github/workflows/ml-ci.yml as well, and set its repository variables:",
            *_variables(summary),
        ]
    yield [
        f'Open a pull request in {summary.repository}. CodeBuild reports the status check "mlci/{summary.flow}" on it.'
    ]
    yield [
        f'Require "mlci/{summary.flow}" to merge: GitHub, Settings, Rules, Rulesets, Require status checks to pass.',
        f"https://{summary.host}/{summary.repository}/settings/rules",
    ]
    if not summary.has_reporter:
        yield [
            "For reports on pull requests, store a GitHub App's key in Secrets Manager (docs/pull-requests.md), then:",
            f"{summary.command} --github-secret ARN",
        ]


def handshake_instructions(page: str) -> list[str]:
    """Return the instructions for the handshake, which no API can do."""
    return [
        "Complete the connection to GitHub once, in the console (AWS has no API for it):",
        page,
        'Select the "Pending" connection, choose "Update pending connection", and install or select the GitHub App',
        '"AWS Connector for GitHub" for the repository.',
    ]


def _variables(summary: BootstrapSummary) -> Iterator[str]:
    values = {
        "MLCI_REGION": summary.region,
        "MLCI_PULL_REQUEST_ROLE": summary.outputs.get("PullRequestActionsRole"),
        "MLCI_BASE_ROLE": summary.outputs.get("BaseActionsRole"),
        "MLCI_PULL_REQUEST_PROJECT": summary.outputs.get("PullRequestProject"),
        "MLCI_BASE_PROJECT": summary.outputs.get("BaseProject"),
    }
    for name, value in values.items():
        if value:
            yield f"gh variable set {name} --repo {summary.repository} --body {shlex.quote(value)}"
