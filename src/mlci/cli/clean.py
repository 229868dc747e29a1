"""`mlci clean`: removes what runs left on this machine."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mlci.cli.flow_file import cache_of, displayed, own_runs_of
from mlci.cli.options import debug_option, flow_option
from mlci.cli.output import echo
from mlci.errors import CloudError


@click.command("clean")
@flow_option
@click.option(
    "--keep",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    envvar="MLCI_KEEP",
    help="Keep the newest runs, so many of them, with their outputs.",
)
@click.option("--dry-run", "is_dry", is_flag=True, help="Show what would be removed, and remove nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@debug_option
def command(flow_file: Path, keep: int, is_dry: bool, yes: bool) -> int:
    """Remove what runs left on this machine and can be made again.

    Runs with their outputs in the local store, staged code and data, folders of jobs that were killed, the cache of
    definitions and hashes, and Python environments of jobs. A run that goes on stays, and so do baselines, with the
    outputs of the runs that they come from. Nothing on AWS is touched. Shows the sizes, and asks.

    \b
    Examples:
      mlci clean --dry-run
      mlci clean --keep 5
    """
    from mlci.cli.provisioning import terminal_prompt
    from mlci.provision.prompt import require_consent
    from mlci.report.console import table
    from mlci.report.formatting import size
    from mlci.report.leftover_table import HEAD, leftover_rows
    from mlci.runs.clean import leftovers

    runs = own_runs_of(flow_file)
    found = leftovers(runs, cache_of().folder, keep)
    if not found:
        echo("There is nothing to remove.")
        return 0
    items = [(leftover.kind, displayed(leftover.path), leftover.size_bytes) for leftover in found]
    table(HEAD, leftover_rows(items), sys.stdout)
    if is_dry:
        echo("Nothing was removed: --dry-run.")
        return 0
    total = size(sum(leftover.size_bytes for leftover in found))
    require_consent(terminal_prompt(yes), f"Remove all of this, {total}?", "removed")
    left = [leftover for leftover in found if not leftover.remove()]
    latest = runs.home / "latest"
    if latest.is_symlink() and not latest.exists():
        latest.unlink()
    echo(f"removed {len(found) - len(left)} of {len(found)}, {total}" if left else f"removed {total}")
    if left:
        names = ", ".join(displayed(leftover.path) for leftover in left[:5])
        raise CloudError(f"not removed, because it is in use, or belongs to another user: {names}")
    return 0
