"""`mlci definition`: the state machine that a flow compiles to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from mlci.cli.flow_file import cache_of, load_flow
from mlci.cli.options import debug_option, flow_option, param_option
from mlci.cli.output import echo_document
from mlci.cli.run_context import local_context
from mlci.json_text import indented


@click.command("definition")
@flow_option
@param_option
@debug_option
def command(flow_file: Path, params: Sequence[str]) -> int:
    """Print the state machine's definition.

    The flow compiles to it, in the Amazon States Language. It is the same for every cloud.
    """
    from mlci.build_environment.build import Build
    from mlci.running.planned_run import prepare

    _, compiled = prepare(load_flow(flow_file, params, cache_of()), local_context(flow_file, Build()))
    echo_document(indented(json.loads(compiled.definition)))
    return 0
