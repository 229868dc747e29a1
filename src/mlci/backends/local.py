"""The local backend: an adapter to the embedded emulator, with jobs as subprocesses and a directory as the store.

Only this module translates between mlci's types and the emulator's. The emulator is imported when it is used.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlci.backends.emulator_jobs import job_python, job_pythons, job_settings
from mlci.backends.events import Event
from mlci.backends.function_handlers import FUNCTION_LOG_PREFIX, check_handlers, function_handlers
from mlci.backends.glue_jobs import check_glue
from mlci.backends.local_checks import check_jobs
from mlci.backends.local_errors import translate_emulator_errors
from mlci.backends.local_images import LocalImages
from mlci.backends.local_location import LOCATION, REGISTRY
from mlci.backends.progress import ExpectedEnd
from mlci.backends.project_python import ProjectPython, python_of_flow
from mlci.backends.protocol import (
    BackendOptions,
    Change,
    ExecutionArn,
    GateAnswer,
    Location,
    ObjectCopy,
    Outcome,
    RegistryApi,
    RunningExecution,
    StoredObjects,
    TaggedObject,
    VersionArn,
    WarmPoolUse,
)
from mlci.backends.secrets import check_values, job_variables
from mlci.backends.stop_signal import StopSignal
from mlci.backends.thread_shares import thread_shares, thread_variables
from mlci.errors import CloudError
from mlci.flow.names import written_name
from mlci.plan.models import Plan, PlannedImage, Upload
from mlci.plan.names import JobSteps, Names
from mlci.s3_uris import split_s3_uri
from mlci.stage.cache import NO_CACHE, Cache
from mlci.stage.file_hashes import FileHashes
from mlci.stage.repository import find_repository
from mlci_dataclasses import dataclass
from mlci_emulator.identity import BUCKET

if TYPE_CHECKING:
    import mlci_asl as asl
    from mlci.backends.container_runtime import ContainerRuntime
    from mlci.backends.local_uploads import LocalUploads
    from mlci_emulator.embedded import EmbeddedEmulator
    from mlci_emulator.jobs.container_runtime import ContainerRuntime as EmulatorRuntime
    from mlci_emulator.jobs.job import JobSettings as JobSettings
    from mlci_emulator.services.lambda_functions import FunctionCode
    from mlci_emulator.store.directory import DirectoryStore
    from mlci_emulator.task_results import TaskResults

_POLL_S = 0.1
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
        results = _task_results(options.home)
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


@dataclass
class LocalCloud:
    """The cloud of one run. `start` starts the emulator, which a run that reuses every step does without.

    `published` maps each version to its machine; `announce` says what jobs run with.

    `environment` has the values of secrets. `thread_shares` has the cores that a job of each step gets, where jobs run
    beside each other; `check` fills it.
    `planned` gets the run's plan when it is checked. `check_pythons` raises InputError where a Python lacks a package,
    and `describe_software` returns what the project's Python holds. `hashes` are those of the store's objects. `images`
    are those that its jobs run in. `cores` are those that jobs of the build share, and `log`
    takes messages. `cache` knows what was checked before.
    """

    store: DirectoryStore
    start: Callable[[], EmbeddedEmulator]
    hashes: FileHashes
    announce: Callable[[], None] = lambda: None
    environment: Mapping[str, str] = field(default_factory=dict)
    planned: list[Plan] = field(default_factory=list)
    name: str = "local"
    role: str = ""
    published: dict[VersionArn, asl.Machine] = field(default_factory=dict)
    thread_shares: dict[str, int] = field(default_factory=dict)
    check_pythons: Callable[[Plan], None] = lambda planned: None
    images: LocalImages | None = None
    describe_software: Callable[[], Mapping[str, str]] = dict
    cores: int = 1
    log: Callable[[str], None] = lambda text: None
    cache: Cache = NO_CACHE

    @functools.cached_property
    def emulator(self) -> EmbeddedEmulator:
        return self.start()

    def check(self, planned: Plan) -> None:
        runs_in_image = self.images.of(planned) if self.images else lambda image: False
        check_jobs(planned, self._problem_of_instances, runs_in_image, self.cache)
        check_glue(planned)
        check_handlers(planned.flow, find_repository(Path(planned.flow.file)).base)
        self.thread_shares.update(thread_shares(planned))
        check_values(planned, self.environment)
        self.check_pythons(planned)
        if self.images is not None:
            self.images.check(planned)
        self.planned.append(planned)

    def software(self) -> Mapping[str, str]:
        return self.describe_software()

    def _problem_of_instances(self, count: int) -> str:
        if count == 1:
            return ""
        with translate_emulator_errors():
            return self.emulator.jobs.problem(count)

    def read(self, uri: str, max_bytes: int | None = None) -> bytes | None:
        return _read(self.store, uri, max_bytes)

    def write(self, uri: str, data: bytes, content_type: str | None = None) -> None:
        with translate_emulator_errors():
            self.store.put_bytes(data, uri)

    def is_empty(self, prefix: str) -> bool:
        with translate_emulator_errors():
            return next(iter(self.store.list(prefix)), None) is None

    def list(self, prefix: str, most: int | None = None) -> Sequence[str]:
        with translate_emulator_errors():
            return tuple(itertools.islice(self.store.list(prefix), most))

    def versions(
        self, prefix: str, most: int | None = None, has_any_owner: bool = False
    ) -> Mapping[str, tuple[int, str]]:
        from mlci_emulator.store.directory import NoSuchKey

        found: dict[str, tuple[int, str]] = {}
        bucket, start = split_s3_uri(prefix)
        with translate_emulator_errors(), self.store.batch() as objects:
            for key, status in itertools.islice(self.store.walk(bucket, start), most):
                uri = f"s3://{bucket}/{key}"
                if (known := self.hashes.known(uri, status)) is not None:
                    found[uri] = (status.st_size, known)
                    continue
                with contextlib.suppress(NoSuchKey), objects.open(uri) as stream:  # removed meanwhile
                    digest, size = self.hashes.of(uri, stream)
                    found[uri] = (size, digest)
        return found

    def read_tagged(self, uri: str) -> TaggedObject | None:
        data = self.read(uri)
        return None if data is None else TaggedObject(data, hashlib.sha256(data).hexdigest())

    def replace(self, uri: str, data: bytes, tag: str | None) -> bool:
        def is_unchanged(current: bytes | None) -> bool:
            return (None if current is None else hashlib.sha256(current).hexdigest()) == tag

        with translate_emulator_errors():
            return self.store.replace_bytes(data, uri, is_unchanged)

    def copy(self, copies: Sequence[ObjectCopy], on_bytes: Callable[[int], None]) -> None:
        for copy in copies:
            if self.versions(copy.source, 1).get(copy.source) != (copy.size_bytes, copy.tag):
                raise CloudError(f"{copy.source} changed while it was copied.")
            with translate_emulator_errors():
                self.store.copy(copy.source, copy.target)
            on_bytes(copy.size_bytes)

    def missing(self, uploads: Iterable[Upload]) -> Sequence[Upload]:
        with translate_emulator_errors():
            found = self._uploads.compare(uploads).missing
        self.hashes.save()
        return found

    def upload(self, uploads: Iterable[Upload], stop: StopSignal) -> int:
        self.store.create_bucket(BUCKET)  # tasks of the state machine may write what nobody uploads
        with translate_emulator_errors():
            difference = self._uploads.compare(uploads)
            self._uploads.remove(difference.others)
            self._uploads.store_all(difference.missing, stop)
        self.hashes.save()
        return len(difference.missing)

    @property
    def _uploads(self) -> LocalUploads:
        from mlci.backends.local_uploads import LocalUploads  # late: a run with nothing due uploads nothing

        return LocalUploads(self.store, self.hashes, self.log)

    def publish_images(self, images: Iterable[PlannedImage], stop: StopSignal) -> Mapping[str, str]:
        if self.images is not None:
            self.images.publish(images, stop)
        return {}

    def published_images(self, images: Iterable[PlannedImage]) -> Mapping[str, str]:
        return {}  # on this machine, an image is known by its name

    def change(self, flow: str, definition: str) -> Change:
        return Change("none kept", Names(flow).machine)

    def publish(self, flow: str, definition: str) -> VersionArn:
        """Loads the definition for `run`.

        Raises: InputError, for a definition that Step Functions would reject, or an isolation that does not work here.
        """
        from mlci_emulator.embedded import state_machine_arn

        with translate_emulator_errors():
            machine = self.emulator.load(definition)
            self.announce()
            self.emulator.jobs.check_isolation()
        digest = hashlib.sha256(definition.encode()).hexdigest()[:12]
        version = VersionArn(f"{state_machine_arn(Names(flow).machine)}:{digest}")
        self.published[version] = machine
        return version

    def running(self, flow: str) -> Iterable[RunningExecution]:
        return ()  # a local execution lives and ends with its own process

    def endpoint_urls(self) -> Mapping[str, str]:
        return self.emulator.endpoint_urls()

    def warm_pools(self, flow: str, jobs: Collection[str]) -> Mapping[str, WarmPoolUse]:
        return {}  # jobs are processes, and no machines are kept

    def step_seconds(self, flow: str, steps: Collection[str]) -> Mapping[str, float]:
        return {}  # the runs' own folders have them

    def run(
        self,
        version: VersionArn,
        execution: str,
        execution_input: str,
        on_event: Callable[[Event], None],
        stop: StopSignal,
        ends: Callable[[], Sequence[ExpectedEnd] | None] = lambda: None,
        judge: Callable[[], GateAnswer] | None = None,
    ) -> Outcome:
        from mlci_emulator.embedded import execution_arn

        machine_name = version.split(":")[6]
        machine = self.published[version]
        names = (machine_name, execution)
        with self._following(on_event, stop, judge) as handle:
            outcome = execute(self.emulator, machine, execution_input, names, handle, stop)
        arn = ExecutionArn(execution_arn(machine_name, execution))
        return Outcome(arn, outcome.status, outcome.error or "", outcome.cause or "")

    @contextmanager
    def _following(
        self, on_event: Callable[[Event], None], stop: StopSignal, judge: Callable[[], GateAnswer] | None
    ) -> Iterator[Callable[[Event], None]]:
        """Yields a handler of the run's events, by which the build does the tasks that are its own."""
        results = self.emulator.results
        has_jobs = bool(self.planned and self.planned[-1].flow.build_steps)
        if results is None or not (has_jobs or judge):
            yield on_event
            return
        from mlci.backends.build_tasks import BuildTasks

        tasks = BuildTasks(self.read, results, self.log, None, judge, self.cores)
        with contextlib.ExitStack() as stack:
            if has_jobs:
                from mlci.backends.build_jobs import jobs_without_images, run_job

                jobs = stack.enter_context(jobs_without_images(self.emulator.jobs))
                tasks.run_job = lambda job, stop: run_job(jobs, job, jobs.log(job.job), stop)
            yield stack.enter_context(tasks.following(on_event, stop))


