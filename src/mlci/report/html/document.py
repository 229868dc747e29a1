"""The page, section by section: the verdict first, then what decided it, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlci.commits import short_commit
from mlci.report.baseline_changes import BaselineChanges, change_notes, change_rows
from mlci.report.formatting import compared_with, duration, figure, headline, reused_note
from mlci.report.headline import headline_sentence
from mlci.report.html.gate import gate_table
from mlci.report.html.graph import graph_svg
from mlci.report.html.layout import facts, html_document, pictures, section
from mlci.report.html.steps import steps_table
from mlci.report.html.tables import TableCell, code_cell, number_cell, table, text_cell
from mlci.report.html.waterfall import time_table
from mlci.report.key_changes import changes_lines
from mlci.report.metrics_table import ungated_metrics
from mlci.report.next_commands import next_commands
from mlci.report.plots.pictures import Picture
from mlci.report.result import Result, Status
from mlci.report.signs import STATUS_SIGNS
from mlci.report.untrusted_text import html_text
from mlci.report.value_changes import scalar


def page(result: Result) -> str:
    """Return the report as an HTML document."""
    title = f"{html_text(result.flow)}: {headline(result)}"
    return html_document(title, _sections(result), result.status.value)


def _sections(result: Result) -> Iterator[str]:
    yield _header(result)
    if result.reason and result.status is not Status.GATE_MISSED:
        yield f'<pre class="reason">{html_text(result.reason.strip())}</pre>'
    if result.status is not Status.PASSED:
        yield from _commands(result)
    yield from _findings(result)
    yield from _details(result)
    if result.status is Status.PASSED:
        yield from _commands(result)


def _findings(result: Result) -> Iterator[str]:
    """Yield what decided the verdict."""
    if result.rules:
        yield section("gate", "Gate", gate_table(result))
    yield from _baseline(result)
    if result.since_baseline:
        yield from _since_baseline(result.since_baseline)
    yield from _history(result)
    if result.plots:
        yield section("plots", "Plots", pictures(map(_images, result.plots)))
    for step, tail in result.log_tails.items():
        summary = f"Last lines of {html_text(step)}'s log"
        yield f"<details open><summary>{summary}</summary><pre>{html_text(tail)}</pre></details>"


def _history(result: Result) -> Iterator[str]:
    """Yield the metrics over the runs of the base branch."""
    if not result.baseline.history:
        return
    from mlci.report.html.history import history_drawings

    if drawings := history_drawings(result):
        yield section("history", "Gated metrics on the base branch, and in this run", drawings)


def _details(result: Result) -> Iterator[str]:
    """Yield what a reader looks up."""
    yield section("steps", "Steps", steps_table(result))
    if times := time_table(result):
        yield section("time", "Time", times)
    if result.graph and (drawn := graph_svg(result.graph)):
        yield section("flow", "Flow", drawn)
    metrics = ungated_metrics(result)
    if metrics:
        rows = ((code_cell(name), number_cell(figure(value), value)) for name, value in metrics.items())
        yield section("metrics", "Metrics that no rule judges", table(("metric", "value"), rows, "Metrics"))
    for title, head, values in _tables(result):
        if values:
            rows = ((code_cell(name), text_cell(value, "wide")) for name, value in values.items())
            yield f"<details><summary>{title} ({len(values)})</summary>{table((head, 'value'), rows, title)}</details>"


def _header(result: Result) -> str:
    known = {
        "run": f"<code>{html_text(result.run_id)}</code>",
        "commit": _linked(f"<code>{html_text(short_commit(result.commit))}</code>", result.links.commit(result.commit))
        + (" with changes that it does not hold" if result.is_dirty else "")
        if result.commit
        else "",
        "cloud": html_text(result.cloud),
        "started": f"{result.started:%Y-%m-%d %H:%M:%S} UTC",
        "took": duration(result.seconds),
        "pages": " · ".join(_linked(name, page) for name, page in result.links.named()),
    }
    note = reused_note(result)
    reused = f'<p class="muted">{html_text(note[0].upper() + note[1:])}.</p>' if note else ""
    return (
        f'<header><p class="badge"><span class="mark">{STATUS_SIGNS[result.status]}</span> {headline(result)}</p>'
        f"<h1>{html_text(result.flow)}</h1>"
        f'<p class="sentence">{html_text(headline_sentence(result))}</p>{reused}{facts(known)}</header>'
    )


def _linked(html: str, page: str) -> str:
    """Return text as a link, where its page is known."""
    return f'<a href="{html_text(page)}" rel="noreferrer">{html}</a>' if page else html


def _commands(result: Result) -> Iterator[str]:
    commands = next_commands(result)
    if commands:
        items = "".join(
            f"<li><span>{html_text(each.purpose)}</span><pre>{html_text(each.command)}</pre></li>" for each in commands
        )
        yield section("next", "What to do next", f'<ul class="commands">{items}</ul>')


def _images(picture: Picture) -> Iterator[tuple[str, str]]:
    """Yield a plot, and that of the baseline, where it is a picture of its own: the title and the address."""
    yield picture.title, picture.address
    if picture.baseline:
        yield f"{picture.title}, baseline", picture.baseline


def _baseline(result: Result) -> Iterator[str]:
    if result.rules and (compared := compared_with(result.baseline)):
        shown = _linked(html_text(compared), result.links.commit(result.baseline.commit))
        yield f'<p class="muted">The baseline is {shown}.</p>'
    update = result.baseline_update
    if update:
        yield f'<p class="muted">Baseline: {html_text(update.reason or "this run is the baseline now")}.</p>'


def _since_baseline(changes: BaselineChanges) -> Iterator[str]:
    """Yield what has changed since the baseline."""
    rows = [
        (text_cell(row.kind), code_cell(row.name), TableCell("<br>".join(map(html_text, row.changes)), css="wide"))
        for row in change_rows(changes)
    ]
    if rows:
        caption = "Changed since the baseline"
        yield section("changes", caption, table(("what", "name", "change"), rows, caption))
    yield from (f'<p class="muted">{html_text(note)}.</p>' for note in change_notes(changes))


def _tables(result: Result) -> Iterator[tuple[str, str, Mapping[str, str]]]:
    """Yield the tables of names and values, each in a fold."""
    yield "Params", "param", {name: scalar(value) for name, value in result.params.items()}
    yield "Environment", "variable", result.env
    yield "Changes of steps", "step", changes_lines(result)
    yield "Empty inputs", "input", result.empty_inputs
    yield "Taken from earlier runs", "step", result.taken
    yield "Started on machines that another job left", "step", result.warm_starts
    yield "Best cells", "input", result.chosen
