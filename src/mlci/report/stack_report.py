"""How `mlci bootstrap` says things: what a change set would do, each event of it, what is there in the end, and what
a person has to do then."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from mlci.backends.aws.cloudformation_stacks import Change, StackEvent

Style = Literal["", "bold", "green", "yellow", "bold red", "dim"]


class Line(NamedTuple):
    """A line, and how a terminal shows it."""

    text: str
    style: Style = ""


_SIGNS: Mapping[str, str] = {"Add": "+", "Import": "+", "Modify": "~", "Dynamic": "?", "SyncWithActual": "~"}
#: What becomes of the old resource, where one is replaced or removed.
_FATES: Mapping[str, str] = {
    "Retain": "leaves the stack, and stays in the account",
    "Snapshot": "REMOVED, after a snapshot of it",
    "ReplaceAndRetain": "REPLACED by a new one; the old one stays in the account",
    "ReplaceAndSnapshot": "REPLACED by a new one; the old one is deleted after a snapshot of it",
}


def change_set_lines(changes: Sequence[Change], parameters: Sequence[tuple[str, str | None, str]]) -> list[Line]:
    """A change set, a line a resource: removals and replacements last, where they are seen. `parameters` are name,
    value before (None where there was none) and value after."""
    width = max((len(change.resource) for change in changes), default=0)
    ordered = sorted(changes, key=_alarm)
    lines = [_change_line(change, width) for change in ordered]
    if parameters:
        widest = max(len(name) for name, _, _ in parameters)
        lines.append(Line("parameters", "bold"))
        lines += [Line(f"  {name:{widest}}  {_values(before, after)}") for name, before, after in parameters]
    return lines


def _alarm(change: Change) -> int:
    """How much a change deserves to be seen."""
    if change.action == "Remove":
        return 3
    return {"True": 2, "Conditional": 1}.get(change.replacement, 0)


def _change_line(change: Change, width: int) -> Line:
    head = f"{change.resource:{width}}  {change.kind}"
    about = f": {', '.join(change.about)}" if change.about else ""
    if change.action == "Remove":
        return Line(f"  - {head}  {_FATES.get(change.policy, 'REMOVED')}", "bold red")
    if change.replacement == "True":
        fate = _FATES.get(change.policy, "REPLACED by a new one; the old one is deleted")
        return Line(f"  ± {head}  {fate}{about}", "bold red")
    if change.replacement == "Conditional":
        return Line(f"  ± {head}  changed, and perhaps REPLACED by a new one{about}", "yellow")
    sign = _SIGNS.get(change.action, "?")
    words = {"Modify": f"  changed in place{about}", "Dynamic": "  may change: known only when it is executed"}
    other = "" if change.action in _SIGNS else f"  {change.action}"
    return Line(f"  {sign} {head}{words.get(change.action, other)}", "green" if sign == "+" else "")


def _values(before: str | None, after: str) -> str:
    was, will_be = (value or "(none)" for value in (before, after))
    return will_be if before is None else f"{was} → {will_be}"


def event_line(event: StackEvent, now: datetime) -> Line | None:
    """An event in a line; None for the second of two that say the same of a resource."""
    if event.status.endswith("_IN_PROGRESS") and event.reason.endswith("Initiated") and not event.is_stack:
        return None
    name = "the stack" if event.is_stack else event.resource
    reason = f": {event.reason}" if event.reason and not event.status.endswith("_COMPLETE") else ""
    if event.status.endswith("_FAILED"):
        return Line(f"{now:%H:%M:%S}  ✘ {name} {event.status}{reason}", "bold red" if event.is_failure else "dim")
    if event.status.endswith("_IN_PROGRESS"):
        return Line(f"{now:%H:%M:%S}  ▶ {name} {event.status}{'' if event.is_stack else reason}", "dim")
    return Line(f"{now:%H:%M:%S}  ✔ {name} {event.status}", "green")


def failures(events: Iterable[StackEvent]) -> str:
    """Why it failed: the first failures, for what follows mostly follows from them."""
    reasons = [f"{event.resource} ({event.kind}): {event.reason or event.status}" for event in events]
    return "; ".join(list(dict.fromkeys(reasons))[:3]) or "CloudFormation gave no reason"


@dataclass(frozen=True)
class Setup:
    """What there is in the end. `connection_page` is where the handshake is to be done, None where it is done;
    `run_again` is the command that goes on then."""

    flow: str
    region: str
    repository: str
    outputs: Mapping[str, str]
    uses_actions: bool
    has_buildspec: bool
    connection_page: str | None
    run_again: str


def made(setup: Setup) -> list[Line]:
    """What there is."""
    outputs = setup.outputs
    found = {
        "bucket": outputs.get("Bucket"),
        "projects": " and ".join(outputs[name] for name in ("PullRequestProject", "BaseProject") if name in outputs),
        "connection": outputs.get("ConnectionArn"),
        "settings": ", ".join(f"/mlci/{setup.flow}/{name}" for name in ("bucket", "workflow_role", "job_role"))
        + " (SSM), which runs of this flow read",
    }
    return [Line(f"  {name:10}  {value}") for name, value in found.items() if value]


def next_steps(setup: Setup) -> list[Line]:
    """What a person does next, numbered."""
    lines = [Line("next", "bold")]
    for number, (first, *more) in enumerate(_steps(setup), 1):
        lines += [Line(f"  {number}. {first}"), *(Line(f"     {line}") for line in more)]
    return lines


def _steps(setup: Setup) -> Iterator[Sequence[str]]:
    if setup.connection_page:
        yield [*handshake(setup.connection_page), f"Then run again, which makes the two projects: {setup.run_again}"]
    if not setup.has_buildspec:
        yield [
            "Put a buildspec.yaml at the top of the repository: what CodeBuild does for each pull request.",
            "mlci buildspec > buildspec.yaml",
        ]
    files = "flow.yaml, its scripts and buildspec.yaml" if setup.has_buildspec else "it, with the flow and its scripts"
    yield [f"Commit {files}, and push."]
    if setup.uses_actions:
        yield [
            "Commit .github/workflows/ml-ci.yml as well, and set the repository variables that it reads:",
            *_variables(setup),
        ]
    yield [f'Open a pull request in {setup.repository}. CodeBuild reports the status check "mlci/{setup.flow}" on it.']
    yield [
        f'Make "mlci/{setup.flow}" required: GitHub, Settings, Rules, Rulesets, Require status checks to pass.',
        f"https://github.com/{setup.repository}/settings/rules",
    ]


def handshake(page: str) -> list[str]:
    """The one step that AWS has no call for."""
    return [
        "Complete the connection to GitHub, once, in the console (AWS has no call for it):",
        page,
        'Choose the connection that is "Pending", then "Update pending connection", and install or choose the app',
        '"AWS Connector for GitHub" for the repository.',
    ]


def _variables(setup: Setup) -> Iterator[str]:
    values = {
        "MLCI_REGION": setup.region,
        "MLCI_PULL_REQUEST_ROLE": setup.outputs.get("PullRequestActionsRole"),
        "MLCI_BASE_ROLE": setup.outputs.get("BaseActionsRole"),
        "MLCI_PULL_REQUEST_PROJECT": setup.outputs.get("PullRequestProject"),
        "MLCI_BASE_PROJECT": setup.outputs.get("BaseProject"),
    }
    for name, value in values.items():
        if value:
            yield f"gh variable set {name} --repo {setup.repository} --body {shlex.quote(value)}"
