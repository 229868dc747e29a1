"""`mlci diff`: two runs side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from mlci.cli.baseline import session_options
from mlci.cli.flow_file import runs_of
from mlci.cli.options import RunOptions
from mlci.cli.output import echo, echo_document
from mlci.cli.run_context import RunSession, open_run
from mlci.errors import InputError

if TYPE_CHECKING:
    from mlci.report.run_diff import RunDiff, RunSide


@click.command("diff")
@click.argument("first", metavar="[RUN]", required=False)
@click.argument("second", metavar="[RUN]", required=False)
@session_options(
    click.option(
        "--format",
        "form",
        type=click.Choice(["text", "markdown", "json"]),
        default="text",
        show_default=True,
        help="How to print it.",
    ),
)
def command(options: RunOptions, first: str | None, second: str | None, form: str) -> int:
    """Show what has changed from one run to another: metrics, params, cases, code and data.

    RUN is a run's id, or the beginning or end of one, or a branch, which means its baseline. Without a second RUN, the
    newest one is meant, and without a first, the baseline of the base branch.

    \b
    Examples:
      mlci diff                 # from the baseline to the newest run
      mlci diff 3f9c2a          # from a run to the newest
      mlci diff main 3f9c2a --format markdown
    """
    from mlci.report.run_diff import diff_json, diff_markdown, diff_text, run_diff

    with open_run(options) as session:
        before = _side(session, options, first) if first else _baseline(session, options, None)
        diff = run_diff(before, _side(session, options, second or "latest"))
    prints: dict[str, Callable[[RunDiff], None]] = {
        "text": lambda diff: echo(diff_text(diff)),
        "markdown": lambda diff: echo_document(diff_markdown(diff)),
        "json": lambda diff: echo_document(json.dumps(diff_json(diff), indent=2) + "\n"),
    }
    prints[form](diff)
    return 0


def _side(session: RunSession, options: RunOptions, name: str) -> RunSide:
    """Return a run of this machine by its name, or else the baseline of a branch of that name.

    Raises: InputError.
    """
    from mlci.runs.compared_runs import run_side

    try:
        folder = runs_of(options.flow_file).find(name)
    except InputError:
        if name == "latest" or (found := _baseline_of(session, options, name)) is None:
            raise
        return found
    return run_side(folder, session.flow, session.cloud)


def _baseline(session: RunSession, options: RunOptions, branch: str | None) -> RunSide:
    found = _baseline_of(session, options, branch)
    if found is None:
        of = branch or session.context.target.base_branch
        raise InputError(
            f"{of} has no baseline to compare with", "Name two runs: mlci diff RUN RUN (`mlci list` shows them)."
        )
    return found


def _baseline_of(session: RunSession, options: RunOptions, branch: str | None) -> RunSide | None:
    """Return the baseline of a branch, None for the base branch's; None if it has none."""
    from dataclasses import replace

    from mlci.baseline import read_current
    from mlci.runs.compared_runs import baseline_side

    target = session.context.target
    target = replace(target, base_branch=branch) if branch else target
    baseline = read_current(session.flow.name, target, session.cloud)
    if baseline is None or not baseline.run_id:
        return None
    return baseline_side(baseline, target.base_branch or "", runs_of(options.flow_file), session.flow, session.cloud)
