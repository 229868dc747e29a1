"""The settings of the emulator's job runner: the folders, the interpreters and the environment of jobs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mlci.backends.isolation import Isolation
from mlci.backends.job_pythons import JobPythons, PythonDescription
from mlci.backends.project_python import ProjectPython
from mlci.backends.protocol import BackendOptions
from mlci.backends.requirements_environments import FOLDER as ENVIRONMENTS
from mlci.backends.requirements_environments import (
    EnvironmentBase,
    EnvironmentFailed,
    EnvironmentStore,
    installer_environment,
)
from mlci.plan.models import PlannedStep

if TYPE_CHECKING:
    from mlci_emulator.jobs.job import JobSettings
    from mlci_emulator.jobs.process import StopSignal as JobStopSignal
    from mlci_emulator.jobs.python_overlay import Interpreter


def job_settings(
    work: Path, log_file: Callable[[str], Path], python: str, environment: Mapping[str, str], isolation: Isolation
) -> JobSettings:
    """The settings of jobs: their work folder, the log file of a job's name, their interpreter and environment."""
    from mlci_emulator.jobs.job import JobSettings

    return JobSettings(work.absolute(), log_file, python, environment=dict(environment), isolation=isolation)


def job_pythons(options: BackendOptions, python: ProjectPython, log: Callable[[str], None]) -> JobPythons:
    """Returns the chooser of the interpreters of jobs that run on this machine."""
    from mlci_emulator.jobs.containers import host_environment
    from mlci_emulator.jobs.python_overlay import make_environment, python_facts

    host = host_environment(options.environment)

    def describe(executable: str) -> PythonDescription | None:
        facts = python_facts(executable, host)
        return PythonDescription(facts.version, facts.sites) if facts else None

    def make(base: EnvironmentBase, folder: Path) -> Path:
        facts = python_facts(base.executable, host)
        if facts is None:
            raise EnvironmentFailed(f"{base.executable} does not answer: is it a Python?")
        return make_environment(facts, folder, base.sites)

    environments = EnvironmentStore(
        (options.cache or options.home) / ENVIRONMENTS,
        installer_environment(host, options.environment),
        make,
        log,
    )
    return JobPythons(python, environments, options.environment.get("PATH", os.defpath), describe, log)


def job_python(pythons: JobPythons, step: PlannedStep, log: Path, stop: JobStopSignal) -> Interpreter | None:
    """Returns the interpreter of a step's job; None for the project's.

    Raises: PythonUnavailable
    """
    from mlci_emulator.jobs.python_overlay import Interpreter, PythonUnavailable

    try:
        found = pythons.of(step, log, stop.is_set)
    except EnvironmentFailed as error:
        raise PythonUnavailable(str(error)) from error
    return Interpreter(found.executable, found.variables, found.folders) if found else None
