"""report.md: the verdict and what decided it first, then each rule, the steps, the picture, and what to do next.

GitHub takes comments of at most 65,536 characters, so of a large flow only the first of each list are shown, and what
needs a look comes first in them.

Source: https://docs.github.com/en/rest/issues/comments (what is longer is refused with 422)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from mlci.backends.progress import StepState
from mlci.commits import short_commit
from mlci.gate import RuleVerdict
from mlci.report.baseline_changes import BaselineChanges, change_notes, change_rows
from mlci.report.failure_line import failure_line
from mlci.report.formatting import (
    compared_with,
    cost_line,
    duration,
    figure,
    headline,
    limit,
    reused_note,
    step_note,
    time_line,
    usd,
)
from mlci.report.headline import headline_sentence
from mlci.report.key_changes import changes_lines
from mlci.report.mermaid import mermaid
from mlci.report.metrics_table import ungated_metrics
from mlci.report.next_commands import next_commands
from mlci.report.result import Result, Status
from mlci.report.signs import OUTCOME_EMOJI, OUTCOMES, STATUS_EMOJI
from mlci.report.untrusted_text import html_text, markdown_block, markdown_code, markdown_text, plain_text
from mlci.report.value_changes import scalar

#: What a comment holds, without the few lines that who posts it adds.
MAX_CHARS = 62_000
#: The most rows of a list and characters of a text, from what a usual flow has to what fits in any case.
_SIZES = ((200, 20_000), (40, 4_000), (12, 1_000), (3, 200))
_REASON_MAX = 200
_STEPS_FIRST = ("failed", "stopped", "running", "waiting", "succeeded", "reused", "skipped")


def markdown(result: Result) -> str:
    """Return the report, as GitHub shows it, in at most MAX_CHARS characters."""
    texts = ("\n\n".join(_parts(result, rows, chars)) + "\n" for rows, chars in _SIZES)
    return next((text for text in texts if len(text) <= MAX_CHARS), "\n\n".join(islice(_parts(result, 0, 0), 3)))


def _parts(result: Result, most: int, chars: int) -> Iterator[str]:
    yield f"## {STATUS_EMOJI[result.status]} {markdown_text(result.flow)}: {headline(result)}"
    yield f"**{markdown_text(headline_sentence(result))}**"
    yield (
        f"Run {markdown_code(result.run_id)} on the {markdown_text(result.cloud)} cloud, {duration(result.seconds)}"
        + (f", commit {markdown_code(short_commit(result.commit))}" if result.commit else "")
        + (" with changes that it does not hold" if result.is_dirty and result.commit else "")
    )
    pages = " · ".join(f"[{name}]({page})" for name, page in result.links.in_console())
    if pages:
        yield pages
    if note := reused_note(result):
        yield f"{markdown_text(note[0].upper() + note[1:])}."
    if result.reason and result.status is not Status.GATE_MISSED:
        yield markdown_block(_shortened(result.reason, chars))
    if result.rules:
        yield "### Gate"
        yield _rules(result, most)
        yield from _flips(result.rules, most)
        if compared := compared_with(result.baseline):
            yield f"The baseline is {markdown_text(compared)}."
    yield from _since_baseline(result.since_baseline, most)
    update = result.baseline_update
    if update:
        yield f"Baseline: {markdown_text(update.reason or 'this run is the baseline now')}."
    for step, tail in list(result.log_tails.items())[:most]:
        head = f"<details open><summary>Last lines of <code>{html_text(step)}</code>'s log</summary>"
        yield f"{head}\n\n{markdown_block(_end(tail, chars))}\n</details>"
    yield "### Steps"
    yield _steps(result, most)
    if line := time_line(result.phases):
        yield markdown_text(line)
    if result.graph and len(result.graph.nodes) <= most:
        yield markdown_block(mermaid(result.graph), "mermaid")
    others = {name: figure(value) for name, value in ungated_metrics(result).items()}
    yield from _values("Metrics that no rule judges", "metric", others, most)
    yield from _values("Params", "param", {name: scalar(value) for name, value in result.params.items()}, most)
    yield from _values("Environment", "variable", result.env, most)
    yield from _values("Changes of steps", "step", changes_lines(result), most)
    yield from _values("Taken from earlier runs", "step", result.taken, most)
    yield from _values("Started on machines that another job left", "step", result.warm_starts, most)
    yield from _values("Empty inputs", "input", result.empty_inputs, most)
    yield from _values("Best cells", "input", result.chosen, most)
    yield from _commands(result)


def _rules(result: Result, most: int) -> str:
    """Return the rules as a table, those that failed first."""
    ordered = sorted(result.rules, key=lambda judged: OUTCOMES.index(result.outcome_of(judged)))
    rows = []
    for judged in ordered:
        bound = judged.bound
        group = f" {markdown_text(f'({bound.rule.slice} = {judged.group})')}" if judged.group else ""
        change = None if judged.value is None or bound.baseline is None else judged.value - bound.baseline
        rows.append(
            (
                OUTCOME_EMOJI[result.outcome_of(judged)],
                f"{markdown_code(bound.rule.metric)}{group}",
                figure(judged.value),
                limit(bound),
                figure(bound.baseline),
                figure(change, signed=True),
                "" if _is_plain(judged) else markdown_text(_shortened(result.text_of(judged), _REASON_MAX * 2)),
            )
        )
    return _table(("", "metric", "value", "limit", "baseline", "change", ""), rows, most)


def _is_plain(judged: RuleVerdict) -> bool:
    """Return True for a rule that held, and whose text says no more than its row."""
    return judged.verdict == "held" and judged.comparison is None


def _flips(rules: Sequence[RuleVerdict], most: int) -> Iterator[str]:
    """Yield a fold with the cases that changed for the worse or the better, by metric."""
    flipped_rules = ((judged, judged.comparison) for judged in rules if judged.comparison and not judged.group)
    for judged, compared in islice(flipped_rules, most):
        if not (compared.to_wrong or compared.to_right):
            continue
        metric = html_text(judged.bound.rule.metric)
        lines = [
            f"{len(ids)} turned {word}: {', '.join(map(markdown_code, ids[:most]))}"
            + (f" and {len(ids) - most} more" if len(ids) > most else "")
            for word, ids in (("wrong", compared.to_wrong), ("right", compared.to_right))
            if ids
        ]
        flipped = len(compared.to_wrong) + len(compared.to_right)
        head = f"<details><summary><code>{metric}</code>: {flipped} of {compared.cases} cases flipped</summary>"
        yield head + "\n\n" + "\n\n".join(lines) + "\n\n</details>"


def _since_baseline(changes: BaselineChanges | None, most: int) -> Iterator[str]:
    """Yield what has changed since the baseline."""
    if changes is None:
        return
    rows = [
        (row.kind, markdown_code(_shortened(row.name, _REASON_MAX)), "<br>".join(_lines(row.changes, most)))
        for row in change_rows(changes)
    ]
    if rows:
        yield "### Changed since the baseline"
        yield _table(("", "", "change"), rows, most)
    notes = [f"{markdown_text(note)}." for note in change_notes(changes)]
    if notes:
        yield " ".join(notes)


def _lines(lines: Sequence[str], most: int) -> Iterator[str]:
    yield from (markdown_text(_shortened(line, _REASON_MAX)) for line in lines[:most])
    if len(lines) > most:
        yield f"and {len(lines) - most} more"


def _steps(result: Result, most: int) -> str:
    ordered = sorted(result.steps.items(), key=lambda each: _STEPS_FIRST.index(each[1].status))
    steps = result.steps.items() if len(result.steps) <= most else ordered
    cost = ("cost",) if result.costs else ()
    rows = [
        (
            markdown_text(name),
            step.status,
            duration(result.seconds_of(name)) if step.ended else "",
            *(markdown_text(usd(result.costs[name])) if name in result.costs else "" for _ in cost),
            _reason(step),
        )
        for name, step in steps
    ]
    table = _table(("step", "status", "time", *cost, "note"), rows, most)
    return f"{table}\n\n{markdown_text(cost_line(result.costs, result.steps))}" if result.costs else table


def _commands(result: Result) -> Iterator[str]:
    commands = next_commands(result)
    if commands:
        blocks = (f"{markdown_text(each.purpose)}:\n\n{markdown_block(each.command, 'sh')}" for each in commands)
        is_open = "" if result.status is Status.PASSED else " open"
        yield f"<details{is_open}><summary>What to do next</summary>\n\n" + "\n\n".join(blocks) + "\n</details>"


def _values(title: str, head: str, values: Mapping[str, str], most: int) -> Iterator[str]:
    """Yield a folded table of names and values; nothing where there are none."""
    if values:
        rows = [
            (markdown_code(_shortened(name, _REASON_MAX)), markdown_code(_shortened(value, _REASON_MAX * 2)))
            for name, value in values.items()
        ]
        summary = f"<summary>{title} ({len(values)})</summary>"
        yield f"<details>{summary}\n\n{_table((head, 'value'), rows, most)}\n\n</details>"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], most: int) -> str:
    lines = [head, tuple("---" for _ in head), *rows[:most]]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{table}\n\nand {len(rows) - most} more" if len(rows) > most else table


def _reason(step: StepState) -> str:
    """Return the line of a step's reason that says most, for a table's cell."""
    first = failure_line(plain_text(step_note(step)))
    return markdown_code(_shortened(first, _REASON_MAX)) if first else ""


def _shortened(text: str, chars: int) -> str:
    return text if len(text) <= chars else f"{text[: chars - 1]}…"


def _end(text: str, chars: int) -> str:
    """Return the last characters of a text, which say how it ended."""
    return text if len(text) <= chars else f"…{text[1 - chars :]}"
