"""Runs one SageMaker job from its API request to what Describe… returns."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from mlci.cloud.local import processing, reasons, training
from mlci.cloud.local.containers import Container, host_environment
from mlci.cloud.local.isolation import CONTAINER, Isolation, Isolator, command_in, environment_in, linked
from mlci.cloud.local.names import ACCOUNT, REGION
from mlci.cloud.local.requests import ProcessingRequest, TrainingRequest
from mlci.cloud.local.store import DirectoryStore
from mlci.cloud.local.supervisor import Ended, Launch, Mode, Refused, Stop, Supervisors, Unstartable
from mlci.cloud.local.transfer import Interrupted, TransferFailed
from mlci.cloud.local.workspace import Workspace, sweep, workspace
from mlci.errors import CloudError

if TYPE_CHECKING:
    from typing_extensions import Self

    from mlci.asl import Json

Status = Literal["Completed", "Failed", "Stopped"]


class StopSignal(Stop, Protocol):
    """What is needed of `mlci.asl.StopSignal`."""

    def is_set(self) -> bool: ...

    def wait(self, timeout_s: float, /) -> bool: ...


@dataclass(frozen=True)
class Settings:
    """Where and how jobs run. `logs` gives a job's log file by its name, `environment` is the user's."""

    work: Path
    logs: Callable[[str], Path]
    python: str
    environment: Mapping[str, str]
    isolation: Isolation = "auto"
    region: str = REGION
    account: str = ACCOUNT


@dataclass(frozen=True)
class _Result:
    """What became of a job."""

    status: Status
    reason: str | None = None
    is_timed_out: bool = False
    exit_message: str | None = None
    model: str | None = None


class LocalJobs:
    """The job runner. Any number of jobs may run at once, each in the thread that calls."""

    def __init__(
        self, store: DirectoryStore, settings: Settings, tell: Callable[[str], None] = lambda text: None
    ) -> None:
        self._store, self._settings = store, settings
        self._host = host_environment(settings.environment)
        self._supervisors = Supervisors(self._host)
        self._supervisors.warm_up()
        self._isolator = Isolator(settings.isolation, settings.work, self._supervisors, tell)
        sweep(settings.work)

    def mode(self) -> Mode:
        """The isolation that jobs get here; finds it out when asked first.

        Raises:
            InputError: the one that was asked for does not work here.
        """
        return self._isolator.mode()

    def close(self) -> None:
        self._supervisors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def arn(self, kind: Literal["processing-job", "training-job"], name: str) -> str:
        return f"arn:aws:sagemaker:{self._settings.region}:{self._settings.account}:{kind}/{name}"

    def process(self, request: ProcessingRequest, stop: StopSignal) -> dict[str, Json]:
        """Run a processing job; what DescribeProcessingJob says of it afterwards."""
        arn, started = self.arn("processing-job", request.name), _now()

        def work(space: Workspace) -> _Result:
            processing.fill(request, arn, space, self._store, stop.is_set)
            container = processing.container(request, self._host, self._settings.python, space.temporary)
            ended, tail, advice = self._run(request.name, request.max_runtime_s, space, container, stop)
            message = processing.exit_message(space)
            if ended.how != "exited":
                return _stopped(ended, request.max_runtime_s, message)
            if ended.exit_code != 0:
                reason = processing_reason(ended.exit_code, message, tail, advice)
                return _Result("Failed", reason, exit_message=message)
            processing.keep(request, space, self._store)
            return _Result("Completed", exit_message=message)

        result, ended = self._result(work), _now()
        return {
            **{name: value for name, value in request.given.items() if name != "Tags"},
            "ProcessingJobArn": arn,
            "ProcessingJobStatus": result.status,
            **_optional(ExitMessage=result.exit_message, FailureReason=result.reason),
            "CreationTime": _text(started),
            "ProcessingStartTime": _text(started),
            "ProcessingEndTime": _text(ended),
            "LastModifiedTime": _text(ended),
        }

    def train(self, request: TrainingRequest, stop: StopSignal) -> dict[str, Json]:
        """Run a training job; what DescribeTrainingJob says of it afterwards."""
        arn, started = self.arn("training-job", request.name), _now()

        def work(space: Workspace) -> _Result:
            training.fill(request, space, self._store, stop.is_set)
            base = str(space.ml) if self.mode() == "paths" else CONTAINER
            container = training.container(request, arn, base, self._host, self._settings.python, space.temporary)
            remarks = training.remarks(space)
            ended, tail, advice = self._run(request.name, request.max_runtime_s, space, container, stop, remarks)
            if ended.how != "exited":
                return _stopped(ended, request.max_runtime_s)
            if ended.exit_code != 0:
                command, failure = " ".join(container.command), training.failure(space)
                return _Result("Failed", reasons.training(ended.exit_code, failure, tail, command, advice))
            return _Result("Completed", model=training.keep(request, space, self._store))

        result, ended = self._result(work), _now()
        seconds = max(0, round((ended - started).total_seconds()))
        model: dict[str, Json] = {"ModelArtifacts": {"S3ModelArtifacts": result.model}} if result.model else {}
        return {
            **{name: value for name, value in request.given.items() if name != "Tags"},
            "TrainingJobArn": arn,
            "TrainingJobStatus": result.status,
            "SecondaryStatus": "MaxRuntimeExceeded" if result.is_timed_out else result.status,
            **_optional(FailureReason=result.reason),
            **model,
            "CreationTime": _text(started),
            "TrainingStartTime": _text(started),
            "TrainingEndTime": _text(ended),
            "LastModifiedTime": _text(ended),
            "TrainingTimeInSeconds": seconds,
            "BillableTimeInSeconds": 0,
        }

    def _result(self, work: Callable[[Workspace], _Result]) -> _Result:
        try:
            with workspace(self._settings.work) as space:
                return work(space)
        except Interrupted:
            return _Result("Stopped")
        except TransferFailed as error:
            return _Result("Failed", str(error)[: reasons.LIMIT])
        except Unstartable as error:
            return _Result("Failed", f"ClientError: the entry point can't be started: {error}"[: reasons.LIMIT])

    def _run(
        self,
        name: str,
        max_runtime_s: int,
        space: Workspace,
        container: Container,
        stop: StopSignal,
        remarks: str = "",
    ) -> tuple[Ended, str, str]:
        """How it ended, its log's last lines, and what to do where the isolation made it fail."""
        mode = self.mode()
        log = self._settings.logs(name).absolute()
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as stream:
            stream.write(remarks.encode())
            start = stream.tell()
        with self._turn(mode, space, stop) as is_due:
            if not is_due or stop.is_set():
                raise Interrupted
            try:
                ended = self._supervisors.run(_launch(mode, space, log, container), timeout_s=max_runtime_s, stop=stop)
            except Refused as error:
                raise CloudError(f'the job "{name}" could not be set up: {error}') from error
        tail = reasons.last_lines(log, start)
        return ended, tail, reasons.hint(mode, tail)

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
    return reasons.processing(exit_code, message if message is not None else tail, advice)


def _stopped(ended: Ended, max_runtime_s: int, message: str | None = None) -> _Result:
    # SageMaker gives a stopped job no FailureReason; the text is that of its SecondaryStatusTransitions.
    if ended.how == "timed_out":
        reason = f"Job runtime exceeded MaxRuntimeInSeconds provided ({max_runtime_s})"
        return _Result("Stopped", reason, is_timed_out=True, exit_message=message)
    return _Result("Stopped", exit_message=message)


def _optional(**values: str | None) -> dict[str, Json]:
    return {name: value for name, value in values.items() if value is not None}


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), timezone.utc)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