def execute(
    emulator: EmbeddedEmulator,
    machine: asl.Machine,
    execution_input: str,
    names: tuple[str, str],
    on_event: Callable[[Event], None],
    stop: StopSignal,
) -> asl.Outcome:
    """Runs a machine to its end, with mlci's events and stop signal. `names` are the machine's and the execution's."""
    import mlci_asl as asl

    signal = asl.StopSignal()
    unsubscribe = stop.subscribe(lambda: signal.set(stop.error, stop.cause))
    try:
        return emulator.execute(machine, execution_input, *names, lambda event: on_event(_event(event)), signal)
    finally:
        unsubscribe()


@dataclass(frozen=True)
class LocalDecisions:
    """The waiting tasks of local runs, which are other processes. `home` is the folder `.mlci`.

    `is_running` tells whether the process of a run is alive.
    """

    home: Path
    is_running: Callable[[str], bool]
    sleep: Callable[[float], None] = time.sleep

    def list(self, prefix: str) -> Sequence[str]:
        with translate_emulator_errors():
            return tuple(self._store.list(prefix))

    def read(self, uri: str, max_bytes: int | None = None) -> bytes | None:
        return _read(self._store, uri, max_bytes)

    def send(self, run_id: str, token: str, output: str) -> bool:
        """Completes a waiting task by its token; returns False if it does not wait any more."""
        from mlci_emulator.task_results import TaskNotWaiting, send_task_success

        try:
            is_taken = send_task_success(_results_folder(self.home, run_id), token, output)
        except TaskNotWaiting:
            return False
        while not is_taken():
            if not self.is_running(run_id):
                return is_taken()
            self.sleep(_POLL_S)
        return True

    @property
    def _store(self) -> DirectoryStore:
        from mlci_emulator.store.directory import DirectoryStore

        return DirectoryStore(self.home / "store")


