"""`mlci schema`: the JSON schema of flow.yaml."""

from __future__ import annotations

import json

import click

from mlci.cli.options import debug_option


@click.command("schema")
@debug_option
def command() -> int:
    """Print the JSON schema of flow.yaml.

    Editors complete and check a flow with it: begin flow.yaml with the line `# yaml-language-server: $schema=FILE`.
    """
    from mlci.flow import schema

    click.echo(json.dumps(schema(), indent=2))
    return 0
