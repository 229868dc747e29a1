"""The end of a run → its Result, collected from all that the run knows, and the reports in its folder."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from mlci.backends.progress import Progress
from mlci.backends.protocol import Cloud, Outcome
from mlci.errors import InputError
from mlci.flow.models import Flow
from mlci.outcome.cases import RunJudgement
from mlci.outcome.conclusion import log_tails
from mlci.outcome.since_baseline import changes_since_baseline
from mlci.outcome.warm_starts import warm_starts
from mlci.plan import Plan
from mlci.report.flow_graph import FlowGraph, flow_graph
from mlci.report.links import Links
from mlci.report.result import BaselineUpdate, Result, Status
from mlci.report.run_phases import run_phases
from mlci.running.context import RunContext
from mlci.running.phase_clock import PhaseClock
from mlci.running.prepared_run import PreparedRun
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.report.plots.pictures import Picture
    from mlci.reuse.differences import Explanation
    from mlci.reuse.key_document import RunKeys

#: So many earlier runs are compared with a run: it is not to take longer for that.
_RUNS_COMPARED = 5


@dataclass(frozen=True)
class RunEnd:
    """The end of a run: how far its steps came, how the execution ended, and what follows from the judgement.

    `chosen` has the cell of each input that is of the best cell of a matrix. `baseline_update` is None for a run that
    was not of the base branch, or did not pass.
    """

    progress: Progress
    outcome: Outcome
    judgement: RunJudgement
    chosen: Mapping[str, str]
    status: Status
    reason: str
    baseline_update: BaselineUpdate | None = None


def report_run(prepared: PreparedRun, end: RunEnd, context: RunContext, cloud: Cloud, clock: PhaseClock) -> Result:
    """Collects the result of a run, and writes its reports to the run's folder."""
    result = _collected(prepared, end, context, cloud, clock.started)
    clock.end("reporting")  # the reports are not written yet, for they tell it
    phases = run_phases(clock.phases, end.progress.steps)
    result = replace(result, phases=phases, seconds=(phases[-1].ended - clock.started).total_seconds())
    try:
        # A part of a flow has no verdict, so its reports leave the rules out.
        context.folder.finish(result if context.part is None else replace(result, rules=()))
    except OSError as error:
        return replace(result, unwritten=f"{error.strerror}: {context.folder.path}")
    finally:
        context.lock.release()
    return result


def _collected(prepared: PreparedRun, end: RunEnd, context: RunContext, cloud: Cloud, started: datetime) -> Result:
    planned, progress, target = prepared.planned, end.progress, context.target
    flow, verdict, log = planned.flow, end.judgement.verdict, context.reporter.log
    result = Result(
        flow=flow.name,
        run_id=target.run_id,
        cloud=cloud.name,
        commit=target.commit,
        is_dirty=context.is_dirty,
        is_partial=context.part is not None,
        taken=context.part.taken_runs if context.part else {},
        status=end.status,
        started=started,
        seconds=0.0,
        steps=progress.steps,
        rules=verdict.rules,
        chosen=end.chosen,
        metrics=end.judgement.reported,
        execution=end.outcome.execution,
        reason=end.reason,
        baseline=planned.baseline,
        empty_inputs=planned.empty_inputs,
        baseline_update=end.baseline_update,
        changes=_changes(prepared.keys, progress, context, cloud),
        since_baseline=None if context.part else changes_since_baseline(planned, prepared.keys, cloud, log),
        warm_starts=warm_starts(planned, progress, cloud, log),
        outputs={
            name: planned.steps[name].outputs
            for name, step in progress.steps.items()
            if step.status in ("succeeded", "reused")
        },
        costs=_costs(planned, progress),
        params=flow.params,
        overridden=flow.overridden,
        flow_file=flow.file,
        build=target.build,
        env=flow.env,
        log_tails=log_tails(progress, context.folder),
        plots=_plots(planned, progress, context, cloud),
        links=_links(context, flow.name, end.outcome.execution, cloud),
    )
    return replace(result, graph=_graph(flow, result))


def _graph(flow: Flow, result: Result) -> FlowGraph:
    """Returns the flow with what came of it. The gate was missed if a rule was, and held if all rules were judged."""
    outcomes = {result.outcome_of(judged) for judged in result.rules}
    held = False if "failed" in outcomes else None if "not_judged" in outcomes or result.is_partial else True
    return flow_graph(flow, {name: step.status for name, step in result.steps.items()}, held)


def _changes(keys: RunKeys, progress: Progress, context: RunContext, cloud: Cloud) -> dict[str, Explanation]:
    """The changes of the steps that were run since earlier runs in this folder, as far as it has any."""
    steps = [name for name, step in progress.steps.items() if step.started and name in keys.steps]
    if not steps:
        return {}
    from mlci.runs.earlier_runs import explain_steps

    with contextlib.suppress(InputError):  # the folder of runs can't be read
        found = explain_steps(steps, keys, context.folder.siblings(), cloud.name, _RUNS_COMPARED)
        return {each.step: each for each in found if each.run_id is not None}
    return {}


def _links(context: RunContext, flow: str, execution: str, cloud: Cloud) -> Links:
    """Returns the pages around a run; on this machine it has neither an execution's nor one in S3."""
    links, target = context.links, context.target
    if cloud.name == "local":
        return links
    from mlci.backends.aws.console_urls import execution_link, object_link
    from mlci.plan.names import Names

    if execution:
        links = replace(links, execution=execution_link(execution))
    if target.build is not None:
        page = Names(flow, target.is_protected).report_page(target.build)
        links = replace(links, reports=object_link(target.bucket, page, target.partition, context.region))
    return links


def _costs(planned: Plan, progress: Progress) -> dict[str, float]:
    """Returns the estimated cost of each step in USD, as far as it is known. Jobs on this machine have none."""
    if planned.target.runs_jobs_here:
        return {}
    from mlci.costs import load_prices, step_costs

    costs = step_costs(planned, progress.steps, load_prices(), planned.target.region)
    return {name: cost.usd for name, cost in costs.items() if cost.usd is not None}


def _plots(planned: Plan, progress: Progress, context: RunContext, cloud: Cloud) -> tuple[Picture, ...]:
    """The plots of a run whose steps have some; numbers that were drawn before are not drawn again."""
    if not any(step.plots or step.cases for step in planned.flow.steps.values()):
        return ()
    from mlci.outcome.plots import run_plots

    return run_plots(planned, progress, cloud, context.cache, context.reporter.log)
