"""The main job: `run` is the whole line, from flow.yaml to a verdict, in one short function."""

from __future__ import annotations

import contextlib
import functools
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Protocol, TypeVar

from mlci.acceptances import acceptances_for, write_misses
from mlci.backends.events import Event
from mlci.backends.progress import ExpectedEnd, Progress, StepState, initial_progress
from mlci.backends.protocol import Cloud, ExecutionArn, Outcome
from mlci.backends.stop_signal import StopSignal
from mlci.baseline import (
    NO_BASELINE,
    NO_HISTORY,
    Baseline,
    CommitHistory,
    WorkTree,
    find_baseline,
    record_baseline,
    unearned_reason,
)
from mlci.compile import Compiled, compile_plan, sent_input
from mlci.conclusion import conclude, log_tails
from mlci.early_imports import import_early
from mlci.empty_outputs import EmptyOutputs
from mlci.errors import CloudError, InputError, SdkMissing
from mlci.fast_dataclasses import dataclass
from mlci.flow import dependencies
from mlci.flow.models import Flow, Json
from mlci.gate import Measurements, Verdict, chosen_cells, judge
from mlci.gate.accepted import Acceptances
from mlci.gate_answers import GateAnswers
from mlci.input_objects import input_objects
from mlci.interrupts import InterruptSource, run_interruptible
from mlci.kept_definitions import KeptDefinitions
from mlci.plan import Plan, ReusedResult, Target, plan
from mlci.report.flow_graph import flow_graph
from mlci.report.result import BaselineUpdate, Result, RunStart, Status, strict
from mlci.reuse.decisions import has_nothing_due
from mlci.reuse.step_keys import step_keys
from mlci.reused_steps import find_reused, find_reused_again, record_steps
from mlci.run_cases import RunJudgement, judge_run, provide_packages
from mlci.run_lock import RunLock
from mlci.run_metrics import unread_metrics
from mlci.runs import RunFolder
from mlci.skipped_steps import explain_skipped
from mlci.stage import Cache, Repository, Staged, stage
from mlci.step_types import closing_titles
from mlci.unsent_files import explain_unsent
from mlci.warm_starts import warm_starts
from mlci.watch import LateSeconds, RunWatch, WatchOptions

if TYPE_CHECKING:
    from mlci.partial import PartialRun
    from mlci.report.plots.pictures import Picture
    from mlci.reuse.differences import Explanation
    from mlci.reuse.key_document import RunKeys

T = TypeVar("T")

#: So many earlier runs are compared with a run: it is not to take longer for that.
_RUNS_COMPARED = 5


class RunReporter(Protocol):
    """Shows the progress of a run."""

    def log(self, text: str) -> None: ...

    def update(self, steps: Mapping[str, StepState]) -> None: ...

    def live(self) -> AbstractContextManager[None]: ...

    def use_run(self, run_id: str, tail: Callable[[str], str]) -> None: ...


@dataclass(frozen=True)
class RunContext:
    """The context of a run, from outside of the flow. `timeout_s` limits the whole run.

    `attaches` lets a build that was cut off, and started again, continue its own run. `tree` and `history` say what the
    commit of the target does not hold, None if that is not known, and which others it builds on. `lock` is held while
    the run goes on. `part` is set where only a part of the flow is run. `definitions` are those that builds share.
    `fresh` has the steps that are not to be reused, with the reason. `reused_runs` are the runs that the steps are
    reused from of a run that goes on already.
    """

    repository: Repository
    region: str
    cache: Cache
    target: Target
    folder: RunFolder
    reporter: RunReporter
    interrupts: InterruptSource
    timeout_s: float | None = None
    attaches: bool = True
    tree: WorkTree | None = None
    history: CommitHistory = NO_HISTORY
    part: PartialRun | None = None
    definitions: KeptDefinitions | None = None
    watch: WatchOptions = field(default_factory=WatchOptions)
    lock: RunLock = field(default_factory=RunLock)
    fresh: Mapping[str, str] = field(default_factory=dict)
    reused_runs: Mapping[str, str] | None = None

    @property
    def is_dirty(self) -> bool | None:
        """True if tracked files differ from the commit; None if that is not known."""
        return None if self.tree is None else bool(self.tree.changed)

    def for_run(self, run_id: str) -> RunContext:
        """The context of another run, which goes on already."""
        return replace(self, target=replace(self.target, run_id=run_id), folder=self.folder.sibling(run_id))


