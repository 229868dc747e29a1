"""The first steps of a run, one by one: stage, plan, compile. `mlci validate` takes no others."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from mlci.compile import Compiled, compile_plan
from mlci.errors import SdkMissing
from mlci.plan import NO_BASELINE, Baseline, Plan, ReusedResult, plan
from mlci.reuse.decisions import has_nothing_due
from mlci.stage import Staged, stage

if TYPE_CHECKING:
    from mlci.flow.models import Flow, Json
    from mlci.running.context import RunContext

T = TypeVar("T")


def prepare(flow: Flow, context: RunContext, baseline: Baseline = NO_BASELINE) -> tuple[Plan, Compiled]:
    """Stages, plans and compiles, as if no step were reused. Changes nothing.

    Raises: InputError.
    """
    planned = plan_run(flow, stage_run(flow, context), context, baseline)
    return planned, compile_run(planned, context)


def stage_run(flow: Flow, context: RunContext) -> Staged:
    """Stages a flow.

    Raises: InputError.
    """
    return _with_sdk(lambda: stage(flow, context.repository, context.region, context.cache), context)


def plan_run(
    flow: Flow,
    staged: Staged,
    context: RunContext,
    baseline: Baseline,
    reused: Mapping[str, ReusedResult] | None = None,
) -> Plan:
    """Plans a flow, or the part of it that the run is of.

    Raises: InputError.
    """
    return plan(flow, staged, context.target, baseline, context.part.outputs if context.part else None, reused)


class _NotCompiled(Exception):
    """A definition that nobody needs is not known."""


def compile_run(planned: Plan, context: RunContext) -> Compiled:
    """Compiles a plan. A definition that no execution will have is taken where it is known, and not compiled.

    Raises: InputError.
    """
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
