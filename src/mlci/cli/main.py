"""The command `mlci`: the group of its commands, the exit codes, and the one handler of every error."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import click

from mlci import __version__
from mlci.errors import InputError, MlciError, Stopped

#: In the order of the help. Each is the module `mlci.cli.<name>`, whose `command` is the click command.
COMMANDS = (
    "init",
    "run",
    "validate",
    "plan",
    "graph",
    "definition",
    "list",
    "show",
    "logs",
    "config",
    "stop",
    "bootstrap",
    "policy",
    "buildspec",
    "schema",
    "execute",
    "serve",
)
_TRUE = ("1", "true", "yes", "on")


class LazyGroup(click.Group):
    """The commands of `COMMANDS`, each imported when it is needed: a command starts without the others' options.

    Source: https://click.palletsprojects.com/en/stable/complex/#lazily-loading-subcommands
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"mlci.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mlci")
def cli() -> None:
    """Continuous integration for machine-learning models.

    A flow (flow.yaml) describes how a model is trained and which metrics it must meet. `mlci run` runs the flow as a
    Step Functions state machine and fails if a metric misses its limit.

    \b
    Exit codes: 0 the gate held     1 the gate was missed     2 the input is wrong, nothing was started
                3 a step failed     4 stopped or timed out
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code.

    Raises nothing: Python's own exit code for an exception is 1, which means "gate missed".
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that can't show "✔" shows "?", and the run goes on
    signal.signal(signal.SIGTERM, _interrupt)
    is_debug = "--debug" in arguments or os.environ.get("MLCI_DEBUG", "").lower() in _TRUE
    try:
        code = cli.main(args=arguments, prog_name="mlci", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except MlciError as error:
        return _fail(str(error), error.exit_code, is_debug)
    except (click.Abort, KeyboardInterrupt):
        return _fail("stopped before anything was started.", Stopped.exit_code, is_debug)
    except click.ClickException as error:
        error.show()
        return InputError.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader (`| head`) has closed the pipe
        return 0
    except Exception as error:  # noqa: BLE001 - the one broad handler: no traceback, and never exit code 1
        what = f"an error inside of mlci: {type(error).__name__}: {error}. Please report it, with what --debug shows."
        return _fail(what, MlciError.exit_code, is_debug)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Handles SIGTERM as Ctrl-C while nothing runs yet; during a run, `signals.interrupt_signals` handles both."""
    raise KeyboardInterrupt


def _fail(message: str, code: int, is_debug: bool) -> int:
    """Prints an error to standard error, after its traceback if `is_debug`."""
    if is_debug:
        import traceback

        traceback.print_exc()
    print(f"mlci: {message}", file=sys.stderr)
    return code
