"""Create, Describe and Stop of processing, training and transform jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from mlci_emulator.errors import OperationError
from mlci_emulator.identity import ACCOUNT
from mlci_emulator.jobs import algorithms, log_files, requests
from mlci_emulator.jobs.job import JobContext, JobResult
from mlci_emulator.jobs.log_files import LogFile
from mlci_emulator.jobs.runner import LocalJobs
from mlci_emulator.protocol.operations import Request, Response
from mlci_emulator.services.sagemaker import errors, job_status, listing, metrics, tuning_listing, tuning_status
from mlci_emulator.services.sagemaker.job_status import KINDS, PROCESSING, TRAINING, TUNING, JobKind
from mlci_emulator.services.sagemaker.job_threads import JobThreads, RunningJob
from mlci_emulator.services.sagemaker.metrics import Metrics
from mlci_emulator.services.sagemaker.models import Models
from mlci_emulator.services.sagemaker.records import NameInUseError, Record, SageMakerRecords
from mlci_emulator.services.sagemaker.tags import put
from mlci_emulator.services.sagemaker.warm_pools import WarmPools
from mlci_emulator.services.timestamps import Clock
from mlci_emulator.store.directory import DirectoryStore

#: The failure reason of a job whose server ended without stopping it.
ABANDONED = "InternalServerError: the server that ran this job ended while it ran, and the job with it."


class Jobs:
    """The jobs of the service, running and ended."""

    def __init__(
        self,
        store: DirectoryStore,
        runner: LocalJobs,
        records: SageMakerRecords,
        models: Models,
        logs: Path | None,
        now: Clock,
        pools: WarmPools,
    ) -> None:
        self._store, self._runner, self._records, self._models = store, runner, records, models
        self._logs, self._now, self._pools = logs, now, pools
        self.running = JobThreads(records, now, self._keep_machines)

    def fail_abandoned(self) -> None:
        """Mark the jobs that another server left running as Failed: they ended with it."""
        kinds = {kind.kind: kind for kind in KINDS}
        marks = ", ".join("?" for _ in job_status.UNFINISHED)
        for record in self._records.select(f"kind LIKE '%-job' AND status IN ({marks})", job_status.UNFINISHED):
            record.status = job_status.IN_PROGRESS  # even if a stop was requested: nobody completed it
            job_status.finish(kinds[record.kind], record, JobResult("Failed", ABANDONED), self._now())
            self._keep_machines(record)
            self._records.save(record)

    def prepare(
        self, kind: JobKind, request: Request, region: str, parent: str = "", log: Path | None = None
    ) -> RunningJob:
        """Create the record of a job, and return the job, which the caller starts. `parent` is a trial's tuning job.

        Raises: ApiError
        """
        try:
            work = self._prepare_run(kind, request, region)
        except (requests.InvalidRequest, requests.UnsupportedRequest, requests.MalformedRequest) as error:
            raise errors.invalid(str(error)) from error
        name, now = request[kind.name], self._now()
        arn = f"arn:aws:sagemaker:{region}:{ACCOUNT}:{kind.kind}/{name}"
        log = log or self._log(kind, name, region)
        record = Record(kind.kind, region, name, arn, now, now, parent=parent, log=str(log))
        job_status.create(kind, record, dict(request))
        running = RunningJob(kind, record, work, self._metrics(kind, request, log), self._run)
        try:
            self.running.add(running)
        except NameInUseError as error:
            raise errors.job_name_in_use(arn) from error
        put(self._records, arn, request.get("Tags") or [])
        if kind is TRAINING and not parent:  # SageMaker alone decides about the machines of a tuning job's trials
            with running.lock:
                self._pools.start(record)
        return running

    def describe(self, kind: JobKind, name: str, region: str) -> Response:
        """Return the response of Describe….

        Raises: ApiError
        """
        record = self._records.get(kind.kind, region, name)
        if record is None:
            raise errors.job_not_found(kind, name)
        if kind is TUNING:
            return tuning_status.describe(record, self.trials(record), self._now())
        running = self.running.find(record.arn)
        values = running.metrics.values() if running is not None else []
        record = self._pools.described(record) if kind is TRAINING else record
        return {**record.body, **({"FinalMetricDataList": values} if values else {})}

    def list_training_jobs(self, request: Request, region: str) -> Response:
        """Return the response of ListTrainingJobs."""
        self._pools.end_expired(region)
        return listing.page(self._records, "ListTrainingJobs", request, region)

    def stop(self, kind: JobKind, name: str, region: str) -> Response:
        """Stop a job, and return the empty response of Stop….

        Raises: ApiError
        """
        record = self._records.get(kind.kind, region, name)
        if record is None:
            raise errors.job_to_stop_not_found(kind, name)
        running = self.running.find(record.arn)
        if running is None or not self.running.stop(running, saves_model=True):
            record = self._records.get(kind.kind, region, name) or record
            raise errors.not_running(kind, record.status)
        return {}

    def trials(self, tuning: Record) -> list[Record]:
        """Return the trials of a tuning job, in their order."""
        return self._records.select(
            "kind = ? AND region = ? AND parent = ?", [TRAINING.kind, tuning.region, tuning.name], "name"
        )

    def list_tuning_jobs(self, request: Request, region: str) -> Response:
        """Return the response of ListHyperParameterTuningJobs."""
        return listing.page(
            self._records,
            "ListHyperParameterTuningJobs",
            request,
            region,
            lambda record: tuning_status.listed(record, self.trials(record)),
        )

    def list_trials(self, request: Request, region: str) -> Response:
        """Return the response of ListTrainingJobsForHyperParameterTuningJob, all on one page.

        Raises: ApiError
        """
        tuning = self._records.get(TUNING.kind, region, request[TUNING.name])
        if tuning is None:
            raise errors.job_not_found(TUNING, request[TUNING.name])
        return tuning_listing.page(tuning, self.trials(tuning), request)

    def prepare_trial(self, request: Request, region: str, parent: Record, log: Path | None) -> RunningJob:
        """Create the record of a tuning job's trial, which names that job.

        Raises: ApiError
        """
        trial = self.prepare(TRAINING, request, region, parent.name, log)
        trial.record.body["TuningJobArn"] = parent.arn
        return trial

    def start(self, job: RunningJob) -> None:
        self.running.start(job)

    def stop_trial(self, job: RunningJob) -> None:
        self.running.stop(job)

    def log_files(self) -> Iterator[LogFile]:
        """Yield the logs of all jobs and endpoints that have one."""
        groups: dict[str, str] = {kind.kind: f"/aws/sagemaker/{kind.noun}s" for kind in KINDS}
        for record in self._records.select("log <> ''", []):
            path = Path(record.log)
            if path.is_file() and record.kind != TUNING.kind:  # on SageMaker, the trials alone have logs
                group = groups.get(record.kind, f"/aws/sagemaker/Endpoints/{record.name}")
                instances = log_files.instance_logs(path)
                for host, file in (instances or {"algo-1": path}).items():
                    stream = f"{record.name}/{host}-{int(record.created.timestamp())}"
                    yield LogFile(group, stream, file, record.region)

    def _keep_machines(self, record: Record) -> None:
        if record.kind == TRAINING.kind and not record.parent:
            self._pools.finish(record)

    def _prepare_run(self, kind: JobKind, request: Request, region: str) -> Callable[[JobContext], JobResult]:
        parameters: Any = dict(request)
        if kind is PROCESSING:
            processing = requests.processing(parameters, self._runner.runs_in_image)
            self._require_instances(processing)
            return partial(self._runner.process, processing)
        if kind is TRAINING:
            job = requests.training(parameters, self._runner.runs_in_image)
            self._require_instances(job)
            problem = metrics.definition_problem(request["AlgorithmSpecification"].get("MetricDefinitions") or [])
            if problem:
                raise requests.InvalidRequest(problem)
            for channel in job.channels:
                self._require_input(channel.uri, region, request["RoleArn"])
            return partial(self._runner.train, job)
        if kind is TUNING:
            return self._prepare_tuning(parameters, region)
        # Imported late: a flow has no transform job, and must start fast.
        from mlci_emulator.jobs import transform_request

        model = self._models.find(request["ModelName"], region)
        batch = transform_request.transform(request, transform_request.model_files(self._models.container(model)))
        self._require_input(batch.source_uri, region, model.body.get("ExecutionRoleArn", ""))
        return partial(self._runner.transform, batch)

    def _require_instances(self, job: requests.ProcessingRequest | requests.TrainingRequest) -> None:
        problem = self._runner.problem(job.instance_count)
        if problem:
            raise requests.UnsupportedRequest(f'the job "{job.name}": {problem}')

    def _prepare_tuning(self, parameters: Any, region: str) -> Callable[[JobContext], JobResult]:
        from mlci_emulator.jobs.tuning_request import tuning  # imported late, as above
        from mlci_emulator.services.sagemaker import tuning_jobs

        request = tuning(parameters)
        trial = request.training_request(f"{request.name}-001-00000000", request.first_values)
        self._prepare_run(TRAINING, trial, region)  # it checks metrics and inputs
        return lambda context: tuning_jobs.start_trials(
            request, self._tuning_record(request.name, region), self, self._trial_log(context.log), context
        )

    def _tuning_record(self, name: str, region: str) -> Record:
        record = self._records.get(TUNING.kind, region, name)
        assert record is not None  # it was created before it was started
        return record

    def _trial_log(self, log: Path) -> Callable[[int], Path | None]:
        """Return the log of each trial of a tuning job with this log: a file in a folder beside it. A server has it
        where other training jobs have theirs."""
        return lambda number: log.with_name(f"{log.stem}.trials") / f"{number:03d}.log" if self._logs is None else None

    def _log(self, kind: JobKind, name: str, region: str) -> Path:
        if self._logs is None:
            return self._runner.log(name)
        return self._logs / f"{kind.noun}s" / region / f"{name}.log"

    def _require_input(self, uri: str, region: str, role: str) -> None:
        try:
            is_there = next(iter(self._store.list(uri)), None) is not None
        except OperationError as error:  # an invalid bucket name
            raise errors.invalid(str(error)) from error
        if not is_there:
            raise errors.input_not_found(uri, region, role)

    def _metrics(self, kind: JobKind, request: Request, log: Path) -> Metrics:
        if kind is not TRAINING:
            return Metrics([], log, self._now)
        algorithm = request["AlgorithmSpecification"]
        definitions = algorithm.get("MetricDefinitions") or algorithms.metric_definitions(algorithm["TrainingImage"])
        return Metrics(definitions, log, self._now)

    def _run(self, running: RunningJob) -> JobContext:
        record, log = running.record, Path(running.record.log)
        return JobContext(
            record.arn,
            log,
            running.signal,
            partial(self.running.advance, running),
            lambda: running.saves_model_on_stop,
            lambda host: None if self._logs is None else log_files.instance_log(log, host),
        )
