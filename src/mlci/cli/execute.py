"""`mlci execute`: any definition on the local cloud, with no flow around it."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlci.backends.local import execute, local_cloud, machine, translated
from mlci.errors import InputError, MlciError, Stopped
from mlci.interrupts import Interrupts, attend
from mlci_asl import Event, StopSignal
from mlci_emulator.identity import ACCOUNT, REGION
from mlci_emulator.jobs.runner import Settings

if TYPE_CHECKING:
    from mlci_emulator.services.lambda_functions import FunctionCode

#: Below the store, and hidden, so that it is no bucket.
HOME = ".mlci"

_EXIT_CODE = {
    "SUCCEEDED": 0,
    "FAILED": MlciError.exit_code,
    "TIMED_OUT": Stopped.exit_code,
    "ABORTED": Stopped.exit_code,
}


def execute_file(
    definition: str,
    file: str,
    given: str,
    settings: Settings,
    store: Path,
    interrupts: Interrupts,
    functions: Iterable[FunctionCode] = (),
) -> int:
    """Executes a definition; its output goes to standard output, what happens on the way to standard error.

    Messages that the tasks send are recorded under the store's `.mlci/records`.

    Raises: InputError, for a definition or an input that Step Functions would refuse.
    """
    try:
        json.loads(given)
    except ValueError as error:
        raise InputError(f"the execution's input is not JSON: {error}", "It is what --input names.") from error
    with translated(), local_cloud(store, settings, _tell, functions, store / HOME) as cloud:
        loaded = machine(definition, cloud.tasks, file)
        name = secrets.token_hex(8)
        arn = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:{Path(file).stem}:{name}"
        state_machine = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{Path(file).stem}"
        stop = StopSignal()
        outcome = attend(
            lambda: execute(loaded, given, arn, state_machine, cloud.tasks, _show, stop),
            interrupts,
            lambda why: stop.set(error="mlci.Stopped", cause=why),
        )
    if outcome.output is not None:
        print(outcome.output)
    else:
        _tell(f"{outcome.status}: {outcome.error or ''}: {outcome.cause or ''}")
    return _EXIT_CODE[outcome.status]


def read_functions(options: Sequence[str]) -> list[FunctionCode]:
    """The functions of the options `--function NAME=FILE.py:HANDLER`.

    Raises: InputError.
    """
    if not options:
        return []
    from mlci_emulator.services.lambda_functions import function_option

    with translated():
        return [function_option(text) for text in options]


def _show(event: Event) -> None:
    details = event.details.get("stateEnteredEventDetails")
    if isinstance(details, dict):
        _tell(f"{event.timestamp:%H:%M:%S}  {event.type.removesuffix('Entered')} {details.get('name')}")


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
