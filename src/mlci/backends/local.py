"""The local backend, before a run: what its jobs run with, and the local cloud that it opens.

The emulator is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlci.backends.emulator_jobs import job_python, job_pythons, job_settings
from mlci.backends.function_handlers import FUNCTION_LOG_PREFIX, function_handlers
from mlci.backends.local_cloud import LocalCloud, open_local
from mlci.backends.local_decisions import task_results
from mlci.backends.local_errors import translate_emulator_errors
from mlci.backends.local_images import LocalImages
from mlci.backends.local_location import LOCATION, REGISTRY
from mlci.backends.project_python import ProjectPython, python_of_flow
from mlci.backends.protocol import (
    BackendOptions,
    Location,
    RegistryApi,
    StoredObjects,
)
from mlci.backends.secrets import job_variables
from mlci.backends.thread_shares import thread_variables
from mlci.flow.names import written_name
from mlci.plan.models import Plan
from mlci.plan.names import JobSteps, Names
from mlci.stage.repository import find_repository
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.backends.container_runtime import ContainerRuntime
    from mlci_emulator.jobs.container_runtime import ContainerRuntime as EmulatorRuntime
    from mlci_emulator.jobs.job import JobSettings as JobSettings
    from mlci_emulator.services.lambda_functions import FunctionCode

#: Begins the name of an endpoint's log.
_ENDPOINT_LOG_PREFIX = "endpoint-"


@dataclass(frozen=True)
class LocalBackend:
    """The local backend, before a run."""

    options: BackendOptions

    @property
    def location(self) -> Location:
        return replace(LOCATION, cores=self.options.cores)

    @contextmanager
    def registry(self) -> Iterator[RegistryApi]:
        from mlci.backends.local_registry import open_local_registry

        with translate_emulator_errors(), open_local_registry(self.options.home) as registry:
            yield registry

    @contextmanager
    def stored(self) -> Iterator[StoredObjects]:
        from mlci.backends.local_objects import LocalObjects
        from mlci_emulator.store.directory import DirectoryStore

        with translate_emulator_errors():
            yield LocalObjects(DirectoryStore(self.options.home / "store"))

    @contextmanager
    def open(self, log_file: Callable[[str], Path], log: Callable[[str], None]) -> Iterator[LocalCloud]:
        options = self.options
        repository = find_repository(Path(options.flow.file))
        folders = (repository.base, repository.root)
        python = python_of_flow(options.flow, options.environment, folders, options.python)
        planned: list[Plan] = []
        log_file = self._log_files(log_file, planned)
        shares: dict[str, int] = {}
        step_log = lambda step: log_file(f"{planned[-1].steps[step].job}-0-0")  # noqa: E731
        images = LocalImages(options.isolation, options.environment, step_log, log)
        pythons = job_pythons(options, python, log)
        jobs = JobSteps(Names(options.flow.name), options.flow.steps)

        def step_of(job: str) -> str:
            return jobs.step_of(job)[1]

        def settings() -> JobSettings:
            work = options.home / "work"
            return replace(
                job_settings(work, log_file, python.executable, options.environment, options.isolation),
                variables=lambda job: job_variables(options.flow, step_of(job), options.environment),
                defaults=lambda job: thread_variables(shares.get(written_name(step_of(job)))),
                pythons=lambda job, *rest: (
                    job_python(pythons, planned[-1].steps[step_of(job)], *rest) if planned else None
                ),
                runtime=lambda: emulator_runtime(images.runtime),
                is_contained=images.is_contained,
            )

        functions = self._functions(repository.base, python.executable)
        store, registry = options.home / "store", options.home / REGISTRY
        results = task_results(options.home)
        with pythons, open_local(store, settings, log, functions, registry, options.cache, results) as cloud:
            announce = lambda: _announce(python, planned, log)  # noqa: E731
            cloud = replace(cloud, announce=announce, environment=options.environment)
            cloud = replace(cloud, planned=planned, thread_shares=shares, images=images, cores=options.cores, log=log)
            yield replace(cloud, check_pythons=pythons.check, describe_software=pythons.software)

    def _functions(self, base: Path, python: str) -> list[FunctionCode]:
        """Returns the Lambda functions of the flow's steps, as the emulator invokes them."""
        if not function_handlers(self.options.flow):
            return []
        from mlci_emulator.services.lambda_functions.function_code import FunctionCode

        return [
            FunctionCode(name, (base / each.file).parent, each.handler, python=python)
            for name, each in function_handlers(self.options.flow).items()
        ]

    def _log_files(self, log_file: Callable[[str], Path], planned: Sequence[Plan]) -> Callable[[str], Path]:
        """Returns the log file of a job, and of a Lambda function: that of the first step which calls it."""
        flow = self.options.flow
        handlers = function_handlers(flow)

        def path(name: str) -> Path:
            name = name.removeprefix(_ENDPOINT_LOG_PREFIX)
            handler = handlers.get(name.removeprefix(FUNCTION_LOG_PREFIX))
            if handler is None or not planned or not name.startswith(FUNCTION_LOG_PREFIX):
                return log_file(name)
            target = planned[-1].target
            job = Names(flow.name, target.is_protected).job(flow.steps[handler.step], target.run_id)
            return log_file(f"{job}-0-0")

        return path


def _announce(python: ProjectPython, planned: Sequence[Plan], log: Callable[[str], None]) -> None:
    """Says what the jobs run with, and what of the flow has no effect here."""
    from mlci.backends.unenforced_keys import unenforced_keys

    log(str(python))
    if planned and (sentence := unenforced_keys(planned[-1])):
        log(sentence)


def configure(options: BackendOptions) -> LocalBackend:
    return LocalBackend(options)


def emulator_runtime(runtime: ContainerRuntime | None) -> EmulatorRuntime | None:
    """Returns a container runtime as the emulator's jobs take it."""
    from mlci_emulator.jobs.container_runtime import ContainerRuntime as EmulatorRuntime

    return EmulatorRuntime(runtime.name, runtime.program, runtime.environment) if runtime else None
