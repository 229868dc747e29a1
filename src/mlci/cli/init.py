"""`mlci init`: a small working flow for a new repository."""

from __future__ import annotations

from pathlib import Path

import click

from mlci.cli.options import debug_option
from mlci.cli.output import echo


@click.command("init")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
@debug_option
def command(folder: Path) -> int:
    """Create a small working flow in a folder.

    It is ready for `mlci run`, and, with its buildspec.yaml, for `mlci bootstrap`. FOLDER defaults to the working
    directory. Existing files are never changed.
    """
    from mlci.scaffold import install

    for path in install(folder):
        echo(f"wrote {path}")
    where = "" if folder == Path() else f"cd {folder} && "
    echo(f"Ready. Next: {where}mlci run")
    return 0
