"""An AWS to hold the aws cloud against, in this process: Step Functions on our interpreter, SageMaker with jobs that
are scripted, CloudWatch Logs; S3, STS and SSM are moto's. Behind real boto3 clients, so that requests are held to
botocore's model and travel in their wire format, and so that faults can be put between any two of them."""

from __future__ import annotations

import functools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

import mlci_asl as asl
from mlci.backends.aws.api_calls import Clock, RetryPolicy
from mlci.backends.aws.session import Session
from mlci.backends.stop_signal import StopSignal

REGION, ACCOUNT, BUCKET = "eu-west-1", "123456789012", "models-bucket"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/mlci-workflow"
JOB_ROLE = f"arn:aws:iam::{ACCOUNT}:role/mlci-job"
#: How much faster than the real one the clock of most tests is.
SPEED = 200.0
#: How long AWS is waited for, on that clock: a slow machine takes its own time out of it.
PATIENCE_S = 3_600.0
JSON_SERVICES = {"sfn": "states", "sagemaker": "sagemaker", "cloudwatch-logs": "logs"}
_NOUNS = {
    "ProcessingJob": ("ProcessingJobName", "ProcessingJobStatus", "ProcessingJobSummaries"),
    "TrainingJob": ("TrainingJobName", "TrainingJobStatus", "TrainingJobSummaries"),
    "TransformJob": ("TransformJobName", "TransformJobStatus", "TransformJobSummaries"),
    "HyperParameterTuningJob": (
        "HyperParameterTuningJobName",
        "HyperParameterTuningJobStatus",
        "HyperParameterTuningJobSummaries",
    ),
}


