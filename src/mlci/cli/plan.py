"""`mlci plan`: the run's own path, stopped before deploy."""

from __future__ import annotations

import json
import os
import sys

import click

from mlci.cli.options import RunOptions, json_option, run_options
from mlci.cli.output import echo, echo_document
from mlci.cli.run_context import open_run


@click.command("plan")
@run_options(json_option)
def command(options: RunOptions, as_json: bool) -> int:
    """Show what a run would do, and change nothing.

    Lists the objects that it would upload, the changes to the state machine, and the jobs that it would start.
    """
    from mlci.baseline import read_baseline
    from mlci.build_time import check_build_time
    from mlci.report.plan_json import plan_json
    from mlci.report.plan_preview import preview
    from mlci.run import prepare

    with open_run(options, out=sys.stderr if as_json else None) as session:
        flow, cloud = session.flow, session.cloud
        check_build_time(flow, os.environ)
        planned, compiled = prepare(flow, session.context, read_baseline(flow, session.context.target, cloud))
        cloud.check(planned)
        change = cloud.change(flow.name, compiled.definition)
        running = [execution.name for execution in cloud.running(flow.name)]
        missing = cloud.missing(planned.uploads)
        if as_json:
            echo_document(json.dumps(plan_json(planned, cloud.name, missing, change, running), indent=2) + "\n")
        else:
            echo(preview(planned, compiled.definition, missing, change, running))
    return 0
