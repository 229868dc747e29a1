"""The options of the command line, each also set by an MLCI_ variable: as data, and what is chosen with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mlci.configuration import NAMES, Name, option, variable
from mlci.provision.stack_parameters import PARAMETERS

if TYPE_CHECKING:
    from mlci_emulator.jobs.isolation import Isolation

_Command = TypeVar("_Command", bound=Callable[..., Any])

flow_option = click.option(
    "--flow",
    "flow_file",
    default="flow.yaml",
    show_default=True,
    envvar="MLCI_FLOW",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The flow file. Paths in it are relative to its folder.",
)
param_option = click.option(
    "--param",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    help="Another value for a param of the flow. MLCI_PARAM_<NAME> does the same.",
)
isolation_option = click.option(
    "--isolation",
    type=click.Choice(["auto", "namespace", "link", "paths"]),
    default="auto",
    show_default=True,
    envvar="MLCI_ISOLATION",
    help="How a local job gets its own /opt/ml. `auto` takes the first that works here.",
)
debug_option = click.option(
    "--debug", is_flag=True, envvar="MLCI_DEBUG", help="Show a traceback where something goes wrong."
)
cloud_option = click.option(
    "--cloud",
    type=click.Choice(["local", "aws"]),
    envvar="MLCI_CLOUD",
    help="Where to run. Default: aws inside of CodeBuild, local elsewhere.",
)
timeout_option = click.option(
    "--timeout",
    envvar="MLCI_TIMEOUT",
    metavar="DURATION",
    help="Stop the run after this long, such as 90s, 30m or 2h, and exit with 4.",
)
attach_option = click.option(
    "--attach",
    type=click.Choice(["auto", "never"]),
    default="auto",
    show_default=True,
    envvar="MLCI_ATTACH",
    help="`auto`: a build that was cut off and is started again goes on with its own run on AWS.",
)
protected_option = click.option(
    "--protected",
    is_flag=True,
    envvar="MLCI_PROTECTED",
    help="On AWS, use the names that only builds of the base branch have rights on (docs/aws.md).",
)

#: So many choices are listed beside an option.
_FEW = 3
_AWS_HELP: Mapping[Name, str] = {
    "region": "The AWS region",
    "bucket": "The bucket for code, data and results on AWS",
    "workflow_role": "The ARN of the state machine's role",
    "job_role": "The ARN of the jobs' role",
    "log_group": "The ARN (…:*) of a log group for the state machine",
}


def aws_options(command: _Command) -> _Command:
    """The settings of the aws cloud. `configuration` reads their variables, so that it knows each value's origin."""
    for name in reversed(NAMES):
        text = f"{_AWS_HELP[name]} [{variable(name)}]."
        command = click.option(option(name), name, metavar="TEXT", help=text)(command)
    return command


def look_options(command: _Command) -> _Command:
    """The options of commands that look at what a run would do."""
    return _all(
        command,
        flow_option,
        cloud_option,
        param_option,
        aws_options,
        protected_option,
        isolation_option,
        debug_option,
    )


def run_options(command: _Command) -> _Command:
    """The options of `mlci run`, which `python pipeline.py` takes as well."""
    return _all(
        command,
        flow_option,
        cloud_option,
        param_option,
        timeout_option,
        attach_option,
        aws_options,
        protected_option,
        isolation_option,
        debug_option,
    )


def parameter_options(command: _Command) -> _Command:
    """The parameters of the stack that `mlci bootstrap` makes; `infra.parameters` checks them, all at once."""
    for parameter in reversed(PARAMETERS):
        if parameter.option:
            name = f"MLCI_{parameter.option.removeprefix('--').replace('-', '_').upper()}"
            default = f" Default: {parameter.default}." if parameter.default and "Default" not in parameter.help else ""
            command = click.option(
                parameter.option,
                parameter.name,
                envvar=name,
                metavar="|".join(parameter.allowed) if 0 < len(parameter.allowed) <= _FEW else "TEXT",
                help=f"{parameter.help}{default}",
            )(command)
    return command


def _all(command: _Command, *options: Callable[[_Command], _Command]) -> _Command:
    """The command with these options, which its help lists in this order."""
    for add in reversed(options):
        command = add(command)
    return command


@dataclass(frozen=True)
class Choice:
    """What a command was told of the flow and the cloud; None where the default is meant."""

    flow_file: Path
    params: Sequence[str] = ()
    cloud: str | None = None
    isolation: Isolation = "auto"
    aws: Mapping[Name, str | None] = field(default_factory=dict)
    is_protected: bool = False

    @staticmethod
    def of(
        flow_file: Path, cloud: str | None, params: Sequence[str], isolation: Isolation, protected: bool, **aws: Any
    ) -> Choice:
        """From the options' names and values, as click gives them."""
        return Choice(flow_file, params, cloud, isolation, {name: aws.get(name) for name in NAMES}, protected)
