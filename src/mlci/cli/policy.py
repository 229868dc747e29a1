"""`mlci policy`: the IAM policies that a flow needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click

from mlci.cli.aws_session import resolve_settings
from mlci.cli.flow_file import load_flow
from mlci.cli.options import aws_options, debug_option, flow_option
from mlci.cli.provisioning import role_policies
from mlci.configuration import Name
from mlci.errors import InputError


@click.command("policy")
@click.argument("role", required=False)
@flow_option
@aws_options
@debug_option
def command(role: str | None, flow_file: Path, aws: Mapping[Name, str | None]) -> int:
    """Print the IAM policy of each role, derived from the flow.

    One policy document for each role; with ROLE, that one alone. `mlci bootstrap` creates these roles. Needs no
    account: `*` stands for an account, a bucket or a role that is not known.
    """
    flow = load_flow(flow_file)
    documents = role_policies(flow, flow_file, resolve_settings(flow, aws, ssm=lambda region: lambda names: {}))
    if role is not None and role not in documents:
        raise InputError(f'there is no role "{role}"', f"Roles: {', '.join(documents)}")
    click.echo(json.dumps(documents if role is None else documents[role], indent=2))
    return 0
