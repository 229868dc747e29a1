"""Runs the script of a Glue job: a Python shell script, in a process of its own with the job's interpreter.

A script gets its arguments as `--name value`, and credentials, a region and an endpoint by which boto3 reaches the
store. When it ends or is stopped, or when mlci dies, its supervisor kills all of its processes, as for SageMaker's
jobs.

Source: https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-glue-arguments.html
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from mlci_dataclasses import dataclass
from mlci_emulator.identity import REGION
from mlci_emulator.jobs import failure_reason, log_files
from mlci_emulator.jobs.containers import base_environment, host_environment
from mlci_emulator.jobs.job import JobSettings
from mlci_emulator.jobs.process import EntryPointError, LaunchRequest, ProcessResult, StopSignal, Supervisors
from mlci_emulator.jobs.python_overlay import Interpreter, PythonUnavailable, overlay
from mlci_emulator.jobs.workspace import Workspace, remove_abandoned, workspace
from mlci_emulator.store.directory import DirectoryStore, NoSuchKey

RunState = Literal["SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT"]

#: What scripts import of Glue.
MODULES = Path(__file__).with_name("modules")
#: Arguments that are for Glue, and that it reads itself.
_FOR_GLUE = frozenset({"--additional-python-modules", "--python-modules-installer-option", "--job-language"})


@dataclass(frozen=True)
class ScriptRun:
    """A run of a job's script. `arguments` are by their names, which begin with two -."""

    job: str
    script: str
    arguments: Mapping[str, str]
    timeout_s: float
    region: str = REGION


@dataclass(frozen=True)
class RunResult:
    """The end of a run: its JobRunState, and its ErrorMessage."""

    state: RunState
    message: str = ""


class ScriptRunner:
    """Runs scripts, any number at once, each in the thread that calls.

    `exports` returns the variables by which boto3 reaches the store.
    """

    def __init__(self, store: DirectoryStore, settings: JobSettings, exports: Callable[[], Mapping[str, str]]) -> None:
        self._store, self._settings, self._exports = store, settings, exports
        self._host = host_environment(settings.environment)
        self._supervisors = Supervisors(self._host)
        self._has_swept = False

    def close(self) -> None:
        self._supervisors.close()

    def log(self, job: str) -> Path:
        """Return the log file of a job."""
        return self._settings.logs(job).absolute()

    def run(self, run: ScriptRun, stop: StopSignal) -> RunResult:
        """Run a script to its end. When this returns, none of its processes is left."""
        if not self._has_swept:
            remove_abandoned(self._settings.work)
            self._has_swept = True
        log = self.log(run.job)
        start = log_files.append(log, "")
        with workspace(self._settings.work) as space:
            script = space.folder / "glue" / (run.script.rpartition("/")[2] or "script.py")
            script.parent.mkdir()
            try:
                with self._store.open(run.script) as source, script.open("wb") as target:
                    shutil.copyfileobj(source, target)
                launch = self._launch(run, script, log, space, stop)
                process = self._supervisors.run(launch, timeout_s=run.timeout_s, stop=stop)
            except NoSuchKey:
                return RunResult("FAILED", f"the script {run.script} does not exist")
            except (PythonUnavailable, EntryPointError) as error:
                return RunResult("FAILED", f"the script can't be started: {error}")
        return _result(process, log, start, run.timeout_s)

    def _launch(self, run: ScriptRun, script: Path, log: Path, space: Workspace, stop: StopSignal) -> LaunchRequest:
        settings = self._settings
        chosen = settings.pythons(run.job, log, stop) or Interpreter(settings.python)
        python = overlay(chosen, space.python, self._host)
        environment = {
            **settings.defaults(run.job),
            **base_environment(self._host, python, space.temporary),
            "AWS_DEFAULT_REGION": run.region,
            "PYTHONPATH": str(MODULES),
            **self._exports(),
            **settings.variables(run.job),
        }
        command = (python.executable, str(script), *_argv(run.arguments))
        return LaunchRequest(
            "paths", space.ml, space.stage, log, command, environment, str(script.parent), space.temporary
        )


def _argv(arguments: Mapping[str, str]) -> Iterator[str]:
    for name, value in arguments.items():
        if name not in _FOR_GLUE:
            yield from (name, value)


def _result(process: ProcessResult, log: Path, start: int, timeout_s: float) -> RunResult:
    match process.outcome:
        case "stopped":
            return RunResult("STOPPED")
        case "timed_out":
            return RunResult("TIMEOUT", f"it ran for more than {timeout_s / 60:g} minutes")
    if process.exit_code == 0:
        return RunResult("SUCCEEDED")
    last = failure_reason.last_lines(log, start).rpartition("\n")[2]
    return RunResult("FAILED", f"Command failed with exit code {process.exit_code}{f': {last}' if last else ''}")
