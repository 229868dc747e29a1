"""`mlci run`: the main job."""

from __future__ import annotations

import click

from mlci.cli.flow_file import displayed
from mlci.cli.options import RunOptions, attach_option, follow_option, run_options, timeout_option
from mlci.cli.output import echo
from mlci.cli.run_context import open_run


@click.command("run")
@run_options(follow_option, timeout_option, attach_option)
def command(options: RunOptions, follows_logs: bool, timeout_s: float | None, attaches: bool) -> int:
    """Run the flow: stage, deploy, execute, judge, report.

    \b
    Examples:
      mlci run
      mlci run --follow
      mlci run --param max_depth=6 --param min_auc=0.98
      mlci run --flow flows/nightly.yaml --timeout 45m
      mlci run --cloud aws --bucket my-bucket
    """
    from mlci.report.console import summary
    from mlci.run import run

    with open_run(options, timeout_s, attaches, follows_logs) as session:
        result = run(session.flow, session.context, session.cloud)
    echo(summary(result, displayed(session.context.folder.sibling(result.run_id).path)))
    return result.exit_code