@dataclass(frozen=True)
class PreparedRun:
    """A run before deploy. `reasons` say why the steps run that are not reused, as far as records tell.

    `acceptances` are those of the base branch, by which a missed rule may count as accepted.
    """

    planned: Plan
    compiled: Compiled
    keys: RunKeys
    reasons: Mapping[str, str] = field(default_factory=dict)
    acceptances: Acceptances = Acceptances()


def gated(flow: Flow, context: RunContext, baseline: Baseline) -> Flow:
    """The flow with the rules of the base branch's gate that it loosens or removes. What is merged is agreed upon, so a
    run of the base branch has its own gate alone; a part of a flow has none."""
    if context.target.is_trusted or context.part is not None or not baseline.gate:
        return flow
    from mlci.gate.effective_gate import with_base_gate

    return with_base_gate(flow, baseline)


def prepare(flow: Flow, context: RunContext, baseline: Baseline = NO_BASELINE) -> tuple[Plan, Compiled]:
    """Stages, plans and compiles, as if no step were reused. Changes nothing.

    Raises: InputError.
    """
    planned = _plan(flow, _stage(flow, context), context, baseline)
    return planned, _compile(planned, context)


def prepare_run(flow: Flow, context: RunContext, baseline: Baseline, cloud: Cloud) -> PreparedRun:
    """Stages, plans, finds what is reused, and compiles: everything before deploy. Changes nothing.

    Raises: InputError.
    """
    staged = _stage(flow, context)
    planned = _plan(flow, staged, context, baseline)
    cloud.check(planned)
    keys = keys_of(planned, context, cloud)
    if context.reused_runs is None:
        decisions = find_reused(planned, keys, context.fresh, datetime.now(timezone.utc), cloud)
    else:
        decisions = find_reused_again(planned, keys, context.reused_runs, cloud)
    if decisions.reused:
        planned = _plan(flow, staged, context, baseline, decisions.results)
    accepted = acceptances_for(
        planned, keys, context.history, datetime.now(timezone.utc).date(), cloud, context.reporter.log
    )
    planned = replace(planned, gate=accepted.bounds(planned.gate))
    return PreparedRun(planned, _compile(planned, context), keys, decisions.reasons, accepted)


def _stage(flow: Flow, context: RunContext) -> Staged:
    return _with_sdk(lambda: stage(flow, context.repository, context.region, context.cache), context)


def _plan(
    flow: Flow,
    staged: Staged,
    context: RunContext,
    baseline: Baseline,
    reused: Mapping[str, ReusedResult] | None = None,
) -> Plan:
    return plan(flow, staged, context.target, baseline, context.part.outputs if context.part else None, reused)


class _NotCompiled(Exception):
    """A definition that nobody needs is not known."""


def _compile(planned: Plan, context: RunContext) -> Compiled:
    """Compiles a plan. A definition that no execution will have is taken where it is known, and not compiled."""
    is_needed = not has_nothing_due(planned)

    def cached(key: Json, compute: Callable[[], str]) -> str | None:
        def compiled() -> str:
            if not is_needed:
                raise _NotCompiled
            return _announced(lambda: _with_sdk(compute, context), context.reporter.log)

        kept = context.definitions
        with contextlib.suppress(_NotCompiled):
            return context.cache.get(key, compiled if kept is None else lambda: kept.get(key, compiled))
        return None

    return compile_plan(planned, cached, context.timeout_s)


def keys_of(planned: Plan, context: RunContext, cloud: Cloud) -> RunKeys:
    """The keys of a run's steps. Those that a partial run takes from earlier runs have the keys that they had there."""
    known = context.part.known_keys() if context.part else None
    return step_keys(planned, cloud.software(), known, input_objects(planned, cloud, context.reporter.log))


