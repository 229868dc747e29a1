"""Options reach the command that they belong to, or the program fails."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import mlci.cli
from mlci.aws_settings import AWS_SETTINGS
from mlci.backends import BACKENDS
from mlci.cli.main import COMMANDS, cli
from mlci.cli.options import RunOptions, run_options
from mlci.provision.stack_parameters import PARAMETERS

SHARED = {"flow_file", "cloud", "params", "isolation", "aws", "is_protected"}


def command(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_takes_each_of_its_options_by_name(name: str) -> None:
    callback = command(name).callback
    assert callback is not None
    taken = inspect.signature(inspect.unwrap(callback)).parameters
    assert all(parameter.kind is not parameter.VAR_KEYWORD for parameter in taken.values())
    values = {str(option.name) for option in command(name).params if option.expose_value}
    if "aws" in taken or "options" in taken:
        values = (values - set(AWS_SETTINGS)) | {"aws"}
    if "options" in taken:
        values = (values - SHARED) | {"options"}
    if "parameters" in taken:
        values = (values - {parameter.name for parameter in PARAMETERS}) | {"parameters"}
    assert values == set(taken)


def test_an_option_that_no_command_takes_is_an_error() -> None:
    @click.command()
    @run_options(click.option("--extra"))
    def forgetful(options: RunOptions) -> int:
        return 0

    result = CliRunner().invoke(forgetful, ["--extra", "1"])
    assert isinstance(result.exception, TypeError)
    assert "extra" in str(result.exception)


def test_options_become_typed_values() -> None:
    seen: list[RunOptions] = []

    @click.command()
    @run_options()
    def kept(options: RunOptions) -> int:
        seen.append(options)
        return 0

    given = ["--flow", "a.yaml", "--param", "x=1", "--param", "y=2", "--bucket", "b", "--protected"]
    assert CliRunner().invoke(kept, given).exit_code == 0
    aws = {name: "b" if name == "bucket" else None for name in AWS_SETTINGS}
    assert seen == [RunOptions(Path("a.yaml"), None, ("x=1", "y=2"), "auto", aws, True)]


def test_each_command_is_a_module_and_has_a_help() -> None:
    folder = Path(mlci.cli.__file__).parent
    for name in COMMANDS:
        assert (folder / f"{name}.py").is_file()
        assert command(name).name == name
        assert command(name).help


def test_every_registered_backend_can_be_chosen_and_configured() -> None:
    [cloud] = [option for option in command("run").params if option.name == "cloud"]
    assert isinstance(cloud.type, click.Choice)
    assert list(cloud.type.choices) == list(BACKENDS)
    for module in BACKENDS.values():
        assert callable(importlib.import_module(module).configure)
