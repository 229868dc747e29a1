"""The aws backend: one run, from the check of its requests to the end of its last job."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mlci.backends.aws import console_urls, request_validation
from mlci.backends.aws.api_calls import Api, AwsError, Clock
from mlci.backends.aws.caller_identity import Identity
from mlci.backends.aws.cloudwatch_logs import Logs
from mlci.backends.aws.executions import Executions
from mlci.backends.aws.failure_reasons import EventExplainer
from mlci.backends.aws.follow_execution import BUILD_JOBS_LONGEST_S, ExecutionFollower
from mlci.backends.aws.job_logs import JobLogs
from mlci.backends.aws.poll_schedule import LONGEST_S
from mlci.backends.aws.s3_objects import Objects
from mlci.backends.aws.s3_uploads import S3Uploads, checksums_memory
from mlci.backends.aws.sagemaker_jobs import Job, Jobs
from mlci.backends.aws.session import Session
from mlci.backends.aws.state_machines import DesiredStateMachine, StateMachines, state_machine_tags
from mlci.backends.aws.stop_run import RunStopper
from mlci.backends.aws.trial_progress import TrialProgress
from mlci.backends.aws.warm_pools import warm_pool_uses
from mlci.backends.events import Event
from mlci.backends.progress import ExpectedEnd, initial_progress
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
from mlci.backends.secrets import check_readers
from mlci.backends.stop_signal import StopSignal
from mlci.compile.names import is_cleaner
from mlci.errors import CloudError
from mlci.plan.models import Plan, PlannedImage, Upload
from mlci.plan.names import Names
from mlci.step_types import jobs_of
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.backends.aws.image_publishing import ImagePublisher
    from mlci.backends.build_jobs import BuildJobs


@dataclass(frozen=True)
class AwsTarget:
    """The account, region and role of a run. `repository` is the flow's; `is_protected` selects the protected names."""

    identity: Identity
    region: str
    workflow_role: str
    repository: str | None = None
    log_group: str | None = None
    is_protected: bool = False

    def names(self, flow: str) -> Names:
        return Names(flow, self.is_protected)

    def machine(self, flow: str) -> str:
        return self.identity.state_machine(self.region, self.names(flow).machine)

    def execution(self, machine: str, run_id: str) -> ExecutionArn:
        return ExecutionArn(self.identity.execution(self.region, machine, run_id))