def _changes(keys: RunKeys, progress: Progress, context: RunContext, cloud: Cloud) -> dict[str, Explanation]:
    """The changes of the steps that were run since earlier runs in this folder, as far as it has any."""
    steps = [name for name, step in progress.steps.items() if step.started and name in keys.steps]
    if not steps:
        return {}
    from mlci.earlier_runs import explain_steps

    with contextlib.suppress(InputError):  # the folder of runs can't be read
        found = explain_steps(steps, keys, context.folder.siblings(), cloud.name, _RUNS_COMPARED)
        return {each.step: each for each in found if each.run_id is not None}
    return {}


def _with_sdk(work: Callable[[], T], context: RunContext) -> T:
    """Returns the result of `work`. Where it needs the SDKs, and a slim install lacks them, they are installed."""
    try:
        return work()
    except SdkMissing:
        from mlci.stage.package_install import provide_sdk

        provide_sdk(context.cache.folder, context.reporter.log)
        return work()


def _announced(compile_it: Callable[[], str], log: Callable[[str], None]) -> str:
    """Compiles a definition that is not known yet: the SDK takes seconds to import, in which nothing else happens."""
    log("compiling the flow, which takes some seconds where its structure is new")
    return compile_it()


def run(flow: Flow, context: RunContext, cloud: Cloud) -> Result:
    """Runs a flow on a cloud, and writes the reports to the run's folder.

    Raises: InputError, before anything was staged or started.
    """
    started = datetime.now(timezone.utc)
    baseline = find_baseline(flow, context.target, cloud, context.history, context.reporter.log)
    flow = gated(flow, context, baseline)
    context = attach(flow, context, baseline, cloud)
    prepared = prepare_run(flow, context, baseline, cloud)
    planned, keys = prepared.planned, prepared.keys
    provide_packages(planned, context.cache.folder, context.reporter.log)
    for name, why in planned.empty_inputs.items():
        context.reporter.log(f"the input {name} is empty: {why}")
    execute = _reuse_all if has_nothing_due(planned) else _execute
    progress, outcome = execute(prepared, context, cloud, started)
    judgement, outcome = _judged_end(prepared, progress, outcome, context, cloud)
    metrics, verdict = judgement.metrics, judgement.verdict
    record_steps(planned, keys, progress, metrics, datetime.now(timezone.utc), cloud, context.reporter.log)
    progress = explain_skipped(planned, progress, metrics, verdict)
    told = {step for bound in planned.gate if not bound.rule.reads_cases for step in bound.rule.steps}
    for line in [*unread_metrics(metrics, told), *judgement.notes]:
        context.reporter.log(line)
    status, reason = conclude(outcome, verdict, progress)
    if status is Status.GATE_MISSED:
        write_misses(planned, verdict, keys, cloud, context.reporter.log)
    chosen = chosen_cells(planned.flow, metrics, progress.reached)
    baseline_update = None
    if status is Status.PASSED and judgement.reported and context.part is None and context.target.is_trusted:
        status, reason, baseline_update = _update_baseline(planned, judgement, chosen, context, cloud)
    result = Result(
        flow=flow.name,
        run_id=context.target.run_id,
        cloud=cloud.name,
        commit=context.target.commit,
        is_dirty=context.is_dirty,
        is_partial=context.part is not None,
        taken=context.part.taken_runs if context.part else {},
        status=status,
        started=started,
        seconds=(datetime.now(timezone.utc) - started).total_seconds(),
        steps=progress.steps,
        rules=verdict.rules,
        chosen=chosen,
        metrics=judgement.reported,
        execution=outcome.execution,
        reason=reason,
        baseline=planned.baseline,
        empty_inputs=planned.empty_inputs,
        baseline_update=baseline_update,
        changes=_changes(keys, progress, context, cloud),
        warm_starts=warm_starts(planned, progress, cloud, context.reporter.log),
        outputs={
            name: planned.steps[name].outputs
            for name, step in progress.steps.items()
            if step.status in ("succeeded", "reused")
        },
        costs=_costs(planned, progress),
        params=flow.params,
        overridden=flow.overridden,
        flow_file=flow.file,
        build=context.target.build,
        env=flow.env,
        log_tails=log_tails(progress, context.folder),
        plots=_plots(planned, progress, context, cloud),
        graph=flow_graph(flow, {name: step.status for name, step in progress.steps.items()}, verdict.held),
    )
    try:
        # Rules that a part of a flow is run with are limits of none: they have no verdict that a report could show.
        context.folder.finish(result if context.part is None else replace(result, rules=()))
    except OSError as error:
        return replace(result, unwritten=f"{error.strerror}: {context.folder.path}")
    finally:
        context.lock.release()
    return result


