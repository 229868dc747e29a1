"""The main job: `run` is the whole line, from flow.yaml to a verdict, in one short function."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Protocol

from mlci.backends.events import Event
from mlci.backends.progress import Progress, StepState, beginning, reason_of
from mlci.backends.protocol import Cloud, ExecutionArn, Outcome
from mlci.backends.stop_signal import StopSignal
from mlci.compile import Compiled, compile_plan
from mlci.compile.names import GATE_MISSED
from mlci.errors import CloudError, InputError
from mlci.flow.models import Flow, Json
from mlci.gate import METRICS_MAX_BYTES, Metrics, Verdict, judge, parse_metrics
from mlci.interrupts import Listening, attend
from mlci.plan import Plan, Target, baseline_uri, plan
from mlci.report.mermaid import mermaid
from mlci.report.result import Result, Status, strict
from mlci.runs import RunFolder
from mlci.stage import Cache, Repository, stage


class Watcher(Protocol):
    """Who is shown how a run goes."""

    def say(self, text: str) -> None: ...

    def show(self, steps: Mapping[str, StepState]) -> None: ...

    def live(self) -> AbstractContextManager[None]: ...

    def turn_to(self, tail: Callable[[str], str]) -> None: ...


@dataclass(frozen=True)
class Surroundings:
    """What a run takes from outside of the flow. `timeout_s` is the whole run's."""

    repository: Repository
    region: str
    cache: Cache
    target: Target
    folder: RunFolder
    watcher: Watcher
    listening: Listening
    timeout_s: float | None = None
    attaches: bool = True

    def as_of(self, run_id: str) -> Surroundings:
        """The same, as another run has them."""
        return replace(self, target=replace(self.target, run_id=run_id), folder=self.folder.sibling(run_id))


def prepare(flow: Flow, around: Surroundings, baseline: Mapping[str, Json]) -> tuple[Plan, Compiled]:
    """Everything before deploy: what would run, and nothing touched.

    Raises: InputError.
    """
    staged = stage(flow, around.repository, around.region, around.cache)
    planned = plan(flow, staged, around.target, baseline)
    return planned, compile_plan(planned, around.cache.get)


def run(flow: Flow, around: Surroundings, cloud: Cloud) -> Result:
    """Runs a flow on a cloud, and reports. The reports lie in the run's folder when it returns.

    Raises: InputError, before anything was staged or started.
    """
    started = datetime.now(timezone.utc)
    baseline = read_baseline(flow, around.target, cloud)
    around = rejoined(flow, around, baseline, cloud)
    planned, compiled = prepare(flow, around, baseline)
    cloud.check(planned)
    progress, outcome = _carry_out(planned, compiled, around, cloud)
    metrics, outcome = _measured(planned, progress, outcome, cloud)
    verdict = judge(planned.gate, metrics)
    status, reason = conclude(outcome, verdict, progress)
    if status is Status.PASSED and around.target.is_trusted:
        status, reason = _kept(planned, metrics, cloud)
    result = Result(
        flow=flow.name,
        run_id=around.target.run_id,
        cloud=cloud.name,
        commit=around.target.commit,
        status=status,
        started=started,
        seconds=(datetime.now(timezone.utc) - started).total_seconds(),
        steps=progress.steps,
        rules=verdict.rules,
        metrics=metrics,
        execution=outcome.execution,
        reason=reason,
        params=flow.params,
        log_tails={name: around.folder.tail(name) for name in _failed(progress)},
        graph=mermaid(flow, {name: step.status for name, step in progress.steps.items()}, verdict.held),
    )
    around.folder.finish(result)
    return result


def rejoined(flow: Flow, around: Surroundings, baseline: Mapping[str, Json], cloud: Cloud) -> Surroundings:
    """The surroundings of a run that this very build began, and that still runs, where there is one: a build that was
    cut off and started again goes on with it. It is the same run where it has the same input, down to each hash."""
    if not around.attaches or around.target.build is None:
        return around
    for live in cloud.live(flow.name):
        given = json.loads(live.given)
        if not isinstance(given, dict) or given.get("build") != around.target.build:
            continue
        there = around.as_of(live.name)
        if json.loads(prepare(flow, there, baseline)[1].execution_input) == given:
            around.watcher.say(f"attached to run {live.name}, which this build began and which still runs")
            around.watcher.turn_to(there.folder.tail)
            return there
        around.watcher.say(f"run {live.name} of this build still runs as well; it is another, so it is left alone")
    return around


