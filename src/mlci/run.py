"""The main job: `run` is the whole line, from a flow to a verdict, in one short function."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

from mlci.backends.progress import Progress
from mlci.backends.protocol import Cloud, Outcome
from mlci.baseline import find_baseline
from mlci.decisions.acceptances import write_misses
from mlci.flow.models import Flow
from mlci.gate import chosen_cells
from mlci.outcome.cases import RunJudgement
from mlci.outcome.conclusion import conclude
from mlci.outcome.metrics import unread_metrics
from mlci.outcome.skipped_steps import explain_skipped
from mlci.plan import Plan
from mlci.records.reused_steps import record_steps
from mlci.report.result import Result, Status
from mlci.running.context import RunContext
from mlci.running.due_steps import run_due_steps
from mlci.running.earned_baseline import update_baseline
from mlci.running.judgement import judge_end
from mlci.running.phase_clock import PhaseClock
from mlci.running.prepared_run import PreparedRun, attach, gated, prepare_run
from mlci.running.result import RunEnd, report_run


def run(flow: Flow, context: RunContext, cloud: Cloud) -> Result:
    """Runs a flow on a cloud, and writes the reports to the run's folder.

    Raises: InputError, before anything was staged or started.
    """
    clock = PhaseClock(lambda: datetime.now(timezone.utc), context.build_started)
    baseline = find_baseline(flow, context.target, cloud, context.history, context.reporter.log)
    flow = gated(flow, context, baseline)
    context = attach(flow, context, baseline, cloud)
    prepared = prepare_run(flow, context, baseline, cloud)  # stages, plans and compiles
    clock.end("planning")
    progress, outcome = run_due_steps(prepared, context, cloud, clock.started)  # deploys and runs
    clock.end("running")
    judgement, outcome = judge_end(prepared, progress, outcome, context, cloud)
    clock.end("judging")
    end = _concluded(prepared.planned, progress, outcome, judgement)
    end = _keep(prepared, end, context, cloud)
    clock.end("recording")
    return report_run(prepared, end, context, cloud, clock)


def _concluded(planned: Plan, progress: Progress, outcome: Outcome, judgement: RunJudgement) -> RunEnd:
    """The status of a run that has ended, and the reasons of all that it did not do."""
    progress = explain_skipped(planned, progress, judgement.metrics, judgement.verdict)
    chosen = chosen_cells(planned.flow, judgement.metrics, progress.reached)
    status, reason = conclude(outcome, judgement.verdict, progress)
    return RunEnd(progress, outcome, judgement, chosen, status, reason)


def _keep(prepared: PreparedRun, end: RunEnd, context: RunContext, cloud: Cloud) -> RunEnd:
    """Writes what later runs need of this one: the records of its steps, what it missed, and the baseline if earned."""
    planned, keys, log = prepared.planned, prepared.keys, context.reporter.log
    metrics, verdict, reported = end.judgement.metrics, end.judgement.verdict, end.judgement.reported
    record_steps(planned, keys, end.progress, metrics, datetime.now(timezone.utc), cloud, log)
    told = {step for bound in planned.gate if not bound.rule.reads_cases for step in bound.rule.steps}
    for line in [*unread_metrics(metrics, told), *end.judgement.notes]:
        log(line)
    if end.status is Status.GATE_MISSED:
        write_misses(planned, verdict, keys, context.is_dirty is True, cloud, log)
    if end.status is not Status.PASSED or not reported or context.part is not None or not context.target.is_trusted:
        return end
    status, reason, update = update_baseline(planned, keys, end.judgement, end.chosen, context, cloud)
    return replace(end, status=status, reason=reason, baseline_update=update)