def _plots(planned: Plan, progress: Progress, context: RunContext, cloud: Cloud) -> tuple[Picture, ...]:
    """The plots of a run whose steps have some; numbers that were drawn before are not drawn again."""
    if not any(step.plots or step.cases for step in planned.flow.steps.values()):
        return ()
    from mlci.run_plots import run_plots

    return run_plots(planned, progress, cloud, context.cache, context.reporter.log)


def attach(flow: Flow, context: RunContext, baseline: Baseline, cloud: Cloud) -> RunContext:
    """The context of the running execution that this build started before it was cut off; else the given context.

    An execution is the same run if it has the same input, down to each hash.
    """
    if not context.attaches or context.target.build is None:
        return context
    for execution in cloud.running(flow.name):
        running_input = json.loads(execution.execution_input)
        if not isinstance(running_input, dict) or running_input.get("build") != context.target.build:
            continue
        attached = replace(context.for_run(execution.name), reused_runs=_reused_runs(running_input))
        prepared = prepare_run(flow, attached, baseline, cloud)
        images = cloud.published_images(prepared.planned.images)
        whole = with_images(prepared.compiled.execution_input, images)
        if json.loads(sent_input(whole).text) == running_input:
            context.reporter.log(
                f"attached to run {execution.name}, which this build started and which is still running"
            )
            context.reporter.use_run(execution.name, attached.folder.tail)
            return attached
        context.reporter.log(
            f"run {execution.name} of this build is still running, with another input; it is left alone"
        )
    return context


def with_images(execution_input: str, uris: Mapping[str, str]) -> str:
    """The execution input with these URIs of images in place of others: an image's digest is known once it is built."""
    for uri, published in uris.items():
        execution_input = execution_input.replace(json.dumps(uri), json.dumps(published))
    return execution_input


def _reused_runs(running_input: Mapping[str, Json]) -> dict[str, str]:
    """Returns the runs that the steps of an execution are reused from, according to its input."""
    reused = running_input.get("reused")
    runs = reused.items() if isinstance(reused, dict) else ()
    return {str(step): run for run, steps in runs if isinstance(steps, list) for step in steps}


def _reuse_all(prepared: PreparedRun, context: RunContext, cloud: Cloud, started: datetime) -> tuple[Progress, Outcome]:
    """Takes the results of all steps from earlier runs. Nothing is deployed, and nothing starts."""
    planned, compiled, reporter = prepared.planned, prepared.compiled, context.reporter
    context.folder.start(
        compiled.definition, compiled.execution_input, run_start(planned, context, cloud, started), prepared.keys
    )
    context.lock.acquire(context.folder.start_file)
    reporter.log(f"{planned.flow.name}: run {context.target.run_id} on the {cloud.name} cloud, and nothing to run")
    progress = initial_progress(planned.steps)
    reporter.update(progress.steps)
    progress = progress.with_reused(planned.reused)
    reporter.update(progress.steps)
    return progress, Outcome(ExecutionArn(""), "SUCCEEDED")


