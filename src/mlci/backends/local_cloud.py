"""The cloud of a local run, an adapter to the embedded emulator: jobs are subprocesses, and a directory is the store.

It translates between mlci's types and the emulator's. The emulator is imported when it is used.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from mlci.backends.events import Event
from mlci.backends.function_handlers import check_handlers
from mlci.backends.glue_jobs import check_glue
from mlci.backends.local_checks import check_jobs
from mlci.backends.local_errors import translate_emulator_errors
from mlci.backends.local_images import LocalImages
from mlci.backends.local_objects import read_object
from mlci.backends.progress import ExpectedEnd
from mlci.backends.protocol import (
    Change,
    ExecutionArn,
    GateAnswer,
    ObjectCopy,
    Outcome,
    RunningExecution,
    TaggedObject,
    VersionArn,
    WarmPoolUse,
)
from mlci.backends.secrets import check_values
from mlci.backends.stop_signal import StopSignal
from mlci.backends.thread_shares import thread_shares
from mlci.errors import CloudError
from mlci.plan.models import Plan, PlannedImage, Upload
from mlci.plan.names import Names
from mlci.s3_uris import split_s3_uri
from mlci.stage.cache import NO_CACHE, Cache
from mlci.stage.file_hashes import FileHashes
from mlci.stage.repository import find_repository
from mlci_dataclasses import dataclass
from mlci_emulator.identity import BUCKET

if TYPE_CHECKING:
    import mlci_asl as asl
    from mlci.backends.local_uploads import LocalUploads
    from mlci_emulator.embedded import EmbeddedEmulator
    from mlci_emulator.jobs.job import JobSettings as JobSettings
    from mlci_emulator.services.lambda_functions import FunctionCode
    from mlci_emulator.store.directory import DirectoryStore
    from mlci_emulator.task_results import TaskResults


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
        return read_object(self.store, uri, max_bytes)

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


def _event(event: asl.Event) -> Event:
    return Event(event.id, event.previous_id, event.timestamp, event.type, event.details)
