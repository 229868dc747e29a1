"""Runs one SageMaker job: fills its folder, runs its process, keeps what it made, and says how it ended."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from mlci_emulator.errors import OperationError
from mlci_emulator.jobs import failure_reason, processing, training
from mlci_emulator.jobs.containers import Container, host_environment
from mlci_emulator.jobs.isolation import CONTAINER, Isolation, Isolator, command_in, environment_in, linked
from mlci_emulator.jobs.process import Ended, Launch, Mode, Refused, Stop, Supervisors, Unstartable
from mlci_emulator.jobs.requests import ProcessingRequest, TrainingRequest
from mlci_emulator.jobs.transfer import Interrupted, TransferFailed
from mlci_emulator.jobs.workspace import Workspace, sweep, workspace
from mlci_emulator.store.directory import DirectoryStore

if TYPE_CHECKING:
    from typing_extensions import Self

    from mlci_emulator.jobs.transform import TransformRequest

Status = Literal["Completed", "Failed", "Stopped"]


class StopSignal(Stop, Protocol):
    """What is needed of `mlci_asl.StopSignal`."""

    def is_set(self) -> bool: ...

    def wait(self, timeout_s: float, /) -> bool: ...


@dataclass(frozen=True)
class Settings:
    """Where and how jobs run. `logs` gives a job's log file by its name, `environment` is the user's, of which jobs see
    little; `extra` is what each job sees besides."""

    work: Path
    logs: Callable[[str], Path]
    python: str
    environment: Mapping[str, str]
    isolation: Isolation = "auto"
    extra: Mapping[str, str] = field(default_factory=dict)


#: Where a job is. A processing or transform job shows none of it, and a training job all.
Phase = Literal["Downloading", "Training", "Uploading"]


@dataclass(frozen=True)
class Run:
    """What a job is run with. `watch` is told of each phase as it begins.

    `keeps` says whether a training job that was stopped is to keep the model that it has until then, as it does on
    SageMaker; where nobody waits for that, it costs time only.
    """

    arn: str
    log: Path
    stop: StopSignal
    watch: Callable[[Phase], None] = lambda phase: None
    keeps: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class Ending:
    """What became of a job. `reason` is there where it failed, and where its time was over."""

    status: Status
    reason: str | None = None
    is_timed_out: bool = False
    exit_message: str | None = None


class LocalJobs:
    """The job runner. Any number of jobs may run at once, each in the thread that calls."""

    def __init__(
        self, store: DirectoryStore, settings: Settings, tell: Callable[[str], None] = lambda text: None
    ) -> None:
        self._store, self._settings = store, settings
        self._host = {**host_environment(settings.environment), **settings.extra}
        self._supervisors = Supervisors(self._host)
        self._supervisors.warm_up()
        self._isolator = Isolator(settings.isolation, settings.work, self._supervisors, tell)
        sweep(settings.work)

    def mode(self) -> Mode:
        """The isolation that jobs get here; finds it out when asked first.

        Raises:
            ConfigurationError: the one that was asked for does not work here.
        """
        return self._isolator.mode()

    def close(self) -> None:
        self._supervisors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def log(self, name: str) -> Path:
        """Where the log of a job of this name goes if nobody says otherwise."""
        return self._settings.logs(name)

    def process(self, request: ProcessingRequest, run: Run) -> Ending:
        """Run a processing job to its end."""

        def work(space: Workspace) -> Ending:
            run.watch("Downloading")
            processing.fill(request, run.arn, space, self._store, run.stop.is_set)
            container = processing.container(request, self._host, self._settings.python, space.temporary)
            ended, tail, advice = self._run(run, request.max_runtime_s, space, container)
            message = processing.exit_message(space)
            if ended.how != "exited":
                return _stopped(ended, request.max_runtime_s, message)
            if ended.exit_code != 0:
                reason = processing_reason(ended.exit_code, message, tail, advice)
                return Ending("Failed", reason, exit_message=message)
            run.watch("Uploading")
            processing.keep(request, space, self._store)
            return Ending("Completed", exit_message=message)

        return self._ending(work)

    def train(self, request: TrainingRequest, run: Run) -> Ending:
        """Run a training job to its end."""

        def work(space: Workspace) -> Ending:
            run.watch("Downloading")
            training.fill(request, space, self._store, run.stop.is_set)
            base = str(space.ml) if self.mode() == "paths" else CONTAINER
            container = training.container(request, run.arn, base, self._host, self._settings.python, space.temporary)
            ended, tail, advice = self._run(run, request.max_runtime_s, space, container, training.remarks(space))
            if ended.how != "exited":
                stopped = _stopped(ended, request.max_runtime_s)
                keeps = stopped.is_timed_out or run.keeps()
                return self._with_model(stopped, request, run, space) if keeps else stopped
            if ended.exit_code != 0:
                command, failure = " ".join(container.command), training.failure(space)
                reason = failure_reason.training(ended.exit_code, failure, tail, command, advice)
                return self._with_model(Ending("Failed", reason), request, run, space)
            run.watch("Uploading")
            training.keep(request, space, self._store)
            return Ending("Completed")

        return self._ending(work)

    def transform(self, request: TransformRequest, run: Run) -> Ending:
        """Run a transform job to its end."""
        from mlci_emulator.jobs import transform  # a flow's run has none, and is to start soon

        def work(space: Workspace) -> Ending:
            run.watch("Downloading")
            order = transform.fill(request, space, self._store, run.stop.is_set)
            container = transform.container(request, order, self._host, self._settings.python, space.temporary)
            ended, tail, advice = self._run(run, request.max_runtime_s, space, container)
            if ended.how != "exited":
                return _stopped(ended, request.max_runtime_s)
            run.watch("Uploading")
            transform.keep(request, space, self._store)
            if ended.exit_code != 0:
                return Ending("Failed", transform.reason(ended.exit_code, space, tail, advice))
            return Ending("Completed")

        return self._ending(work)

    def invoke(self, request: TransformRequest, payload: bytes, run: Run) -> Ending | tuple[bytes, str]:
        """The answer of a model to one payload, and its type; how it ended where there is none."""
        from mlci_emulator.jobs import transform

        answers: list[tuple[bytes, str]] = []

        def work(space: Workspace) -> Ending:
            order = transform.fill(request, space, self._store, run.stop.is_set, payload)
            container = transform.container(request, order, self._host, self._settings.python, space.temporary)
            ended, tail, _ = self._run(run, request.max_runtime_s, space, container)
            answer = transform.answer(space)
            if ended.how == "exited" and answer is not None:
                answers.append(answer)
                return Ending("Completed")
            kind, text = transform.failure(space) or ("AlgorithmError", tail)
            return Ending("Failed" if ended.how == "exited" else "Stopped", f"{kind}: {text}")

        ending = self._ending(work)
        return answers[0] if answers else ending

    def _with_model(self, ending: Ending, request: TrainingRequest, run: Run, space: Workspace) -> Ending:
        """What a job that did not get to its end has made until then is kept as well.

        Source: https://github.com/aws/sagemaker-python-sdk/pull/746; API_StopTrainingJob.html
        """
        run.watch("Uploading")
        with contextlib.suppress(TransferFailed):  # it broke off amid its work, and has another reason to tell
            training.keep(request, space, self._store)
        return ending

    def _ending(self, work: Callable[[Workspace], Ending]) -> Ending:
        try:
            with workspace(self._settings.work) as space:
                return work(space)
        except Interrupted:
            return Ending("Stopped")
        except TransferFailed as error:
            return Ending("Failed", str(error)[: failure_reason.LIMIT])
        except Unstartable as error:
            return Ending("Failed", f"ClientError: the entry point can't be started: {error}"[: failure_reason.LIMIT])

    def _run(
        self, run: Run, max_runtime_s: int, space: Workspace, container: Container, remarks: str = ""
    ) -> tuple[Ended, str, str]:
        """How it ended, its log's last lines, and what to do where the isolation made it fail."""
        mode = self.mode()
        log, stop = run.log.absolute(), run.stop
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as stream:
            stream.write(remarks.encode())
            start = stream.tell()
        with self._turn(mode, space, stop) as is_due:
            if not is_due or stop.is_set():
                raise Interrupted
            run.watch("Training")
            try:
                ended = self._supervisors.run(_launch(mode, space, log, container), timeout_s=max_runtime_s, stop=stop)
            except Refused as error:
                raise OperationError(f"{run.arn} could not be set up: {error}") from error
        tail = failure_reason.last_lines(log, start)
        return ended, tail, failure_reason.hint(mode, tail)

    @contextlib.contextmanager
    def _turn(self, mode: Mode, space: Workspace, stop: StopSignal) -> Iterator[bool]:
        if mode != "link":
            yield True
            return
        with linked(space, stop.wait) as is_due:
            yield is_due


def _launch(mode: Mode, space: Workspace, log: Path, container: Container) -> Launch:
    command, environment, folder = container.command, dict(container.environment), container.working_folder
    if mode == "paths":
        command, environment = command_in(str(space.ml), command), environment_in(str(space.ml), environment)
        folder = command_in(str(space.ml), [folder])[0]
    return Launch(mode, space.ml, space.stage, log, command, environment, folder)


def processing_reason(exit_code: int, message: str | None, tail: str, advice: str) -> str:
    """A processing job's failure reason: what the script said of itself, or else its log's end."""
    return failure_reason.processing(exit_code, message if message is not None else tail, advice)


def _stopped(ended: Ended, max_runtime_s: int, message: str | None = None) -> Ending:
    # SageMaker gives a stopped job no FailureReason; the text is that of its SecondaryStatusTransitions.
    if ended.how == "timed_out":
        reason = f"Job runtime exceeded MaxRuntimeInSeconds provided ({max_runtime_s})"
        return Ending("Stopped", reason, is_timed_out=True, exit_message=message)
    return Ending("Stopped", exit_message=message)
