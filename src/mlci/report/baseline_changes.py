"""The changes since the run of the baseline: params, rules of the gate, and what steps are made of. Pure.

Without changes it imports nothing that puts them into words: most runs have few, and many have none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from mlci.commits import short_commit
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.flow.models import Flow, Json, Rule, Scalar
    from mlci.gate.gate_changes import RuleChange
    from mlci.plan import Baseline
    from mlci.report.value_changes import ValueChange
    from mlci.reuse.key_document import RunKeys

#: So many steps with the same changes are named.
_STEPS_NAMED = 4


@dataclass(frozen=True)
class BaselineChanges:
    """The changes of a run since the baseline's. `params`, `rules` and `steps` are None where those of the baseline are
    not known. `steps` has the changes of steps in words, and none for one that only reads what others make otherwise.
    """

    run_id: str
    commit: str | None
    params: tuple[ValueChange, ...] | None = ()
    rules: tuple[RuleChange, ...] | None = ()
    steps: Mapping[str, tuple[str, ...]] | None = None


@dataclass(frozen=True)
class ChangeRow:
    """A line for a reader: what has changed (a param, a rule, a step), its name, and how."""

    kind: str
    name: str
    changes: tuple[str, ...]


def baseline_changes(baseline: Baseline, flow: Flow, before: RunKeys | None, after: RunKeys) -> BaselineChanges:
    """Return what a flow, whose steps have the keys `after`, has changed since a baseline. Its keys are `before`; None
    if they are not known."""
    own = baseline.own or baseline
    return BaselineChanges(
        own.run_id,
        own.commit,
        _params(own.params, flow.params) if own.is_gate_known else None,
        _rules(own.gate, flow.gate) if own.is_gate_known else None,
        None if before is None else _steps(before, after),
    )


def _params(before: Mapping[str, Scalar], after: Mapping[str, Scalar]) -> tuple[ValueChange, ...]:
    if dict(before) == dict(after):
        return ()
    from mlci.report.value_changes import param_changes

    return param_changes(before, after)


def _rules(before: tuple[Rule, ...], after: tuple[Rule, ...]) -> tuple[RuleChange, ...]:
    if before == after:
        return ()
    from mlci.gate.gate_changes import gate_changes

    return tuple(gate_changes(before, after))


def _steps(before: RunKeys, after: RunKeys) -> dict[str, tuple[str, ...]]:
    if before == after:
        return {}
    from mlci.reuse.differences import own_differences, step_changes

    return step_changes(before, after, own_differences)


def change_rows(changes: BaselineChanges) -> list[ChangeRow]:
    """Return the changes as rows; steps with the same ones, such as cells of a matrix, share a row."""
    rows = [ChangeRow("param", each.name, (_values(each),)) for each in changes.params or ()]
    rows += [ChangeRow("rule", each.rule, (each.change,)) for each in changes.rules or ()]
    groups: dict[tuple[str, ...], list[str]] = {}
    for step, lines in (changes.steps or {}).items():
        groups.setdefault(lines, []).append(step)
    following = groups.pop((), [])
    rows += [ChangeRow("step", _names(steps), lines) for lines, steps in groups.items()]
    return rows + [ChangeRow("step", _names(following), ("what it reads has changed",))] * bool(following)


def _values(change: ValueChange) -> str:
    if change.before is None:
        return f"new, {change.after}"
    return f"{change.before} → {'none' if change.after is None else change.after}"


def _names(steps: list[str]) -> str:
    more = f" and {len(steps) - _STEPS_NAMED} more" if len(steps) > _STEPS_NAMED else ""
    return ", ".join(steps[:_STEPS_NAMED]) + more


def change_notes(changes: BaselineChanges) -> Iterator[str]:
    """Yield sentences about what has not changed, and what is not known."""
    since = f"the baseline of commit {short_commit(changes.commit)}" if changes.commit else "the baseline"
    if not change_rows(changes) and changes.steps is not None and changes.rules is not None:
        yield f"Nothing that mlci knows of has changed since {since}"
    if changes.rules is None:
        yield f"Changes of params and gate are not known: an older version of mlci wrote {since}"
    if changes.steps is None:
        yield f"Changes of code and data are not known: {since} has no keys of its steps"


def changes_since_json(changes: BaselineChanges) -> Json:
    """Return the changes for other programs."""
    return {
        "run_id": changes.run_id,
        "commit": changes.commit,
        "params": None
        if changes.params is None
        else [{"name": each.name, "before": each.before, "after": each.after} for each in changes.params],
        "rules": None
        if changes.rules is None
        else [{"rule": each.rule, "change": each.change} for each in changes.rules],
        "steps": None if changes.steps is None else {step: list(lines) for step, lines in changes.steps.items()},
    }
