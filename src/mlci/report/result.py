"""The result of a run as one value: result.json is this value, and every report renders it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Literal, TypeAlias

from mlci.json_text import indented
from mlci.report.baseline_changes import BaselineChanges, changes_since_json
from mlci.report.links import Links
from mlci.report.run_phases import RunPhase
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.backends.progress import StepState
    from mlci.flow.models import Json, Position, Scalar
    from mlci.gate import Acceptance, Comparison, Metrics, RuleVerdict
    from mlci.gate.verdict import RuleOutcome
    from mlci.plan.models import Baseline, Bound
    from mlci.report.flow_graph import FlowGraph
    from mlci.report.plots.pictures import Picture
    from mlci.reuse.differences import Explanation

#: The version of the format of run.json, and of what commands print as JSON. It changes when a reader of the old format
#: would be misled by the new one.
SCHEMA = 1
#: The version of result.json's format. Since 2, a rule that is `held` may be unclear, accepted or a mere warning.
RESULT_SCHEMA = 2
_READ_SCHEMAS = (1, RESULT_SCHEMA)
_SECONDS_MAX = 1e12
#: A change may turn any number of cases; readers of result.json bound its size.
_MAX_IDS = 1_000


#: The outcome of a rule in a report: a run that did not reach its end has rules that nothing was judged by.
ShownOutcome: TypeAlias = "RuleOutcome | Literal['not_judged']"


class Status(Enum):
    """The status of a run; the values are those of result.json."""

    PASSED = "passed"
    GATE_MISSED = "gate_missed"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True)
class RunStart:
    """The part of a run that is known when it starts: run.json. `steps` are the names that its log and report show."""

    flow: str
    run_id: str
    cloud: str
    started: datetime
    commit: str | None = None
    is_dirty: bool | None = None
    is_partial: bool = False
    steps: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        return {
            "schema": SCHEMA,
            "flow": self.flow,
            "run_id": self.run_id,
            "cloud": self.cloud,
            "started": self.started.isoformat(timespec="milliseconds"),
            "commit": self.commit,
            "dirty": self.is_dirty,
            "partial": self.is_partial,
            "steps": list(self.steps),
        }

    @staticmethod
    def from_json(document: Json) -> RunStart:
        """Returns the start of a run as `to_json` wrote it.

        Raises: ValueError.
        """
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            raise ValueError("this is no run.json of this version of mlci")
        steps, commit, dirty = document.get("steps"), document.get("commit"), document.get("dirty")
        return RunStart(
            flow=str(document.get("flow")),
            run_id=str(document.get("run_id")),
            cloud=str(document.get("cloud")),
            started=datetime.fromisoformat(str(document.get("started"))),
            commit=commit if isinstance(commit, str) else None,
            is_dirty=dirty if isinstance(dirty, bool) else None,
            is_partial=document.get("partial") is True,
            steps=tuple(str(step) for step in steps) if isinstance(steps, list) else (),
        )


_EXIT_CODE = {Status.PASSED: 0, Status.GATE_MISSED: 1, Status.FAILED: 3, Status.STOPPED: 4}


@dataclass(frozen=True)
class BaselineUpdate:
    """The baseline after a passing run of the base branch: `reason` says why the run did not earn it, or why another
    run's stayed. A run that earned it can be made the baseline by hand."""

    is_earned: bool = False
    is_written: bool = False
    reason: str = ""


def _no_baseline() -> Baseline:
    from mlci.plan import NO_BASELINE  # what reads the results of earlier runs plans none

    return NO_BASELINE


