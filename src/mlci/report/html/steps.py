"""The steps of a run as a table."""

from __future__ import annotations

from collections.abc import Iterator

from mlci.backends.progress import StepState
from mlci.report.failure_line import failure_line
from mlci.report.formatting import cost_line, duration, step_note, usd
from mlci.report.html.tables import TableCell, number_cell, table
from mlci.report.result import Result
from mlci.report.signs import STEP_SIGNS
from mlci.report.untrusted_text import html_text


def steps_table(result: Result) -> str:
    """Return the steps, with their estimated cost where it is known."""
    rows = (list(_row(result, name, step)) for name, step in result.steps.items())
    cost = ("cost",) if result.costs else ()
    total = f"<p>{html_text(cost_line(result.costs, result.steps))}</p>" if cost else ""
    return table(("step", "status", "time", *cost, "note"), rows, "Steps") + total


def _row(result: Result, name: str, step: StepState) -> Iterator[TableCell]:
    seconds = result.seconds_of(name)
    yield TableCell(html_text(name), css="name")
    status = f'<span class="mark">{STEP_SIGNS[step.status]}</span> {step.status}'
    yield TableCell(status, css=f"step {step.status}")
    yield number_cell(duration(seconds) if step.ended and step.started else "", seconds)
    if result.costs:
        yield number_cell(usd(result.costs[name]) if name in result.costs else "", result.costs.get(name, 0.0))
    note = step_note(step)
    # The whole reason of a failure stands above.
    shown = html_text(failure_line(note) if step.status == "failed" else note)
    yield TableCell(f'<div class="note">{shown}</div>' if note else "", css="wide")
