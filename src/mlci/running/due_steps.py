"""The steps of a run that are due: executed, or, where there are none, their results taken from earlier runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlci.backends.progress import Progress, initial_progress
from mlci.backends.protocol import Cloud, ExecutionArn, Outcome
from mlci.outcome.cases import provide_packages
from mlci.reuse.decisions import has_nothing_due
from mlci.running.prepared_run import PreparedRun, run_start

if TYPE_CHECKING:
    from datetime import datetime

    from mlci.running.context import RunContext


def run_due_steps(
    prepared: PreparedRun, context: RunContext, cloud: Cloud, started: datetime
) -> tuple[Progress, Outcome]:
    """Runs the steps that are due. Returns how far each came, and how the execution ended.

    Raises: CloudError, if nothing has started.
    """
    provide_packages(prepared.planned, context.cache.folder, context.reporter.log)
    for name, why in prepared.planned.empty_inputs.items():
        context.reporter.log(f"the input {name} is empty: {why}")
    if has_nothing_due(prepared.planned):
        return _reuse_all(prepared, context, cloud, started)
    from mlci.running.execution import execute  # late: nothing of it is needed where nothing is due

    return execute(prepared, context, cloud, started)


def _reuse_all(prepared: PreparedRun, context: RunContext, cloud: Cloud, started: datetime) -> tuple[Progress, Outcome]:
    """Takes the results of all steps from earlier runs. Nothing is deployed, and nothing starts."""
    planned, compiled, reporter = prepared.planned, prepared.compiled, context.reporter
    context.folder.start(
        compiled.definition, compiled.execution_input, run_start(planned, context, cloud, started), prepared.keys
    )
    context.lock.acquire(context.folder.start_file)
    reporter.log(f"{planned.flow.name}: run {context.target.run_id} on the {cloud.name} cloud, and nothing to run")
    progress = initial_progress(planned.steps)
    reporter.update(progress)
    progress = progress.with_reused(planned.reused)
    reporter.update(progress)
    return progress, Outcome(ExecutionArn(""), "SUCCEEDED")
