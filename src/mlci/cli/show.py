"""`mlci show`: one run in full."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import click

from mlci.cli.flow_file import displayed, runs_of
from mlci.cli.options import debug_option, flow_option, json_option
from mlci.cli.output import echo, echo_document
from mlci.json_text import indented


@click.command("show")
@flow_option
@click.argument("run", metavar="[RUN]", required=False)
@json_option
@debug_option
def command(flow_file: Path, run: str | None, as_json: bool) -> int:
    """Show the result of a run: its verdict, rules, params, metrics and steps.

    Of the newest run, or of RUN: a run's id, or the beginning or end of one.
    """
    from mlci.report.run_list import describe

    folder = runs_of(flow_file).find(run)
    folder.result()  # raises where it is damaged: this command says so
    listed = folder.listed(displayed(folder.path))
    if as_json:
        echo_document(indented(listed.show_json()))
    else:
        echo(describe(listed, datetime.now(timezone.utc), str(flow_file)))
    return 0
