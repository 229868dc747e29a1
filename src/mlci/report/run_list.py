"""Earlier runs, and those that go on, as `mlci list` and `mlci show` tell them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import datetime, timezone
from typing import Any, Literal  # result.json may be of an older or newer mlci: what is missing is shown as a dash

from mlci.backends.decisions import parse_decision
from mlci.commits import short_commit
from mlci.flow.models import Json
from mlci.report.formatting import duration, figure, rough_duration
from mlci.report.metrics_table import metric_values
from mlci.report.next_commands import flow_option
from mlci.report.result import SCHEMA, RunStart
from mlci.report.signs import OUTCOME_SIGNS, STEP_SIGNS, rule_sign
from mlci.report.value_changes import scalar
from mlci_dataclasses import dataclass

#: The columns of `mlci list`.
HEAD = ("run", "flow", "status", "started", "time", "commit", "gate", "metrics")
_NONE = "–"
#: The cell in the name of a metric: "(fold=0)" of "train(fold=0).auc".
_CELL = re.compile(r"^([^(.]+)\([^()]*=[^()]*\)(?=[.\[])")

RunState = Literal["finished", "running", "killed", "unfinished", "unreadable"]


@dataclass(frozen=True)
class ListedRun:
    """A run as its folder tells it. `result` is its result.json, None where it has none that can be read.

    "killed" is a run without a result whose process is gone, and "unfinished" one of which that is not known: it is of
    an older mlci, and has no `start`. `undecided` has what a running run asks, by the step that waits for a decision.
    """

    run_id: str
    folder: str
    state: RunState
    start: RunStart | None = None
    result: Mapping[str, Any] | None = None
    undecided: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> str:
        return str(self.result["status"]) if self.result else self.state

    @property
    def flow(self) -> str | None:
        """The name of the flow; None if it is not known."""
        if self.result:
            return str(self.result["flow"])
        return self.start.flow if self.start else None

    @property
    def commit(self) -> str | None:
        commit = self.result.get("commit") if self.result else self.start.commit if self.start else None
        return str(commit) if commit else None

    @property
    def is_dirty(self) -> bool | None:
        """True if the work tree differed from the commit; None if that is not known."""
        dirty = self.result.get("dirty") if self.result else self.start.is_dirty if self.start else None
        return dirty if isinstance(dirty, bool) else None

    @property
    def is_partial(self) -> bool:
        return bool(self.result.get("partial")) if self.result else bool(self.start and self.start.is_partial)

    @property
    def started(self) -> datetime | None:
        if self.start:
            return self.start.started
        try:
            return datetime.fromisoformat(str(self.result["started"])) if self.result else None
        except ValueError:
            return None

    @property
    def headline_metrics(self) -> dict[str, float | None]:
        """The metrics that the gate's rules judge, by their names."""
        rules = self.result["rules"] if self.result else []
        return {str(rule["metric"]): rule.get("value") for rule in rules if "metric" in rule and not rule.get("group")}

    def row(self, now: datetime) -> tuple[str, ...]:
        """Returns the run in a line, one cell for each column of HEAD."""
        rules = self.result["rules"] if self.result else []
        is_judged = any(rule.get("held") or rule.get("value") is not None for rule in rules)
        held = f"{sum(1 for rule in rules if rule.get('held'))} of {len(rules)} held" if is_judged else "not judged"
        gate = held if rules else "part of the flow" if self.is_partial else _NONE
        return (
            self.run_id,
            self.flow or _NONE,
            f"waits for {', '.join(self.undecided)}" if self.undecided else self.status,
            f"{self.started:%Y-%m-%d %H:%M:%S}" if self.started else _NONE,
            self._time(now),
            _commit(self.commit, self.is_dirty),
            gate,
            ", ".join(_headlines(self.headline_metrics)) or _NONE,
        )

    def _time(self, now: datetime) -> str:
        if self.result:
            return duration(float(self.result.get("seconds", 0)))
        if self.state == "running" and self.started:
            return duration(max(0.0, (now - self.started.astimezone(timezone.utc)).total_seconds()))
        return _NONE

    def to_json(self) -> dict[str, Json]:
        """Returns the run as an entry of `mlci list --json`."""
        rules = self.result["rules"] if self.result else []
        return {
            "run_id": self.run_id,
            "flow": self.flow,
            "status": self.status,
            "undecided": dict(self.undecided),
            "cloud": str(self.result["cloud"]) if self.result else self.start.cloud if self.start else None,
            "started": self.started.isoformat(timespec="milliseconds") if self.started else None,
            "seconds": self.result.get("seconds") if self.result else None,
            "commit": self.commit,
            "dirty": self.is_dirty,
            "partial": self.is_partial,
            "rules": len(rules),
            "rules_held": sum(1 for rule in rules if rule.get("held")),
            "metrics": dict(self.headline_metrics),
            "folder": self.folder,
        }

    def show_json(self) -> dict[str, Json]:
        """Returns result.json, or what is known of a run without one, with its state as `status`."""
        if self.result:
            return dict(self.result)
        known: dict[str, Json] = {"schema": SCHEMA, "run_id": self.run_id}
        return {
            **(self.start.to_json() if self.start else known),
            "status": self.state,
            "undecided": dict(self.undecided),
        }