def _carry_out(planned: Plan, compiled: Compiled, around: Surroundings, cloud: Cloud) -> tuple[Progress, Outcome]:
    """Deploys and executes, in a thread of its own: this one waits for signals and for the time to run out."""
    progress, lock = beginning(planned.steps), threading.Lock()
    stop, has_begun = StopSignal(), threading.Event()

    def on_event(event: Event) -> None:
        nonlocal progress
        with lock:
            progress = progress.after(event)
            around.watcher.show(progress.steps)

    def work() -> Outcome:
        version = cloud.publish(planned.flow.name, compiled.definition)
        around.watcher.say(f"{planned.flow.name}: run {around.target.run_id} on the {cloud.name} cloud")
        around.folder.begin(compiled.definition, compiled.execution_input)
        has_begun.set()
        cloud.upload(planned.uploads, stop)
        return cloud.run(version, around.target.run_id, compiled.execution_input, on_event, stop)

    def interrupted(why: str) -> None:
        around.watcher.say(f"{why}: stopping what runs")
        stop.set(error="mlci.Stopped", cause=why)

    around.watcher.show(progress.steps)
    try:
        with around.listening() as interrupts, around.watcher.live():
            outcome = attend(work, interrupts, interrupted, around.timeout_s)
    except (CloudError, OSError) as error:  # OSError: the disk is full, or a file went away while it was staged
        if not has_begun.is_set():
            raise
        outcome = Outcome(ExecutionArn(""), "FAILED", type(error).__name__, str(error))
    return progress.finished(datetime.now(timezone.utc)), outcome


def conclude(outcome: Outcome, verdict: Verdict, progress: Progress) -> tuple[Status, str]:
    """What a run came to, and why in a sentence. Anything but a success that both judges agree on is no pass."""
    if outcome.status in ("ABORTED", "TIMED_OUT"):
        return Status.STOPPED, outcome.cause or "the execution was stopped"
    failed = _failed(progress)
    if failed:
        reasons = (f'step "{name}" failed: {progress.steps[name].reason}' for name in failed)
        return Status.FAILED, "\n".join(reasons)
    missed = "\n".join(judged.text for judged in verdict.rules if not judged.held)
    if outcome.status == "SUCCEEDED":
        return (Status.PASSED, "") if verdict.held else (Status.GATE_MISSED, missed)
    if outcome.error != GATE_MISSED:
        return Status.FAILED, f"the execution failed: {outcome.error}: {reason_of(outcome.cause)}"
    if verdict.held:
        return Status.FAILED, "the state machine found the gate missed, and mlci finds that every rule held"
    return Status.GATE_MISSED, missed


def _failed(progress: Progress) -> list[str]:
    return [name for name, step in progress.steps.items() if step.status == "failed"]


def _measured(planned: Plan, progress: Progress, outcome: Outcome, cloud: Cloud) -> tuple[dict[str, Metrics], Outcome]:
    """The run's metrics; where they can't be read, the run has failed, and still reports."""
    try:
        return read_metrics(planned, progress, cloud), outcome
    except CloudError as error:
        return {}, replace(outcome, status="FAILED", error=type(error).__name__, cause=str(error))


def _kept(planned: Plan, metrics: Mapping[str, Metrics], cloud: Cloud) -> tuple[Status, str]:
    """What a passing run comes to when its baseline is kept: the next runs would be compared with an older one."""
    try:
        write_baseline(planned, metrics, cloud)
    except CloudError as error:
        return Status.FAILED, f"the gate held, and the baseline could not be kept: {error}"
    return Status.PASSED, ""


def read_metrics(planned: Plan, progress: Progress, cloud: Cloud) -> dict[str, Metrics]:
    """The metrics that the steps of this run wrote; a step that did not succeed, or wrote none, is left out."""
    found = {}
    for name, step in planned.steps.items():
        if step.metrics and progress.steps[name].status in ("succeeded", "reused"):
            data = cloud.read(step.metrics, METRICS_MAX_BYTES + 1)
            if data is not None:
                found[name] = parse_metrics(data)
    return found


def read_baseline(flow: Flow, target: Target, cloud: Cloud) -> dict[str, Json]:
    """The metrics, by step, of the base branch's last passing run; empty where there was none.

    Raises: CloudError, for a baseline that is damaged: judging without it would let a drop pass. InputError, where a
    rule needs the baseline, and the repository does not say which branch is the base.
    """
    uri = baseline_uri(flow.name, target)
    if uri is None and target.commit and _compares_with_baseline(flow):
        raise InputError(
            "the base branch is not known, and a rule of the flow compares with its baseline",
            "Name it: MLCI_BASE_BRANCH=main. Or fetch it: git fetch origin && git remote set-head origin --auto.",
        )
    data = cloud.read(uri) if uri else None
    if data is None:
        return {}
    try:
        metrics = json.loads(data)["metrics"]
        if isinstance(metrics, dict):
            return metrics
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise CloudError(
        f"the baseline {uri} is damaged.", hint="Delete it; the next passing run on the base branch makes it anew."
    )


def _compares_with_baseline(flow: Flow) -> bool:
    rules = (*flow.gate, *(rule for step in flow.steps.values() for rule in step.when))
    return any(rule.op in ("max_drop", "max_rise") for rule in rules)


def write_baseline(planned: Plan, metrics: Mapping[str, Metrics], cloud: Cloud) -> None:
    """Keeps a passing run's metrics as what later runs are compared with."""
    uri = baseline_uri(planned.flow.name, planned.target)
    if uri is None or not metrics:
        return
    kept = {
        "schema": 1,
        "run_id": planned.target.run_id,
        "commit": planned.target.commit,
        "metrics": {name: strict(found.document) for name, found in metrics.items()},
    }
    cloud.write(uri, json.dumps(kept, indent=2).encode())
