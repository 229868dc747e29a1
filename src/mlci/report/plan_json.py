"""The documents of `mlci plan --json`, `mlci validate --json` and `mlci config --json`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mlci.backends.protocol import Change
from mlci.errors import Problem
from mlci.flow.models import Condition, Flow, Json, Secret
from mlci.plan.models import Bound, Plan, PlannedStep, Upload
from mlci.plan.warm_pools import warm_pools
from mlci.report.notes import Note
from mlci.report.result import SCHEMA, compared_with_json
from mlci.report.reused_steps import ReusePreview
from mlci.report.warm_pool_lines import warm_pools_json


def plan_json(
    planned: Plan,
    cloud: str,
    missing: Sequence[Upload],
    change: Change,
    running: Sequence[str],
    reuse: ReusePreview,
    notes: Sequence[Note] = (),
) -> dict[str, Json]:
    """Returns the plan of a run: objects to upload, the state machine, each step's request, and the gate."""
    uploads: list[Json] = [{"uri": upload.uri, "bytes": _size(upload)} for upload in missing]
    return {
        "schema": SCHEMA,
        "flow": planned.flow.name,
        "cloud": cloud,
        "objects": len(planned.uploads),
        "uploads": uploads,
        "state_machine": {"name": change.machine, "change": change.what, "differs": list(change.differs)},
        "steps": {name: _step(planned, name, step) for name, step in planned.steps.items()},
        "warm_pools": warm_pools_json(warm_pools(planned)),
        "reuse": reuse.to_json(),
        "gate": _rules(planned.gate),
        "empty_inputs": dict(planned.empty_inputs),
        "compared_with": compared_with_json(planned.baseline),
        "asks_mlci": planned.asks_mlci,
        "secrets": {name: _secret(planned.flow, secret) for name, secret in planned.flow.secrets.items()},
        "env": dict(planned.flow.env),
        "running": list(running),
        "notes": [note.to_json() for note in notes],
    }


def _size(upload: Upload) -> int:
    """The size of an object; of an archive, that of the files in it."""
    return sum(file.size_bytes for file in upload.files)


def _step(planned: Plan, name: str, step: PlannedStep) -> dict[str, Json]:
    flow_step = planned.flow.steps[name]
    return {
        "uses": flow_step.uses,
        "summary": step.summary,
        "behind_gate": flow_step.is_after_gate,
        "if": _conditions(step.when, flow_step.conditions),
        "outputs": dict(step.outputs),
        "request": dict(step.request),
    }


def _secret(flow: Flow, secret: Secret) -> dict[str, Json]:
    return {
        "from": secret.source,
        "pull_request": secret.allows_pull_requests,
        "steps": list(flow.readers(secret)),
    }


def _rules(bounds: Iterable[Bound]) -> list[Json]:
    return [_rule(bound) for bound in bounds]


def _rule(bound: Bound) -> dict[str, Json]:
    rule: dict[str, Json] = {
        "metric": bound.rule.metric,
        "op": bound.rule.op,
        "limit": bound.rule.limit,
        "relative": bound.rule.is_relative,
        "threshold": bound.threshold,
        "baseline": bound.baseline,
        "level": bound.rule.level,
        "confidence": bound.rule.confidence,
        "slice": bound.rule.slice,
    }
    if bound.origin != "flow":
        rule |= {"origin": bound.origin, "reason": bound.reason, "removed": bound.is_removed}
    return {"not": rule} if bound.rule.is_negated else rule


def _conditions(bounds: Iterable[Bound], conditions: Iterable[Condition]) -> list[Json]:
    """Returns what must all hold: rules, and conditions of rules."""
    by_place: dict[int, list[Bound]] = {}
    for bound in bounds:
        by_place.setdefault(bound.rule.place, []).append(bound)
    return [*_rules(by_place.get(0, ())), *(_condition(condition, by_place) for condition in conditions)]


def _condition(condition: Condition | int, by_place: Mapping[int, Sequence[Bound]]) -> Json:
    if isinstance(condition, int):
        return _rule(by_place[condition][0])
    return {condition.kind: [_condition(part, by_place) for part in condition.parts]}


def validation_json(
    file: str, flow: Flow | None, problems: Iterable[Problem] = (), notes: Iterable[Note] = ()
) -> dict[str, Json]:
    """Returns the result of a validation. A flow that can't be loaded has neither name nor steps."""
    found: list[Json] = [
        {
            "file": problem.file,
            "line": problem.line,
            "column": problem.column,
            "what": problem.what,
            "hint": problem.hint,
        }
        for problem in problems
    ]
    return {
        "schema": SCHEMA,
        "file": file,
        "valid": not found,
        "flow": flow.name if flow else None,
        "steps": list(flow.steps) if flow else [],
        "rules": len(flow.gate) if flow else 0,
        "problems": found,
        "notes": [note.to_json() for note in notes],
    }


def settings_json(settings: Mapping[str, tuple[str | None, str]]) -> dict[str, Json]:
    """Returns the settings of a run, each with its value, null where it is not set, and its origin."""
    return {
        "schema": SCHEMA,
        "settings": {name: {"value": value, "from": by} for name, (value, by) in settings.items()},
    }