@dataclass(frozen=True)
class Result:
    """A finished run. `seconds` is wall time; `reason` says in a sentence why it did not pass.

    `unwritten` says why the reports could not be written; it is empty in every report. `is_dirty` says whether the work
    tree differed from the commit; None if that is not known. A partial run has no verdict; `taken` maps each step whose
    outputs it took from an earlier run to that run's id. `chosen` has the cell of each input that is of the
    best cell of a matrix, by `<step>.<input>`. `env` holds the variables that the flow read from the
    environment. `outputs` are the URIs of the outputs of steps that were run or are reused. `changes` has what has
    changed of a step since the nearest earlier run, as far as one is known, and `since_baseline` what has changed since
    the baseline's.
    `overridden` are the params that are not the flow's own, and `build` is the id of the build in CodeBuild.
    `phases` are those of the run, in order, and `links` the pages around it.
    `warm_starts` maps a step to the job whose machines it started on. `baseline` is the run that it was compared with,
    and `empty_inputs` says of the inputs that it has nothing for, by `<step>.<input>`, why. `baseline_update` is None
    for a run that was not of the base branch, or did not pass. `costs` has the estimated cost of steps in USD, as far
    as it is known.
    """

    flow: str
    run_id: str
    cloud: str
    commit: str | None
    status: Status
    started: datetime
    seconds: float
    steps: Mapping[str, StepState]
    rules: tuple[RuleVerdict, ...]
    metrics: Mapping[str, Metrics]
    execution: str
    reason: str = ""
    baseline: Baseline = field(default_factory=_no_baseline)
    empty_inputs: Mapping[str, str] = field(default_factory=dict)
    baseline_update: BaselineUpdate | None = None
    params: Mapping[str, Scalar] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    log_tails: Mapping[str, str] = field(default_factory=dict)
    graph: FlowGraph | None = None
    plots: tuple[Picture, ...] = ()
    unwritten: str = ""
    is_dirty: bool | None = None
    taken: Mapping[str, str] = field(default_factory=dict)
    chosen: Mapping[str, str] = field(default_factory=dict)
    is_partial: bool = False
    changes: Mapping[str, Explanation] = field(default_factory=dict)
    since_baseline: BaselineChanges | None = None
    warm_starts: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    flow_file: str = "flow.yaml"
    overridden: tuple[str, ...] = ()
    build: str | None = None
    costs: Mapping[str, float] = field(default_factory=dict)
    phases: tuple[RunPhase, ...] = ()
    links: Links = Links()

    @property
    def exit_code(self) -> int:
        """The exit code of the status; that of a failure if the reports are lost, which others rely on."""
        return _EXIT_CODE[Status.FAILED if self.unwritten else self.status]

    def is_judged(self, rule: RuleVerdict) -> bool:
        """Return True if a rule has a verdict: in a run that did not reach its end, the steps that it is about have."""
        has_ended = self.status in (Status.PASSED, Status.GATE_MISSED)
        return has_ended or (bool(rule.bound.rule.steps) and not self._unfinished(rule))

    def _unfinished(self, rule: RuleVerdict) -> str:
        """Return the first step that a rule is about and that has not finished; "" for none."""
        finished = {name for name, step in self.steps.items() if step.status in ("succeeded", "reused")}
        return next((name for name in rule.bound.rule.steps if name not in finished), "")

    def outcome_of(self, rule: RuleVerdict) -> ShownOutcome:
        """Return the outcome of a rule as reports show it."""
        return rule.outcome if self.is_judged(rule) else "not_judged"

    def text_of(self, rule: RuleVerdict) -> str:
        """Return the verdict on a rule in a line."""
        if self.is_judged(rule):
            return rule.text
        step = self._unfinished(rule)
        what = f'step "{step}"' if step else "the run"
        return f"not judged: {what} did not finish"

    def seconds_of(self, step: str) -> float:
        return round(self.steps[step].seconds(self.started), 3) if self.steps[step].ended else 0.0


def to_json(result: Result) -> dict[str, Json]:
    """result.json: stable, versioned by `schema`. Numbers that JSON does not know (NaN) are null."""
    return {
        "schema": RESULT_SCHEMA,
        "flow": result.flow,
        "run_id": result.run_id,
        "cloud": result.cloud,
        "commit": result.commit,
        "dirty": result.is_dirty,
        "status": result.status.value,
        "exit_code": result.exit_code,
        "reason": result.reason,
        "started": _iso(result.started),
        "seconds": round(result.seconds, 3),
        "phases": [
            {"name": phase.name, "started": _iso(phase.started), "seconds": round(phase.seconds, 3)}
            for phase in result.phases
        ],
        "params": dict(result.params),
        "env": dict(result.env),
        "steps": {name: _step(result, name) for name in result.steps},
        "metrics": {name: strict(metrics.document) for name, metrics in result.metrics.items()},
        "rules": [strict(_rule(result, judged)) for judged in result.rules],
        "baseline": _baseline(result.baseline_update),
        "compared_with": compared_with_json(result.baseline),
        "empty_inputs": dict(result.empty_inputs),
        "execution": result.execution,
        "partial": result.is_partial,
        "taken": dict(result.taken),
        "warm_starts": dict(result.warm_starts),
        "chosen": dict(result.chosen),
        "changes": {name: {"run_id": each.run_id, "changes": [*each.changes]} for name, each in result.changes.items()},
        "since_baseline": changes_since_json(result.since_baseline) if result.since_baseline else None,
    }


