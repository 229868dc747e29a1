"""SageMaker as a service: its operations by their names, and `run_to_end` for a state machine's `.sync` tasks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

from mlci_asl import StopSignal
from mlci_emulator.jobs.log_files import LogFile
from mlci_emulator.jobs.process import StopSignal as JobStop
from mlci_emulator.jobs.runner import LocalJobs
from mlci_emulator.protocol import sagemaker_validation
from mlci_emulator.protocol.operations import ApiError, Request, Response
from mlci_emulator.services.sagemaker import listing, tags
from mlci_emulator.services.sagemaker.job_status import KINDS, JobKind
from mlci_emulator.services.sagemaker.job_threads import RunningJob
from mlci_emulator.services.sagemaker.jobs import Jobs
from mlci_emulator.services.sagemaker.model_packages import ModelPackages
from mlci_emulator.services.sagemaker.models import Models
from mlci_emulator.services.sagemaker.records import SageMakerRecords
from mlci_emulator.services.timestamps import Clock, utc_now
from mlci_emulator.store.directory import DirectoryStore

#: How long `run_to_end` goes on waiting for a job that it was told to stop. The job ends within half a second unless
#: it is amid a copy that can't be interrupted; then it ends by itself, and starts nothing more.
LAST_WAIT_S = 0.9


def _now() -> datetime:
    """SageMaker's times have milliseconds."""
    now = utc_now()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class SageMaker:
    """The service. With `home` it keeps what it knows there; without, in memory only."""

    def __init__(self, store: DirectoryStore, jobs: LocalJobs, home: Path | None, now: Clock = _now) -> None:
        self._records = SageMakerRecords(home / "sagemaker.sqlite" if home is not None else None)
        logs = home / "logs" if home is not None else None
        self._models = Models(store, self._records, logs, now)
        self._packages = ModelPackages(self._records, now)
        self._runner, self._logs, self._is_closing = jobs, logs, StopSignal()
        self._jobs = Jobs(store, jobs, self._records, self._models, logs, now)
        self._kinds = {f"Create{kind.noun}": kind for kind in KINDS}
        self._operations = self._table()
        if home is not None:
            self._jobs.fail_abandoned()
            self._models.finish_deployments()

    @property
    def operations(self) -> frozenset[str]:
        """What it has; all else is refused."""
        return frozenset([*self._operations, "InvokeEndpoint"])

    def call(self, operation: str, request: Request, region: str) -> Response:
        """An operation's answer.

        Raises: ApiError
        """
        if operation == "InvokeEndpoint":  # of SageMaker's runtime, which has a model of its own
            return self._invoke(request, region)
        handler = self._operations.get(operation)
        if handler is None:
            raise ApiError("UnknownOperationException", f"the local cloud's SageMaker has no {operation}")
        sagemaker_validation.check(operation, request)
        return handler({name: value for name, value in request.items() if value is not None}, region)

    def run_to_end(
        self, operation: str, request: Request, region: str, stop: JobStop, submitted: Callable[[Response], None]
    ) -> Response:
        """Creates a job, calls `submitted` with the answer, and waits for its end; what Describe… says then.

        When `stop` is set, the job is stopped, and this returns within a second.

        Raises: ApiError, for a job that can't be created, and whatever `submitted` raises.
        """
        kind = self._kinds[operation]
        sagemaker_validation.check(operation, request)
        running = self._jobs.prepare(kind, request, region)
        try:
            submitted({kind.arn: running.record.arn})
        except BaseException:
            self._jobs.running.drop(running)
            raise
        self._run(running, stop)
        return self._jobs.describe(kind, running.record.name, region)

    def log_files(self) -> Iterator[LogFile]:
        """The logs of all jobs, as they are at this moment."""
        return self._jobs.log_files()

    def close(self) -> None:
        """Stops all jobs and invocations, and returns when nothing of the jobs is left."""
        self._is_closing.set()
        self._jobs.running.close()

    def _invoke(self, request: Request, region: str) -> Response:
        from mlci_emulator.services.sagemaker.runtime import (
            EndpointRuntime,  # a flow's run has none, and is to start soon
        )

        invocations = EndpointRuntime(self._runner, self._records, self._models, self._logs, self._is_closing)
        return invocations.invoke(request, region)

    def _run(self, running: RunningJob, stop: JobStop) -> None:
        turn = threading.Event()
        running.when_done(turn.set)

        def stopped() -> None:
            self._jobs.running.stop(running)
            turn.set()

        unsubscribe = stop.subscribe(stopped)  # before the start: one that is stopped by now starts no process
        try:
            self._jobs.running.start(running)
            turn.wait()
        finally:
            unsubscribe()
        running.done.wait(LAST_WAIT_S)

    def _create_job(self, kind: JobKind, request: Request, region: str) -> Response:
        running = self._jobs.prepare(kind, request, region)
        self._jobs.running.start(running)
        return {kind.arn: running.record.arn}

    def _table(self) -> dict[str, Callable[[Request, str], Response]]:
        models, packages = self._models, self._packages
        table: dict[str, Callable[[Request, str], Response]] = {
            "CreateModel": models.create_model,
            "DescribeModel": models.describe_model,
            "DeleteModel": models.delete_model,
            "CreateEndpointConfig": models.create_endpoint_config,
            "DescribeEndpointConfig": models.describe_endpoint_config,
            "DeleteEndpointConfig": models.delete_endpoint_config,
            "CreateEndpoint": models.create_endpoint,
            "UpdateEndpoint": models.update_endpoint,
            "DescribeEndpoint": models.describe_endpoint,
            "DeleteEndpoint": models.delete_endpoint,
            "CreateModelPackageGroup": packages.create_group,
            "DescribeModelPackageGroup": packages.describe_group,
            "DeleteModelPackageGroup": packages.delete_group,
            "CreateModelPackage": packages.create,
            "DescribeModelPackage": packages.describe,
            "BatchDescribeModelPackage": packages.describe_many,
            "UpdateModelPackage": packages.update,
            "DeleteModelPackage": packages.delete,
            "AddTags": lambda request, region: tags.add_tags(self._records, request),
            "ListTags": lambda request, region: tags.list_tags(self._records, request),
            "DeleteTags": lambda request, region: tags.delete_tags(self._records, request),
        }
        for kind in KINDS:
            table |= self._job_operations(kind)
        table |= {operation: partial(listing.page, self._records, operation) for operation in listing.LISTINGS}
        return table

    def _job_operations(self, kind: JobKind) -> dict[str, Callable[[Request, str], Response]]:
        return {
            f"Create{kind.noun}": partial(self._create_job, kind),
            f"Describe{kind.noun}": lambda request, region: self._jobs.describe(kind, request[kind.name], region),
            f"Stop{kind.noun}": lambda request, region: self._jobs.stop(kind, request[kind.name], region),
        }
