"""The tasks of a state machine that the build does itself: it reads their tokens, has their jobs run or judges the
gate, and answers.

A task is done by the process that follows its run, and by none else. It is done once: before a job starts, a
heartbeat asks whether the task waits at all, as it does not where an earlier process of the build has answered. As long
as the job runs, heartbeats tell so. Where the task waits no longer, because the run was stopped or has failed, the job
is killed. No job outlives the context.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field
from typing import Literal, Protocol

if sys.version_info >= (3, 11):
    from typing import assert_never
else:  # 4 ms
    from typing_extensions import assert_never

from mlci.backends.build_announcements import (
    Announcement,
    GateAnnouncement,
    JobAnnouncement,
    parse_announcement,
    read_announcement,
)
from mlci.backends.events import Event
from mlci.backends.protocol import GateAnswer
from mlci.backends.stop_signal import StopSignal
from mlci.compile.names import NOT_JUDGED
from mlci.errors import MlciError
from mlci.step_types.build_run import TASK_RESOURCE
from mlci_dataclasses import dataclass

#: So many signs of life are sent in the time in which one is due.
_BEATS = 5
#: The time between two looks whether it is a job's turn.
_TURN_POLL_S = 0.5
#: The event of a task's end is seen this much later, if it was among those that an attached build sees at first.
_EVENT_S = 1.0
#: The error names of a job that failed, and of a task whose token is lost.
JOB_FAILED, TOKEN_LOST = "mlci.JobFailed", "mlci.TokenLost"


@dataclass(frozen=True)
class JobEnd:
    """The end of a job: its status in SageMaker's words, and the reason of a failure."""

    status: Literal["Completed", "Failed", "Stopped"]
    reason: str = ""

    def described(self, job: str) -> str:
        """Return the end as DescribeProcessingJob tells it, which is where reports look for the reason."""
        reason = {"FailureReason": self.reason} if self.reason else {}
        return json.dumps({"ProcessingJobName": job, "ProcessingJobStatus": self.status, **reason})


class TaskAnswers(Protocol):
    """The answers to tasks, by their tokens. Each returns False if the task does not wait any more."""

    def heartbeat(self, token: str) -> bool: ...

    def succeed(self, token: str, output: str) -> bool: ...

    def fail(self, token: str, error: str, cause: str) -> bool: ...


