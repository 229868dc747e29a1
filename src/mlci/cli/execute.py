"""`mlci execute`: any definition on the local backend, without a flow."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlci.cli.flow_file import read_file
from mlci.cli.options import debug_option, isolation_option
from mlci.cli.output import echo_document
from mlci.cli.signals import interrupt_signals
from mlci.errors import InputError, MlciError, Stopped
from mlci.report.untrusted_text import console_text

if TYPE_CHECKING:
    from mlci.backends.events import Event
    from mlci.backends.isolation import Isolation
    from mlci.backends.local import JobSettings
    from mlci.interrupts import Interrupts
    from mlci_emulator.services.lambda_functions import FunctionCode

#: Below the store, and hidden, so that it is no bucket.
_HOME = ".mlci"
_EXIT_CODE = {
    "SUCCEEDED": 0,
    "FAILED": MlciError.exit_code,
    "TIMED_OUT": Stopped.exit_code,
    "ABORTED": Stopped.exit_code,
}


@click.command("execute")
@click.argument("definition_file", metavar="DEFINITION", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--input",
    "input_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A JSON file with the execution's input. Default: {}",
)
@click.option(
    "--store",
    required=True,
    envvar="MLCI_STORE",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder that stands for S3: s3://bucket/key is STORE/bucket/key.",
)
@click.option(
    "--function",
    "functions",
    multiple=True,
    metavar="NAME=FILE.py:HANDLER",
    help="A Lambda function that tasks may invoke. Each invocation is a process of its own.",
)
@isolation_option
@debug_option
def command(
    definition_file: Path, input_file: Path | None, store: Path, functions: Sequence[str], isolation: Isolation
) -> int:
    """Execute any definition on this machine, without a flow.

    Its tasks may be SageMaker processing and training jobs, Lambda functions, calls of S3, and messages to SNS, SQS and
    EventBridge, which are recorded in .mlci/records below the store.

    Prints the execution's output. Exit code 0 if it succeeded, 3 if it failed, 4 if it was stopped.
    """
    from mlci.backends.container_runtime import find_runtime
    from mlci.backends.emulator_jobs import job_settings
    from mlci.backends.local import emulator_runtime
    from mlci.backends.project_python import project_python

    definition = read_file(definition_file).decode("utf-8", "replace")
    execution_input = read_file(input_file).decode("utf-8", "replace") if input_file else "{}"
    logs = store / ".mlci-logs"
    python = project_python(os.environ, [Path.cwd()], sys.executable)
    _log(str(python))
    settings = job_settings(
        store / ".mlci-work", lambda job: logs / f"{job}.log", python.executable, os.environ, isolation
    )
    runtime = emulator_runtime(find_runtime(os.environ) if isolation == "container" else None)
    settings = replace(settings, runtime=lambda: runtime)
    with interrupt_signals() as interrupts:
        return _execute(
            definition, str(definition_file), execution_input, settings, store, interrupts, _read_functions(functions)
        )


def _execute(
    definition: str,
    file: str,
    execution_input: str,
    settings: JobSettings,
    store: Path,
    interrupts: Interrupts,
    functions: Iterable[FunctionCode],
) -> int:
    """Executes a definition, prints its output to standard output and its progress to standard error.

    Records the messages that tasks send under the store's `.mlci/records`.

    Raises: InputError, for a definition or an input that Step Functions would reject.
    """
    from mlci.backends.local_cloud import execute
    from mlci.backends.local_errors import translate_emulator_errors
    from mlci.backends.stop_signal import StopSignal
    from mlci.interrupts import run_interruptible
    from mlci_emulator.embedded import open_emulator

    try:
        json.loads(execution_input)
    except ValueError as error:
        raise InputError(f"the execution's input is not JSON: {error}", "Check the file that --input names.") from error
    stop, names = StopSignal(), (Path(file).stem, secrets.token_hex(8))
    with translate_emulator_errors(file), open_emulator(store, settings, _log, functions, store / _HOME) as emulator:
        machine = emulator.load(definition)
        outcome = run_interruptible(
            lambda: execute(emulator, machine, execution_input, names, _log_event, stop),
            interrupts,
            lambda why: stop.set(error="mlci.Stopped", cause=why),
        )
    if outcome.output is not None:
        echo_document(f"{outcome.output}\n")
    else:
        _log(f"{outcome.status}: {outcome.error or ''}: {outcome.cause or ''}")
    return _EXIT_CODE[outcome.status]


def _read_functions(options: Sequence[str]) -> list[FunctionCode]:
    """The functions of the options `--function NAME=FILE.py:HANDLER`.

    Raises: InputError.
    """
    if not options:
        return []
    from mlci.backends.local_errors import translate_emulator_errors
    from mlci_emulator.services.lambda_functions import function_option

    with translate_emulator_errors():
        return [function_option(text) for text in options]


def _log_event(event: Event) -> None:
    details = event.details.get("stateEnteredEventDetails")
    if isinstance(details, dict):
        _log(f"{event.timestamp:%H:%M:%S}  {event.type.removesuffix('Entered')} {details.get('name')}")


def _log(text: str) -> None:
    print(console_text(text), file=sys.stderr, flush=True)
