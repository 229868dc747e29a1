"""One build of a pull request, from the webhook to the verdict, on a virtual clock.

The interpreter runs the compiled definition, and the poller of the aws backend follows its history; only the jobs and
the calls of AWS are made up, of published figures.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import cast

import mlci_asl as asl
from mlci.backends.aws.api_calls import Clock
from mlci.backends.aws.executions import Executions
from mlci.backends.aws.follow_execution import BUILD_JOBS_LONGEST_S, ExecutionFollower
from mlci.backends.aws.poll_schedule import LONGEST_S
from mlci.backends.events import Event
from mlci.backends.progress import Progress, initial_progress
from mlci.backends.protocol import ExecutionArn
from mlci.backends.stop_signal import StopSignal
from mlci.report.estimate import expected_ends
from mlci.step_types.build_run import TASK_RESOURCE
from published_figures import Figures
from virtual_clock import START, VirtualClock

#: The parts of the time from the webhook to the verdict, in their order.
PARTS = ("queue", "install", "mlci", "instances", "images and data", "scripts", "judging", "polling", "finish")
#: The calls of AWS that a build makes before it starts an execution: settings, baseline, records, uploads, publishing.
CALLS_BEFORE = 20
#: The calls around a job that the build runs: its token, a heartbeat, inputs, outputs, its log and the answer.
CALLS_OF_A_BUILD_JOB = 8
#: A model that holds each gate, whatever its rules name.
METRICS = {"auc": 1.0, "recall": 1.0}

_ARN = "arn:aws:states:us-east-1:123456789012:"
_CONTEXT = asl.Context(
    execution_arn=f"{_ARN}execution:mlci-example:run",
    execution_name="run",
    role_arn="arn:aws:iam::123456789012:role/flow",
    started=START,
    machine_arn=f"{_ARN}stateMachine:mlci-example",
    machine_name="mlci-example",
)


@dataclass(frozen=True)
class Work:
    """The work of a run: its definition and input, the seconds of each step's script, and the steps not to run.

    `has_warm_pool` says that an earlier run left an instance for each training that asks for it.
    """

    definition: str
    execution_input: str
    scripts_s: Mapping[str, float]
    reused: frozenset[str] = frozenset()
    has_warm_pool: bool = False

    @property
    def has_build_jobs(self) -> bool:
        """True if the build runs steps itself."""
        return TASK_RESOURCE in self.definition


@dataclass(frozen=True)
class Verdict:
    """The seconds of each part, and the dollars for what."""

    parts: Mapping[str, float]
    dollars_by: Mapping[str, float]

    @property
    def seconds(self) -> float:
        return sum(self.parts.values())

    @property
    def dollars(self) -> float:
        return sum(self.dollars_by.values())


@dataclass(frozen=True)
class Usage:
    """All that an execution is billed for: states, and the seconds of instances and of warm pools."""

    transitions: int = 0
    instances_s: float = 0.0
    kept_s: float = 0.0


@dataclass
class JobHandlers:
    """Does a state machine's tasks, each in the time that the figures say.

    `billed_s` are the seconds of instances, and `kept_s` those in which warm pools are kept. Both are billed.
    """

    work: Work
    figures: Figures
    clock: VirtualClock
    billed_s: float = 0.0
    kept_s: float = 0.0
    metrics: Mapping[str, float] = field(default_factory=lambda: METRICS)

    def supports(self, resource: str) -> bool:
        return True

    def __call__(self, task: asl.TaskCall) -> asl.Json:
        match task.resource.removeprefix("arn:aws:states:::"):
            case "sagemaker:createProcessingJob.sync":
                return self._processing(task)
            case "sagemaker:createTrainingJob.sync":
                return self._training(task)
            case "aws-sdk:s3:getObject":
                self.clock.spend("judging", self.figures["aws_call"])
                return {"Body": json.dumps(self.metrics)}
            case "aws-sdk:s3:copyObject":
                self.clock.spend("judging", self.figures["aws_call"])
                return {}
            case resource if resource.endswith(TASK_RESOURCE) and task.callback is not None:
                return self._in_the_build(task, task.callback)
        raise asl.TaskError("States.Runtime", f"this simulation has no {task.resource}")

    def _processing(self, task: asl.TaskCall) -> asl.Json:
        self.clock.spend("instances", self.figures["processing_start"])
        self._billed(scripts=self.work.scripts_s[task.state])
        self.billed_s += self.figures["image_pull"]  # it is within processing_start, and paid for
        self.clock.spend("judging", self.figures["job_event"])
        return {}

    def _training(self, task: asl.TaskCall) -> asl.Json:
        kept_s = _keep_alive_s(task.parameters)
        is_warm = self.work.has_warm_pool and kept_s > 0
        self.clock.spend("instances", self.figures["warm_instances" if is_warm else "training_instances"])
        loading_s = self.figures["training_inputs"] + self.figures["image_pull"] + self.figures["training_upload"]
        self._billed(**{"images and data": loading_s, "scripts": self.work.scripts_s[task.state]})
        self.kept_s += kept_s
        self.clock.spend("judging", self.figures["job_event"])
        return {"TrainingJobName": task.state}

    def _in_the_build(self, task: asl.TaskCall, callback: asl.Callback) -> asl.Json:
        """The build sees the task's event, reads the token, runs the script, and answers."""
        self.clock.spend("polling", BUILD_JOBS_LONGEST_S / 2)
        self.clock.spend("judging", CALLS_OF_A_BUILD_JOB * self.figures["aws_call"])
        self.clock.spend("scripts", self.work.scripts_s[task.state])
        callback.succeed("{}")
        return {}

    def _billed(self, **parts: float) -> None:
        for part, seconds in parts.items():
            self.clock.spend(part, seconds)
            self.billed_s += seconds