@dataclass(frozen=True)
class AwsCloud:
    """The backend of one run. `log_file` returns the local path of a job's log; `log` writes to the build log.

    `api` returns the client of a service, and `environment` is that of images' builds. `planned` gets the run's plan
    when it is checked. `build_jobs` runs the jobs of steps that run in the build; None if the flow has none. `cache` is
    the user's cache folder.
    """

    target: AwsTarget
    objects: Objects
    machines: StateMachines
    executions: Executions
    jobs: Jobs
    logs: Logs
    log_file: Callable[[str], Path]
    log: Callable[[str], None] = lambda text: None
    has_console: bool = True
    clock: Clock = field(default_factory=Clock)
    name: Literal["aws"] = "aws"
    api: Callable[[str], Api] = field(default=lambda service: Api(None), repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    planned: list[Plan] = field(default_factory=list, repr=False)
    build_jobs: BuildJobs | None = None
    cache: Path | None = None

    @property
    def role(self) -> str:
        return self.target.identity.role

    def check(self, planned: Plan) -> None:
        request_validation.check(planned, self.jobs.api.client.meta.service_model)
        check_readers(planned, self.target.is_protected)
        self.planned.append(planned)
        if self.build_jobs:
            self.build_jobs.use(planned)
        if planned.images:
            self._publisher().check(planned)

    def software(self) -> Mapping[str, str]:
        return self.build_jobs.software() if self.build_jobs else {}

    def read(self, uri: str, max_bytes: int | None = None) -> bytes | None:
        return self.objects.read(uri, max_bytes)

    def write(self, uri: str, data: bytes, content_type: str | None = None) -> None:
        self.objects.write(uri, data, **({"ContentType": content_type} if content_type else {}))

    def is_empty(self, prefix: str) -> bool:
        return self.objects.is_empty(prefix)

    def list(self, prefix: str, most: int | None = None) -> Sequence[str]:
        return self.objects.list(prefix, most)

    def versions(
        self, prefix: str, most: int | None = None, has_any_owner: bool = False
    ) -> Mapping[str, tuple[int, str]]:
        return self.objects.versions(prefix, most, has_any_owner)

    def read_tagged(self, uri: str) -> TaggedObject | None:
        return self.objects.read_tagged(uri)

    def replace(self, uri: str, data: bytes, tag: str | None) -> bool:
        return self.objects.replace(uri, data, tag)

    def copy(self, copies: Sequence[ObjectCopy], on_bytes: Callable[[int], None]) -> None:
        from mlci.backends.aws.object_copies import copy_objects

        copy_objects(self.objects.api, self.objects.owner, copies, on_bytes)

    def missing(self, uploads: Iterable[Upload]) -> Sequence[Upload]:
        return self._uploads.missing(uploads)

    def upload(self, uploads: Iterable[Upload], stop: StopSignal) -> int:
        return self._uploads.upload(uploads, stop)

    @property
    def _uploads(self) -> S3Uploads:
        return S3Uploads(self.objects, checksums_memory(self.cache), self.log)

    def publish_images(self, images: Iterable[PlannedImage], stop: StopSignal) -> Mapping[str, str]:
        images = list(images)
        return self._publisher().publish(images, stop) if images else {}

    def published_images(self, images: Iterable[PlannedImage]) -> Mapping[str, str]:
        images = list(images)
        return self._publisher().published(images) if images else {}

    def _publisher(self) -> ImagePublisher:
        """Return the publisher of images; its clients are made where a flow builds some."""
        from mlci.backends.aws.ecr_images import PushedImages
        from mlci.backends.aws.image_publishing import ImagePublisher

        def step_log(step: str) -> Path:
            flow, target = self.planned[-1].flow, self.planned[-1].target
            job = self.target.names(flow.name).job(flow.steps[step], target.run_id)
            return self.log_file(f"{job}-0-0").with_suffix(".image.log")

        return ImagePublisher(PushedImages(self.api("ecr")), self.environment, step_log, self.log)

    def change(self, flow: str, definition: str) -> Change:
        desired = self._desired(flow, definition)
        current = self.machines.find(desired.arn)
        if current is None:
            return Change("create", desired.name)
        self.machines.check_owner(current, desired)
        differs = current.differs(desired)
        return Change("update" if differs else "none", desired.name, current.definition, differs)

    def publish(self, flow: str, definition: str) -> VersionArn:
        return self.machines.publish(self._desired(flow, definition))

    def running(self, flow: str) -> Iterable[RunningExecution]:
        return (each for each in self.executions.running(self.target.machine(flow)) if not is_cleaner(each.name))

    def endpoint_urls(self) -> Mapping[str, str]:
        return {}  # those of AWS are nowhere on this machine

    def warm_pools(self, flow: str, jobs: Collection[str]) -> Mapping[str, WarmPoolUse]:
        names = self.target.names(flow)
        return warm_pool_uses(self.jobs, names.jobs, jobs)

    def step_seconds(self, flow: str, steps: Collection[str]) -> Mapping[str, float]:
        arn = self.executions.newest_succeeded(self.target.machine(flow))
        if arn is None:
            return {}
        progress = initial_progress(steps)
        for event in self.executions.events_after(arn, 0):
            progress = progress.after(event)
        ended = {name: step for name, step in progress.steps.items() if step.status == "succeeded" and step.ended}
        return {name: step.seconds(step.ended) for name, step in ended.items() if step.ended}

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
        """Run an execution to its end. Errors of AWS are part of the outcome: the execution may run by then, and must
        not be left running."""
        arn = self.target.execution(version.split(":")[6], execution)
        progress = TrialProgress(self.jobs).new_lines
        logs = JobLogs(self.logs, self.log_file, self.log, self.clock, progress)
        explainer = EventExplainer(self.jobs, logs, self.log, self._link, on_event)
        try:
            if stop.is_set():
                if not self.executions.stop(arn, stop.error, stop.cause):  # there is one where a build was attached to
                    return Outcome(ExecutionArn(""), "ABORTED", stop.error, f"{stop.cause}: nothing had been started")
            else:
                self.executions.start(version, execution, execution_input, arn)
            self.log(f"execution: {console_urls.execution_link(arn) if self.has_console else arn}")
            with self._following(explainer.handle, stop, judge) as handle:
                follow_logs, longest_s = explainer.follow_logs, self._longest_pause_s
                follower = ExecutionFollower(
                    self.executions, arn, handle, self.log, self.clock, follow_logs, ends, longest_s
                )
                outcome = follower.follow(stop)
        except CloudError as error:
            outcome = self._after_error(Outcome(arn, "FAILED", type(error).__name__, str(error)))
        if outcome.status != "SUCCEEDED":
            outcome = self._with_jobs_stopped(outcome, execution, explainer.jobs)
        explainer.save_logs()
        return outcome

    @contextmanager
    def _following(
        self, on_event: Callable[[Event], None], stop: StopSignal, judge: Callable[[], GateAnswer] | None
    ) -> Iterator[Callable[[Event], None]]:
        """Yield a handler of the run's events, by which the build does the tasks that are its own."""
        jobs = self.build_jobs
        if jobs is None and judge is None:
            yield on_event
            return
        from mlci.backends.build_tasks import BuildTasks

        run_job, at_once = (jobs.run, jobs.cores) if jobs else (None, 1)
        tasks = BuildTasks(self.read, self.executions, self.log, run_job, judge, at_once)
        with tasks.following(on_event, stop) as handle:
            yield handle

    @property
    def _longest_pause_s(self) -> float:
        """The longest pause between two polls: a step of the build begins when its event is seen."""
        return LONGEST_S if self.build_jobs is None else BUILD_JOBS_LONGEST_S

    def stop(self, flow: str, run_id: str, why: str) -> str:
        """Stop a run, whoever started it, with its jobs, and return a description of what was stopped.

        Raises: CloudError, if there is no such run.
        """
        arn = self.target.execution(self.target.names(flow).machine, run_id)
        if not self.executions.stop(arn, "mlci.Stopped", why):
            raise CloudError(
                f'there is no run "{run_id}" of {flow} on AWS', hint="Pass a complete run ID: `mlci list` shows them."
            )
        return str(RunStopper(self.jobs, self.clock, self.log).stop_jobs(run_id, ()))

    def is_running(self, flow: str, run_id: str) -> bool | None:
        """Return whether a run's execution goes on; None if there is none."""
        return self.executions.is_running(self.target.execution(self.target.names(flow).machine, run_id))

    def send(self, run_id: str, token: str, output: str) -> bool:
        """Complete a waiting task by its token; return False if it does not wait any more."""
        return self.executions.succeed(token, output)

    def _desired(self, flow: str, definition: str) -> DesiredStateMachine:
        return DesiredStateMachine(
            arn=self.target.machine(flow),
            definition=definition,
            role=self.target.workflow_role,
            tags=state_machine_tags(flow, self.target.repository),
            log_group=self.target.log_group,
        )

    def _link(self, job: Job) -> str:
        """Return the console's links to a job and its log, or the job's name if the endpoint is not AWS."""
        if not self.has_console:
            return job.name
        partition, region = self.target.identity.partition, self.target.region
        return (
            f"{console_urls.job_link(job, partition, region)}\nits log: {console_urls.log_link(job, partition, region)}"
        )

    def _after_error(self, outcome: Outcome) -> Outcome:
        """Stop an execution that may have started, after an error of AWS."""
        try:
            self.executions.stop(outcome.execution, "mlci.Stopped", outcome.cause)
            return outcome
        except CloudError as error:
            cause = f"{outcome.cause} It could not be stopped either, and may still run: {outcome.execution} ({error})"
            return replace(outcome, cause=cause)

    def _with_jobs_stopped(self, outcome: Outcome, run_id: str, known: Iterable[Job]) -> Outcome:
        """Stop the jobs of a run that did not succeed. The cause of a stopped run lists them."""
        try:
            stopped = RunStopper(self.jobs, self.clock, self.log).stop_jobs(run_id, known)
        except AwsError as error:
            message = f"jobs of this run may still be running: {error}"
            self.log(message)
            return _append_cause(message, outcome)
        if outcome.status == "FAILED" and not stopped.still_running:
            return outcome  # it has its own reason
        return _append_cause(str(stopped), outcome)


def _append_cause(text: str, outcome: Outcome) -> Outcome:
    return replace(outcome, cause="; ".join(part for part in (outcome.cause, text) if part))


def aws_cloud(
    session: Session,
    target: AwsTarget,
    step_types: Collection[str],
    log_file: Callable[[str], Path],
    log: Callable[[str], None],
    environment: Mapping[str, str] | None = None,
    cache: Path | None = None,
) -> AwsCloud:
    """Return the aws backend on a session's clients, for runs with steps of these types."""
    session = replace(session, retry_policy=replace(session.retry_policy, log=log))
    states, sagemaker = session.api("stepfunctions"), session.api("sagemaker")
    return AwsCloud(
        target=target,
        objects=Objects(session.api("s3"), target.identity.account),
        machines=StateMachines(states, log=log),
        executions=Executions(states),
        jobs=Jobs(sagemaker, tuple(jobs_of(step_types))),
        logs=Logs(session.api("logs", replace(session.retry_policy, max_wait_s=20.0))),
        log_file=log_file,
        log=log,
        has_console=states.is_aws,
        clock=session.retry_policy.clock,
        api=session.api,
        environment=environment or {},
        cache=cache,
    )
