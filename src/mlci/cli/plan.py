"""`mlci plan`: the run's own path, stopped before deploy."""

from __future__ import annotations

import click

from mlci.cli.options import RunOptions, run_options
from mlci.cli.output import echo
from mlci.cli.run_context import open_run


@click.command("plan")
@run_options()
def command(options: RunOptions) -> int:
    """Show what a run would do, and change nothing.

    Lists the objects that it would upload, the changes to the state machine, and the jobs that it would start.
    """
    from mlci.baseline import read_baseline
    from mlci.report.plan_preview import preview
    from mlci.run import prepare

    with open_run(options) as session:
        flow, cloud = session.flow, session.cloud
        planned, compiled = prepare(flow, session.context, read_baseline(flow, session.context.target, cloud))
        cloud.check(planned)
        change = cloud.change(flow.name, compiled.definition)
        running = [execution.name for execution in cloud.running(flow.name)]
        echo(preview(planned, compiled.definition, cloud.missing(planned.uploads), change, running))
    return 0
