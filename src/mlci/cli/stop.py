"""`mlci stop`: stops a run on AWS, whoever started it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from mlci.cli.aws_session import checked_settings, open_aws
from mlci.cli.flow_file import load_flow, runs_of
from mlci.cli.options import aws_options, debug_option, flow_option, protected_option
from mlci.configuration import Name


@click.command("stop")
@click.argument("run", metavar="RUN")
@flow_option
@aws_options
@protected_option
@debug_option
def command(run: str, flow_file: Path, aws: Mapping[Name, str | None], is_protected: bool) -> int:
    """Stop a run on AWS, with all of its jobs.

    RUN is the run's id; for a run that was started here, the beginning or end of it is enough. A local run stops with
    its process.
    """
    flow, runs = load_flow(flow_file), runs_of(flow_file)
    run_id = runs.complete(run)
    settings = checked_settings(flow, aws)
    cloud = open_aws(flow, settings, None, lambda job: runs.folder(run_id).log(job), click.echo, is_protected)
    click.echo(f"run {run_id}: {cloud.stop(flow.name, run_id, 'mlci stop')}")
    return 0