@dataclass
class BuildTasks:
    """The tasks of one run that the build does. `read` returns an object's bytes, `run_job` runs a job to its end, and
    `judge` returns the verdict on the gate so far, or raises the reason why there is none. A run has no task of a kind
    that has None here.

    At most `at_once` jobs run at the same time; the others wait for their turn. A judge that waits for AWS when its run
    ends is left alone after `judge_ends_s`: it only reads, and sends nothing then.
    """

    read: Callable[[str], bytes | None]
    answers: TaskAnswers
    log: Callable[[str], None]
    run_job: Callable[[JobAnnouncement, StopSignal], JobEnd] | None = None
    judge: Callable[[], GateAnswer] | None = None
    at_once: int = 1
    judge_ends_s: float = 5.0
    _announced: dict[int, Announcement] = field(default_factory=dict)
    _running: dict[str, tuple[StopSignal, threading.Thread]] = field(default_factory=dict)
    _judged: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._turns = threading.Semaphore(max(1, self.at_once))

    @contextmanager
    def following(self, on_event: Callable[[Event], None], stop: StopSignal) -> Iterator[Callable[[Event], None]]:
        """Yield a handler of a run's events, which passes them on. Leaving the context, or `stop`, kills the jobs."""

        def handle(event: Event) -> None:
            on_event(event)
            self._handle(event)

        unsubscribe = stop.subscribe(self._stop_all)
        try:
            yield handle
        finally:
            unsubscribe()
            self._stop_all()
            for token, (_, thread) in list(self._running.items()):
                thread.join(self.judge_ends_s if token in self._judged else None)

    def _handle(self, event: Event) -> None:
        details = event.details.get("taskScheduledEventDetails")
        if isinstance(details, dict):
            announced = parse_announcement(details) if details.get("resource") == TASK_RESOURCE else None
            if announced:
                self._announced[event.id] = announced
            return
        announced = self._announced.get(event.previous_id)
        if announced is None or not event.type.startswith("Task"):
            return
        if event.type in ("TaskStarted", "TaskSubmitted"):
            self._announced[event.id] = announced
        if event.type == "TaskSubmitted":
            self._start(announced)
        elif event.type != "TaskStarted" and announced.token in self._running:
            self._running[announced.token][0].set()  # it has ended, whoever answered

    def _start(self, announced: Announcement) -> None:
        if announced.token in self._running:
            return
        stop = StopSignal()
        thread = threading.Thread(target=self._do, args=(announced, stop), name=f"task {announced.name}", daemon=True)
        self._running[announced.token] = stop, thread
        if isinstance(announced, GateAnnouncement):
            self._judged.add(announced.token)
        thread.start()

    def _stop_all(self) -> None:
        for stop, _ in list(self._running.values()):
            stop.set()

    def _do(self, announced: Announcement, stop: StopSignal) -> None:
        """Do a task, in a thread of its own."""
        try:
            task = self._announced_at(announced)
            match task:
                case None:
                    return
                case JobAnnouncement():
                    self._do_job(task, stop)
                case GateAnnouncement():
                    self._do_judge(task, stop)
                case _:
                    assert_never(task)
        except MlciError as error:
            self.log(f"{announced.name}: the state machine could not be answered, and will fail: {error}")

    def _announced_at(self, announced: Announcement) -> Announcement | None:
        """Return the task as its object has it; None if there is nothing to do."""
        task = read_announcement(self.read(announced.uri), announced.uri)
        if task is None:
            cause = f"the token of the step is not at {announced.uri} any more, or it is damaged"
            self.answers.fail(announced.token, TOKEN_LOST, cause)
            return None
        # Another attempt at the step may have replaced it, and has an event of its own.
        return task if task.token == announced.token else None

    def _do_job(self, job: JobAnnouncement, stop: StopSignal) -> None:
        if not self.answers.heartbeat(job.token):
            return
        with self._beating(job, stop):
            end = self._run_in_turn(job, stop)
        if not stop.is_set():
            self._answer(job, end)

    def _do_judge(self, task: GateAnnouncement, stop: StopSignal) -> None:
        """Judge the gate, and answer. Its events tell that a task waits no longer: it has no heartbeats."""
        if stop.is_set() or self.judge is None:
            return
        try:
            answer = self.judge()
        except Exception as error:  # noqa: BLE001 - the state machine waits for an answer, whatever went wrong
            reason = str(error) if isinstance(error, (MlciError, OSError)) else f"{type(error).__name__}: {error}"
            if not stop.is_set():
                self.answers.fail(task.token, NOT_JUDGED, reason)
            return
        if stop.is_set() or self.answers.succeed(task.token, answer.output()):
            return
        if not stop.wait(_EVENT_S):  # an earlier process of the build may have answered
            self.log("the gate was judged, and the state machine does not wait for the verdict any more")

    def _run_in_turn(self, job: JobAnnouncement, stop: StopSignal) -> JobEnd:
        while not self._turns.acquire(timeout=_TURN_POLL_S):
            if stop.is_set():
                return JobEnd("Stopped")
        try:
            return JobEnd("Stopped") if stop.is_set() or self.run_job is None else self.run_job(job, stop)
        except Exception as error:  # noqa: BLE001 - the state machine waits for an answer, whatever went wrong
            return JobEnd("Failed", f"InternalServerError: {type(error).__name__}: {error}")
        finally:
            self._turns.release()

    def _answer(self, job: JobAnnouncement, end: JobEnd) -> None:
        if end.status == "Completed":
            is_taken = self.answers.succeed(job.token, end.described(job.job))
        else:
            is_taken = self.answers.fail(job.token, JOB_FAILED, end.described(job.job))
        if not is_taken:
            self.log(f"{job.step}: the job ended in the build, and the state machine does not wait for it any more")

    @contextmanager
    def _beating(self, job: JobAnnouncement, stop: StopSignal) -> Iterator[None]:
        """Send heartbeats until the context is left. Where the task waits no longer, the job is stopped."""
        is_over = threading.Event()
        thread = threading.Thread(
            target=self._beat, args=(job, stop, is_over), name=f"heartbeat of {job.job}", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    def _beat(self, job: JobAnnouncement, stop: StopSignal, is_over: threading.Event) -> None:
        is_silent = False
        while not is_over.wait(job.heartbeat_s / _BEATS):
            try:
                if not self.answers.heartbeat(job.token):
                    stop.set()
                    return
                is_silent = False
            except MlciError as error:
                if not is_silent:
                    self.log(f"{job.step}: no sign of life could be sent, and the job goes on: {error}")
                is_silent = True
