"""The emulator in the caller's process, without a server: one execution at a time, its jobs, and a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import mlci_asl as asl
from mlci_dataclasses import dataclass
from mlci_emulator.errors import EmulatorError
from mlci_emulator.identity import ACCOUNT, REGION
from mlci_emulator.integrations import Integrations, MessageRecords
from mlci_emulator.integrations.resource_arns import ActivityArn, Integration, Pattern, parse_resource
from mlci_emulator.integrations.task_states import TaskState, task_states
from mlci_emulator.jobs.job import JobSettings
from mlci_emulator.jobs.runner import LocalJobs
from mlci_emulator.protocol.operations import LateService, Service
from mlci_emulator.services.own_executions import START, OwnExecutions, OwnMachine
from mlci_emulator.services.sagemaker import SageMaker
from mlci_emulator.store.directory import DirectoryStore
from mlci_emulator.task_results import TaskResults

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlci_emulator.server.loopback_s3 import LoopbackS3
    from mlci_emulator.services.glue import GlueService
    from mlci_emulator.services.lambda_functions import FunctionCode, LambdaService


_DESCRIBE = "arn:aws:states:::aws-sdk:sfn:describeExecution"


class InvalidDefinition(EmulatorError):
    """A definition is one that CreateStateMachine would reject, or that can't run here. `problems` holds them all."""

    def __init__(self, problems: Iterable[asl.Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True)
class EmbeddedEmulator:
    """A store, a job runner, and the handlers of Task states. `executions` runs the machines, whose tasks with a token
    need `results`."""

    store: DirectoryStore
    jobs: LocalJobs
    tasks: Integrations
    executions: OwnExecutions
    sagemaker: SageMaker
    results: TaskResults | None = None

    def endpoint_urls(self) -> dict[str, str]:
        """Returns the address of each endpoint that is in service, by its name."""
        return self.sagemaker.endpoint_urls()

    def load(self, definition: str) -> asl.Machine:
        """Returns the machine of a definition.

        Raises: InvalidDefinition.
        """
        machine = load_definition(definition)
        problems = [*self.tasks.problems(machine), *_need_step_functions(machine, self.results is not None)]
        if problems:
            raise InvalidDefinition(problems)
        return machine

    def execute(
        self,
        machine: asl.Machine,
        execution_input: str,
        machine_name: str,
        execution_name: str,
        on_event: Callable[[asl.Event], None],
        stop: asl.StopSignal,
    ) -> asl.Outcome:
        """Runs a machine to its end, in this thread. The executions that it starts go on until the context is left."""
        owner = OwnMachine(machine, state_machine_arn(machine_name))
        return self.executions.run(owner, execution_input, execution_name, on_event, stop)


@contextmanager
def open_emulator(
    store: Path,
    settings: JobSettings,
    log: Callable[[str], None] = lambda text: None,
    functions: Iterable[FunctionCode] = (),
    home: Path | None = None,
    registry: Path | None = None,
    results: TaskResults | None = None,
) -> Iterator[EmbeddedEmulator]:
    """Yields an emulator on a store's folder. Leaving the context stops its jobs.

    `home` is the folder where messages are recorded; with None they are dropped with the emulator. `registry` is
    the file that keeps the model registry, which is otherwise dropped, too. `results` takes the results of tasks that
    wait for a token; with None there can be no such tasks.
    """
    objects = DirectoryStore(store)
    with (
        LocalJobs(objects, settings, log) as jobs,
        _lambda_service(functions, settings) as lambdas,
        _glue_service(objects, settings) as glue,
    ):
        sagemaker = SageMaker(objects, jobs, None, registry=registry, report=log)
        try:
            s3 = LateService(lambda: _s3(objects))
            tasks = Integrations(s3, sagemaker, lambdas, MessageRecords(home), glue_jobs=glue)
            executions = OwnExecutions(tasks, results)
            yield EmbeddedEmulator(objects, jobs, tasks, executions, sagemaker, results)
            executions.finish()
        finally:
            sagemaker.close()


def load_definition(definition: str) -> asl.Machine:
    """Returns the machine of a definition. Does not check that its tasks can run here.

    Raises: InvalidDefinition.
    """
    try:
        return asl.load(definition)
    except asl.DefinitionError as error:
        raise InvalidDefinition(error.problems) from error


def state_machine_arn(name: str) -> str:
    return f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{name}"


def execution_arn(machine_name: str, name: str) -> str:
    return f"arn:aws:states:{REGION}:{ACCOUNT}:execution:{machine_name}:{name}"


def _need_step_functions(machine: asl.Machine, takes_results: bool) -> Iterator[asl.Problem]:
    """Yields a problem for each task that needs other machines, workers or callbacks: there are none here."""
    for task in task_states(machine.definition):
        resource = parse_resource(task.resource)
        is_own = isinstance(resource, Integration) and resource.service in ("states", "sfn") and not _is_own(task)
        waits = isinstance(resource, Integration) and resource.pattern is Pattern.TOKEN and not takes_results
        if is_own or waits or isinstance(resource, ActivityArn):
            what = f"the resource {task.resource} needs Step Functions itself: run the machine in `mlci serve`."
            yield asl.Problem(f"{task.path}/Resource", what)


def _is_own(task: TaskState) -> bool:
    """Returns True for a task on executions of this machine: it can know their ARNs at run time only."""
    parameters = task.state.get("Parameters", {})
    return (task.resource == START and "StateMachineArn.$" in parameters) or task.resource == _DESCRIBE


def _s3(objects: DirectoryStore) -> Service:
    from mlci_emulator.services.s3.service import S3

    return S3(objects, None)


@contextmanager
def _lambda_service(functions: Iterable[FunctionCode], settings: JobSettings) -> Iterator[LambdaService | None]:
    """Yields the service that invokes these functions; None if there are none, so that a run starts sooner."""
    codes = list(functions)
    if not codes:
        yield None
        return
    from mlci_emulator.services.lambda_functions import FunctionFiles, FunctionInvoker, LambdaService

    lambdas = FunctionInvoker(settings.work, lambda name: settings.logs(f"lambda-{name}"), settings.environment)
    service = LambdaService(FunctionFiles(codes), lambdas)
    try:
        yield service
    finally:
        service.close()


@contextmanager
def _glue_service(objects: DirectoryStore, settings: JobSettings) -> Iterator[GlueService]:
    """Yields Glue. Its scripts reach the store by an endpoint on loopback, which is started for the first of them."""
    from mlci_emulator.services.glue import GlueService

    endpoints: list[LoopbackS3] = []

    def exports() -> Mapping[str, str]:
        from mlci_emulator.server.loopback_s3 import LoopbackS3  # late: most runs need no endpoint

        if not endpoints:
            endpoints.append(LoopbackS3(_s3(objects)))
        return endpoints[0].exports()

    service = GlueService(objects, settings, exports)
    try:
        yield service
    finally:
        service.close()
        for endpoint in endpoints:
            endpoint.close()
