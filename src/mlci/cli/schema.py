"""`mlci schema`: the JSON schema of flow.yaml."""

from __future__ import annotations

import json

import click

from mlci.cli.options import debug_option
from mlci.cli.output import echo_document


@click.command("schema")
@click.option("--markdown", is_flag=True, help="Print a table of every key instead, as docs/flow.md has it.")
@debug_option
def command(markdown: bool) -> int:
    """Print the JSON schema of flow.yaml.

    Editors complete and check a flow with it: begin flow.yaml with the line `# yaml-language-server: $schema=FILE`.
    """
    from mlci.flow import schema
    from mlci.flow.reference import reference

    echo_document(reference(schema()) if markdown else json.dumps(schema(), indent=2) + "\n")
    return 0
