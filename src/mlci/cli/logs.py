"""`mlci logs`: the logs of a run's steps."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlci.aws_settings import AwsSettingName
from mlci.cli.flow_file import runs_of
from mlci.cli.kept_logs import is_elsewhere, print_kept_logs
from mlci.cli.options import aws_options, cloud_option, debug_option, flow_option, protected_option
from mlci.cli.output import echo
from mlci.errors import InputError
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.runs.run_folder import RunFolder, Runs


@click.command("logs")
@flow_option
@click.argument("words", metavar="[RUN] [STEP]", nargs=-1)
@click.option("-f", "--follow", "follows", is_flag=True, help="Print lines as they come, until the run ends.")
@cloud_option
@aws_options
@protected_option
@debug_option
def command(
    flow_file: Path,
    words: Sequence[str],
    follows: bool,
    cloud: str | None,
    aws: Mapping[AwsSettingName, str | None],
    is_protected: bool,
) -> int:
    """Print the log of a step, or those of all steps.

    Of the newest run, or of RUN: a run's id, or the beginning or end of one. Without STEP, each line begins with its
    step. A pipe or a file gets a single step's log as it is; a terminal gets it without control sequences. The cells of
    a matrix are named as in the report: "train(fold=0)"; "train" means all of them. The log of a reused step is that of
    the run that made its result.

    With --cloud aws and the whole id of a run that was started elsewhere, the logs of the steps that ran in its build
    (runs-on: build) are read from S3. CloudWatch has those of jobs on SageMaker.

    \b
    Examples:
      mlci logs train
      mlci logs 3f9c2a train
      mlci logs -f              # another terminal's run, while it goes on
    """
    if is_elsewhere(flow_file, words, cloud):
        print_kept_logs(flow_file, words, aws, is_protected)
        return 0
    selection = _maker(_selection(runs_of(flow_file), words))
    if follows:
        _follow(selection)
    elif selection.step in selection.folder.logged_steps():
        _print_log(selection.folder.log(selection.step))
    else:
        selection.check(selection.folder.logged_steps())
        _print_lines(selection)
    return 0


@dataclass(frozen=True)
class LogSelection:
    """A run, and the step whose logs are wanted; "" for all steps."""

    folder: RunFolder
    step: str

    def has(self, step: str) -> bool:
        """Returns True for the step itself, and for the cells of a matrix step."""
        return self.step in ("", step) or step.startswith(f"{self.step}(")

    def check(self, known: Sequence[str]) -> None:
        """Raises InputError if none of these steps is selected."""
        if not any(self.has(step) for step in known):
            what = f'run {self.folder.run_id} has no log of a step "{self.step}"' if self.step else "there are no logs"
            raise InputError(what, f"It has: {', '.join(known) or 'none'}")


def _selection(runs: Runs, words: Sequence[str]) -> LogSelection:
    """The run and the step that the words name. A single word is a step of the newest run if that has it, else a run.

    Raises: InputError.
    """
    if len(words) > 2:
        raise InputError("`mlci logs` takes a run and a step", "Example: mlci logs 3f9c2a train")
    if len(words) == 2:
        return LogSelection(runs.find(words[0]), words[1])
    newest = runs.find(None)
    word = words[0] if words else ""
    is_step = any(LogSelection(newest, word).has(step) for step in _steps(newest))
    names_run = any(word == folder.run_id or folder.is_named(word) for folder in runs.all()) or word == "latest"
    return LogSelection(runs.find(word), "") if names_run and not is_step else LogSelection(newest, word)


def _maker(selection: LogSelection) -> LogSelection:
    """Returns the selection; of a step that was reused, in the run that made its result.

    Raises: InputError, if that run has no log here.
    """
    folder, step = selection.folder, selection.step
    run = _reused_from(folder, step)
    if not run or step in folder.logged_steps():
        return selection
    if step in folder.sibling(run).logged_steps():
        print(f'step "{step}" was reused: this is its log of run {run}', file=sys.stderr)
        return LogSelection(folder.sibling(run), step)
    hint = (
        "Its lines are where that run was. Of a run on AWS, CloudWatch Logs has them in the log groups "
        f'/aws/sagemaker/…, in streams whose names hold "{run}" or begin with that of its job.'
    )
    raise InputError(f'step "{step}" was reused, and the log of run {run}, which made it, is not in this folder', hint)


def _reused_from(folder: RunFolder, step: str) -> str:
    """Returns the run that the result of a step is of; "" if it was not reused, or the run goes on."""
    try:
        steps = (folder.result() or {}).get("steps")
    except InputError:
        return ""
    state = steps.get(step) if isinstance(steps, dict) else None
    return str(state.get("reused_from") or "") if isinstance(state, dict) else ""


def _steps(folder: RunFolder) -> list[str]:
    """The steps of a run, also those that have no log yet."""
    start = folder.started()
    return list(dict.fromkeys([*(start.steps if start else ()), *folder.logged_steps()]))


def _print_log(log: Path) -> None:
    with log.open("rb") as file:
        if sys.stdout.isatty():
            for line in file:
                echo(line.decode("utf-8", "replace").removesuffix("\n"))
        else:
            shutil.copyfileobj(file, sys.stdout.buffer)


def _print_lines(selection: LogSelection) -> None:
    from mlci.runs.watch import LogFollower

    for step, line in LogFollower(selection.folder, selection.has).rest():
        echo(_shown(selection, step, line))


def _follow(selection: LogSelection, sleep: Callable[[float], None] = time.sleep) -> None:
    """Prints lines until the run has ended. Ctrl-C ends it, and not the run."""
    from mlci.runs.watch import POLL_S, LogFollower

    selection.check(_steps(selection.folder))
    follower = LogFollower(selection.folder, selection.has)
    try:
        while True:
            is_running = selection.folder.is_running()  # asked first, so that nothing comes after the last look
            for step, line in follower.new_lines() if is_running else follower.rest():
                echo(_shown(selection, step, line))
            if not is_running or _is_lost():
                return
            sleep(POLL_S)
    except KeyboardInterrupt:
        return


def _is_lost() -> bool:
    """Returns True if nobody reads standard output any more."""
    from mlci.cli.streams import LossTolerantFile

    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return isinstance(raw, LossTolerantFile) and raw.error is not None


def _shown(selection: LogSelection, step: str, line: str) -> str:
    return line if step == selection.step else f"{step} | {line}"