class Refusal(Exception):
    """An answer of AWS's that is an error."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code, message)
        self.code, self.message, self.status = code, message, status


def fast_clock(speed: float) -> Clock:
    """The real clock, so many times as fast."""
    return Clock(
        monotonic=lambda: time.monotonic() * speed,
        sleep=lambda seconds: time.sleep(seconds / speed),
        wait=lambda stop, seconds: stop.wait(seconds / speed),
    )


def waiting_clock() -> Clock:
    """A clock on which time passes in waits alone, and those take none: a slow machine is not a late one."""
    passed = 0.0

    def sleep(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    def wait(stop: StopSignal, seconds: float) -> bool:
        sleep(seconds)
        return stop.is_set()

    return Clock(monotonic=lambda: passed, sleep=sleep, wait=wait)


def now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass
class Script:
    """The behaviour of a step's jobs. `files` lie in each output, beside the metrics. `outlives_stop` says that Step
    Functions fails to stop them."""

    metrics: Mapping[str, float] | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    seconds: float = 0.0
    fails: str | None = None
    log: tuple[str, ...] = ("a line",)
    outlives_stop: bool = False


@dataclass
class PretendJob:
    kind: str
    name: str
    script: Script
    status: str = "InProgress"
    reason: str | None = None
    stop: threading.Event = field(default_factory=threading.Event)


@dataclass
class SageMaker:
    """Jobs, in a thread each. `started` counts how often a job of each name was made."""

    put: Callable[[str, bytes], None]
    scripts: dict[str, Script] = field(default_factory=dict)
    jobs: dict[str, PretendJob] = field(default_factory=dict)
    started: Counter[str] = field(default_factory=Counter)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def run(self, task: asl.TaskCall, kind: str, request: Mapping[str, Any]) -> asl.Json:
        name_field, status_field, _ = _NOUNS[kind]
        job = self._made(kind, request[name_field], task.state)
        task.submitted({f"{kind}Arn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind.lower()}/{job.name}"})
        if not job.script.outlives_stop:
            task.stop.subscribe(job.stop.set)
        thread = threading.Thread(target=self._work, args=(job, request), daemon=True)
        thread.start()
        while thread.is_alive() and not task.stop.is_set():
            thread.join(0.002)
        described = {name_field: job.name, status_field: job.status, "FailureReason": job.reason}
        if job.status != "Completed":
            raise asl.TaskError("States.TaskFailed", json.dumps(described))
        return described  # type: ignore[return-value]

    def _made(self, kind: str, name: str, state: str) -> PretendJob:
        with self.lock:
            self.started[name] += 1
            if name in self.jobs:
                raise asl.TaskError("SageMaker.ResourceInUseException", f"{name} is taken")
            self.jobs[name] = PretendJob(kind, name, self.scripts.get(state, Script()))
            return self.jobs[name]

    def _work(self, job: PretendJob, request: Mapping[str, Any]) -> None:
        stopped = job.stop.wait(job.script.seconds)
        with self.lock:
            if stopped:
                job.status = "Stopped"
                return
        if job.script.fails:
            job.reason, job.status = job.script.fails, "Failed"
            return
        if job.kind == "TrainingJob":
            self.put(f"{request['OutputDataConfig']['S3OutputPath']}/{job.name}/output/model.tar.gz", b"a model")
        for output in request.get("ProcessingOutputConfig", {}).get("Outputs", ()):
            text = json.dumps(job.script.metrics or {})
            self.put(f"{output['S3Output']['S3Uri']}metrics.json", text.encode())
            for name, data in job.script.files.items():
                self.put(f"{output['S3Output']['S3Uri']}{name}", data)
        job.status = "Completed"

    def call(self, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        for verb in ("Describe", "Stop", "List"):
            if operation.startswith(verb):
                noun = operation.removeprefix(verb)
                return getattr(self, f"_{verb.lower()}")(noun.rstrip("s") if verb == "List" else noun, request)  # type: ignore[no-any-return]
        raise Refusal("UnknownOperationException", operation)

    def _describe(self, noun: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        name_field, status_field, _ = _NOUNS[noun]
        job = self._found(noun, request[name_field])
        reason = {"FailureReason": job.reason} if job.reason else {}
        return {name_field: job.name, status_field: job.status, **reason}

    def _stop(self, noun: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        job = self._found(noun, request[_NOUNS[noun][0]])
        if job.status != "InProgress":
            raise Refusal("ValidationException", f"The request was rejected because the job is in status {job.status}.")
        job.stop.set()
        return {}

    def _list(self, noun: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        name_field, status_field, summaries = _NOUNS[noun]
        found = [
            {name_field: job.name, status_field: job.status}
            for job in list(self.jobs.values())
            if job.kind == noun
            and request.get("NameContains", "") in job.name
            and job.status == request.get("StatusEquals", job.status)
        ]
        return {summaries: found}

    def _found(self, noun: str, name: str) -> PretendJob:
        job = self.jobs.get(name)
        if job is None or job.kind != noun:
            raise Refusal("ValidationException", "Requested resource not found.")
        return job


@dataclass
class Execution:
    arn: str
    version: str
    given: str
    stop: asl.StopSignal = field(default_factory=asl.StopSignal)
    events: list[asl.Event] = field(default_factory=list)
    status: str = "RUNNING"


@dataclass
class Revision:
    id: str
    definition: str
    role: str


@dataclass
class StateMachine:
    revisions: list[Revision]
    tags: dict[str, str]
    logging: dict[str, Any] = field(default_factory=lambda: {"level": "OFF", "includeExecutionData": False})
    versions: dict[int, Revision] = field(default_factory=dict)
    made: dict[int, datetime] = field(default_factory=dict)
    conflicts: int = 0


@dataclass
class States:
    """Step Functions. `conflicts` on a state machine makes so many changes of it conflict first. `waiting` has the
    tasks that wait for an answer, by their tokens."""

    handlers: asl.Handlers
    machines: dict[str, StateMachine] = field(default_factory=dict)
    executions: dict[str, Execution] = field(default_factory=dict)
    waiting: dict[str, asl.Callback] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def call(self, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        with self.lock:
            method: Callable[..., Mapping[str, Any]] = getattr(self, f"_{operation[0].lower()}{operation[1:]}")
            return method(**request)

    def _machine(self, arn: str) -> StateMachine:
        if arn not in self.machines:
            raise Refusal("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")
        return self.machines[arn]

    def _published(self, arn: str, machine: StateMachine) -> str:
        newest = max(machine.versions, default=0)
        if not newest or machine.versions[newest] is not machine.revisions[-1]:
            newest += 1
            machine.versions[newest], machine.made[newest] = machine.revisions[-1], now()
        return f"{arn}:{newest}"

    def _createStateMachine(self, name: str, definition: str, roleArn: str, **more: Any) -> Mapping[str, Any]:
        arn = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{name}"
        if arn in self.machines:
            if self.machines[arn].revisions[-1].definition != definition:
                raise Refusal("StateMachineAlreadyExists", f"State Machine Already Exists: '{arn}'")
        else:
            tags = {tag["key"]: tag["value"] for tag in more.get("tags", ())}
            self.machines[arn] = StateMachine([Revision("INITIAL", definition, roleArn)], tags)
        version = {"stateMachineVersionArn": self._published(arn, self.machines[arn])} if more.get("publish") else {}
        return {"stateMachineArn": arn, "creationDate": now(), **version}

    def _describeStateMachine(self, stateMachineArn: str) -> Mapping[str, Any]:
        arn, _, number = stateMachineArn.rpartition(":")
        machine = self._machine(arn if number.isdigit() else stateMachineArn)
        newest = machine.versions[int(number)] if number.isdigit() else machine.revisions[-1]
        response = {
            "stateMachineArn": stateMachineArn,
            "name": stateMachineArn.rpartition(":")[2],
            "type": "STANDARD",
            "status": "ACTIVE",
            "creationDate": now(),
            "definition": newest.definition,
            "roleArn": newest.role,
            "loggingConfiguration": machine.logging,
        }
        return response if newest.id == "INITIAL" else {**response, "revisionId": newest.id}

    def _updateStateMachine(
        self, stateMachineArn: str, definition: str, roleArn: str, **more: Any
    ) -> Mapping[str, Any]:
        machine = self._machine(stateMachineArn)
        self._conflict(machine)
        newest, logging = machine.revisions[-1], more.get("loggingConfiguration", machine.logging)
        if (newest.definition, newest.role, machine.logging) == (definition, roleArn, logging):
            return {"updateDate": now(), "stateMachineVersionArn": self._published(stateMachineArn, machine)}
        machine.revisions.append(Revision(f"revision-{len(machine.revisions)}", definition, roleArn))
        machine.logging = logging
        version = self._published(stateMachineArn, machine)
        return {"updateDate": now(), "revisionId": machine.revisions[-1].id, "stateMachineVersionArn": version}

    def _publishStateMachineVersion(self, stateMachineArn: str, revisionId: str) -> Mapping[str, Any]:
        machine = self._machine(stateMachineArn)
        self._conflict(machine)
        if machine.revisions[-1].id != revisionId:
            raise Refusal("ConflictException", "The revision is not the current one.")
        return {"creationDate": now(), "stateMachineVersionArn": self._published(stateMachineArn, machine)}

    def _conflict(self, machine: StateMachine) -> None:
        if machine.conflicts:
            machine.conflicts -= 1
            raise Refusal("ConflictException", "Failed to update: it is being updated.")

    def _listStateMachineVersions(self, stateMachineArn: str) -> Mapping[str, Any]:
        machine = self._machine(stateMachineArn)
        versions = [
            {"stateMachineVersionArn": f"{stateMachineArn}:{number}", "creationDate": machine.made[number]}
            for number in sorted(machine.versions, reverse=True)
        ]
        return {"stateMachineVersions": versions}

    def _deleteStateMachineVersion(self, stateMachineVersionArn: str) -> Mapping[str, Any]:
        arn, _, number = stateMachineVersionArn.rpartition(":")
        del self._machine(arn).versions[int(number)]
        return {}

    def _listTagsForResource(self, resourceArn: str) -> Mapping[str, Any]:
        return {"tags": [{"key": key, "value": value} for key, value in self._machine(resourceArn).tags.items()]}

    def _tagResource(self, resourceArn: str, tags: list[dict[str, str]]) -> Mapping[str, Any]:
        self._machine(resourceArn).tags.update({tag["key"]: tag["value"] for tag in tags})
        return {}

    def _startExecution(self, stateMachineArn: str, name: str, input: str) -> Mapping[str, Any]:
        machine_arn, _, number = stateMachineArn.rpartition(":")
        arn = f"{machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
        before = self.executions.get(arn)
        if before is not None:
            if before.status != "RUNNING" or before.given != input:
                raise Refusal("ExecutionAlreadyExists", f"Execution Already Exists: '{arn}'")
            return {"executionArn": arn, "startDate": now()}
        definition = self._machine(machine_arn).versions[int(number)].definition
        execution = self.executions[arn] = Execution(arn, stateMachineArn, input)
        threading.Thread(target=self._run, args=(execution, machine_arn, definition), daemon=True).start()
        return {"executionArn": arn, "startDate": now()}

    def _run(self, execution: Execution, machine_arn: str, definition: str) -> None:
        name = execution.arn.rpartition(":")[2]
        context = asl.Context(execution.arn, name, ROLE, now(), machine_arn, machine_arn.rpartition(":")[2])
        outcome = asl.execute(
            asl.load(definition),
            execution.given,
            context=context,
            handlers=self.handlers,
            stop=execution.stop,
            on_event=execution.events.append,
        )
        execution.status = outcome.status

    def _describeExecution(self, executionArn: str) -> Mapping[str, Any]:
        execution = self._execution(executionArn)
        return {
            "executionArn": executionArn,
            "stateMachineArn": execution.version.rpartition(":")[0],
            "status": execution.status,
            "startDate": now(),
            "input": execution.given,
        }

    def _listExecutions(
        self, stateMachineArn: str, statusFilter: str, maxResults: int | None = None
    ) -> Mapping[str, Any]:
        self._machine(stateMachineArn)
        if statusFilter == "PENDING_REDRIVE":
            raise Refusal("ValidationException", "PENDING_REDRIVE needs a mapRunArn.")
        found = [
            {
                "executionArn": execution.arn,
                "stateMachineArn": stateMachineArn,
                "stateMachineVersionArn": execution.version,
                "name": execution.arn.rpartition(":")[2],
                "status": execution.status,
                "startDate": now(),
            }
            for execution in self.executions.values()
            if execution.version.rpartition(":")[0] == stateMachineArn and execution.status == statusFilter
        ]
        return {"executions": found[::-1][:maxResults]}

    def _getExecutionHistory(
        self,
        executionArn: str,
        maxResults: int,
        nextToken: str = "0",
        **more: Any,
    ) -> Mapping[str, Any]:
        events = list(reversed(self._execution(executionArn).events))
        first = int(nextToken)
        page = [
            {
                "id": event.id,
                "previousEventId": event.previous_id,
                "timestamp": event.timestamp,
                "type": event.type,
                **event.details,
            }
            for event in events[first : first + maxResults]
        ]
        later = {"nextToken": str(first + maxResults)} if first + maxResults < len(events) else {}
        return {"events": page, **later}

    def _stopExecution(self, executionArn: str, error: str, cause: str) -> Mapping[str, Any]:
        self._execution(executionArn).stop.set(error, cause)
        return {"stopDate": now()}

    def _sendTaskSuccess(self, taskToken: str, output: str) -> Mapping[str, Any]:
        return self._answered(self._waiting(taskToken).succeed(output))

    def _sendTaskFailure(self, taskToken: str, error: str, cause: str) -> Mapping[str, Any]:
        return self._answered(self._waiting(taskToken).fail(error, cause))

    def _waiting(self, token: str) -> asl.Callback:
        if token not in self.waiting:
            raise Refusal("TaskDoesNotExist", "Task does not exist")
        return self.waiting[token]

    def _answered(self, is_taken: bool) -> Mapping[str, Any]:
        if not is_taken:
            raise Refusal("TaskTimedOut", "Provided task does not exist anymore")
        return {}

    def _execution(self, arn: str) -> Execution:
        if arn not in self.executions:
            raise Refusal("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        return self.executions[arn]


class Clients:
    """A boto3 session whose clients are made once for all tests, which takes long. Each test's AWS is `asked`."""

    def __init__(self) -> None:
        self.asked: Callable[..., AWSResponse | None] = lambda **more: None
        self._made: dict[tuple[str, str], Any] = {}

    @functools.cached_property
    def plain_s3(self) -> Any:
        """One that nobody listens to."""
        return boto3.Session("key", "secret", region_name=REGION).client("s3")

    def client(self, service: str, region_name: str, **more: Any) -> Any:
        key = (service, region_name)
        if key not in self._made:
            boto = boto3.Session("key", "secret", region_name=region_name)
            boto.events.register_first("before-send", lambda **more: self.asked(**more))
            self._made[key] = boto.client(service, **more)
        return self._made[key]

    def get_available_partitions(self) -> list[str]:
        return ["aws"]

    def get_available_regions(self, service: str, partition: str) -> list[str]:
        return ["eu-west-1", "us-east-1"]


