"""Two runs side by side, for `mlci diff`: what has changed of metrics, params, steps and cases. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from mlci.commits import short_commit
from mlci.flow.models import Json, Scalar
from mlci.report.case_changes import CaseChanges, CasePair, CaseResult, case_changes
from mlci.report.formatting import count, figure
from mlci.report.metrics_table import metric_values
from mlci.report.untrusted_text import markdown_code, markdown_text, one_line
from mlci.report.value_changes import ValueChange, param_changes, value_changes
from mlci.reuse.differences import differences, step_changes
from mlci.reuse.key_document import RunKeys
from mlci_dataclasses import dataclass

#: Of more cases that changed, only the first are named.
_MAX_IDS = 20
#: The lines of cases whose error moved most.
_MOST_MOVED = 5


@dataclass(frozen=True)
class RunSide:
    """One of two runs: its name for a reader, and what is known of it. `keys` is None where its keys are not here.

    `status` is "" for a baseline, which has passed; a run of a part of the flow has no verdict. `cases` has the cases
    of each step by their ids, and `plots` the addresses of pictures by their titles.
    """

    label: str
    run_id: str
    commit: str | None
    metrics: Mapping[str, Json]
    params: Mapping[str, Scalar]
    keys: RunKeys | None
    cases: Mapping[str, Mapping[str, CaseResult]]
    plots: Mapping[str, str] = field(default_factory=dict)
    status: str = ""
    is_dirty: bool = False
    is_partial: bool = False


@dataclass(frozen=True)
class RunDiff:
    """The changes from one run to another. `steps` is None where the keys of one of them are not known."""

    before: RunSide
    after: RunSide
    metrics: tuple[ValueChange, ...]
    params: tuple[ValueChange, ...]
    steps: Mapping[str, tuple[str, ...]] | None
    cases: tuple[CaseChanges, ...]


def run_diff(before: RunSide, after: RunSide) -> RunDiff:
    """Return what has changed from one run to another. Metrics that are the same are in it, too."""
    metrics = value_changes(metric_values(_comparable(before, after)), metric_values(_comparable(after, before)))
    return RunDiff(
        before,
        after,
        tuple(metrics),
        param_changes(before.params, after.params),
        _steps(before, after),
        tuple(case_changes(before.cases, after.cases)),
    )


def _comparable(one: RunSide, other: RunSide) -> Mapping[str, Json]:
    """Return the metrics of a run, without those of steps that the other one was not asked for."""
    return {step: found for step, found in one.metrics.items() if not other.is_partial or step in other.metrics}


def _steps(before: RunSide, after: RunSide) -> dict[str, tuple[str, ...]] | None:
    """Return the changes of steps, without those that a run of a part of the flow was not asked for."""
    if not before.keys or not after.keys:
        return None
    changes = step_changes(before.keys, after.keys, differences)
    sides = [side.keys.steps for side in (before, after) if side.is_partial and side.keys]
    return {step: found for step, found in changes.items() if all(step in asked for asked in sides)}


def diff_text(diff: RunDiff) -> str:
    """Return the changes for a terminal."""
    parts = [f"{_side(diff.before)}\n{_side(diff.after)}"]
    parts += [_rows("metrics", [_cells(each) for each in diff.metrics])] if diff.metrics else []
    parts += [_rows("params", [_cells(each) for each in diff.params])] if diff.params else []
    parts += [_case_lines(each) for each in diff.cases]
    parts.append(_step_lines(diff.steps))
    return "\n\n".join(parts)


def _side(side: RunSide) -> str:
    status = status_of(side)
    return f"{named(side)}{f' ({status})' if status else ''}, commit {commit_of(side)}"


def status_of(side: RunSide) -> str:
    """Return the status of a run in words; "" for a baseline. Of a part of the flow, "passed" would be a verdict."""
    status = side.status.replace("_", " ")
    if not side.is_partial:
        return status
    return "partial run" if status == "passed" else f"partial run, {status}"


def commit_of(side: RunSide) -> str:
    """Return the beginning of a run's commit, marked where the work tree had changes that it does not hold."""
    return f"{short_commit(side.commit)}{'*' if side.is_dirty else ''}" if side.commit else "–"


def named(side: RunSide) -> str:
    """Return the name of a run, with its id where the name has none."""
    return side.label if side.run_id in side.label else f"{side.label}: run {side.run_id}"


def _cells(change: ValueChange) -> tuple[str, str, str, str]:
    return one_line(change.name), shown(change.before), shown(change.after), difference(change)


def difference(change: ValueChange) -> str:
    """Return the change of a number, or "=" where there is none; "" for what is no number."""
    if change.change is None:
        return ""
    return figure(change.change, signed=True) if change.change else "="