def list_json(runs: list[ListedRun]) -> dict[str, Json]:
    """Returns the document of `mlci list --json`, the newest run first."""
    return {"schema": SCHEMA, "runs": [run.to_json() for run in runs]}


def describe(run: ListedRun, now: datetime, flow_file: str = "flow.yaml") -> str:
    """Returns one run in full: its verdict, rules, params, metrics and steps, and where its files are."""
    if run.result is None:
        return "\n".join([*_unfinished(run, now, flow_option(flow_file)), f"files: {run.folder}/"])
    result = run.result
    part = ", a part of the flow, without a verdict" if run.is_partial else ""
    lines = [
        f"{result['flow']}: {str(result['status']).replace('_', ' ')} in {duration(result['seconds'])}{part}",
        f"run {run.run_id} on the {result['cloud']} cloud, commit {_commit(run.commit, run.is_dirty)}",
    ]
    if result.get("reason"):
        lines += ["", str(result["reason"])]
    if result["rules"]:
        lines += ["", "gate", *(f"  {_sign(rule)} {rule['text']}" for rule in result["rules"])]
    lines += _section("params", {name: scalar(value) for name, value in (result.get("params") or {}).items()})
    others = {
        name: figure(value)
        for name, value in metric_values(result.get("metrics") or {}).items()
        if name not in run.headline_metrics
    }
    lines += _section("metrics that no rule judges", others)
    lines += _section("taken from earlier runs", _texts(result, "taken"))
    lines += _section("started on machines that another job left", _texts(result, "warm_starts"))
    lines += ["", "steps"]
    width = max((len(name) for name in result["steps"]), default=0)
    lines += [
        f"  {STEP_SIGNS.get(step['status'], ' ')} {name:{width}}  {step['status']:9}  {duration(step['seconds'])}"
        + _note(step)
        for name, step in result["steps"].items()
    ]
    return "\n".join([*lines, "", f"files: {run.folder}/"])


def _note(step: Mapping[str, Any]) -> str:
    """Return the run that a step is reused from, or the decision about it."""
    if step.get("status") == "reused" and step.get("reused_from"):
        return f"  from run {step['reused_from']}"
    decision = step.get("decision")
    text = parse_decision(json.dumps(decision)) if isinstance(decision, dict) else None
    return f"  {text}" if text else ""


def _unfinished(run: ListedRun, now: datetime, options: str) -> list[str]:
    name = f"run {run.run_id}" + (f" of {run.flow}" if run.flow else "")
    match run.state:
        case "running" if run.started:
            age = rough_duration((now - run.started).total_seconds())
            lines = [f"{name} is running: it has started {age} ago", f"its logs: mlci logs -f {run.run_id}{options}"]
            return lines + [
                f"{step} waits for a decision: {message}\n  mlci approve {run.run_id} {shlex.quote(step)}{options}"
                for step, message in run.undecided.items()
            ]
        case "killed":
            lines = [f"{name} has not finished: its process was killed"]
            if run.start and run.start.cloud == "aws":
                lines.append(f"its execution on AWS may still run: mlci stop {run.run_id}{options}")
            return lines
        case _:
            return [f"{name} has not finished: it still runs, or was killed"]


def _texts(result: Mapping[str, Any], name: str) -> dict[str, str]:
    """Returns a map of texts in a result; {} where an older version of mlci wrote none."""
    found = result.get(name)
    return {key: str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _section(title: str, values: Mapping[str, str]) -> list[str]:
    width = max((len(name) for name in values), default=0)
    return ["", title, *(f"  {name:{width}}  {value}" for name, value in values.items())] if values else []


def _headlines(metrics: Mapping[str, float | None]) -> Iterator[str]:
    """Yields each metric with its value; those of a matrix's cells as one, with the smallest and the largest.

    >>> list(_headlines({"train(fold=0).auc": 0.9, "train(fold=1).auc": 0.8, "evaluate.auc": None}))
    ['train.auc 0.8 to 0.9 (2 cells)', 'evaluate.auc –']
    """
    cells: dict[str, list[float | None]] = {}
    for name, value in metrics.items():
        cells.setdefault(_CELL.sub(r"\1", name), []).append(value)
    for name, values in cells.items():
        known = sorted(value for value in values if value is not None)
        if len(values) == 1:
            yield f"{name} {figure(values[0])}"
        else:
            extremes = f"{figure(known[0])} to {figure(known[-1])}" if known else _NONE
            yield f"{name} {extremes} ({len(values)} cells)"


def _commit(commit: str | None, is_dirty: bool | None) -> str:
    """The beginning of a commit, marked where the work tree differed from it.

    >>> _commit("0123456789abcdef", True), _commit(None, None)
    ('0123456789ab*', '–')
    """
    return f"{short_commit(commit)}{'*' if is_dirty else ''}" if commit else _NONE


def _sign(rule: Mapping[str, Any]) -> str:
    """Returns the sign of a rule. Results of schema 1 say only whether it held."""
    sign = next((sign for outcome, sign in OUTCOME_SIGNS.items() if outcome == rule.get("outcome")), None)
    return sign or rule_sign(bool(rule["held"]))
