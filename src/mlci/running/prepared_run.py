"""A flow and its context → the run before deploy: staged, planned and compiled, with what is reused. Changes nothing.

`mlci plan` stops here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from mlci.compile import Compiled, sent_input
from mlci.decisions.acceptances import acceptances_for
from mlci.gate.accepted import Acceptances
from mlci.records.input_objects import input_objects
from mlci.records.reused_steps import find_reused, find_reused_again
from mlci.report.result import RunStart
from mlci.reuse.step_keys import step_keys
from mlci.running.planned_run import compile_run, plan_run, stage_run
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.backends.protocol import Cloud
    from mlci.baseline import Baseline
    from mlci.flow.models import Flow, Json
    from mlci.plan import Plan
    from mlci.reuse.key_document import RunKeys
    from mlci.running.context import RunContext


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


def prepare_run(flow: Flow, context: RunContext, baseline: Baseline, cloud: Cloud) -> PreparedRun:
    """Stages, plans, finds what is reused, and compiles: everything before deploy. Changes nothing.

    Raises: InputError.
    """
    staged = stage_run(flow, context)
    planned = plan_run(flow, staged, context, baseline)
    cloud.check(planned)
    keys = keys_of(planned, context, cloud)
    if context.reused_runs is None:
        decisions = find_reused(planned, keys, context.fresh, datetime.now(timezone.utc), cloud)
    else:
        decisions = find_reused_again(planned, keys, context.reused_runs, cloud)
    if decisions.reused:
        planned = plan_run(flow, staged, context, baseline, decisions.results)
    accepted = acceptances_for(
        planned, keys, context.history, datetime.now(timezone.utc).date(), cloud, context.reporter.log
    )
    planned = replace(planned, gate=accepted.bounds(planned.gate))
    return PreparedRun(planned, compile_run(planned, context), keys, decisions.reasons, accepted)


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


def keys_of(planned: Plan, context: RunContext, cloud: Cloud) -> RunKeys:
    """The keys of a run's steps. Those that a partial run takes from earlier runs have the keys that they had there."""
    known = context.part.known_keys() if context.part else None
    return step_keys(planned, cloud.software(), known, input_objects(planned, cloud, context.reporter.log))


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
