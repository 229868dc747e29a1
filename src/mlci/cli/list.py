"""`mlci list`: the runs of a folder."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path

import click

from mlci.cli.flow_file import displayed, load_flow, runs_of
from mlci.cli.options import debug_option, flow_option, json_option
from mlci.cli.output import echo, echo_document
from mlci.json_text import indented


@click.command("list")
@flow_option
@json_option
@debug_option
def command(flow_file: Path, as_json: bool) -> int:
    """List the runs, the newest first.

    A run without a result is "running", or "killed" if its process is gone. A commit with a * had changes that it does
    not hold. The metrics are those that the gate's rules judge.

    With --flow, only the runs of that flow are listed; otherwise those of all flows in the folder.
    """
    from mlci.report.console import table
    from mlci.report.run_list import HEAD, list_json

    origin = click.get_current_context().get_parameter_source("flow_file")
    is_chosen = origin is not click.core.ParameterSource.DEFAULT
    flow = load_flow(flow_file).name if is_chosen else None
    listed = [run.listed(displayed(run.path)) for run in runs_of(flow_file).all()]
    runs = [run for run in listed if flow is None or run.flow == flow]
    if as_json:
        echo_document(indented(list_json(runs)))
    elif not runs:
        echo(f"There are no runs{f' of {flow}' if flow else ''} yet. Start one: mlci run")
    else:
        now = datetime.now(timezone.utc)
        table(HEAD, [run.row(now) for run in runs], sys.stdout)
    return 0
