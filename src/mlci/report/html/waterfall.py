"""The time of a run as a waterfall: a lane for each step, in which the phases of its job have their shades."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from mlci.backends.progress import StepState
from mlci.report.formatting import cost_line, duration, step_note, usd
from mlci.report.html.tables import TableCell, number_cell, table
from mlci.report.result import Result
from mlci.report.signs import STEP_SIGNS
from mlci.report.untrusted_text import html_text

#: The phases of a job in words. The rest of a step's time is that between the state machine and the job.
_PHASES: Mapping[str, str] = {
    "starting": "waiting for the machine",
    "downloading": "fetching image and data",
    "running": "running the script",
    "uploading": "uploading",
    "between": "between the state machine and the job",
}


def steps_table(result: Result) -> str:
    """Return the steps, each with its lane."""
    rows = (list(_row(result, name, step)) for name, step in result.steps.items())
    cost = ("cost",) if result.costs else ()
    total = f"<p>{html_text(cost_line(result.costs, result.steps))}</p>" if cost else ""
    return table(("step", "status", "time", *cost, "when", "note"), rows, "Steps") + _legend(result) + total


def _row(result: Result, name: str, step: StepState) -> Iterator[TableCell]:
    seconds = result.seconds_of(name)
    yield TableCell(html_text(name), css="name")
    status = f'<span class="mark">{STEP_SIGNS[step.status]}</span> {step.status}'
    yield TableCell(status, css=f"step {step.status}")
    yield number_cell(duration(seconds) if step.ended and step.started else "", seconds)
    if result.costs:
        yield number_cell(usd(result.costs[name]) if name in result.costs else "", result.costs.get(name, 0.0))
    yield TableCell(_lane(result, step), (step.started or result.started).timestamp(), css="when")
    note = html_text(step_note(step))
    yield TableCell(f'<div class="note">{note}</div>' if note else "")


def _lane(result: Result, step: StepState) -> str:
    if not (step.started and step.ended):
        return ""
    total = max(result.seconds, 0.001)
    bars = []
    for phase, started, ended in _segments(step, step.started, step.ended):
        left = 100 * (started - result.started).total_seconds() / total
        width = 100 * (ended - started).total_seconds() / total
        left, width = max(0.0, min(left, 100.0)), max(0.0, min(width, 100.0 - max(0.0, left)))
        title = f"{_PHASES[phase]}: {duration((ended - started).total_seconds())}"
        bars.append(
            f'<div class="bar {phase} {step.status}" style="left:{left:.2f}%;width:{width:.2f}%" title="{title}"></div>'
        )
    spoken = "; ".join(
        f"{_PHASES[phase]} {duration((ended - started).total_seconds())}" for phase, started, ended in step.phases
    )
    label = spoken or duration(step.seconds(step.ended))
    return f'<div class="lane" role="img" aria-label="{label}">{"".join(bars)}</div>'


def _segments(step: StepState, started: datetime, ended: datetime) -> Iterator[tuple[str, datetime, datetime]]:
    """Yield the phases of a step in order, with what is between them; one whose job told none ran all the time."""
    if not step.phases:
        yield "running", started, ended
        return
    at = started
    for name, begun, finished in step.phases:
        begun, finished = max(at, min(begun, ended)), max(at, min(finished, ended))
        if begun - at > timedelta(0):
            yield "between", at, begun
        if finished > begun:
            yield name, begun, finished
        at = finished
    if ended > at:
        yield "between", at, ended


def _legend(result: Result) -> str:
    seen = {
        phase
        for step in result.steps.values()
        if step.started and step.ended
        for phase, _, _ in _segments(step, step.started, step.ended)
    }
    if seen <= {"running"}:
        return ""
    items = "".join(
        f'<li><span class="bar sample {name} succeeded"></span>{text}</li>'
        for name, text in _PHASES.items()
        if name in seen
    )
    return f'<ul class="legend">{items}</ul>'