CLIENTS = Clients()


@dataclass
class PretendAws:
    """All of it. `calls` are the requests in order; a `fault` is asked about each before it is answered, and may raise,
    or answer in the service's place."""

    calls: list[str] = field(default_factory=list)
    fault: Callable[[str], AWSResponse | None] = lambda name: None
    lost: Callable[[str], bool] = lambda name: False

    def __post_init__(self) -> None:
        self._s3 = CLIENTS.plain_s3
        self._s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.sagemaker = SageMaker(self.put)
        self.states = States(self)

    def session(self, region: str = REGION, speed: float = SPEED, patience_s: float = PATIENCE_S) -> Session:
        CLIENTS.asked = self._answer
        return Session(CLIENTS, region, RetryPolicy(fast_clock(speed), patience_s), attempts=1)

    def put(self, uri: str, data: bytes) -> None:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        self._s3.put_object(Bucket=bucket, Key=key, Body=data)

    def get(self, uri: str) -> bytes:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        body: bytes = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def objects(self) -> list[str]:
        return [entry["Key"] for entry in self._s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())]

    @property
    def running(self) -> list[str]:
        """The jobs and executions that have not ended."""
        jobs = [job.name for job in self.sagemaker.jobs.values() if job.status == "InProgress"]
        return jobs + [execution.arn for execution in self.states.executions.values() if execution.status == "RUNNING"]

    def supports(self, resource: str) -> bool:
        return True

    def __call__(self, task: asl.TaskCall) -> asl.Json:
        """What a task of a state machine does."""
        request = task.parameters
        assert isinstance(request, dict)
        if task.resource.endswith("createProcessingJob.sync"):
            return self.sagemaker.run(task, "ProcessingJob", request)
        if task.resource.endswith("createTrainingJob.sync"):
            return self.sagemaker.run(task, "TrainingJob", request)
        if task.callback is not None:
            self.put(f"s3://{request['Bucket']}/{request['Key']}", json.dumps(request["Body"]).encode())
            self.states.waiting[task.callback.token] = task.callback
            return {}
        if task.resource.endswith("s3:copyObject"):
            self.put(f"s3://{request['Bucket']}/{request['Key']}", self.get(f"s3://{request['CopySource']}"))
            return {}
        return {"Body": self.get(f"s3://{request['Bucket']}/{request['Key']}").decode()}

    def _answer(self, request: Any, event_name: str, **more: Any) -> AWSResponse | None:
        _, service, operation = event_name.split(".", 2)
        name = f"{service}.{operation}"
        self.calls.append(name)
        instead = self.fault(name)
        if instead is not None:
            return instead
        answer = self._served(service, operation, request)
        if self.lost(name):
            raise ConnectionClosedError(endpoint_url=request.url)
        return answer

    def _served(self, service: str, operation: str, request: Any) -> AWSResponse | None:
        if service not in JSON_SERVICES:
            return None  # moto answers
        return response(*self.serve(service, operation, request.body))

    def serve(self, service: str, operation: str, body: bytes) -> tuple[int, Mapping[str, Any]]:
        """The status and the answer of a service that is not moto's."""
        given = json.loads(body or b"{}")
        try:
            answer = {"sfn": self.states.call, "sagemaker": self.sagemaker.call, "cloudwatch-logs": self._logs}[
                service
            ](operation, given)
        except Refusal as error:
            return error.status, {"__type": error.code, "message": error.message}
        return 200, answer

    def _logs(self, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        if operation == "DescribeLogStreams":
            name = request["logStreamNamePrefix"].rstrip("/")
            known = self.sagemaker.jobs.get(name)
            return {"logStreams": [{"logStreamName": f"{name}/algo-1-1"}] if known and known.script.log else []}
        lines = self.sagemaker.jobs[request["logStreamName"].partition("/")[0]].script.log
        start = int(request.get("nextToken", "f/0").removeprefix("f/"))
        events = [{"timestamp": 1, "message": line, "ingestionTime": 1} for line in lines[start:]]
        return {"events": events, "nextForwardToken": f"f/{len(lines)}"}


def response(status: int, body: Mapping[str, Any] | str) -> AWSResponse:
    text = body if isinstance(body, str) else dumped(body)
    headers = {"x-amzn-RequestId": "1", "Content-Type": "application/x-amz-json-1.0"}
    return AWSResponse("https://aws.example/", status, headers, _Raw(text.encode()))


def dumped(body: Mapping[str, Any]) -> str:
    """An answer in JSON, with times as the protocol has them."""
    return json.dumps(body, default=lambda moment: moment.timestamp())


class _Raw(BytesIO):
    """What botocore reads a body from."""

    def stream(self, **more: Any) -> Iterator[bytes]:
        yield self.read()


_XML = "<ErrorResponse><Error><Code>{0}</Code><Message>{1}</Message></Error><Code>{0}</Code></ErrorResponse>"


def throttled(name: str) -> AWSResponse:
    service = name.partition(".")[0]
    if service == "s3":
        return response(503, "<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>")
    if service == "sts":
        return response(400, _XML.format("Throttling", "Rate exceeded"))
    return response(400, {"__type": "ThrottlingException", "message": "Rate exceeded"})


def broken(name: str) -> AWSResponse:
    return response(500, "")


def timed_out(name: str) -> AWSResponse:
    raise ReadTimeoutError(endpoint_url=f"https://{urlsplit('//' + name).netloc}")


def dropped(name: str) -> AWSResponse:
    raise ConnectionClosedError(endpoint_url=f"https://{name}")


FAULTS: Mapping[str, Callable[[str], AWSResponse]] = {
    "throttled": throttled,
    "broken": broken,
    "timed out": timed_out,
    "dropped": dropped,
}
