"""`mlci list`: the runs of a flow."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlci.cli.flow_file import runs_of
from mlci.cli.options import debug_option, flow_option
from mlci.errors import InputError

if TYPE_CHECKING:
    from mlci.runs import RunFolder
from mlci.cli.output import echo


@click.command("list")
@flow_option
@debug_option
def command(flow_file: Path) -> int:
    """List the runs, the newest first."""
    from mlci.report.console import table

    rows = [_row(run) for run in runs_of(flow_file).all()]
    if not rows:
        echo("There are no runs yet. Start one: mlci run")
        return 0
    table(("run", "status", "started", "time", "commit", "gate"), rows, sys.stdout)
    return 0


def _row(run: RunFolder) -> tuple[str, ...]:
    from mlci.report.run_list import row

    try:
        return row(run.run_id, run.result())
    except InputError:  # `mlci show` says why
        return (run.run_id, "unreadable", "–", "–", "–", "–")
