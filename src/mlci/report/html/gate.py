"""The rules of the gate as a table, worst first, each with the interval of its comparison as a drawing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mlci.gate import RuleVerdict
from mlci.plan import Bound
from mlci.plan.thresholds import exact_threshold
from mlci.report.formatting import count, figure, limit
from mlci.report.html.tables import TableCell, code_cell, number_cell, table
from mlci.report.result import Result
from mlci.report.signs import OUTCOME_SIGNS, OUTCOMES
from mlci.report.untrusted_text import html_text

_WIDTH, _HEIGHT, _MARGIN = 168, 26, 8
_WORDS: Mapping[str, str] = {"held": "held", "broken": "missed", "unclear": "can't tell", "accepted": "accepted"}
_SIGNS: Mapping[str, str] = {"held": "✔", "broken": "✘", "unclear": "?", "accepted": "✎"}
_MAX_IDS = 20


def gate_table(result: Result) -> str:
    """Return the rules as a table, each with a link to its line where that is known."""
    rules = result.rules
    ordered = sorted(rules, key=lambda judged: OUTCOMES.index(result.outcome_of(judged)))
    head = ["verdict", "metric", "value", "limit", "baseline", "change", "what the data allows"]
    drawn = any(judged.comparison and judged.comparison.interval for judged in rules)
    rows = (list(_row(result, judged)) for judged in ordered)
    return table(head if drawn else head[:-1], (row if drawn else row[:-1] for row in rows), "Rules of the gate")


def _row(result: Result, judged: RuleVerdict) -> Iterator[TableCell]:
    bound, outcome, line = judged.bound, result.outcome_of(judged), _line(result, judged)
    change = None if judged.value is None or bound.baseline is None else judged.value - bound.baseline
    level = "" if judged.level == "block" else f' <span class="muted">({judged.level} only)</span>'
    sign, word = _SIGNS[judged.verdict], _WORDS[judged.verdict]
    sign, word = (OUTCOME_SIGNS[outcome], "not judged") if outcome == "not_judged" else (sign, word)
    verdict = f'<span class="mark">{sign}</span> {word}{level}'
    yield TableCell(verdict, sort=OUTCOMES.index(outcome), css=f"verdict {outcome}")
    yield TableCell(f"{_metric(judged)}{_explanation(judged, result.text_of(judged))}", css="wide")
    yield number_cell(figure(judged.value), judged.value)
    shown = html_text(limit(bound))
    shown = f'<a href="{html_text(line)}" rel="noreferrer">{shown}</a>' if line else shown
    yield TableCell(shown, sort=bound.threshold, css="nowrap")
    yield number_cell(figure(bound.baseline), bound.baseline)
    yield number_cell(figure(change, signed=True), change)
    yield TableCell(_interval(judged))


def _line(result: Result, judged: RuleVerdict) -> str:
    """Return the page of a rule's line; "" where the commit does not hold the flow as it was run."""
    rule = judged.bound.rule
    return "" if result.is_dirty else result.links.line(result.commit, rule.position)


def _metric(judged: RuleVerdict) -> str:
    rule = judged.bound.rule
    group = f' <span class="tag">{html_text(f"{rule.slice} = {judged.group}")}</span>' if judged.group else ""
    return f"{code_cell(rule.metric).html}{group}"


def _explanation(judged: RuleVerdict, text: str) -> str:
    """Return the verdict in words below the metric, and the cases that changed in a fold."""
    parts = [f'<div class="why">{html_text(text)}</div>']
    compared = judged.comparison
    if compared and (compared.to_wrong or compared.to_right):
        lists = "".join(
            f"<p>{len(ids)} turned {word}: {_ids(ids)}</p>"
            for word, ids in (("wrong", compared.to_wrong), ("right", compared.to_right))
            if ids
        )
        flipped = count(len(compared.to_wrong) + len(compared.to_right), "case")
        parts.append(f"<details><summary>{flipped} flipped</summary>{lists}</details>")
    return "".join(parts)


def _ids(ids: Sequence[str]) -> str:
    shown = ", ".join(f"<code>{html_text(each)}</code>" for each in ids[:_MAX_IDS])
    return f"{shown} and {len(ids) - _MAX_IDS} more" if len(ids) > _MAX_IDS else shown


def _interval(judged: RuleVerdict) -> str:
    """Return the interval of the change as a drawing: the limit, no change, and the change that was measured."""
    compared, bound = judged.comparison, judged.bound
    if compared is None or compared.interval is None:
        return ""
    low, high = compared.interval.low, compared.interval.high
    value, base, threshold = judged.value, _compared_with(bound), bound.threshold
    if compared.on:
        value, base = compared.value, compared.baseline
        exactly = exact_threshold(bound.rule, base)
        threshold = None if exactly is None else float(exactly)
    is_change = base is not None
    base = base or 0.0
    allowed = None if threshold is None else threshold - base
    value = None if value is None else value - base
    places = [low, high, *([0.0] if is_change else []), *(each for each in (allowed, value) if each is not None)]
    least, span = min(places), (max(places) - min(places)) or 1.0

    def x(place: float) -> float:
        return round(_MARGIN + (place - least) / span * (_WIDTH - 2 * _MARGIN), 1)

    middle = _HEIGHT / 2
    shapes = [f'<line class="axis" x1="{x(least)}" x2="{x(least + span)}" y1="{middle}" y2="{middle}"/>']
    if is_change:
        shapes.append(f'<line class="zero" x1="{x(0)}" x2="{x(0)}" y1="5" y2="{_HEIGHT - 5}"/>')
    width = max(2.0, round(x(high) - x(low), 1))
    shapes.append(
        f'<rect class="range {judged.outcome}" x="{x(low)}" y="{middle - 4}" width="{width}" height="8" rx="4"/>'
    )
    if value is not None:
        shapes.append(f'<circle class="point" cx="{x(value)}" cy="{middle}" r="3.5"/>')
    if allowed is not None:
        shapes.append(f'<line class="limit" x1="{x(allowed)}" x2="{x(allowed)}" y1="1" y2="{_HEIGHT - 1}"/>')
    what = "gap" if bound.rule.op == "max_gap" else "change" if is_change else "value"
    words = f"{what} between {figure(low)} and {figure(high)} at {figure(compared.confidence * 100)} % confidence"
    words += f", limit {figure(allowed)}, {count(compared.cases, 'case')}"
    return (
        f'<svg class="interval" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img">'
        f"<title>{html_text(words)}</title>{''.join(shapes)}</svg>"
        f'<div class="muted small">{figure(low)} … {figure(high)}, {count(compared.cases, "case")}</div>'
    )


def _compared_with(bound: Bound) -> float | None:
    """Return the number that the interval is a distance from: the baseline's, or that of all other groups."""
    if bound.rule.op == "max_gap" and bound.threshold is not None:
        return bound.threshold + (bound.rule.limit if bound.is_lower else -bound.rule.limit)
    return bound.baseline if bound.rule.op in ("max_drop", "max_rise") else None
