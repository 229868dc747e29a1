"""A flow and its context → the run before deploy: staged, planned and compiled, with what is reused. Changes nothing.

`mlci plan` stops here.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, TypeVar

from mlci.backends.protocol import Cloud
from mlci.baseline import NO_BASELINE, Baseline
from mlci.compile import Compiled, compile_plan, sent_input
from mlci.decisions.acceptances import acceptances_for
from mlci.errors import SdkMissing
from mlci.fast_dataclasses import dataclass
from mlci.flow.models import Flow, Json
from mlci.gate.accepted import Acceptances
from mlci.plan import Plan, ReusedResult, plan
from mlci.records.input_objects import input_objects
from mlci.records.reused_steps import find_reused, find_reused_again
from mlci.reuse.decisions import has_nothing_due
from mlci.reuse.step_keys import step_keys
from mlci.running.context import RunContext
from mlci.stage import Staged, stage

if TYPE_CHECKING:
    from mlci.reuse.key_document import RunKeys

T = TypeVar("T")


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
