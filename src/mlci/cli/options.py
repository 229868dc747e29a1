"""The options that commands share, each also set by an MLCI_ variable, and the typed values that they give.

An option that a command does not take is a TypeError when the command is called: none is swallowed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from mlci.aws_settings import AWS_SETTINGS, AwsSettingName
from mlci.backends import BACKENDS
from mlci.backends.isolation import Isolation
from mlci.errors import InputError, Problem
from mlci_dataclasses import dataclass

_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class RunOptions:
    """The flow to run, and its backend; `cloud` is None if the environment decides.

    `aws` holds each setting of the aws backend, None if no option sets it.
    """

    flow_file: Path
    cloud: str | None = None
    params: Sequence[str] = ()
    isolation: Isolation = "auto"
    aws: Mapping[AwsSettingName, str | None] = field(default_factory=dict)
    is_protected: bool = False


def _seconds(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """The seconds of a duration such as 1h30m.

    Raises: InputError.
    """
    from mlci.flow import parse_duration
    from mlci.flow.invalid_value import InvalidValue

    if text is None:
        return None
    try:
        return parse_duration(text)
    except InvalidValue as error:
        raise InputError([Problem(parameter.opts[0], 0, 0, error.what, error.hint)]) from error


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
    help="Override a param of the flow. MLCI_PARAM_<NAME> does the same.",
)
isolation_option = click.option(
    "--isolation",
    type=click.Choice(list(get_args(Isolation))),
    default="auto",
    show_default=True,
    envvar="MLCI_ISOLATION",
    help="How a local job gets its own /opt/ml. `auto` takes the first of namespace, link and paths that works here; a "
    "job whose image the flow builds runs in it. `container` runs each job in its image.",
)
#: `main` reads it from the command line, so that it counts for errors of the command line as well.
debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, help="Show the traceback of an error [MLCI_DEBUG]."
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON document instead, for other programs (docs/running.md)."
)
cloud_option = click.option(
    "--cloud",
    type=click.Choice(list(BACKENDS)),
    envvar="MLCI_CLOUD",
    help="Where to run. Default: aws inside of CodeBuild, local elsewhere.",
)
timeout_option = click.option(
    "--timeout",
    "timeout_s",
    callback=_seconds,
    envvar="MLCI_TIMEOUT",
    metavar="DURATION",
    help="Stop the run after this time, such as 90s, 30m or 2h, and exit with 4.",
)
follow_option = click.option(
    "--follow",
    "follows_logs",
    is_flag=True,
    envvar="MLCI_FOLLOW",
    help="Print the jobs' logs as they grow, each line after its step's name.",
)
keep_endpoint_option = click.option(
    "--keep-endpoint",
    "keeps_endpoint",
    is_flag=True,
    envvar="MLCI_KEEP_ENDPOINT",
    help="On the local cloud: leave the run's endpoints in service until Ctrl-C.",
)
only_option = click.option(
    "--only",
    multiple=True,
    metavar="STEP",
    envvar="MLCI_ONLY",
    help="Run this step alone. May be given several times.",
)
from_option = click.option(
    "--from", "first", metavar="STEP", envvar="MLCI_FROM", help="Run this step, and all that depend on it."
)
until_option = click.option(
    "--until", "last", metavar="STEP", envvar="MLCI_UNTIL", help="Run this step, and all that it depends on."
)
#: Stands for all steps: no step has this name.
ALL_STEPS = "*"
_SWITCHES = {"1": ALL_STEPS, "true": ALL_STEPS, "yes": ALL_STEPS, "on": ALL_STEPS}
_SWITCHES |= dict.fromkeys(("", "0", "false", "no", "off"), "")
fresh_option = click.option(
    "--fresh",
    is_flag=False,
    flag_value=ALL_STEPS,
    default="",
    callback=lambda context, parameter, value: _SWITCHES.get(value.lower(), value),
    metavar="[STEP]",
    envvar="MLCI_FRESH",
    help="Run this step, and what reads of it, whatever earlier runs have made; without a name, run all steps.",
)
attach_option = click.option(
    "--attach",
    "attaches",
    type=click.Choice(["auto", "never"]),
    callback=lambda context, parameter, value: value == "auto",
    default="auto",
    show_default=True,
    envvar="MLCI_ATTACH",
    help="`auto`: a build that was cut off and is started again continues its own run on AWS.",
)
protected_option = click.option(
    "--protected",
    "is_protected",
    is_flag=True,
    envvar="MLCI_PROTECTED",
    help="On AWS, use the names that only builds of the base branch have rights on (docs/aws.md).",
)


def aws_options(command: Callable[..., int]) -> Callable[..., int]:
    """Adds the settings of the aws backend, which the command gets as the mapping `aws`, None for those not given.

    `backends.aws.settings` reads their variables, so that it knows the origin of each value.
    """

    @functools.wraps(command)
    def collected(**values: Any) -> int:
        aws = {name: values.pop(name) for name in AWS_SETTINGS}
        return command(aws=aws, **values)

    options = (
        click.option(setting.option, name, metavar="TEXT", help=f"{setting.description} [{setting.variable}]")
        for name, setting in AWS_SETTINGS.items()
    )
    return add_options(collected, *options)


def run_options(*more: Callable[..., Any]) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Adds the options that choose a flow and a backend, which the command gets as `options`, a RunOptions.

    `more` are options of the command's own, which the help lists among these.
    """

    def decorate(command: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(command)
        def collected(
            flow_file: Path,
            cloud: str | None,
            params: Sequence[str],
            isolation: Isolation,
            aws: Mapping[AwsSettingName, str | None],
            is_protected: bool,
            **values: Any,
        ) -> int:
            options = RunOptions(flow_file, cloud, params, isolation, aws, is_protected)
            return command(options=options, **values)

        return add_options(
            collected,
            flow_option,
            cloud_option,
            param_option,
            *more,
            aws_options,
            protected_option,
            isolation_option,
            debug_option,
        )

    return decorate


def add_options(command: _Command, *options: Callable[[Any], Any]) -> _Command:
    """The command with these options, in the order in which its help lists them."""
    for add in reversed(options):
        command = add(command)
    return command
