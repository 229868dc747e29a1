"""`mlci validate`: everything that can be checked without a run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlci.cli.flow_file import build_of_flow, cache_of, load_flow, runs_of
from mlci.cli.options import debug_option, flow_option, json_option, param_option
from mlci.cli.output import echo, echo_document
from mlci.cli.run_context import local_context
from mlci.errors import CloudError, InputError, Problem
from mlci.json_text import indented

if TYPE_CHECKING:
    from mlci.flow.models import Flow
    from mlci.report.notes import Note


@click.command("validate")
@flow_option
@param_option
@json_option
@debug_option
def command(flow_file: Path, params: Sequence[str], as_json: bool) -> int:
    """Check the flow, its scripts and its data.

    Changes nothing. Reports all problems at once, with file, line and column.
    """
    from mlci.flow.names import written_name
    from mlci.report.formatting import count

    try:
        flow, elsewhere = _checked(flow_file, params)
        notes = list(_notes(flow, flow_file, elsewhere))
    except InputError as error:
        if as_json:
            _print_json(str(flow_file), None, error.problems)
        raise
    if as_json:
        _print_json(str(flow_file), flow, notes=notes)
    else:
        for note in notes:
            echo(str(note))
        steps = {written_name(step) for step in flow.steps}
        cells = f" ({len(flow.steps)} with each cell of a matrix)" if flow.matrices else ""
        rules = {(rule.as_written.metric, rule.op, rule.slice) for rule in flow.gate}
        echo(f"{flow_file} is valid: {count(len(steps), 'step')}{cells}, {count(len(rules), 'rule')} in the gate")
    return 0


def _notes(flow: Flow, flow_file: Path, elsewhere: Sequence[Problem]) -> Iterator[Note]:
    """Yields what a valid flow is to be told of: in builds, of its gate, and on this machine."""
    from mlci.build_environment.time_limit import late_steps
    from mlci.cli.limit_notes import notes_by_runs_here
    from mlci.flow.build_steps import build_notes
    from mlci.flow.model_scripts import model_notes
    from mlci.report.notes import Note

    yield from (Note.of("build-time", each) for each in late_steps(flow, os.environ))
    yield from (Note.of("build-role", each) for each in build_notes(flow))
    yield from (Note.of("model-script", each) for each in model_notes(flow))
    yield from (Note("weak-limit", text) for text in notes_by_runs_here(flow, flow_file))
    yield from (Note("base-rule", text) for text in _base_gate_notes(flow, flow_file))
    yield from (Note.of("local-run", each) for each in elsewhere)


def _base_gate_notes(flow: Flow, flow_file: Path) -> list[str]:
    """The rules of the base branch that are in force beside the flow's own, by the baseline of this machine."""
    from mlci.backends.local_location import LOCATION
    from mlci.plan.names import baseline_key, baselines

    bucket = runs_of(flow_file).home / "store" / LOCATION.bucket
    if not (bucket / baselines(flow.name)).is_dir():
        return []
    try:
        build = build_of_flow(flow_file)
        if build.is_trusted or build.base_branch is None:
            return []
        from mlci.baseline import parse_baseline
        from mlci.gate.effective_gate import base_rule_notes, with_base_gate

        file = bucket / baseline_key(flow.name, build.base_branch)
        baseline = parse_baseline(file.read_bytes(), str(file))
    except (InputError, CloudError, OSError):  # a run says what is wrong with it; the flow is not
        return []
    return base_rule_notes(with_base_gate(flow, baseline), build.base_branch)


def _print_json(
    flow_file: str, flow: Flow | None, problems: Iterable[Problem] = (), notes: Iterable[Note] = ()
) -> None:
    from mlci.report.plan_json import validation_json

    echo_document(indented(validation_json(flow_file, flow, problems, notes)))


def _checked(flow_file: Path, params: Sequence[str]) -> tuple[Flow, Sequence[Problem]]:
    """The flow of a file, of which all is right, and why jobs of it can't run on this machine.

    Raises: InputError, with all that is not.
    """
    from mlci.backends.glue_jobs import glue_problems
    from mlci.backends.local_checks import check_definition, jobs_for_aws_alone
    from mlci.build_environment.build import Build
    from mlci.build_environment.time_limit import check_build_time
    from mlci.provision.access_requirements import check_arn_values
    from mlci.running.planned_run import prepare

    cache = cache_of()
    flow = load_flow(flow_file, params, cache)
    check_build_time(flow, os.environ)
    check_arn_values(flow, {})
    planned, compiled = prepare(flow, local_context(flow_file, Build()))
    elsewhere = [*jobs_for_aws_alone(planned, cache), *glue_problems(planned)]
    check_definition(compiled.definition, cache)
    return flow, elsewhere
