"""`mlci policy`: the IAM policies that a flow needs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import click

from mlci.aws_settings import AwsSettingName
from mlci.cli.flow_file import load_flow
from mlci.cli.options import aws_options, debug_option, flow_option
from mlci.cli.output import echo_document
from mlci.cli.provisioning import role_policies
from mlci.errors import InputError


@click.command("policy")
@click.argument("role", required=False)
@flow_option
@aws_options
@debug_option
def command(role: str | None, flow_file: Path, aws: Mapping[AwsSettingName, str | None]) -> int:
    """Print the IAM policy of each role, derived from the flow.

    One policy document for each role; with ROLE, that one alone. `mlci bootstrap` creates these roles. For a flow with
    approvals, `approver` and `protected_approver` are the policies of people who decide; `accepter` is that of a person
    who runs `mlci accept`, and `gc` of one who runs `mlci gc`. Needs no account: `*` stands for an account, a bucket or
    a role that is not known.
    """
    from mlci.backends.aws.configure import resolve_settings

    flow = load_flow(flow_file)
    settings = resolve_settings(flow, aws, os.environ, ssm=lambda region: lambda names: {}, needs_profile=False)
    documents = role_policies(flow, flow_file, settings)
    if role is not None and role not in documents:
        raise InputError(f'there is no role "{role}"', f"Roles: {', '.join(documents)}")
    echo_document(json.dumps(documents if role is None else documents[role], indent=2) + "\n")
    return 0
