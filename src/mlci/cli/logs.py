"""`mlci logs`: the log of a step."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from mlci.cli.flow_file import runs_of
from mlci.cli.options import debug_option, flow_option
from mlci.cli.output import echo
from mlci.errors import InputError


@click.command("logs")
@flow_option
@click.argument("words", metavar="[RUN] STEP", nargs=-1, required=True)
@debug_option
def command(flow_file: Path, words: Sequence[str]) -> int:
    """Print the log of a step.

    Of the newest run, or of RUN: a run's id, or the beginning or end of one. A pipe or a file gets the log as it is; a
    terminal gets it without control sequences.
    """
    if len(words) > 2:
        raise InputError("`mlci logs` takes a step, or a run and a step", "Example: mlci logs 3f9c2a train")
    *run, step = words
    folder = runs_of(flow_file).find(run[0] if run else None)
    known = folder.logged_steps()
    if step not in known:
        raise InputError(f'run {folder.run_id} has no log of a step "{step}"', f"It has: {', '.join(known) or 'none'}")
    with folder.log(step).open("rb") as file:
        if sys.stdout.isatty():
            for line in file:
                echo(line.decode("utf-8", "replace").removesuffix("\n"))
        else:
            shutil.copyfileobj(file, sys.stdout.buffer)
    return 0
