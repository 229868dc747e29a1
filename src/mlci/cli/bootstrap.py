"""`mlci bootstrap`: an account made ready for a flow."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from mlci.cli.flow_file import load_flow
from mlci.cli.options import add_options, debug_option, flow_option
from mlci.cli.output import echo_document
from mlci.cli.provisioning import flow_repository, open_account, stack_region, stack_template, terminal_prompt
from mlci.errors import InputError
from mlci.provision.stack_parameters import PARAMETERS, Parameter

#: An option with at most this many allowed values lists them in the help.
_MAX_LISTED = 3


def _parameter_option(parameter: Parameter) -> Callable[[Any], Any]:
    """The option that sets a parameter of the stack. `provision.parameter_values` checks all values at once."""
    assert parameter.option is not None
    default = f" Default: {parameter.default}." if parameter.default and "Default" not in parameter.help else ""
    return click.option(
        parameter.option,
        parameter.name,
        envvar=f"MLCI_{parameter.option.removeprefix('--').replace('-', '_').upper()}",
        metavar="|".join(parameter.allowed) if 0 < len(parameter.allowed) <= _MAX_LISTED else "TEXT",
        help=f"{parameter.help}{default}",
    )


def _parameter_options(command: Callable[..., int]) -> Callable[..., int]:
    """Adds the parameters of the stack, which the command gets as the mapping `parameters`: those that are set."""
    with_option = [parameter for parameter in PARAMETERS if parameter.option]

    @functools.wraps(command)
    def collected(**values: Any) -> int:
        parameters = {parameter.name: values.pop(parameter.name) for parameter in with_option}
        return command(parameters={name: value for name, value in parameters.items() if value is not None}, **values)

    return add_options(collected, *map(_parameter_option, with_option))


@click.command("bootstrap")
@flow_option
@click.option("--yes", is_flag=True, envvar="MLCI_YES", help="Apply changes without asking.")
@click.option("--print", "prints", is_flag=True, help="Only print the template. Needs no account.")
@click.option("--delete", "deletes", is_flag=True, help="Delete the stack, but keep the bucket.")
@click.option("--delete-bucket", "with_bucket", is_flag=True, help="With --delete: delete the bucket and its objects.")
@click.option("--region", envvar="MLCI_REGION", metavar="TEXT", help="The AWS region of the stack.")
@_parameter_options
@debug_option
def command(
    flow_file: Path,
    yes: bool,
    prints: bool,
    deletes: bool,
    with_bucket: bool,
    region: str | None,
    parameters: Mapping[str, str],
) -> int:
    """Make an AWS account ready for the flow.

    Creates or updates one CloudFormation stack with a bucket, roles, and two CodeBuild projects. Shows the changes and
    asks before it applies them. Parameters that are not set keep their present value. Each can also be set as
    MLCI_<NAME>, such as MLCI_RUN_RETENTION.

    \b
    Examples:
      mlci bootstrap
      mlci bootstrap --print > stack.yaml
      mlci bootstrap --run-retention 30 --yes
      mlci bootstrap --delete
    """
    from mlci.provision.bootstrap import set_up
    from mlci.provision.teardown import tear_down

    _check_modes(prints, deletes, with_bucket)
    flow = load_flow(flow_file)
    region = stack_region(flow, region, needs_profile=not prints)
    if prints:
        echo_document(stack_template(flow, flow_file, region))
        return 0
    account, prompt = open_account(flow, region), terminal_prompt(yes)
    if deletes:
        return tear_down(flow.name, parameters.get("ExistingBucket"), with_bucket, account, prompt)
    template = stack_template(flow, flow_file, account.region)
    repository = flow_repository(flow, flow_file, account.region)
    return set_up(flow.name, template, parameters, repository, account, prompt)


def _check_modes(prints: bool, deletes: bool, with_bucket: bool) -> None:
    if prints and deletes:
        raise InputError("--print and --delete exclude each other")
    if with_bucket and not deletes:
        raise InputError("--delete-bucket goes with --delete", "To keep the bucket, leave it out.")
