"""`mlci diff`: two runs side by side."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlci.cli.baseline import session_options
from mlci.cli.flow_file import runs_of
from mlci.cli.options import RunOptions
from mlci.cli.output import echo, echo_document
from mlci.cli.run_context import RunSession, open_run
from mlci.errors import InputError
from mlci.json_text import indented

if TYPE_CHECKING:
    from mlci.report.plots.pictures import Picture
    from mlci.report.run_diff import RunDiff
    from mlci.runs.named_runs import NamedRuns

#: The formats by the endings of files.
_FORMATS = {".html": "html", ".htm": "html", ".md": "markdown", ".json": "json"}


@click.command("diff")
@click.argument("first", metavar="[RUN]", required=False)
@click.argument("second", metavar="[RUN]", required=False)
@session_options(
    click.option(
        "--format",
        "form",
        type=click.Choice(["text", "markdown", "html", "json"]),
        help="How to write it. `html` is a page with the plots of both runs. Default: as FILE ends, or else text.",
    ),
    click.option(
        "--output",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Write it into this file, and print its name.",
    ),
)
def command(options: RunOptions, first: str | None, second: str | None, form: str | None, output: Path | None) -> int:
    """Show what has changed from one run to another: metrics, params, cases, code and data.

    RUN is a run's id, or the beginning or end of one, or a branch: its baseline, or else the newest run of a commit of
    it. Without a second RUN, the newest one is meant, and without a first, the baseline of the base branch.

    \b
    Examples:
      mlci diff                 # from the baseline to the newest run
      mlci diff 3f9c2a          # from a run to the newest
      mlci diff main my-branch --format markdown
      mlci diff --output diff.html
    """
    from mlci.report.run_diff import run_diff

    form = form or _FORMATS.get(output.suffix.lower() if output else "", "text")
    if form == "html" and output is None and sys.stdout.isatty():
        raise InputError("a page is not for the terminal", "Name a file: --output diff.html")
    with open_run(options, out=sys.stderr) as session:
        named = _named_runs(session, options, draws=form == "html")
        before = named.find(first) if first else named.baseline()
        diff = run_diff(before, named.find(second or "latest"))
        if diff.before.run_id == diff.after.run_id:
            session.context.reporter.log("both are the same run. Name two: mlci diff RUN RUN (`mlci list` shows them)")
    text = _text(session.flow.name, diff, form)
    if output is not None:
        _write(output, text)
        echo(str(output))
    elif form == "text":
        echo(text.rstrip("\n"))
    else:
        echo_document(text)
    return 0


def _named_runs(session: RunSession, options: RunOptions, draws: bool) -> NamedRuns:
    """Return the runs of the flow. With `draws`, they come with their plots."""
    from mlci.build_environment.git import branches
    from mlci.runs.compared_runs import SideReader
    from mlci.runs.named_runs import NamedRuns
    from mlci.s3_uris import Outputs

    flow, cloud, context = session.flow, session.cloud, session.context
    log = context.reporter.log

    def plots(outputs: Outputs) -> tuple[Picture, ...]:
        if not draws:
            return ()
        from mlci.outcome.plots import kept_plots

        return kept_plots(flow, outputs, cloud, context.cache, log)

    reader = SideReader(flow, context.target.bucket, cloud, runs_of(options.flow_file), plots, log)
    now = datetime.now(timezone.utc)
    return NamedRuns(reader, context.target, context.history, branches(options.flow_file.resolve().parent), now)


def _text(flow: str, diff: RunDiff, form: str) -> str:
    from mlci.report.run_diff import diff_json, diff_markdown, diff_text

    match form:
        case "html":
            from mlci.report.html.run_diff import diff_page

            return diff_page(flow, diff)
        case "markdown":
            return diff_markdown(diff)
        case "json":
            return indented(diff_json(diff))
        case _:
            return diff_text(diff) + "\n"


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f'"{file}" can\'t be written: {error.strerror}') from error