def shown(value: float | str | None) -> str:
    """Return a metric or a param in a line."""
    return one_line(value) if isinstance(value, str) else figure(value)


def _rows(title: str, rows: Sequence[tuple[str, str, str, str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        f"  {name:{widths[0]}}  {before:>{widths[1]}} → {after:{widths[2]}}  {change}".rstrip()
        for name, before, after, change in rows
    ]
    return "\n".join([title, *lines])


def _case_lines(changes: CaseChanges) -> str:
    head = f"cases of {changes.step}: {count(changes.common, 'case')} in both"
    if changes.moved is not None:
        return "\n".join([f"{head}{moved_note(changes)}", *map(_moved_line, changes.moved[:_MOST_MOVED])])
    lines = [head]
    for ids, word in ((changes.to_wrong, "wrong"), (changes.to_right, "right")):
        more = f" and {len(ids) - _MAX_IDS} more" if len(ids) > _MAX_IDS else ""
        lines += [f"  {len(ids)} turned {word}: {', '.join(map(one_line, ids[:_MAX_IDS]))}{more}"] if ids else []
    return "\n".join(lines if len(lines) > 1 else [f"{lines[0]}, and none turned wrong or right"])


def moved_note(changes: CaseChanges) -> str:
    """Return the words before the cases whose error moved most."""
    return ", whose errors moved most in" if changes.moved else ", each with the same error"


def _moved_line(pair: CasePair) -> str:
    label, before, after = map(figure, map(float, (pair.after.label, pair.before.predicted, pair.after.predicted)))
    change = figure(pair.error_change, signed=True)
    return f"  {one_line(pair.id)}: label {label}, predicted {before} → {after}, error {change}"


def _step_lines(steps: Mapping[str, tuple[str, ...]] | None) -> str:
    if not steps:
        return f"code and data: {steps_note(steps)}"
    return "\n".join(["code and data", *(f"  {step}: {one_line('; '.join(found))}" for step, found in steps.items())])


def steps_note(steps: Mapping[str, tuple[str, ...]] | None) -> str:
    """Return why no changes of code and data are shown."""
    if steps is None:
        return "not known, for the keys of one of the runs are not here"
    return "nothing that mlci knows of has changed"


def diff_markdown(diff: RunDiff) -> str:
    """Return the changes as GitHub's Markdown."""
    heads = map(named, (diff.before, diff.after))
    parts = [f"### {markdown_text(' → '.join(heads))}"]
    for title, changes in (("metric", diff.metrics), ("param", diff.params)):
        if changes:
            rows = [(markdown_code(each.name), *map(markdown_text, _cells(each)[1:])) for each in changes]
            lines = [(title, "before", "after", "change"), ("---",) * 4, *rows]
            parts.append("\n".join("| " + " | ".join(line) + " |" for line in lines))
    for each in diff.cases:
        head, *flips = map(markdown_text, _case_lines(each).splitlines())
        parts.append("\n\n".join([head, *(["\n".join(f"- {line}" for line in flips)] if flips else [])]))
    steps = diff.steps
    parts += (
        [f"- {markdown_code(step)}: {markdown_text('; '.join(found))}" for step, found in steps.items()]
        if steps
        else [markdown_text(_step_lines(steps))]
    )
    return "\n\n".join(parts) + "\n"


def diff_json(diff: RunDiff) -> dict[str, Json]:
    """Return the changes for other programs."""
    return {
        "schema": 1,
        "before": _side_json(diff.before),
        "after": _side_json(diff.after),
        "metrics": [_change_json(each) for each in diff.metrics],
        "params": [_change_json(each) for each in diff.params],
        "steps": None if diff.steps is None else {step: list(found) for step, found in diff.steps.items()},
        "cases": [
            {
                "step": each.step,
                "common": each.common,
                "to_wrong": [*each.to_wrong],
                "to_right": [*each.to_right],
                "moved": None if each.moved is None else [*map(_moved_json, each.moved)],
            }
            for each in diff.cases
        ],
    }


def _moved_json(pair: CasePair) -> Json:
    before, after = pair.before.predicted, pair.after.predicted
    return {"id": pair.id, "label": pair.after.label, "before": before, "after": after}


def _side_json(side: RunSide) -> Json:
    status = side.status or "passed"
    return {
        "name": side.label,
        "run_id": side.run_id,
        "commit": side.commit,
        "dirty": side.is_dirty,
        "partial": side.is_partial,
        "status": status,
    }


def _change_json(change: ValueChange) -> Json:
    return {"name": change.name, "before": change.before, "after": change.after}
