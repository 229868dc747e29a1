"""The preview of a run: `mlci plan`."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any  # a definition is plain JSON

from mlci.backends.protocol import Change
from mlci.compile.concurrency import max_parallel
from mlci.flow.models import Condition, Step
from mlci.plan.models import Bound, Plan, Upload
from mlci.plan.warm_pools import warm_pools
from mlci.report.formatting import compared_with, count, figure, limit, size
from mlci.report.reused_steps import ReusePreview
from mlci.report.staged_files import staged_files
from mlci.report.warm_pool_lines import warm_pool_lines

#: Objects that are named one by one; of more, only the number and the size are told.
_NAMED = 20


def preview(
    planned: Plan,
    definition: str,
    missing: Sequence[Upload],
    change: Change,
    live: Sequence[str],
    reuse: ReusePreview = ReusePreview(),  # noqa: B008 - it is frozen
) -> str:
    """The plan in paragraphs: what is staged, what becomes of the state machine, what runs, and the gate."""
    parts = [
        _staged(planned, missing),
        staged_files(planned),
        *_images(planned),
        machine_change(change, definition),
        "run\n" + "\n".join(_steps(planned)),
        *reuse.paragraph(tuple(planned.steps)),
    ]
    if pools := warm_pools(planned):
        parts.append("warm pools\n" + "\n".join(warm_pool_lines(pools)))
    if planned.empty_inputs:
        lines = [f"  {name}: {why}" for name, why in planned.empty_inputs.items()]
        parts.append("\n".join(["empty inputs", *lines]))
    if planned.flow.secrets:
        parts.append("secrets\n" + "\n".join(_secrets(planned)))
    if planned.gate:
        parts.append("gate\n" + "\n".join(_gate(planned)))
    if live:
        parts.append("running now\n" + "\n".join(f"  {name}" for name in live))
    return "\n\n".join(parts)


def _staged(planned: Plan, missing: Sequence[Upload]) -> str:
    total = sum(file.size_bytes for upload in missing for file in upload.files)
    lines = [f"stage\n  {len(missing)} of {count(len(planned.uploads), 'object')} to upload, {size(total)}"]
    lines += [f"  + {upload.uri}" for upload in missing[:_NAMED]]
    if len(missing) > _NAMED:
        lines.append(f"  … and {len(missing) - _NAMED} more")
    return "\n".join(lines)


def _images(planned: Plan) -> Iterator[str]:
    """Yield a paragraph about the images that are built, where they are not there yet."""
    if planned.images:
        lines = [f"  {image.context.folder}  {image.uri}, for {', '.join(image.steps)}" for image in planned.images]
        yield "\n".join(["images", *lines])


def machine_change(change: Change, definition: str) -> str:
    head = f"state machine {change.machine}\n"
    match change.what:
        case "none kept":
            return f"{head}  made for the run, and gone with it"
        case "none":
            return f"{head}  no change"
        case "not used":
            return f"{head}  not used: every step is reused, so nothing is started"
        case "create":
            states = len(list(_inner(json.loads(definition))))
            return f"{head}  to be created, with {count(states, 'state')}"
        case "update":
            told = f"{head}  to be updated: {', '.join(change.differs)}"
            return told + _difference(change.before, definition) if "definition" in change.differs else told


def _difference(before: str, after: str) -> str:
    """Return the states that come and go, and the lines that differ in those that stay, at any depth."""
    old, new = dict(_states(json.loads(before))), dict(_states(json.loads(after)))
    lines = [f"  + {name}{_does(state)}" for name, state in new.items() if name not in old]
    lines += [f"  - {name}{_does(state)}" for name, state in old.items() if name not in new]
    for name, state in new.items():
        if name in old and old[name] != state:
            lines += [f"  ~ {name}", *(f"      {line}" for line in _changed(old[name], state))]
    return "\n" + "\n".join(lines)


def _states(machine: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The start, and every state, those in branches too. Of its branches, a state tells only where they start."""
    yield "the start", {"StartAt": machine.get("StartAt")}
    yield from _inner(machine)


