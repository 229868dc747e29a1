"""`mlci stop`: stops a run on AWS, whoever started it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click

from mlci.aws_settings import AwsSettingName
from mlci.cli.flow_file import load_flow, runs_of
from mlci.cli.options import aws_options, debug_option, flow_option, protected_option
from mlci.cli.output import echo


@click.command("stop")
@click.argument("run", metavar="RUN")
@flow_option
@aws_options
@protected_option
@debug_option
def command(run: str, flow_file: Path, aws: Mapping[AwsSettingName, str | None], is_protected: bool) -> int:
    """Stop a run on AWS, with all of its jobs.

    RUN is the run's id; for a run that was started here, the beginning or end of it is enough. A local run stops with
    its process.
    """
    from mlci.backends.aws.configure import checked_settings, open_cloud
    from mlci.backends.protocol import BackendOptions

    flow, runs = load_flow(flow_file), runs_of(flow_file)
    run_id = runs.complete(run)
    options = BackendOptions(flow, runs.home, os.environ, aws, is_protected=is_protected)
    settings = checked_settings(flow, aws, os.environ)
    cloud = open_cloud(options, settings, lambda job: runs.folder(run_id).log(job), echo)
    echo(f"run {run_id}: {cloud.stop(flow.name, run_id, 'mlci stop')}")
    return 0
