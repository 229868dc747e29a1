"""`mlci graph`: the flow as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from mlci.cli.flow_file import cache_of, load_flow
from mlci.cli.options import debug_option, flow_option, param_option
from mlci.cli.output import echo_document


@click.command("graph")
@flow_option
@param_option
@debug_option
def command(flow_file: Path, params: Sequence[str]) -> int:
    """Print the flow as a Mermaid graph.

    GitHub draws it in a ```mermaid block of a Markdown file.
    """
    from mlci.report.flow_graph import flow_graph
    from mlci.report.mermaid import mermaid

    echo_document(mermaid(flow_graph(load_flow(flow_file, params, cache_of()))))
    return 0