def _task_results(home: Path) -> TaskResults:
    from mlci_emulator.task_results import TaskResults

    return TaskResults(lambda execution: _results_folder(home, execution))


def _results_folder(home: Path, run_id: str) -> Path:
    """Returns the folder through which other processes complete a run's tasks."""
    return home / "runs" / run_id / "decisions"


def _read(store: DirectoryStore, uri: str, max_bytes: int | None) -> bytes | None:
    from mlci_emulator.store.directory import NoSuchKey

    with translate_emulator_errors():
        try:
            with store.open(uri) as stream:
                return stream.read(-1 if max_bytes is None else max_bytes)
        except NoSuchKey:
            return None


def _event(event: asl.Event) -> Event:
    return Event(event.id, event.previous_id, event.timestamp, event.type, event.details)


@contextmanager
def open_local(
    store: Path,
    settings: Callable[[], JobSettings],
    log: Callable[[str], None] = lambda text: None,
    functions: Iterable[FunctionCode] = (),
    registry: Path | None = None,
    cache: Path | None = None,
    results: TaskResults | None = None,
) -> Iterator[LocalCloud]:
    """Yields a local cloud on a store's folder, and a model registry in a file. Leaving it stops its jobs.

    The emulator, for which `settings` are made, is started when it is used. The hashes of objects are remembered in the
    cache folder.
    """
    from mlci_emulator.store.directory import DirectoryStore

    with contextlib.ExitStack() as stack:

        def start() -> EmbeddedEmulator:
            from mlci_emulator.embedded import open_emulator

            return stack.enter_context(
                open_emulator(store, settings(), log, functions, registry=registry, results=results)
            )

        hashes = FileHashes(Cache(cache), store.resolve())
        stack.callback(hashes.save)
        yield LocalCloud(DirectoryStore(store), start, hashes, log=log, cache=Cache(cache))


def emulator_runtime(runtime: ContainerRuntime | None) -> EmulatorRuntime | None:
    """Returns a container runtime as the emulator's jobs take it."""
    from mlci_emulator.jobs.container_runtime import ContainerRuntime as EmulatorRuntime

    return EmulatorRuntime(runtime.name, runtime.program, runtime.environment) if runtime else None
