"""report.html: the report as one page that needs nothing else: no script, no network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mlci.report.formatting import STATUS_COLOURS, duration, figure, headline, limit, reused_note, scalar, step_note
from mlci.report.key_changes import changes_lines
from mlci.report.metrics_table import ungated_metrics
from mlci.report.result import Result, Status
from mlci.report.signs import STEP_COLOURS, rule_colour, rule_sign
from mlci.report.untrusted_text import html_text

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1f2328; }
h1 { font-size: 1.5rem; border-left: .4rem solid var(--verdict); padding-left: .7rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
th, td { text-align: left; padding: .35rem .7rem; border-bottom: 1px solid #d0d7de; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.held { color: var(--held); } .missed { color: var(--missed); font-weight: 600; }
.lane { position: relative; height: 1.1rem; min-width: 14rem; background: #f6f8fa; border-radius: 3px; }
.bar { position: absolute; top: 0; bottom: 0; min-width: 2px; border-radius: 3px; }
pre { background: #f6f8fa; padding: .8rem; overflow-x: auto; font-size: .85rem; }
"""


def page(result: Result) -> str:
    """The report as an HTML document."""
    body = [
        f"<h1>{html_text(result.flow)}: {headline(result)}</h1>",
        f"<p>Run <code>{html_text(result.run_id)}</code> on the {html_text(result.cloud)} cloud, started "
        f"{result.started:%Y-%m-%d %H:%M:%S} UTC, {duration(result.seconds)}"
        + (f", commit <code>{html_text(result.commit[:12])}</code>" if result.commit else "")
        + (" with changes that it does not hold" if result.is_dirty and result.commit else "")
        + ".</p>",
    ]
    if note := reused_note(result):
        body.append(f"<p>{html_text(note[0].upper() + note[1:])}.</p>")
    if result.reason:
        body.append(f"<pre>{html_text(result.reason)}</pre>")
    if result.rules:
        body.append("<h2>Gate</h2>")
        body.append(_table(("", "metric", "value", "limit", "baseline", "margin"), _rules(result)))
    body.append("<h2>Steps</h2>")
    body.append(_table(("step", "status", "time", "when", "reason"), _steps(result)))
    params = {name: scalar(value) for name, value in result.params.items()}
    others = {name: figure(value) for name, value in ungated_metrics(result).items()}
    tables = (
        ("Params", "param", params),
        ("Environment", "variable", result.env),
        ("Metrics that no rule judges", "metric", others),
        ("Taken from earlier runs", "step", result.taken),
        ("Started on machines that another job left", "step", result.warm_starts),
        ("Changes of steps", "step", changes_lines(result.changes)),
        ("Best cells", "input", result.chosen),
    )
    for title, head, values in tables:
        if values:
            body.append(f"<h2>{title}</h2>{_table((head, 'value'), _values(values))}")
    for step, tail in result.log_tails.items():
        body.append(f"<h2>Last lines of {html_text(step)}'s log</h2><pre>{html_text(tail)}</pre>")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html_text(result.flow)}: {headline(result)}</title><style>{_STYLE}</style></head>"
        f'<body style="{_colours(result.status)}">\n' + "\n".join(body) + "\n</body></html>\n"
    )


def _colours(status: Status) -> str:
    return f"--verdict: {STATUS_COLOURS[status]}; --held: {rule_colour(True)}; --missed: {rule_colour(False)}"


def _rules(result: Result) -> Iterable[str]:
    for judged in result.rules:
        bound = judged.bound
        verdict = "held" if judged.held else "missed"
        yield (
            f'<tr><td class="{verdict}">{rule_sign(judged.held)} {verdict}</td>'
            f"<td><code>{html_text(bound.rule.metric)}</code>"
            + ("" if judged.held else f"<br>{html_text(judged.text)}")
            + f'</td><td class="number">{figure(judged.value)}</td><td>{html_text(limit(bound))}</td>'
            f'<td class="number">{figure(bound.baseline)}</td>'
            f'<td class="number">{figure(judged.margin, signed=True)}</td></tr>'
        )


def _steps(result: Result) -> Iterable[str]:
    total = max(result.seconds, 0.001)
    for name, step in result.steps.items():
        bar = ""
        if step.started and step.ended:
            left = 100 * (step.started - result.started).total_seconds() / total
            width = 100 * (step.ended - step.started).total_seconds() / total
            colour = STEP_COLOURS.get(step.status, STEP_COLOURS["skipped"])
            bar = f'<div class="bar" style="left:{left:.2f}%;width:{width:.2f}%;background:{colour}"></div>'
        time = duration(result.seconds_of(name)) if step.ended else ""
        yield (
            f"<tr><td>{html_text(name)}</td><td>{step.status}</td><td>{time}</td>"
            f'<td><div class="lane">{bar}</div></td><td>{html_text(step_note(step))}</td></tr>'
        )


def _values(values: Mapping[str, str]) -> Iterable[str]:
    for name, value in values.items():
        yield f'<tr><td><code>{html_text(name)}</code></td><td class="number">{html_text(value)}</td></tr>'


def _table(head: tuple[str, ...], rows: Iterable[str]) -> str:
    return f"<table><tr>{''.join(f'<th>{cell}</th>' for cell in head)}</tr>{''.join(rows)}</table>"