def _execute(prepared: PreparedRun, context: RunContext, cloud: Cloud, started: datetime) -> tuple[Progress, Outcome]:
    """Deploys and executes, in a thread of its own: this one waits for signals and for the timeout."""
    planned, compiled, keys = prepared.planned, prepared.compiled, prepared.keys
    progress, lock = initial_progress(planned.steps, _closing(planned), planned.reused), threading.Lock()
    stop, has_started = StopSignal(), threading.Event()
    outputs = EmptyOutputs(planned, cloud.is_empty, context.reporter.log)
    usual_s = LateSeconds(lambda: _usual_seconds(planned, context, cloud))
    rest_s = functools.partial(_rest_s, planned.flow, usual_s)
    watch = RunWatch(context.watch, context.folder, context.reporter.log, lambda: progress.steps, rest_s)

    def on_event(event: Event) -> None:
        nonlocal progress
        watch.print_new_lines()
        with lock:
            before, progress = progress, progress.after(event)
            progress = explain_unsent(before, outputs.explain(before, progress), planned, context.repository)
            context.reporter.update(progress.steps)
            if before.undecided != progress.undecided:
                context.folder.write_undecided(progress.undecided)

    def work() -> Outcome:
        version = cloud.publish(planned.flow.name, compiled.definition)
        if context.definitions is not None:
            context.definitions.write_new()
        context.reporter.log(f"{planned.flow.name}: run {context.target.run_id} on the {cloud.name} cloud")
        start = run_start(planned, context, cloud, started)
        context.folder.start(compiled.definition, compiled.execution_input, start, keys)
        context.lock.acquire(context.folder.start_file)
        has_started.set()
        cloud.upload(planned.uploads, stop)
        execution_input = with_images(compiled.execution_input, cloud.publish_images(planned.images, stop))
        context.folder.write_input(execution_input)
        sent = sent_input(execution_input)
        for uri, text in sent.objects.items():
            cloud.write(uri, text.encode())
        answers = GateAnswers(verdict_so_far, context.reporter.log) if planned.asks_mlci else None
        import_early(planned)
        return cloud.run(
            version, context.target.run_id, sent.text, on_event, stop, lambda: _ends(progress.steps, usual_s), answers
        )

    def verdict_so_far() -> Verdict:
        with lock:
            so_far = progress
        return _judged(prepared, so_far, context, cloud).verdict

    def interrupt(reason: str) -> None:
        context.reporter.log(f"{reason}: stopping the run")
        stop.set(error="mlci.Stopped", cause=reason)

    context.reporter.update(progress.steps)
    try:
        with context.interrupts() as interrupts, context.reporter.live(), watch.running(interrupts):
            outcome = run_interruptible(work, interrupts, interrupt, context.timeout_s)
    except (CloudError, OSError) as error:  # OSError: the disk is full, or a file went away while it was staged
        if not has_started.is_set():
            raise
        outcome = Outcome(ExecutionArn(""), "FAILED", type(error).__name__, str(error))
    return progress.finished(datetime.now(timezone.utc)), outcome


def _closing(planned: Plan) -> dict[str, frozenset[str]]:
    return {
        name: closing_titles(planned.flow.steps[name].uses, tuple(sorted(step.execution_input)))
        for name, step in planned.steps.items()
    }


def _usual_seconds(planned: Plan, context: RunContext, cloud: Cloud) -> Mapping[str, float]:
    """The seconds that each step usually takes: by the runs of this machine, else by the cloud's newest."""
    from mlci.earlier_runs import earlier_runs
    from mlci.report.estimate import usual_seconds

    runs = earlier_runs(context.folder.siblings(), planned.flow.name, cloud.name)
    usual = {**usual_seconds(run.seconds() for run in runs), **dict.fromkeys(planned.reused, 0.0)}
    if usual.keys() >= planned.steps.keys():
        return usual
    with contextlib.suppress(CloudError):
        return {**cloud.step_seconds(planned.flow.name, planned.steps.keys()), **usual}
    return usual


def _rest_s(flow: Flow, usual_s: Callable[[], Mapping[str, float]], steps: Mapping[str, StepState]) -> float | None:
    from mlci.report.estimate import remaining_s

    return remaining_s(steps, dependencies(flow), usual_s(), datetime.now(timezone.utc))


def _ends(steps: Mapping[str, StepState], usual_s: Callable[[], Mapping[str, float]]) -> Sequence[ExpectedEnd] | None:
    from mlci.report.estimate import expected_ends

    return expected_ends(steps, usual_s, datetime.now(timezone.utc))


def run_start(planned: Plan, context: RunContext, cloud: Cloud, started: datetime) -> RunStart:
    """The part of the run that is known at its start."""
    return RunStart(
        flow=planned.flow.name,
        run_id=context.target.run_id,
        cloud=cloud.name,
        started=started,
        commit=context.target.commit,
        is_dirty=context.is_dirty,
        is_partial=context.part is not None,
        steps=tuple(planned.steps),
    )


