"""`mlci validate`: everything that can be checked without a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from mlci.cli.flow_file import load_flow
from mlci.cli.options import debug_option, flow_option, param_option
from mlci.cli.output import echo
from mlci.cli.run_context import local_context


@click.command("validate")
@flow_option
@param_option
@debug_option
def command(flow_file: Path, params: Sequence[str]) -> int:
    """Check the flow, its scripts and its data.

    Changes nothing. Reports all problems at once, with file, line and column.
    """
    from mlci.backends.local import check_definition, check_jobs
    from mlci.build import Build
    from mlci.provision.access_requirements import check_arn_values
    from mlci.report.formatting import count
    from mlci.run import prepare

    flow = load_flow(flow_file, params)
    check_arn_values(flow, {})
    planned, compiled = prepare(flow, local_context(flow_file, Build()), {})
    check_jobs(planned)
    check_definition(compiled.definition)
    echo(f"{flow_file} is valid: {count(len(flow.steps), 'step')}, {count(len(flow.gate), 'rule')} in the gate")
    return 0
