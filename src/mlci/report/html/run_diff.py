"""Two runs side by side as a page: what has changed of metrics, params, cases, code and data, and the plots of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlci.report.case_changes import CaseChanges, CasePair
from mlci.report.formatting import count, figure
from mlci.report.html.layout import facts, html_document, pictures, section
from mlci.report.html.tables import TableCell, code_cell, number_cell, table, text_cell
from mlci.report.run_diff import (
    RunDiff,
    RunSide,
    commit_of,
    difference,
    moved_note,
    named,
    shown,
    status_of,
    steps_note,
)
from mlci.report.untrusted_text import html_text
from mlci.report.value_changes import ValueChange

#: A page with more rows is slow to sort, and nobody reads it.
_MAX_FLIPS = 500
_TURNED = {True: TableCell("✔ right", css="verdict passed"), False: TableCell("✘ wrong", css="verdict failed")}


def diff_page(flow: str, diff: RunDiff) -> str:
    """Return the changes as an HTML document."""
    return html_document(f"{html_text(flow)}: {html_text(_title(diff))}", _sections(flow, diff))


def _title(diff: RunDiff) -> str:
    return f"{named(diff.before)} → {named(diff.after)}"


def _sections(flow: str, diff: RunDiff) -> Iterator[str]:
    yield (
        f'<header><h1>{html_text(flow)}</h1><p class="sentence">{html_text(_title(diff))}</p>'
        f"<p>{html_text(_summary(diff))}</p>{_side(diff.before, 'before')}{_side(diff.after, 'after')}</header>"
    )
    if diff.metrics:
        yield section("metrics", "Metrics", _values("metric", diff.metrics))
    if diff.params:
        yield section("params", "Params", _values("param", diff.params))
    for changes in diff.cases:
        yield section(f"cases-{html_text(changes.step)}", f"Cases of {html_text(changes.step)}", _cases(changes))
    yield section("steps", "Code and data", _steps(diff))
    titles = dict.fromkeys([*diff.after.plots, *diff.before.plots])
    if titles:
        yield section("plots", "Plots", pictures(list(_images(diff, title)) for title in titles))


def _side(side: RunSide, word: str) -> str:
    return facts(
        {
            word: f"<code>{html_text(side.run_id)}</code>",
            "commit": f"<code>{html_text(commit_of(side))}</code>",
            "status": html_text(status_of(side) or "passed, the baseline"),
        }
    )


def _summary(diff: RunDiff) -> str:
    """Return the changes in a sentence."""
    metrics = [each for each in diff.metrics if each.before != each.after]
    parts = [f"{len(metrics)} of {count(len(diff.metrics), 'metric')} changed"] if diff.metrics else []
    parts += [f"{count(len(diff.params), 'param')} changed"] if diff.params else []
    classified = [each for each in diff.cases if each.moved is None]
    if classified:
        wrong = sum(len(each.to_wrong) for each in classified)
        right = sum(len(each.to_right) for each in classified)
        parts.append(f"{count(wrong, 'case')} turned wrong and {right} right")
    parts += [f"{count(len(diff.steps), 'step')} with other code or data"] if diff.steps else []
    return "; ".join(parts)


def _values(name: str, changes: Sequence[ValueChange]) -> str:
    """Return metrics or params as a table, those that differ first. Texts have no difference to show."""
    ordered = sorted(changes, key=lambda each: each.before == each.after)
    rows = [
        (code_cell(each.name), _value(each.before), _value(each.after), number_cell(difference(each), each.change))
        for each in ordered
    ]
    head = (name, "before", "after", "change")
    columns = len(head) if any(each.change is not None for each in ordered) else len(head) - 1
    return table(head[:columns], (row[:columns] for row in rows), name)


def _value(value: float | str | None) -> TableCell:
    return text_cell(shown(value)) if isinstance(value, str) else number_cell(shown(value), value)


def _cases(changes: CaseChanges) -> str:
    wrong, right = len(changes.to_wrong), len(changes.to_right)
    both = f"{count(changes.common, 'case')} in both"
    if changes.moved is not None:
        return f"<p>{both}{moved_note(changes)}{':' if changes.moved else '.'}</p>{_moved(changes.moved)}"
    if not changes.flips:
        return f"<p>{both}, and none turned wrong or right.</p>"
    rows = (
        (
            code_cell(flip.id),
            _TURNED[flip.after.is_right],
            text_cell(flip.after.label),
            text_cell(flip.before.predicted),
            text_cell(flip.after.predicted),
        )
        for flip in changes.flips[:_MAX_FLIPS]
    )
    more = f"<p>and {len(changes.flips) - _MAX_FLIPS} more</p>" if len(changes.flips) > _MAX_FLIPS else ""
    heads = ("case", "turned", "label", "predicted before", "predicted after")
    return f"<p>{both}: {wrong} turned wrong, {right} right.</p>{table(heads, rows, 'Cases that flipped')}{more}"


def _moved(pairs: Sequence[CasePair]) -> str:
    rows = (
        (
            code_cell(pair.id),
            *(
                number_cell(figure(float(text)), float(text))
                for text in (pair.after.label, pair.before.predicted, pair.after.predicted)
            ),
            number_cell(figure(pair.error_change, signed=True), pair.error_change),
        )
        for pair in pairs
    )
    heads = ("case", "label", "predicted before", "predicted after", "change of the error")
    return table(heads, rows, "Cases whose error moved most") if pairs else ""


def _steps(diff: RunDiff) -> str:
    if not diff.steps:
        note = steps_note(diff.steps)
        return f"<p>{html_text(note[0].upper() + note[1:])}.</p>"
    rows = (
        (code_cell(step), TableCell("<br>".join(map(html_text, found)), css="wide"))
        for step, found in diff.steps.items()
    )
    return table(("step", "change"), rows, "Code and data")


def _images(diff: RunDiff, title: str) -> Iterator[tuple[str, str]]:
    """Yield the pictures of both runs: one, where they are the same."""
    before, after = diff.before.plots.get(title), diff.after.plots.get(title)
    if before == after and before:
        yield f"{title}, the same in both", before
        return
    if before:
        yield f"{title}, before", before
    if after:
        yield f"{title}, after", after
