"""The aws cloud: the facades put together, and the story of one run on them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from mlci.backends.aws import console_urls, request_validation
from mlci.backends.aws.api_calls import AwsError, Clock
from mlci.backends.aws.caller_identity import Identity
from mlci.backends.aws.cloudwatch_logs import Logs
from mlci.backends.aws.executions import Executions
from mlci.backends.aws.failure_reasons import Explanations
from mlci.backends.aws.follow_execution import Watch
from mlci.backends.aws.s3_objects import Objects
from mlci.backends.aws.sagemaker_jobs import Job, Jobs
from mlci.backends.aws.session import Session
from mlci.backends.aws.state_machines import StateMachines, Wanted, tags_of
from mlci.backends.aws.stop_run import Ending
from mlci.backends.events import Event
from mlci.backends.protocol import Change, ExecutionArn, Live, Outcome, VersionArn
from mlci.backends.stop_signal import StopSignal
from mlci.errors import CloudError
from mlci.plan.models import Plan, Upload
from mlci.plan.names import Names
from mlci.step_types import jobs_of


@dataclass(frozen=True)
class Place:
    """Where runs happen: a region of an account, in the name of two roles. `repository` is what the flow is of;
    `is_protected` chooses the names."""

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
    """One run's cloud. `log_file` says where a job's log is kept here; `tell` is what the build log hears."""

    place: Place
    objects: Objects
    machines: StateMachines
    executions: Executions
    jobs: Jobs
    logs: Logs
    log_file: Callable[[str], Path]
    tell: Callable[[str], None] = lambda text: None
    has_console: bool = True
    clock: Clock = field(default_factory=Clock)
    name: Literal["aws"] = "aws"

    def check(self, planned: Plan) -> None:
        request_validation.check(planned, self.jobs.api.client.meta.service_model)

    def read(self, uri: str, max_bytes: int | None = None) -> bytes | None:
        return self.objects.read(uri, max_bytes)

    def write(self, uri: str, data: bytes) -> None:
        self.objects.write(uri, data)

    def missing(self, uploads: Iterable[Upload]) -> list[Upload]:
        return self.objects.missing(uploads)

    def upload(self, uploads: Iterable[Upload], stop: StopSignal) -> int:
        return self.objects.upload(uploads, stop)

    def change(self, flow: str, definition: str) -> Change:
        wanted = self._wanted(flow, definition)
        found = self.machines.find(wanted.arn)
        if found is None:
            return Change("create", wanted.name)
        self.machines.check_owner(found, wanted)
        differs = found.differs(wanted)
        return Change("update" if differs else "none", wanted.name, found.definition, differs)

    def publish(self, flow: str, definition: str) -> VersionArn:
        return self.machines.publish(self._wanted(flow, definition))

    def live(self, flow: str) -> Iterable[Live]:
        return self.executions.running(self.place.machine(flow))

    def run(
        self, version: VersionArn, execution: str, given: str, on_event: Callable[[Event], None], stop: StopSignal
    ) -> Outcome:
        """Raises nothing of AWS's: trouble is an outcome, for by then an execution may run, and must not be left."""
        arn = self.place.execution(version.split(":")[6], execution)
        told = Explanations(self.jobs, self.logs, self.log_file, self.tell, self._link, on_event, self.clock)
        try:
            if stop.is_set():
                if not self.executions.stop(arn, stop.error, stop.cause):  # there is one where a build was attached to
                    return Outcome(ExecutionArn(""), "ABORTED", stop.error, f"{stop.cause}: nothing had been started")
            else:
                self.executions.start(version, execution, given, arn)
            self.tell(f"execution: {console_urls.execution_link(arn) if self.has_console else arn}")
            outcome = Watch(self.executions, arn, told.hear, self.tell, self.clock).to_its_end(stop)
        except CloudError as error:
            outcome = self._given_up(Outcome(arn, "FAILED", type(error).__name__, str(error)))
        if outcome.status != "SUCCEEDED":
            outcome = self._with_all_ended(outcome, execution, told.jobs)
        told.keep_logs()
        return outcome

    def stop(self, flow: str, run_id: str, why: str) -> str:
        """Stops a run of whoever started it, and its jobs; says what was stopped.

        Raises: CloudError, where there is no such run.
        """
        arn = self.place.execution(self.place.names(flow).machine, run_id)
        if not self.executions.stop(arn, "mlci.Stopped", why):
            raise CloudError(f'there is no run "{run_id}" of {flow} on AWS', hint="Take a whole run id: mlci list.")
        return str(Ending(self.jobs, self.clock, self.tell).of(run_id, ()))

    def _wanted(self, flow: str, definition: str) -> Wanted:
        return Wanted(
            arn=self.place.machine(flow),
            definition=definition,
            role=self.place.workflow_role,
            tags=tags_of(flow, self.place.repository),
            log_group=self.place.log_group,
        )

    def _link(self, job: Job) -> str:
        """Where a job and its whole log are shown; an endpoint that is not AWS has no console."""
        if not self.has_console:
            return job.name
        partition, region = self.place.identity.partition, self.place.region
        return (
            f"{console_urls.job_link(job, partition, region)}\nits log: {console_urls.log_link(job, partition, region)}"
        )

    def _given_up(self, outcome: Outcome) -> Outcome:
        """After trouble with AWS itself, an execution that may have been started is stopped."""
        try:
            self.executions.stop(outcome.execution, "mlci.Stopped", outcome.cause)
            return outcome
        except CloudError as error:
            what = f"{outcome.cause} It could not be stopped either, and may still run: {outcome.execution} ({error})"
            return replace(outcome, cause=what)

    def _with_all_ended(self, outcome: Outcome, run_id: str, known: Iterable[Job]) -> Outcome:
        """The outcome, once no job of the run is left; where it was stopped, it says what was stopped with it."""
        try:
            ended = Ending(self.jobs, self.clock, self.tell).of(run_id, known)
        except AwsError as error:
            what = f"whether all jobs have stopped is not known: {error}"
            self.tell(what)
            return _adding(what, outcome)
        if outcome.status == "FAILED" and not ended.left:
            return outcome  # it has its own reason
        return _adding(str(ended), outcome)


def _adding(what: str, outcome: Outcome) -> Outcome:
    return replace(outcome, cause="; ".join(part for part in (outcome.cause, what) if part))


def aws_cloud(
    session: Session,
    place: Place,
    step_types: Collection[str],
    log_file: Callable[[str], Path],
    tell: Callable[[str], None],
) -> AwsCloud:
    """The aws cloud on a session's clients, for runs with steps of these types."""
    session = replace(session, patience=replace(session.patience, tell=tell))
    states, sagemaker = session.api("stepfunctions"), session.api("sagemaker")
    return AwsCloud(
        place=place,
        objects=Objects(session.api("s3")),
        machines=StateMachines(states, tell=tell),
        executions=Executions(states),
        jobs=Jobs(sagemaker, tuple(jobs_of(step_types))),
        logs=Logs(session.api("logs", replace(session.patience, longest_s=20.0))),
        log_file=log_file,
        tell=tell,
        has_console=states.is_aws,
        clock=session.patience.clock,
    )
