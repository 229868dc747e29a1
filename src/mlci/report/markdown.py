"""report.md: the verdict first, then each rule, each step, the picture, and the last log lines of what failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mlci.backends.progress import StepState
from mlci.report.formatting import duration, figure, headline, limit, reused_note, scalar, step_note
from mlci.report.key_changes import changes_lines
from mlci.report.metrics_table import ungated_metrics
from mlci.report.result import Result
from mlci.report.signs import STATUS_EMOJI, rule_emoji
from mlci.report.untrusted_text import html_text, markdown_block, markdown_code, markdown_text, plain_text

_REASON_MAX = 200


def markdown(result: Result) -> str:
    """The report, as GitHub shows it."""
    parts = [
        f"## {STATUS_EMOJI[result.status]} {markdown_text(result.flow)}: {headline(result)}",
        f"Run {markdown_code(result.run_id)} on the {markdown_text(result.cloud)} cloud, {duration(result.seconds)}"
        + (f", commit {markdown_code(result.commit[:12])}" if result.commit else "")
        + (" with changes that it does not hold" if result.is_dirty and result.commit else ""),
    ]
    if note := reused_note(result):
        parts.append(f"{markdown_text(note[0].upper() + note[1:])}.")
    if result.reason:
        parts.append(markdown_block(result.reason))
    if result.rules:
        rules = (
            (
                rule_emoji(judged.held),
                markdown_code(judged.bound.rule.metric),
                figure(judged.value),
                limit(judged.bound),
                figure(judged.bound.baseline),
                figure(judged.margin, signed=True),
                "" if judged.held else markdown_code(judged.text),
            )
            for judged in result.rules
        )
        parts += ["### Gate", _table(("", "metric", "value", "limit", "baseline", "margin", ""), rules)]
    update = result.baseline_update
    if update:
        parts.append(f"Baseline: {markdown_text(update.reason or 'this run is the baseline now')}.")
    steps = (
        (markdown_text(name), step.status, duration(result.seconds_of(name)) if step.ended else "", _reason(step))
        for name, step in result.steps.items()
    )
    parts += ["### Steps", _table(("step", "status", "time", "reason"), steps)]
    if result.graph:
        parts.append(markdown_block(result.graph, "mermaid"))
    parts += _values("Params", "param", {name: scalar(value) for name, value in result.params.items()})
    parts += _values("Environment", "variable", result.env)
    others = {name: figure(value) for name, value in ungated_metrics(result).items()}
    parts += _values("Metrics that no rule judges", "metric", others)
    parts += _values("Taken from earlier runs", "step", result.taken)
    parts += _values("Started on machines that another job left", "step", result.warm_starts)
    parts += _values("Changes of steps", "step", changes_lines(result.changes))
    parts += _values("Best cells", "input", result.chosen)
    for step, tail in result.log_tails.items():
        head = f"<details open><summary>Last lines of <code>{html_text(step)}</code>'s log</summary>"
        parts.append(f"{head}\n\n{markdown_block(tail)}\n</details>")
    return "\n\n".join(parts) + "\n"


def _values(title: str, head: str, values: Mapping[str, str]) -> list[str]:
    """A folded table of names and values; nothing where there are none."""
    if not values:
        return []
    rows = ((markdown_code(name), markdown_code(value)) for name, value in values.items())
    return [f"<details><summary>{title} ({len(values)})</summary>\n\n{_table((head, 'value'), rows)}\n\n</details>"]


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _reason(step: StepState) -> str:
    """The first line of a step's reason, for a table's cell."""
    first = plain_text(step_note(step)).strip().partition("\n")[0]
    return markdown_code(first if len(first) <= _REASON_MAX else f"{first[: _REASON_MAX - 1]}…") if first else ""
