"""The time of a run as a waterfall: a lane for each of its phases and for each step, with the phases of its job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from mlci.backends.progress import StepState
from mlci.report.formatting import duration
from mlci.report.html.tables import TableCell, number_cell, table
from mlci.report.result import Result
from mlci.report.run_phases import PHASE_WORDS, RunPhase
from mlci.report.untrusted_text import html_text
from mlci_dataclasses import dataclass

#: The phases of a job in words. The rest of a step's time is that between the state machine and the job.
_PHASES: Mapping[str, str] = {
    "starting": "waiting for the machine",
    "downloading": "fetching image and data",
    "running": "running the script",
    "uploading": "uploading",
    "between": "between the state machine and the job",
}
_MOST_LANES = 200


@dataclass(frozen=True)
class _Scale:
    """The time that lanes show: from what began first (the build, the run, or a step of a run that a build attached
    to) to the end of the run."""

    started: datetime
    seconds: float

    def bar(self, css: str, title: str, started: datetime, ended: datetime) -> str:
        left = 100 * (started - self.started).total_seconds() / self.seconds
        width = 100 * (ended - started).total_seconds() / self.seconds
        left = min(left, 100.0)
        width = min(width, 100.0 - left)
        return f'<div class="bar {css}" style="left:{left:.2f}%;width:{width:.2f}%" title="{title}"></div>'


def time_table(result: Result) -> str:
    """Return the phases of the run and of its steps as lanes, in their order; "" where no step has run."""
    steps = [(step.started, name, step) for name, step in result.steps.items() if step.started and step.ended]
    if not steps and not any(phase.name == "build" for phase in result.phases):
        return ""
    begun = min([result.started, *(phase.started for phase in result.phases), *(started for started, _, _ in steps)])
    ended = result.started + timedelta(seconds=result.seconds)
    scale = _Scale(begun, max((ended - begun).total_seconds(), 0.001))
    # The phase in which steps run is shown by them.
    lanes = [(phase.started, _phase_row(phase, scale)) for phase in result.phases if phase.name != "running"]
    lanes += [(started, _step_row(name, step, started, step.ended or started, scale)) for started, name, step in steps]
    lanes.sort(key=lambda lane: lane[0])
    rows = [row for _, row in lanes[:_MOST_LANES]]
    more = f'<p class="muted">and {len(lanes) - _MOST_LANES} more</p>' if len(lanes) > _MOST_LANES else ""
    return table(("phase or step", "when", "time"), rows, "Time") + _legend(result) + more


def _phase_row(phase: RunPhase, scale: _Scale) -> list[TableCell]:
    took = duration(phase.seconds)
    bar = scale.bar("phase", f"{PHASE_WORDS[phase.name]}: {took}", phase.started, phase.ended)
    lane = f'<div class="lane" role="img" aria-label="{took}">{bar}</div>'
    return [
        TableCell(f'<span class="muted">{PHASE_WORDS[phase.name]}</span>', css="name"),
        TableCell(lane, phase.started.timestamp(), css="when"),
        number_cell(took, phase.seconds),
    ]


def _step_row(name: str, step: StepState, started: datetime, ended: datetime, scale: _Scale) -> list[TableCell]:
    seconds = (ended - started).total_seconds()
    return [
        TableCell(html_text(name), css="name"),
        TableCell(_lane(step, started, ended, scale), started.timestamp(), css="when"),
        number_cell(duration(seconds), seconds),
    ]


def _lane(step: StepState, started: datetime, ended: datetime, scale: _Scale) -> str:
    bars = [
        scale.bar(f"{phase} {step.status}", f"{_PHASES[phase]}: {duration((end - begin).total_seconds())}", begin, end)
        for phase, begin, end in _segments(step, started, ended)
    ]
    spans = ((phase, (end - begin).total_seconds()) for phase, begin, end in step.phases)
    spoken = "; ".join(f"{_PHASES[phase]} {duration(seconds)}" for phase, seconds in spans)
    label = spoken or duration((ended - started).total_seconds())
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