def _inner(machine: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, state in machine.get("States", {}).items():
        branches = state.get("Branches", ())
        starts = {"Branches": [branch.get("StartAt") for branch in branches]} if branches else {}
        yield name, {**state, **starts}
        for branch in branches:
            yield from _inner(branch)


def _does(state: Mapping[str, Any]) -> str:
    """Return the words for a state that stand behind its name."""
    kind, resource = state.get("Type"), str(state.get("Resource", "")).rpartition(":::")[2]
    return f" ({kind}{' ' if resource else ''}{resource})"


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    was, will_be = (json.dumps(state, indent=2).splitlines() for state in (old, new))
    for line in difflib.ndiff(was, will_be):
        if line[:2] in ("- ", "+ "):
            yield line


def _steps(planned: Plan) -> Iterator[str]:
    """Yield a line for each step that is run; one with a matrix has a second line, with its cells."""
    names = [name for name in planned.written_steps if not planned.reused.keys() >= _names(planned, name)]
    if not names:
        yield "  nothing: every step is reused"
    width = max((len(name) for name in names), default=0)
    for name in names:
        cells = planned.cells(name)
        step, spec = cells[0], planned.flow.steps[cells[0].name]
        when = f", if {' and '.join(_conditions(step.when, spec.conditions))}" if step.when else ""
        gated = ", behind the gate" if spec.is_after_gate else ""
        summary = "; ".join(dict.fromkeys(cell.summary for cell in cells))
        yield f"  {name:{width}}  {_cells(planned, name)}{summary}{gated}{when}"
        if spec.cell:
            yield f"  {'':{width}}  {', '.join(cell.name[len(name) + 1 : -1] for cell in cells)}"


def _names(planned: Plan, step: str) -> set[str]:
    return {cell.name for cell in planned.cells(step)}


def _conditions(bounds: Iterable[Bound], conditions: Iterable[Condition]) -> Iterator[str]:
    """Yield what must all hold: rules, and conditions of rules."""
    rules = {bound.rule.place: _rule(bound) for bound in bounds if bound.rule.place}
    yield from (_rule(bound) for bound in bounds if not bound.rule.place)
    yield from (_condition(condition, rules) for condition in conditions)


def _condition(condition: Condition | int, rules: Mapping[int, str]) -> str:
    if isinstance(condition, int):
        return rules[condition]
    word = " or " if condition.kind == "any" else " and "
    return f"({word.join(_condition(part, rules) for part in condition.parts)})"


def _cells(planned: Plan, step: str) -> str:
    """The number of a step's cells, and how many of them run at once; "" for a step without a matrix."""
    matrix = planned.flow.matrices.get(step)
    if matrix is None:
        return ""
    at_once = max_parallel(planned, (step,))
    limited = f" (at most {at_once} at once)" if 0 < at_once < len(matrix.cells) else ""
    return f"{count(len(matrix.cells), 'cell')}{limited}, "


def _gate(planned: Plan) -> Iterator[str]:
    """Yield a line for each rule; the cells of a step share one where they have the same limit."""
    lines: dict[str, int] = {}
    for bound in planned.gate:
        written = replace(bound, rule=bound.rule.as_written)
        lines[_rule(written)] = lines.get(_rule(written), 0) + 1
    for line, cells in lines.items():
        yield f"  {line}, in each of {count(cells, 'cell')}" if cells > 1 else f"  {line}"
    if compared := compared_with(planned.baseline):
        yield f"  the baseline is {compared}"
    if planned.asks_mlci:
        behind = (name for name in planned.written_steps if _flow_step(planned, name).is_after_gate)
        yield f"  mlci judges it before {', '.join(behind)}, and the state machine waits for the verdict"


def _flow_step(planned: Plan, name: str) -> Step:
    """Return a step of the flow, or the first cell of one, by its name in the flow."""
    return planned.flow.steps[planned.cells(name)[0].name]


def _secrets(planned: Plan) -> Iterator[str]:
    """Yield a line for each secret: its name, its source and its readers. Its value is not known."""
    flow = planned.flow
    width = max(len(name) for name in flow.secrets)
    for name, secret in sorted(flow.secrets.items()):
        readers = flow.readers(secret)
        read = f"read by {', '.join(readers)}" if readers else "read by no step"
        shared = "; jobs of pull requests may read it" if secret.allows_pull_requests else ""
        yield f"  {name:{width}}  {secret.source}, {read}{shared}"


def _rule(bound: Bound) -> str:
    rule = bound.rule
    notes = (
        f"by {rule.slice}" if rule.slice is not None else "",
        f"{figure(100 * rule.confidence)} % confidence" if rule.confidence is not None else "",
        f"{rule.level} only" if rule.level != "block" else "",
    )
    text = ", ".join(filter(None, (f"{rule.metric} {limit(bound)}", *notes)))
    return text if bound.origin == "flow" else f"{text}: {bound.reason}"
