"""The command `mlci`: the group of its commands, the exit codes, and the one handler of every error."""

from __future__ import annotations

import atexit
import errno
import gc
import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import click

from mlci import __version__
from mlci.cli.streams import loss_tolerant_streams
from mlci.errors import InputError, MlciError, Stopped
from mlci.report.untrusted_text import console_text

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
    "open",
    "history",
    "diff",
    "noise",
    "logs",
    "report",
    "config",
    "stop",
    "approve",
    "reject",
    "accept",
    "clean",
    "gc",
    "baseline",
    "models",
    "bootstrap",
    "policy",
    "buildspec",
    "schema",
    "execute",
    "serve",
)
_TRUE = ("1", "true", "yes", "on")
#: The cure of an error of the operating system.
_HINTS = {
    errno.ENOSPC: "The disk is full: free some space, and start again.",
    errno.EDQUOT: "The quota of the disk is used up: free some space, and start again.",
    errno.EROFS: "Its file system is read-only: work in a copy of the checkout that can be written.",
    errno.EACCES: "Check its owner and its permissions.",
    errno.EPERM: "Check its owner and its permissions.",
}


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
    _collect_less_garbage()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    is_debug = "--debug" in arguments or os.environ.get("MLCI_DEBUG", "").lower() in _TRUE
    with loss_tolerant_streams() as output:
        code = _run_command(arguments, is_debug)
        output.flush()
        if output.error is None:
            return code
        print(f"mlci: standard output could not be written: {output.error.strerror}", file=sys.stderr)
        # The verdict of a run stands in its exit code and its reports. Of other commands, the output is the result.
        return code if code or arguments[:1] == ["run"] else MlciError.exit_code


def _collect_less_garbage() -> None:
    """Makes Python's collector look for cycles less often, and not once more at the end.

    A command makes many objects and few cycles. By default, every 700 objects begin a collection, and the process ends
    with two of all objects: a seventh of the CPU of a run that has nothing to do.
    """
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)


def _run_command(arguments: list[str], is_debug: bool) -> int:
    """Runs a command and returns its exit code; reports every error."""
    try:
        code = cli.main(args=arguments, prog_name="mlci", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except MlciError as error:
        return _fail(str(error), error.exit_code, is_debug)
    except (click.Abort, KeyboardInterrupt):
        return _fail("stopped before anything was started.", Stopped.exit_code, is_debug)
    except click.ClickException as error:
        usage = io.StringIO()
        error.show(usage)
        print(console_text(usage.getvalue()), end="", file=sys.stderr)
        return InputError.exit_code
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the one broad handler: no traceback, and never exit code 1
        if not _has_working_directory():  # not an OSError alone: a library fails in its own way there
            what = "the working directory does not exist any more. Change to another one."
            return _fail(what, InputError.exit_code, is_debug)
        if isinstance(error, OSError):
            return _fail(_system_error(error), MlciError.exit_code, is_debug)
        what = f"an error inside of mlci: {type(error).__name__}: {error}. Please report it, with what --debug shows."
        return _fail(what, MlciError.exit_code, is_debug)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Handles SIGTERM as Ctrl-C while nothing runs yet; during a run, `signals.interrupt_signals` handles both."""
    raise KeyboardInterrupt


def _fail(message: str, code: int, is_debug: bool) -> int:
    """Prints an error to standard error, after its traceback if `is_debug`."""
    if is_debug:
        import traceback

        print(console_text(traceback.format_exc()), file=sys.stderr)
    print(console_text(f"mlci: {message}"), file=sys.stderr)
    return code


def _has_working_directory() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True


def _system_error(error: OSError) -> str:
    """The message of an error of the operating system: a full disk, a folder that may not be written."""
    what = error.strerror or str(error) or type(error).__name__
    names = [f'"{name}"' for name in (error.filename, error.filename2) if name is not None]
    hint = _HINTS.get(error.errno or 0, "")
    return ". ".join(part for part in (": ".join([" and ".join(names), what] if names else [what]), hint) if part)