def _step(result: Result, name: str) -> dict[str, Json]:
    step = result.steps[name]
    entry: dict[str, Json] = {
        "status": step.status,
        "seconds": result.seconds_of(name),
        "job": step.job,
        "reason": step.reason,
    }
    if name in result.outputs:
        entry["outputs"] = dict(result.outputs[name])
    if step.reused_from:
        entry["reused_from"] = step.reused_from
    if step.runs_on:
        entry["runs_on"] = step.runs_on
    if name in result.costs:
        entry["cost_usd"] = round(result.costs[name], 6)
    if step.phases:
        entry["phases"] = [
            {"name": phase, "started": _iso(started), "seconds": round((ended - started).total_seconds(), 3)}
            for phase, started, ended in step.phases
        ]
    return {**entry, "decision": step.decision.to_json()} if step.decision else entry


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")


def _baseline(update: BaselineUpdate | None) -> Json:
    if update is None:
        return None
    return {"earned": update.is_earned, "written": update.is_written, "reason": update.reason}


def compared_with_json(baseline: Baseline) -> Json:
    """The run that a run is compared with; null for none."""
    if not baseline.run_id:
        return None
    return {"run_id": baseline.run_id, "commit": baseline.commit, "origin": baseline.origin}


def _rule(result: Result, judged: RuleVerdict) -> dict[str, Json]:
    bound = judged.bound
    compared = judged.comparison
    return {
        "metric": bound.rule.metric,
        "op": bound.rule.op,
        "limit": bound.rule.limit,
        "relative": bound.rule.is_relative,
        "slice": bound.rule.slice,
        "group": judged.group,
        "level": judged.level,
        "threshold": bound.threshold,
        "value": judged.value,
        "baseline": bound.baseline,
        "margin": judged.margin,
        "verdict": judged.verdict,
        "held": judged.held,
        "outcome": result.outcome_of(judged),
        "text": result.text_of(judged),
        "interval": [compared.interval.low, compared.interval.high] if compared and compared.interval else None,
        "confidence": compared.confidence if compared else None,
        "cases": compared.cases if compared else None,
        "comparison": _comparison(compared) if compared else None,
        "acceptance": _acceptance(judged.acceptance) if judged.acceptance else None,
        **_origin(bound),
        **_place(bound.rule.position),
    }


def _comparison(compared: Comparison) -> dict[str, Json]:
    return {
        "kind": compared.kind,
        "method": compared.method,
        "corrected_for": compared.corrected_for,
        "turned_wrong": len(compared.to_wrong),
        "turned_right": len(compared.to_right),
        "to_wrong": [*compared.to_wrong[:_MAX_IDS]],
        "to_right": [*compared.to_right[:_MAX_IDS]],
        "smallest_drop": compared.smallest_drop,
        "note": compared.note,
        "on": compared.on,
        "value": compared.value,
        "baseline": compared.baseline,
    }


def _acceptance(accepted: Acceptance) -> dict[str, Json]:
    return {
        "id": accepted.id,
        "metric": accepted.metric,
        "run_id": accepted.run_id,
        "commit": accepted.commit,
        "by": accepted.by,
        "because": accepted.because,
        "until": accepted.until.isoformat(),
        "created": accepted.created.isoformat(),
    }


def _origin(bound: Bound) -> dict[str, Json]:
    """Returns why a rule of the base branch's gate is in force; nothing for one of the flow's own."""
    if bound.origin == "flow":
        return {}
    return {"origin": bound.origin, "reason": bound.reason, "removed": bound.is_removed}


def _place(position: Position | None) -> dict[str, Json]:
    return {"file": position.file, "line": position.line} if position else {}


def is_readable(document: Json) -> bool:
    """True if the document is a result.json of a known schema, as far as `mlci list` and `mlci show` read it."""
    if not isinstance(document, dict) or document.get("schema") not in _READ_SCHEMAS:
        return False
    steps, rules = document.get("steps"), document.get("rules")
    return (
        all(isinstance(document.get(name), str) for name in ("flow", "cloud", "status", "started"))
        and all(isinstance(document.get(name), str | None) for name in ("commit", "reason"))
        and _is_time(document.get("seconds"))
        and isinstance(rules, list)
        and all(isinstance(rule, dict) and {"held", "text"} <= rule.keys() for rule in rules)
        and isinstance(steps, dict)
        and all(
            isinstance(s, dict) and isinstance(s.get("status"), str) and _is_time(s.get("seconds"))
            for s in steps.values()
        )
    )


def _is_time(value: Json) -> bool:
    return isinstance(value, int | float) and 0 <= value < _SECONDS_MAX


def result_json(result: Result) -> str:
    """The text of result.json."""
    return indented(to_json(result))


def strict(value: Json) -> Json:
    """The value with null in the place of each number that JSON does not know."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: strict(item) for key, item in value.items()}
    return [strict(item) for item in value] if isinstance(value, list) else value
