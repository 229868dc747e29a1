"""Dispatches SageMaker's operations by name, and runs the jobs of a state machine's `.sync` tasks to their end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mlci_emulator.jobs.log_files import LogFile
from mlci_emulator.jobs.process import StopSignal as JobStop
from mlci_emulator.jobs.runner import LocalJobs
from mlci_emulator.protocol import sagemaker_validation
from mlci_emulator.protocol.operations import ApiError, Request, Response
from mlci_emulator.services.sagemaker import listing, tags
from mlci_emulator.services.sagemaker.job_status import KINDS, JobKind
from mlci_emulator.services.sagemaker.job_threads import RunningJob
from mlci_emulator.services.sagemaker.jobs import Jobs
from mlci_emulator.services.sagemaker.models import Models
from mlci_emulator.services.sagemaker.records import SageMakerRecords
from mlci_emulator.services.sagemaker.registry import ModelRegistry
from mlci_emulator.services.sagemaker.warm_pools import WarmPools
from mlci_emulator.services.timestamps import Clock, now_in_ms
from mlci_emulator.store.directory import DirectoryStore

if TYPE_CHECKING:
    from mlci_emulator.services.sagemaker.runtime import EndpointRuntime

#: The time that `run_to_end` waits for a job that it has stopped. The job ends within half a second, unless it copies
#: a file, which can't be interrupted; then it ends by itself afterwards, and starts nothing more.
LAST_WAIT_S = 0.9


class SageMaker:
    """SageMaker. `home` is the folder of its records and logs; None keeps the records in memory.

    `registry` is the file of the model registry's records, if they are apart from the others. `report` gets the address
    of each endpoint that comes into service. `warm_pool_quota` is the number of instances of each type that may wait in
    warm pools, None for any; AWS begins with 0.
    """

    def __init__(
        self,
        store: DirectoryStore,
        jobs: LocalJobs,
        home: Path | None,
        now: Clock = now_in_ms,
        registry: Path | None = None,
        report: Callable[[str], None] = lambda text: None,
        warm_pool_quota: int | None = 0,
    ) -> None:
        self._records = SageMakerRecords(home / "sagemaker.sqlite" if home is not None else None)
        self._packages = SageMakerRecords(registry) if registry is not None else self._records
        logs = home / "logs" if home is not None else None
        self._models = Models(store, self._records, logs, now, self._endpoint_runtime)
        self._registry = ModelRegistry(self._packages, now)
        self._runtime: EndpointRuntime | None = None
        self._runtime_lock = threading.Lock()

        def create_runtime() -> EndpointRuntime:
            from mlci_emulator.services.sagemaker.runtime import EndpointRuntime  # a run without one is to start soon

            return EndpointRuntime(jobs, store, self._records, self._models, logs, report)

        self._create_runtime = create_runtime
        self._runs_in_image = jobs.runs_in_image
        self._pools = WarmPools(self._records, now, warm_pool_quota)
        self._jobs = Jobs(store, jobs, self._records, self._models, logs, now, self._pools)
        self._kinds = {f"Create{kind.noun}": kind for kind in KINDS}
        self._operations = self._table()
        if home is not None:
            self._jobs.fail_abandoned()
            self._models.finish_deployments()

    def runs_in_image(self, image: str) -> bool:
        """Return True if a job on this image runs in it."""
        return self._runs_in_image(image)

    @property
    def operations(self) -> frozenset[str]:
        """The names of the operations that are implemented; all others are rejected."""
        return frozenset([*self._operations, "InvokeEndpoint"])

    def call(self, operation: str, request: Request, region: str) -> Response:
        """Return the response of an operation.

        Raises: ApiError
        """
        if operation == "InvokeEndpoint":  # SageMaker Runtime is a service with an API model of its own
            return self._endpoint_runtime().invoke(request, region)
        handler = self._operations.get(operation)
        if handler is None:
            raise ApiError("UnknownOperationException", f"the local cloud's SageMaker has no {operation}")
        sagemaker_validation.check(operation, request)
        return handler({name: value for name, value in request.items() if value is not None}, region)

    def run_to_end(
        self, operation: str, request: Request, region: str, stop: JobStop, submitted: Callable[[Response], None]
    ) -> Response:
        """Create a job, call `submitted` with the response, wait for the job's end, and return its description.

        When `stop` is set, the job is stopped, and this returns within a second.

        Raises: ApiError if the job can't be created, and any error that `submitted` raises.
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
        """Yield the current logs of all jobs and endpoints."""
        return self._jobs.log_files()

    def endpoint_urls(self) -> dict[str, str]:
        """Return the address of each endpoint that is served, by its name."""
        with self._runtime_lock:
            return self._runtime.urls() if self._runtime is not None else {}

    def close(self) -> None:
        """Stop all jobs and endpoints, and wait until no process of theirs is left."""
        with self._runtime_lock:
            runtime = self._runtime
        if runtime is not None:
            runtime.close()
        self._jobs.running.close()

    def _endpoint_runtime(self) -> EndpointRuntime:
        with self._runtime_lock:
            if self._runtime is None:
                self._runtime = self._create_runtime()
            return self._runtime

    def _run(self, running: RunningJob, stop: JobStop) -> None:
        turn = threading.Event()
        running.when_done(turn.set)

        def stopped() -> None:
            self._jobs.running.stop(running)
            turn.set()

        unsubscribe = stop.subscribe(stopped)  # before the start: a job that is stopped by now starts no process
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
        models = self._models
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
            "AddTags": lambda request, region: tags.add_tags(self._tagged(request), request),
            "ListTags": lambda request, region: tags.list_tags(self._tagged(request), request),
            "DeleteTags": lambda request, region: tags.delete_tags(self._tagged(request), request),
        }
        for kind in KINDS:
            table |= self._job_operations(kind)
        table |= {operation: partial(listing.page, self._records, operation) for operation in listing.LISTINGS}
        table["ListTrainingJobs"] = self._jobs.list_training_jobs
        table["UpdateTrainingJob"] = self._pools.update
        table["ListHyperParameterTuningJobs"] = self._jobs.list_tuning_jobs
        table["ListTrainingJobsForHyperParameterTuningJob"] = self._jobs.list_trials
        return table | self._registry.operations

    def _tagged(self, request: Request) -> SageMakerRecords:
        """Return the records of the resource whose tags a request is about."""
        return self._packages if ":model-package" in request["ResourceArn"] else self._records

    def _job_operations(self, kind: JobKind) -> dict[str, Callable[[Request, str], Response]]:
        return {
            f"Create{kind.noun}": partial(self._create_job, kind),
            f"Describe{kind.noun}": lambda request, region: self._jobs.describe(kind, request[kind.name], region),
            f"Stop{kind.noun}": lambda request, region: self._jobs.stop(kind, request[kind.name], region),
        }
