"""`mlci open`: the report of a run in a browser."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mlci.cli.flow_file import displayed, runs_of
from mlci.cli.options import debug_option, flow_option
from mlci.cli.output import echo
from mlci.errors import InputError


@click.command("open")
@flow_option
@click.argument("run", metavar="[RUN]", required=False)
@click.option("--print", "only_prints", is_flag=True, help="Print the path of the report, and open nothing.")
@debug_option
def command(flow_file: Path, run: str | None, only_prints: bool) -> int:
    """Open the report of a run in a browser.

    Of the newest run, or of RUN: a run's id, or the beginning or end of one. Its path is printed as well.
    """
    import webbrowser

    folder = runs_of(flow_file).find(run)
    report = folder.path / "report.html"
    if not report.is_file():
        state = "is still running" if folder.is_running() else "left no report"
        raise InputError(f"run {folder.run_id} {state}", f"Its logs: mlci logs {folder.run_id}")
    echo(displayed(report))
    if not only_prints and sys.stdout.isatty() and not webbrowser.open(report.resolve().as_uri()):
        echo("no browser could be started: open the file in one")
    return 0
