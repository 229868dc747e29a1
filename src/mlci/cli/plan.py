"""`mlci plan`: the run's own path, stopped before deploy."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from mlci.cli.options import RunOptions, fresh_option, json_option, run_options
from mlci.cli.output import echo, echo_document
from mlci.cli.run_context import open_run
from mlci.json_text import indented

if TYPE_CHECKING:
    from mlci.backends.protocol import Change, Cloud
    from mlci.cli.run_context import RunSession
    from mlci.reuse.differences import Explanation
    from mlci.running.prepared_run import PreparedRun

#: So many runs are looked through for the nearest one.
_RUNS = 30

why_option = click.option(
    "--why", metavar="STEP", envvar="MLCI_WHY", help="Name what has changed of a step since an earlier run."
)


@click.command("plan")
@run_options(fresh_option, json_option, why_option)
def command(options: RunOptions, fresh: str, as_json: bool, why: str | None) -> int:
    """Show what a run would do, and change nothing.

    Lists the objects that it would upload, the changes to the state machine, the jobs that it would start, and the
    steps that it would take from earlier runs. With --why, it names instead what has changed of a step since the
    nearest earlier run in which the step succeeded.
    """
    from mlci.baseline import find_baseline
    from mlci.build_environment.time_limit import check_build_time
    from mlci.cli.fresh_steps import fresh_steps
    from mlci.cli.limit_notes import notes_by_baseline
    from mlci.gate.effective_gate import base_rule_notes
    from mlci.report.notes import Note
    from mlci.report.plan_json import plan_json
    from mlci.report.plan_preview import preview
    from mlci.report.reused_steps import ReusePreview
    from mlci.running.prepared_run import gated, prepare_run

    with open_run(options, out=sys.stderr if as_json else None) as session:
        flow, cloud = session.flow, session.cloud
        check_build_time(flow, os.environ)
        context = replace(session.context, fresh=fresh_steps(fresh, flow))
        baseline = find_baseline(flow, context.target, cloud, context.history, context.reporter.log)
        flow = gated(flow, context, baseline)
        prepared = prepare_run(flow, context, baseline, cloud)
        planned, definition = prepared.planned, prepared.compiled.definition
        if why is not None:
            _explain(why, prepared, session, as_json)
            return 0
        change = _change(prepared, cloud)
        running = [execution.name for execution in cloud.running(flow.name)]
        missing = cloud.missing(planned.uploads)
        reuse = ReusePreview(planned.reused, prepared.reasons, _changes(prepared, session))
        notes = [Note("weak-limit", text) for text in notes_by_baseline(flow, baseline.cases, session)]
        if as_json:
            # The preview shows these rules beside the flow's own.
            of_base = base_rule_notes(flow, context.target.base_branch or "the base branch")
            notes += [Note("base-rule", text) for text in of_base]
            document = plan_json(planned, cloud.name, missing, change, running, reuse, notes)
            echo_document(indented(document))
        else:
            echo(preview(planned, definition, missing, change, running, reuse))
            for note in notes:
                echo(str(note))
    return 0


def _change(prepared: PreparedRun, cloud: Cloud) -> Change:
    from mlci.backends.protocol import Change
    from mlci.plan.names import Names
    from mlci.reuse.decisions import has_nothing_due

    planned = prepared.planned
    if has_nothing_due(planned):
        return Change("not used", Names(planned.flow.name, planned.target.is_protected).machine)
    return cloud.change(planned.flow.name, prepared.compiled.definition)


def _changes(prepared: PreparedRun, session: RunSession) -> dict[str, Explanation]:
    """Return what has changed of the steps of which no record is known, as far as it is known here."""
    from mlci.runs.earlier_runs import explain_steps

    steps = [name for name, reason in prepared.reasons.items() if not reason and name in prepared.keys.steps]
    folders = session.context.folder.siblings()
    return {each.step: each for each in explain_steps(steps, prepared.keys, folders, session.cloud.name, _RUNS)}


def _explain(step: str, prepared: PreparedRun, session: RunSession, as_json: bool) -> None:
    """Print what has changed of a step, or of each of its cells.

    Raises: InputError, if the flow has no such step.
    """
    from mlci.report.key_changes import changes_json, changes_text
    from mlci.reuse.explained_steps import named_steps
    from mlci.runs.earlier_runs import explain_steps

    flow, cloud = session.flow, session.cloud
    names = named_steps("--why", step, flow)
    found = explain_steps(names, prepared.keys, session.context.folder.siblings(), cloud.name, _RUNS)
    if as_json:
        echo_document(indented(changes_json(flow.name, cloud.name, found)))
    else:
        echo(changes_text(found))
