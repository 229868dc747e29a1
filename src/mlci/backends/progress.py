"""An execution's history → what state each step is in: folded event by event, the same for both clouds."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from mlci.backends.billed_seconds import billed_seconds
from mlci.backends.build_announcements import JobAnnouncement, parse_announcement
from mlci.backends.decisions import Decision, Question, parse_decision, parse_question
from mlci.backends.job_phases import JobPhase, job_phases
from mlci.compile.names import CELLS_TITLE, FAIL_REACHED, REUSED_TITLE, state_name, step_of_state
from mlci.flow.names import written_name
from mlci.step_types import STEP_TYPES, has_alternative, is_done_already
from mlci.step_types.build_run import TASK_RESOURCE
from mlci.step_types.states import CHECK_FAILED
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.backends.events import Event
    from mlci.flow.models import RunsOn
    from mlci.step_types.base import JobType

StepStatus = Literal["waiting", "running", "succeeded", "reused", "failed", "skipped", "stopped"]


@functools.cache
def _jobs() -> tuple[JobType, ...]:
    return tuple(kind.job for kind in STEP_TYPES.values() if kind.job)


@dataclass(frozen=True)
class StepState:
    """A step as the history tells it. `job` is the name of its latest job; `reason` says why it failed.

    `is_closing` says whether the success of the state that it is in is that of the step. `question` is set while it
    waits for a decision, and `decision` once there is one. `title` is that of the state that it is in. `reused_from` is
    the run that made the result of a reused step. `runs_on` is "build" where the build runs its job. `phases` are those
    of its latest job that has ended, and `billed_s` the seconds of each instance that AWS bills for all of its jobs;
    None where no job has told any.
    """

    status: StepStatus = "waiting"
    started: datetime | None = None
    ended: datetime | None = None
    job: str | None = None
    reason: str | None = None
    is_closing: bool = field(default=True, repr=False, compare=False)
    title: str = field(default="", repr=False, compare=False)
    question: Question | None = None
    decision: Decision | None = None
    reused_from: str | None = None
    runs_on: RunsOn = ""
    phases: tuple[JobPhase, ...] = field(default=(), repr=False)
    billed_s: float | None = field(default=None, repr=False)

    @property
    def is_undecided(self) -> bool:
        """True while it waits for a decision that can be made."""
        return self.open_question is not None

    @property
    def open_question(self) -> Question | None:
        """The question that waits for a decision that can be made."""
        return self.question if self.question and self.question.is_asked else None

    def seconds(self, now: datetime) -> float:
        """Return the time that it has run, in seconds."""
        return ((self.ended or now) - self.started).total_seconds() if self.started else 0.0


@dataclass(frozen=True)
class ExpectedEnd:
    """The end of a running step as earlier runs let expect it: in so many seconds, of those that it usually takes.

    `left_s` is negative where the step takes longer than usual.
    """

    left_s: float
    usual_s: float


@dataclass(frozen=True)
class Progress:
    """The steps of a run, with each cell of a matrix as a step.

    `owners` tells which step an event belongs to, and `iterations` which iteration of a Map over cells it is in, by the
    id of the event before it. `ended_by` is the step whose Fail state ends the run, once that is reached. `closing` has
    the titles of the states by whose success a step has succeeded; one that is not there succeeds with each state.
    `reused` has the runs that the steps are of which are not to run. `changed` are the steps that the latest event was
    of: who follows a run looks at these alone, for a large flow has as many steps as events.
    """

    steps: Mapping[str, StepState]
    owners: Mapping[int, str] = field(default_factory=dict, repr=False)
    iterations: Mapping[int, int] = field(default_factory=dict, repr=False)
    ended_by: str = ""
    closing: Mapping[str, frozenset[str]] = field(default_factory=dict, repr=False)
    reused: Mapping[str, str] = field(default_factory=dict, repr=False)
    changed: tuple[str, ...] = field(default=(), repr=False, compare=False)

    @property
    def undecided(self) -> dict[str, Question]:
        """The questions that wait for a decision, by step."""
        return {name: question for name, step in self.steps.items() if (question := step.open_question)}

    @property
    def reached(self) -> tuple[str, ...]:
        """The steps that were run, or are reused."""
        return tuple(name for name, step in self.steps.items() if step.started or step.status == "reused")

    def with_reused(self, runs: Mapping[str, str]) -> Progress:
        """This progress, with the results of steps from these runs."""
        reused = {name: replace(self.steps[name], status="reused", reused_from=run) for name, run in runs.items()}
        return replace(self, steps={**self.steps, **reused}, changed=tuple(reused))

    def after(self, event: Event) -> Progress:
        """This progress, one event further."""
        progress = replace(self, changed=()) if self.changed else self
        iteration = _iteration(event, self.iterations)
        if iteration is None:
            return progress._after(event, None)
        return replace(progress, iterations={**self.iterations, event.id: iteration})._after(event, iteration)

    def _after(self, event: Event, iteration: int | None) -> Progress:
        entered = event.details.get("stateEnteredEventDetails")
        if isinstance(entered, dict):
            return self._entered(str(entered.get("name")), event, iteration)
        failed = event.details.get("executionFailedEventDetails")
        if isinstance(failed, dict) and failed.get("error") == FAIL_REACHED:
            return self._ended(str(failed.get("cause") or ""), event.timestamp)
        owner = self.owners.get(event.previous_id, "")
        if not owner:
            return self
        owners = {**self.owners, event.id: owner}
        return replace(self._with(owner, _advanced(self.steps[owner], event)), owners=owners)

    def _with(self, name: str, step: StepState) -> Progress:
        return replace(self, steps={**self.steps, name: step}, changed=(name,))

    def _entered(self, state: str, event: Event, iteration: int | None) -> Progress:
        cells = _cells(tuple(self.steps))
        written = step_of_state(state, cells)
        if written is None:
            return self._entered_reused(state, cells, iteration)
        owner = cells[written][iteration or 0]
        step, owners = self.steps[owner], {**self.owners, event.id: owner}
        if state == written:
            step = replace(step, status="running", started=step.started or event.timestamp, ended=None)
        title = state.removeprefix(written).removeprefix(": ")
        is_closing = title in self.closing[owner] if owner in self.closing else step.is_closing
        step = replace(step, title=title, is_closing=is_closing)
        ended_by = self.ended_by or (owner if event.type == "FailStateEntered" else "")
        return replace(self._with(owner, step), owners=owners, ended_by=ended_by)

    def _entered_reused(self, state: str, cells: Mapping[str, Sequence[str]], iteration: int | None) -> Progress:
        written = state.partition(": ")[0]
        if written not in cells or state != state_name(written, REUSED_TITLE):
            return self
        owner = cells[written][iteration or 0]
        return self._with(owner, replace(self.steps[owner], status="reused", reused_from=self.reused.get(owner)))

    def _ended(self, message: str, at: datetime) -> Progress:
        """With the message of the step that ended the run."""
        if not self.ended_by:
            return self
        step = replace(self.steps[self.ended_by], status="failed", ended=at, reason=message)
        return self._with(self.ended_by, step)

    def finished(self, now: datetime) -> Progress:
        """After the last event: what never began was skipped, and what had not ended was stopped."""

        def final(step: StepState) -> StepState:
            if step.status == "running":
                return replace(step, status="stopped", ended=now, question=None)
            return replace(step, status="skipped") if step.status == "waiting" else step

        return replace(self, steps={name: final(step) for name, step in self.steps.items()})


@functools.lru_cache(maxsize=8)  # asked for with each state that a run enters
def _cells(steps: tuple[str, ...]) -> Mapping[str, Sequence[str]]:
    """The steps by the name that the flow writes, and that their states have: the cells of each, or it alone."""
    cells: dict[str, list[str]] = {}
    for name in steps:
        cells.setdefault(written_name(name), []).append(name)
    return cells


def initial_progress(
    steps: Iterable[str],
    closing: Mapping[str, frozenset[str]] | None = None,
    reused: Mapping[str, str] | None = None,
) -> Progress:
    """Before the first event: every step waits. `closing` and `reused` are as in Progress."""
    return Progress({name: StepState() for name in steps}, closing=closing or {}, reused=reused or {})


def _iteration(event: Event, iterations: Mapping[int, int]) -> int | None:
    """The index of the iteration of a Map over cells that an event is in. Other Maps may lie inside of it."""
    for details in event.details.values():
        if isinstance(details, dict) and str(details.get("name", "")).startswith(CELLS_TITLE):
            index = details.get("index")
            return index if event.type == "MapIterationStarted" and isinstance(index, int) else None
    return iterations.get(event.previous_id)


#: The ending of the resources of tasks that somebody outside completes.
_TOKEN = ".waitForTaskToken"


def _advanced(step: StepState, event: Event) -> StepState:
    resource = next((str(each.get("resource")) for each in event.details.values() if isinstance(each, dict)), "")
    if resource.endswith(_TOKEN) and not (step.job or _job(event)):  # a job with a token is one of the build
        return _decided(step, event)
    if step.decision and not step.decision.is_approved:
        return step  # the run ends with its reason
    step = _with_described(step, event)
    match event.type:
        case "TaskScheduled":
            job = _job(event)  # None for a task that is no job
            if job is None:
                return step
            runs_on: RunsOn = "build" if resource == TASK_RESOURCE else ""
            return replace(step, status="running", job=job, ended=None, runs_on=runs_on)
        case "TaskSucceeded" | "WaitStateExited":
            return _succeeded(step, event)
        case "PassStateExited":
            cause = _found_failure(event)
            return replace(step, status="failed", ended=event.timestamp, reason=cause) if cause else step
        case "TaskFailed" | "TaskSubmitFailed" | "TaskStartFailed" | "TaskTimedOut":
            reason = _reason(event)
            if is_done_already(reason, step.title):
                return _succeeded(step, event)
            if has_alternative(reason, step.title):
                return replace(step, status="running", ended=None)
            return replace(step, status="failed", ended=event.timestamp, reason=reason)
        case _:
            return step


def _with_described(step: StepState, event: Event) -> StepState:
    """The step with the phases and the billed seconds of its job, where the event describes one that has ended."""
    if event.type not in ("TaskSucceeded", "TaskFailed"):
        return step
    details = next((each for each in event.details.values() if isinstance(each, dict)), {})
    description = str(details.get("output") or details.get("cause"))
    billed_s = billed_seconds(description)
    if billed_s is not None:
        step = replace(step, billed_s=billed_s + (step.billed_s or 0.0))
    phases = job_phases(description)
    return replace(step, phases=phases) if phases else step


def _succeeded(step: StepState, event: Event) -> StepState:
    if step.is_closing:
        return replace(step, status="succeeded", ended=event.timestamp, reason=None)
    return replace(step, status="running", ended=None, reason=None)


def _decided(step: StepState, event: Event) -> StepState:
    """The step after an event of a task that waits for a decision."""
    details = next((each for each in event.details.values() if isinstance(each, dict)), {})
    match event.type:
        case "TaskScheduled":
            asked = parse_question(str(details.get("parameters")), event.timestamp, details.get("timeoutInSeconds"))
            return replace(step, status="running", ended=None, question=asked)
        case "TaskSubmitted" if step.question:
            return replace(step, question=replace(step.question, is_asked=True))
        case "TaskSucceeded":
            step = replace(step, question=None, decision=parse_decision(str(details.get("output"))))
            return _succeeded(step, event) if step.decision and step.decision.is_approved else step
        case "TaskTimedOut":
            reason = "nobody decided in time"
            return replace(step, status="stopped", ended=event.timestamp, question=None, reason=reason)
        case "TaskFailed" | "TaskSubmitFailed" | "TaskStartFailed":
            return replace(step, status="failed", ended=event.timestamp, question=None, reason=_reason(event))
        case _:
            return step


def _found_failure(event: Event) -> str | None:
    """The cause of a failure that the state machine itself found, which a Pass state has in its output."""
    details = event.details.get("stateExitedEventDetails")
    try:
        output = json.loads(str(details["output"])) if isinstance(details, dict) else {}
    except (KeyError, ValueError):
        return None
    failure = output.get("failure") if isinstance(output, dict) else None
    is_found = isinstance(failure, dict) and failure.get("Error") == CHECK_FAILED
    return str(failure.get("Cause")) if is_found and isinstance(failure, dict) else None


def _job(event: Event) -> str | None:
    """Return the name of the job that a task creates, or that the build is to run; None for any other task."""
    details = event.details.get("taskScheduledEventDetails")
    if not isinstance(details, dict):
        return None
    if details.get("resource") == TASK_RESOURCE:
        announced = parse_announcement(details)
        return announced.job if isinstance(announced, JobAnnouncement) else None
    resource = str(details.get("resource", "")).partition(".")[0]
    job = next((job for job in _jobs() if job.task_resource == resource), None)
    try:
        name = json.loads(str(details["parameters"])).get(job.name_field) if job else None
    except (KeyError, ValueError):
        return None
    return str(name) if name else None


def _reason(event: Event) -> str:
    """The reason of a failed task, in the words of its job if it has one."""
    details = next((value for value in event.details.values() if isinstance(value, dict)), {})
    if event.type == "TaskTimedOut" and details.get("resource") == TASK_RESOURCE:
        return "the build that ran it gave no sign of life in time"
    if event.type == "TaskTimedOut":
        return "it did not end in time"
    cause = str(details.get("cause") or "")
    return reason_of(cause) or str(details.get("error") or "no reason was given")


def reason_of(cause: str) -> str:
    """The reason in a cause: what Describe…Job says of a job that failed, or the cause itself.

    >>> reason_of('{"TrainingJobStatus": "Failed", "FailureReason": "AlgorithmError: no such column"}')
    'AlgorithmError: no such column'
    """
    try:
        described = json.loads(cause)
    except ValueError:
        return cause
    if not isinstance(described, dict):
        return cause
    status = next((described[job.status_field] for job in _jobs() if described.get(job.status_field)), None)
    reason = described.get("FailureReason") or described.get("ExitMessage")
    if reason:
        return str(reason)
    if described.get("JobRunState"):  # of a Glue job's run
        return str(described.get("ErrorMessage") or f"the run of the Glue job ended as {described['JobRunState']}")
    if described.get("errorMessage"):  # of a Lambda function
        return ": ".join(str(described[key]) for key in ("errorType", "errorMessage") if described.get(key))
    return f"the job ended as {status}" if status else cause
