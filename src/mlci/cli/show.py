"""`mlci show`: one run in full."""

from __future__ import annotations

from pathlib import Path

import click

from mlci.cli.flow_file import displayed, runs_of
from mlci.cli.options import debug_option, flow_option
from mlci.cli.output import echo


@click.command("show")
@flow_option
@click.argument("run", metavar="[RUN]", required=False)
@debug_option
def command(flow_file: Path, run: str | None) -> int:
    """Show the result of a run.

    Of the newest run, or of RUN: a run's id, or the beginning or end of one.
    """
    from mlci.report.run_list import describe

    folder = runs_of(flow_file).find(run)
    echo(describe(folder.run_id, folder.result(), displayed(folder.path)))
    return 0