def _keep_alive_s(request: asl.Json) -> float:
    """The seconds for which a training job leaves its instance to the next one."""
    match request:
        case {"ResourceConfig": {"KeepAlivePeriodInSeconds": int(seconds)}}:
            return seconds
    return 0


@dataclass(frozen=True)
class RecordedHistory:
    """The history of an execution that has ended, as a poller sees it grow. A poll takes a call's time."""

    events: Collection[Event]
    clock: VirtualClock
    call_s: float

    def events_after(self, arn: ExecutionArn, last_id: int) -> list[Event]:
        self.clock.sleep(self.call_s)
        return [each for each in self.events if each.id > last_id and each.timestamp <= self.clock.now()]


def simulate(work: Work, figures: Figures) -> Verdict:
    """The time and the price of a build that runs its steps as jobs."""
    clock = VirtualClock()
    _start_build(clock, figures)
    clock.spend("install", figures["install"] + (figures["install_scripts"] if work.has_build_jobs else 0.0))
    clock.spend("mlci", figures["mlci_start"] + CALLS_BEFORE * figures["aws_call"])
    is_any_due = bool(work.scripts_s.keys() - work.reused)
    usage = _execute(work, figures, clock) if is_any_due else Usage()
    instance_usd = figures["instance_hour_usd"] / 3600
    return _verdict(
        clock,
        figures,
        "build_minute_usd",
        instances=usage.instances_s * instance_usd,
        warm_pools=usage.kept_s * instance_usd,
        transitions=usage.transitions * figures["transition_usd"],
    )


def simulate_one_machine(scripts_s: Mapping[str, float], figures: Figures) -> Verdict:
    """The time and the price of a machine that runs the steps itself, one after the other."""
    clock = VirtualClock()
    _start_build(clock, figures)
    clock.spend("install", figures["install_one_machine"])
    for seconds in scripts_s.values():
        clock.spend("scripts", seconds)
    return _verdict(clock, figures, "one_machine_minute_usd")


def _verdict(clock: VirtualClock, figures: Figures, minute_usd: str, **dollars: float) -> Verdict:
    """Ends the build. It is billed from where its machine is provisioned."""
    clock.spend("finish", figures["build_finish"])
    billed_s = clock.seconds - figures["webhook"] - figures["build_queue"]
    price = build_dollars(billed_s, figures[minute_usd])
    return Verdict({part: clock.parts.get(part, 0.0) for part in PARTS}, {"build": price, **dollars})


def build_dollars(seconds: float, minute_usd: float) -> float:
    """The price of a build: each minute that has begun.

    >>> build_dollars(61, 0.005)
    0.01
    """
    return math.ceil(seconds / 60) * minute_usd


def _start_build(clock: VirtualClock, figures: Figures) -> None:
    for name in ("webhook", "build_queue", "build_provisioning", "build_source"):
        clock.spend("queue", figures[name])


def _execute(work: Work, figures: Figures, clock: VirtualClock) -> Usage:
    """Runs the state machine to its end, and polls until that is seen.

    Raises: RuntimeError, if the execution does not succeed.
    """
    handlers, events = JobHandlers(work, figures, clock), list[Event]()
    started_s = clock.seconds

    def on_event(event: asl.Event) -> None:
        events.append(Event(event.id, event.previous_id, event.timestamp, event.type, event.details))

    with clock.waiting_for("judging"):
        outcome = asl.execute(
            asl.load(work.definition),
            _execution_input(work),
            context=_CONTEXT,
            handlers=handlers,
            stop=asl.StopSignal(),
            on_event=on_event,
            now=clock.now,
            pause=clock.pause,
        )
    if outcome.status != "SUCCEEDED":
        raise RuntimeError(f"the execution ended as {outcome.status}: {outcome.error} {outcome.cause}")
    seen_s = _seen_after_s(work, events, started_s, figures["aws_call"])
    clock.spend("polling", seen_s - (clock.seconds - started_s))
    transitions = sum(event.type.endswith("StateEntered") for event in events)
    return Usage(transitions, handlers.billed_s, handlers.kept_s)


def _execution_input(work: Work) -> str:
    """The execution input, with the steps marked that are reused."""
    document = json.loads(work.execution_input)
    for step in work.reused:
        document["steps"][step]["reused"] = True
    return json.dumps(document)


def _seen_after_s(work: Work, events: Collection[Event], started_s: float, call_s: float) -> float:
    """The seconds after the execution's start at which the poller sees its end.

    It knows from earlier runs what the steps take, and they take as long again.
    """
    clock, progress = VirtualClock(), initial_progress(work.scripts_s)
    usual_s = _step_seconds(progress, events)
    clock.spend("before", started_s)

    def on_event(event: Event) -> None:
        nonlocal progress
        progress = progress.after(event)

    with clock.waiting_for("polling"):
        ExecutionFollower(
            cast(Executions, RecordedHistory(events, clock, call_s)),
            ExecutionArn(_CONTEXT.execution_arn),
            on_event,
            clock=Clock(clock.monotonic, clock.sleep, clock.pause),
            ends=lambda: expected_ends(progress.steps, lambda: usual_s, clock.now()),
            longest_s=BUILD_JOBS_LONGEST_S if work.has_build_jobs else LONGEST_S,
        ).follow(StopSignal())
    return clock.seconds - started_s


def _step_seconds(progress: Progress, events: Collection[Event]) -> dict[str, float]:
    """The seconds that each step took, by all events of an execution."""
    for event in events:
        progress = progress.after(event)
    end = max(event.timestamp for event in events)
    return {name: step.seconds(end) for name, step in progress.steps.items()}