def _judged(prepared: PreparedRun, progress: Progress, context: RunContext, cloud: Cloud) -> RunJudgement:
    """Judges the gate by the steps that have succeeded so far, and by what was accepted.

    Raises: CloudError, OSError.
    """
    planned = prepared.planned
    judgement = judge_run(planned, progress, cloud, context.cache, _measurements(planned, progress, cloud))
    return replace(judgement, verdict=prepared.acceptances.settled(judgement.verdict))


def _costs(planned: Plan, progress: Progress) -> dict[str, float]:
    """Returns the estimated cost of each step in USD, as far as it is known. Jobs on this machine have none."""
    if planned.target.runs_jobs_here:
        return {}
    from mlci.costs import load_prices, step_costs

    costs = step_costs(planned, progress.steps, load_prices(), planned.target.region)
    return {name: cost.usd for name, cost in costs.items() if cost.usd is not None}


def _measurements(planned: Plan, progress: Progress, cloud: Cloud) -> Measurements:
    if not any(bound.rule.is_budget for bound in planned.gate):
        return {}
    from mlci.run_measurements import measure

    return measure(planned, progress, cloud, datetime.now(timezone.utc))


def _judged_end(
    prepared: PreparedRun, progress: Progress, outcome: Outcome, context: RunContext, cloud: Cloud
) -> tuple[RunJudgement, Outcome]:
    """The judgement on a run, and its outcome. If it can't be judged, the run has failed, and still reports."""
    try:
        return _judged(prepared, progress, context, cloud), outcome
    except (CloudError, OSError) as error:
        failed = replace(outcome, status="FAILED", error=type(error).__name__, cause=str(error))
        return RunJudgement({}, judge(prepared.planned.gate, {}), {}), failed


def _update_baseline(
    planned: Plan, judgement: RunJudgement, chosen: Mapping[str, str], context: RunContext, cloud: Cloud
) -> tuple[Status, str, BaselineUpdate]:
    """Makes a passing run the baseline, where it earned it. `chosen` has the cells that steps have read as the best.

    The run fails if the baseline can't be written: later runs would compare with an older one.
    """
    target = planned.target
    unearned = unearned_reason(planned, context.tree or WorkTree())
    if unearned:
        context.reporter.log(f"the baseline of {target.base_branch} was not written: {unearned}")
        return Status.PASSED, "", BaselineUpdate(reason=unearned)
    reported = judgement.reported.items()
    documents = {step: strict(each.document) for step, each in reported if each.document is not None}
    committed = context.history.committed(target.commit) if target.commit else None
    flow = planned.flow
    accepted = dict.fromkeys(judged.acceptance.id for judged in judgement.verdict.rules if judged.acceptance)
    baseline = Baseline(
        documents,
        target.run_id,
        target.commit,
        committed,
        gate=flow.gate,
        params=flow.params,
        acceptances=tuple(accepted),
    )
    baseline = _with_files(baseline, planned, chosen, context, cloud)
    try:
        kept = record_baseline(planned.flow.name, target, baseline, cloud, context.history)
    except (CloudError, OSError) as error:
        reason = f"the gate held, and the baseline could not be written: {error}"
        return Status.FAILED, reason, BaselineUpdate(is_earned=True, reason=str(error))
    if kept:
        context.reporter.log(f"the baseline of {target.base_branch} was not replaced: {kept}")
    return Status.PASSED, "", BaselineUpdate(is_earned=True, is_written=not kept, reason=kept)


def _with_files(
    baseline: Baseline, planned: Plan, chosen: Mapping[str, str], context: RunContext, cloud: Cloud
) -> Baseline:
    """Returns a baseline with the URIs of what it keeps; without, if that can't be kept, for rules need its metrics."""
    from mlci.baseline_files import cases_files, id_files
    from mlci.kept_outputs import keep_baseline_outputs

    try:
        outputs = keep_baseline_outputs(planned, cloud, context.reporter.log)
        trained_on = id_files(planned, outputs, chosen, cloud)
    except (CloudError, OSError) as error:
        context.reporter.log(f"the baseline names no outputs, for they were not copied: {error}")
        return baseline
    return replace(baseline, outputs=outputs, cases=cases_files(planned, outputs), trained_on=trained_on)
