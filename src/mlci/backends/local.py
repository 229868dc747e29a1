"""The local cloud: the state machine in process, jobs as subprocesses, a directory as the store. Nothing to start."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import mlci_asl as asl
from mlci.backends.protocol import Change, ExecutionArn, Live, Outcome, VersionArn
from mlci.errors import CloudError, InputError, Problem
from mlci.flow.models import Json, StepType
from mlci.plan.models import Plan, Upload
from mlci.plan.names import Names
from mlci.stage.archive import source_archive
from mlci.stage.models import StagedFile
from mlci_emulator.errors import ConfigurationError, EmulatorError
from mlci_emulator.identity import ACCOUNT, REGION, WORKFLOW_ROLE
from mlci_emulator.integrations import Integrations, Records
from mlci_emulator.integrations.resource_arns import ActivityArn, Integration, Pattern, read
from mlci_emulator.integrations.task_states import tasks as written_tasks
from mlci_emulator.jobs import requests
from mlci_emulator.jobs.job import JobSettings
from mlci_emulator.jobs.runner import LocalJobs
from mlci_emulator.protocol.operations import LateService, Service
from mlci_emulator.services.sagemaker import SageMaker
from mlci_emulator.store.directory import DirectoryStore, NoSuchKey

if TYPE_CHECKING:
    from mlci_emulator.services.lambda_functions import FunctionCode, LambdaService

_REQUESTS: dict[StepType, tuple[Callable[[dict[str, Json]], object], str]] = {
    "processing": (requests.processing, "ProcessingJobName"),
    "training": (requests.training, "TrainingJobName"),
}


@contextmanager
def translated() -> Iterator[None]:
    """Turns the emulator's errors into mlci's own.

    Raises: InputError, for a wrong option or setting; CloudError, for anything else that the emulator refused.
    """
    try:
        yield
    except ConfigurationError as error:
        raise InputError(error.what, error.hint) from error
    except EmulatorError as error:
        raise CloudError(error.what, hint=error.hint) from error


@dataclass
class LocalCloud:
    """One run's local cloud. `published` keeps what each version runs."""

    store: DirectoryStore
    jobs: LocalJobs
    tasks: Integrations
    name: Literal["local"] = "local"
    published: dict[VersionArn, asl.Machine] = field(default_factory=dict)

    def check(self, planned: Plan) -> None:
        check_jobs(planned)

    def read(self, uri: str, max_bytes: int | None = None) -> bytes | None:
        with translated():
            try:
                with self.store.open(uri) as stream:
                    return stream.read(-1 if max_bytes is None else max_bytes)
            except NoSuchKey:
                return None

    def write(self, uri: str, data: bytes) -> None:
        with translated():
            self.store.put_bytes(data, uri)

    def missing(self, uploads: Iterable[Upload]) -> list[Upload]:
        with translated():
            return [upload for upload in uploads if not self.store.exists(upload.uri)]

    def upload(self, uploads: Iterable[Upload], stop: asl.StopSignal) -> int:
        missing = self.missing(uploads)
        for upload in missing:
            if stop.is_set():
                break
            with translated():
                if upload.is_archive:
                    self.store.put_bytes(source_archive(upload.files), upload.uri)
                else:
                    self._put(upload.files[0], upload.uri)
        return len(missing)

    def _put(self, file: StagedFile, uri: str) -> None:
        if file.content is not None:
            self.store.put_bytes(file.content, uri)
        else:
            self.store.put_checked(file.source, uri, file.sha256)

    def change(self, flow: str, definition: str) -> Change:
        return Change("none kept", Names(flow).machine)

    def publish(self, flow: str, definition: str) -> VersionArn:
        """Keeps the definition for `run`.

        Raises: InputError, for a definition that Step Functions would refuse, or an isolation that does not work here.
        """
        loaded = machine(definition, self.tasks)
        with translated():
            self.jobs.mode()
        digest = hashlib.sha256(definition.encode()).hexdigest()[:12]
        version = VersionArn(f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{Names(flow).machine}:{digest}")
        self.published[version] = loaded
        return version

    def live(self, flow: str) -> Iterable[Live]:
        return ()  # a local execution lives and ends with its own process

    def run(
        self,
        version: VersionArn,
        execution: str,
        given: str,
        on_event: Callable[[asl.Event], None],
        stop: asl.StopSignal,
    ) -> Outcome:
        state_machine = version.rpartition(":")[0]
        name = state_machine.rpartition(":")[2]
        arn = ExecutionArn(f"arn:aws:states:{REGION}:{ACCOUNT}:execution:{name}:{execution}")
        ended = execute(self.published[version], given, arn, state_machine, self.tasks, on_event, stop)
        return Outcome(arn, ended.status, ended.error or "", ended.cause or "")


@contextmanager
def local_cloud(
    store: Path,
    settings: JobSettings,
    tell: Callable[[str], None] = lambda text: None,
    functions: Iterable[FunctionCode] = (),
    home: Path | None = None,
) -> Iterator[LocalCloud]:
    """A local cloud on a store's folder, with its job runner, which is closed at the end.

    `home` is where messages are recorded; None keeps them only as long as the cloud.
    """
    objects = DirectoryStore(store)
    with LocalJobs(objects, settings, tell) as jobs, _invoking(functions, settings) as service:
        sagemaker = SageMaker(objects, jobs, None)
        try:
            tasks = Integrations(LateService(lambda: _s3(objects)), sagemaker, service, Records(home))
            yield LocalCloud(objects, jobs, tasks)
        finally:
            sagemaker.close()


def _s3(objects: DirectoryStore) -> Service:
    from mlci_emulator.services.s3.service import S3

    return S3(objects, None)


@contextmanager
def _invoking(functions: Iterable[FunctionCode], settings: JobSettings) -> Iterator[LambdaService | None]:
    """What invokes these functions; None where there are none, as in each run of a flow, which then starts sooner."""
    codes = list(functions)
    if not codes:
        yield None
        return
    from mlci_emulator.services.lambda_functions import FunctionFiles, Lambdas, LambdaService

    lambdas = Lambdas(settings.work, lambda name: settings.logs(f"lambda-{name}"), settings.environment)
    service = LambdaService(FunctionFiles(codes), lambdas)
    try:
        yield service
    finally:
        service.close()


def check_jobs(planned: Plan) -> None:
    """Raises InputError where a request of the plan is one that SageMaker would refuse, or that can't run here."""
    problems = []
    for name, step in planned.steps.items():
        read, name_field = _REQUESTS[planned.flow.steps[name].uses]
        try:
            read({**step.request, name_field: f"{step.job}-0-0"})
        except (requests.MalformedRequest, requests.InvalidRequest, requests.UnsupportedRequest) as error:
            at = planned.flow.position("steps", name, "request")
            problems.append(Problem(at.file, at.line, at.column, f'step "{name}": {error}'))
    if problems:
        raise InputError(problems)


def machine(definition: str, tasks: Integrations, file: str = "definition") -> asl.Machine:
    """A definition, checked as CreateStateMachine would and for what can run here.

    Raises: InputError with every problem and its place in the definition.
    """
    try:
        loaded = asl.load(definition)
    except asl.DefinitionError as error:
        raise InputError(Problem(file, 0, 0, f"{at.place or '/'}: {at.what}") for at in error.problems) from error
    wrong = [*tasks.problems(loaded), *_needing_step_functions(loaded)]
    if wrong:
        raise InputError(Problem(file, 0, 0, f"{at.place}: {at.what}") for at in wrong)
    return loaded


def _needing_step_functions(loaded: asl.Machine) -> Iterator[asl.Problem]:
    """A problem for each task that needs other executions, workers or callbacks: one execution alone has none."""
    for task in written_tasks(loaded.definition):
        named = read(task.resource)
        is_own = isinstance(named, Integration) and named.service in ("states", "sfn")
        waits = isinstance(named, Integration) and named.pattern is Pattern.TOKEN
        if is_own or waits or isinstance(named, ActivityArn):
            what = f"the resource {task.resource} needs Step Functions itself: run the machine in `mlci serve`."
            yield asl.Problem(f"{task.place}/Resource", what)


def execute(
    loaded: asl.Machine,
    given: str,
    arn: str,
    state_machine: str,
    tasks: Integrations,
    on_event: Callable[[asl.Event], None],
    stop: asl.StopSignal,
) -> asl.Outcome:
    """Runs a machine to its end in this thread."""
    context = asl.Context(
        execution_arn=arn,
        execution_name=arn.rpartition(":")[2],
        role_arn=WORKFLOW_ROLE,
        started=datetime.now(timezone.utc),
        machine_arn=state_machine,
        machine_name=state_machine.rpartition(":")[2],
    )
    return asl.execute(loaded, given, context=context, handlers=tasks, stop=stop, on_event=on_event)
