"""`mlci plan`: the run's own path, stopped before deploy."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import click

from mlci.cli.options import RunOptions, json_option, run_options
from mlci.cli.output import echo, echo_document
from mlci.cli.run_context import open_run

if TYPE_CHECKING:
    from mlci.cli.run_context import RunSession
    from mlci.plan import Plan

#: So many runs are looked through for the nearest one.
_RUNS = 30

why_option = click.option(
    "--why", metavar="STEP", envvar="MLCI_WHY", help="Name what has changed of a step since an earlier run."
)


@click.command("plan")
@run_options(json_option, why_option)
def command(options: RunOptions, as_json: bool, why: str | None) -> int:
    """Show what a run would do, and change nothing.

    Lists the objects that it would upload, the changes to the state machine, and the jobs that it would start. With
    --why, it names instead what has changed of a step since the nearest earlier run in which the step succeeded.
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
        if why is not None:
            _explain(why, planned, session, as_json)
            return 0
        change = cloud.change(flow.name, compiled.definition)
        running = [execution.name for execution in cloud.running(flow.name)]
        missing = cloud.missing(planned.uploads)
        if as_json:
            echo_document(json.dumps(plan_json(planned, cloud.name, missing, change, running), indent=2) + "\n")
        else:
            echo(preview(planned, compiled.definition, missing, change, running))
    return 0


def _explain(step: str, planned: Plan, session: RunSession, as_json: bool) -> None:
    """Print what has changed of a step, or of each of its cells.

    Raises: InputError, if the flow has no such step.
    """
    from mlci.earlier_runs import explain_steps
    from mlci.report.key_changes import changes_json, changes_text
    from mlci.reuse.explained_steps import named_steps
    from mlci.run import keys_of

    names = named_steps(step, planned.flow)
    context, cloud = session.context, session.cloud
    keys = keys_of(planned, context, cloud)
    found = explain_steps(names, keys, context.folder.siblings(), cloud.name, _RUNS)
    if as_json:
        echo_document(json.dumps(changes_json(planned.flow.name, cloud.name, found), indent=2) + "\n")
    else:
        echo(changes_text(found))
