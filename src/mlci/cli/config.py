"""`mlci config`: the settings of a run, and their origins."""

from __future__ import annotations

import json
import os
import sys

import click

from mlci.aws_settings import AWS_SETTINGS
from mlci.cli.flow_file import build_of_flow, load_flow
from mlci.cli.options import RunOptions, json_option, run_options
from mlci.cli.output import echo_document
from mlci.cli.run_context import backend_name
from mlci.errors import InputError


@click.command("config")
@run_options(json_option)
def command(options: RunOptions, as_json: bool) -> int:
    """Show the settings of a run, and where each comes from.

    For a run on AWS: the region, the bucket, the roles, the caller's identity, and the build that it belongs to.
    """
    from mlci.backends.aws.configure import settings_to_show
    from mlci.report.console import table
    from mlci.report.plan_json import settings_json

    cloud, why = backend_name(options)
    flow, build = load_flow(options.flow_file, options.params), build_of_flow(options.flow_file)
    settings = settings_to_show(flow, options.aws, os.environ)
    shown: dict[str, tuple[str | None, str]] = {"cloud": (cloud, why), "build": (str(build), build.url or "")}
    shown |= {name: (settings.get(name), settings.origin(name) or "not set") for name in AWS_SETTINGS}
    shown["caller"] = _caller(settings.get("region"))
    if as_json:
        echo_document(json.dumps(settings_json(shown), indent=2) + "\n")
    else:
        rows = [(name, value or "–", origin) for name, (value, origin) in shown.items()]
        table(("setting", "value", "from"), rows, sys.stdout)
    return 0


def _caller(region: str | None) -> tuple[str | None, str]:
    """The caller's ARN and its origin, or why it is not known."""
    from mlci.backends.aws.configure import caller_identity

    if region is None:
        return None, "no region, no call"
    try:
        return caller_identity(region).arn, "sts:GetCallerIdentity"
    except InputError as error:
        return None, str(error).splitlines()[0]
