"""The tasks that the build does, jobs and verdicts: each once, and no longer than its task waits."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

import pytest

from mlci.backends.build_announcements import JobAnnouncement
from mlci.backends.build_tasks import JOB_FAILED, TOKEN_LOST, BuildTasks, JobEnd
from mlci.backends.events import Event
from mlci.backends.protocol import GateAnswer
from mlci.backends.stop_signal import StopSignal
from mlci.errors import CloudError
from mlci.flow.models import Json

URI = "s3://bucket/mlci/small/tokens/run/measure.json"
AT = datetime(2026, 11, 23, tzinfo=timezone.utc)


def body(token: str = "t1", **changes: Any) -> dict[str, Any]:
    return {"token": token, "step": "measure", "job": "job-0-0", "heartbeat_s": 0.05, "request": {}, **changes}


def events(token: str = "t1", *more: str, start: int = 1, key: str = "measure") -> list[Event]:
    """The events of a task up to its submission, and others."""
    place = {"Bucket": "bucket", "Key": f"mlci/small/tokens/run/{key}.json"}
    parameters = json.dumps({**place, "Body": body(token)})
    details: dict[str, Json] = {"resource": "putObject.waitForTaskToken", "parameters": parameters}
    kinds = ["TaskStarted", "TaskSubmitted", *more]
    return [
        Event(start, start - 1, AT, "TaskScheduled", {"taskScheduledEventDetails": details}),
        *(Event(start + number, start + number - 1, AT, kind, {}) for number, kind in enumerate(kinds, 1)),
    ]


@dataclass
class InMemoryTasks:
    """Step Functions' side: the tasks that wait, and the answers to them."""

    waiting: set[str] = field(default_factory=lambda: {"t1", "t2"})
    answers: list[tuple[str, ...]] = field(default_factory=list)
    beats: int = 0
    is_away: bool = False

    def heartbeat(self, token: str) -> bool:
        if self.is_away and self.beats:
            raise CloudError("SendTaskHeartbeat: AWS does not respond")
        self.beats += 1
        return token in self.waiting

    def succeed(self, token: str, output: str) -> bool:
        return self._end("succeeded", token, output)

    def fail(self, token: str, error: str, cause: str) -> bool:
        return self._end("failed", token, error, cause)

    def _end(self, *answer: str) -> bool:
        self.answers.append(answer)
        is_waiting = answer[1] in self.waiting
        self.waiting.discard(answer[1])
        return is_waiting


@dataclass
class Side:
    """A build, its store, and the state machine."""

    tasks: InMemoryTasks = field(default_factory=InMemoryTasks)
    objects: dict[str, bytes] = field(default_factory=lambda: {URI: json.dumps(body()).encode()})
    ran: list[JobAnnouncement] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    at_once: int = 2

    def run(self, job: Callable[[StopSignal], JobEnd], *history: Event, stop: StopSignal | None = None) -> None:
        with self.following(job, stop) as handle:
            for event in history:
                handle(event)
            self.wait(lambda: bool(self.tasks.answers))

    @contextmanager
    def following(
        self, job: Callable[[StopSignal], JobEnd], stop: StopSignal | None = None
    ) -> Iterator[Callable[[Event], None]]:
        def work(announced: JobAnnouncement, signal: StopSignal) -> JobEnd:
            self.ran.append(announced)
            return job(signal)

        tasks = BuildTasks(self.objects.get, self.tasks, self.lines.append, work, at_once=self.at_once)
        with tasks.following(lambda event: None, stop or StopSignal()) as handle:
            yield handle
        names = [thread.name for thread in threading.enumerate()]
        assert [name for name in names if "job-0-0" in name] == []

    @staticmethod
    def wait(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            time.sleep(0.005)
        return condition()


def completed(stop: StopSignal) -> JobEnd:
    return JobEnd("Completed")


def until_stopped(stop: StopSignal) -> JobEnd:
    assert stop.wait(60)
    return JobEnd("Stopped")


def test_a_task_is_answered_when_its_job_has_completed() -> None:
    side = Side()
    side.run(completed, *events())
    [(kind, token, output)] = side.tasks.answers
    assert (kind, token) == ("succeeded", "t1")
    assert json.loads(output) == {"ProcessingJobName": "job-0-0", "ProcessingJobStatus": "Completed"}


def test_a_failure_has_the_shape_of_a_jobs_description() -> None:
    side = Side()
    side.run(lambda stop: JobEnd("Failed", "AlgorithmError: no such column"), *events())
    [(kind, _, error, cause)] = side.tasks.answers
    assert (kind, error, json.loads(cause)["FailureReason"]) == ("failed", JOB_FAILED, "AlgorithmError: no such column")


def test_a_fault_of_our_own_fails_the_step_at_once() -> None:
    side = Side()

    def faulty(stop: StopSignal) -> JobEnd:
        raise OSError("No space left on device")

    side.run(faulty, *events())
    assert "No space left on device" in side.tasks.answers[0][3]


def test_a_task_that_was_answered_before_is_not_done_again() -> None:
    side = Side(InMemoryTasks(waiting=set()))
    with side.following(completed) as handle:
        for event in events("t1", "TaskSucceeded"):
            handle(event)
        assert side.wait(lambda: side.tasks.beats > 0)
    assert (side.ran, side.tasks.answers) == ([], [])


def test_the_events_of_a_task_start_its_job_once() -> None:
    side = Side()
    side.run(completed, *events(), *events())
    assert len(side.ran) == 1


@pytest.mark.parametrize("data", [None, b"{", b"[]", b'{"token": 7}', json.dumps(body(heartbeat_s=0)).encode()])
def test_a_lost_or_damaged_token_fails_the_step_in_words(data: bytes | None) -> None:
    side = Side(objects={URI: data} if data is not None else {})
    side.run(completed, *events())
    [(kind, token, error, cause)] = side.tasks.answers
    assert (kind, token, error) == ("failed", "t1", TOKEN_LOST)
    assert URI in cause
    assert side.ran == []


def test_the_token_of_a_later_attempt_is_left_to_its_own_event() -> None:
    side = Side(objects={URI: json.dumps(body("t2")).encode()})
    side.run(completed, *events("t1"), *events("t2", start=9))
    assert [answer[1] for answer in side.tasks.answers] == ["t2"]
    assert [job.token for job in side.ran] == ["t2"]


def test_heartbeats_go_on_as_long_as_the_job() -> None:
    side = Side()
    side.run(lambda stop: JobEnd("Completed" if side.wait(lambda: side.tasks.beats > 4) else "Failed"), *events())
    assert side.tasks.answers[0][0] == "succeeded"


def test_a_job_is_killed_where_its_task_waits_no_longer() -> None:
    side = Side()
    with side.following(until_stopped) as handle:
        for event in events():
            handle(event)
        assert side.wait(lambda: bool(side.ran))
        side.tasks.waiting.clear()
    assert side.tasks.answers == []


@pytest.mark.parametrize("kind", ["TaskTimedOut", "TaskFailed", "TaskSucceeded"])
def test_a_job_is_killed_when_its_task_has_ended(kind: str) -> None:
    side = Side()
    ended = threading.Event()

    def job(stop: StopSignal) -> JobEnd:
        until_stopped(stop)
        ended.set()
        return JobEnd("Stopped")

    with side.following(job) as handle:
        *before, last = events("t1", kind)
        for event in before:
            handle(event)
        assert side.wait(lambda: bool(side.ran))
        handle(last)
        assert ended.wait(60)
    assert side.tasks.answers == []


def test_a_stop_of_the_run_kills_its_jobs_and_answers_nothing() -> None:
    side, stop = Side(), StopSignal()
    with side.following(until_stopped, stop) as handle:
        for event in events():
            handle(event)
        assert side.wait(lambda: bool(side.ran))
        stop.set("mlci.Stopped", "stopped")
    assert side.tasks.answers == []


def test_a_job_goes_on_while_aws_does_not_respond_and_one_line_says_so() -> None:
    side = Side(InMemoryTasks(is_away=True))
    side.run(lambda stop: JobEnd("Failed" if stop.wait(0.3) else "Completed"), *events())
    assert side.tasks.answers[0][0] == "succeeded"
    assert len(side.lines) == 1
    assert "no sign of life could be sent" in side.lines[0]


def test_jobs_beyond_the_cores_wait_for_their_turn_with_heartbeats() -> None:
    other = "s3://bucket/mlci/small/tokens/run/other.json"
    side = Side(objects={URI: json.dumps(body()).encode(), other: json.dumps(body("t2")).encode()}, at_once=1)
    running: list[int] = []

    def job(stop: StopSignal) -> JobEnd:
        running.append(1)
        assert len(running) == 1
        stop.wait(0.2)
        running.pop()
        return JobEnd("Completed")

    with side.following(job) as handle:
        for event in [*events("t1"), *events("t2", start=9, key="other")]:
            handle(event)
        assert side.wait(lambda: len(side.tasks.answers) == 2)
    assert [answer[0] for answer in side.tasks.answers] == ["succeeded", "succeeded"]


def test_the_events_of_approvals_and_of_jobs_start_nothing() -> None:
    side = Side()
    question = {"Bucket": "b", "Key": "k", "Body": {"token": "t1", "step": "approve", "message": "go on?"}}
    for resource, parameters in (
        ("putObject.waitForTaskToken", question),
        ("createProcessingJob.sync", {"ProcessingJobName": "x"}),
    ):
        details: dict[str, Json] = {"resource": resource, "parameters": json.dumps(parameters)}
        with side.following(completed) as handle:
            handle(Event(1, 0, AT, "TaskScheduled", {"taskScheduledEventDetails": details}))
            handle(Event(2, 1, AT, "TaskSubmitted", {}))
    assert side.ran == []


GATE_URI = "s3://bucket/mlci/small/tokens/run/_gate/1.json"


def asked(token: str = "t1", *more: str) -> list[Event]:
    """The events of a task that asks whether the gate holds, up to its submission, and others."""
    first, *others = events(token, *more)
    body = {"token": token, "run": "run", "judges": "gate"}
    place = {"Bucket": "bucket", "Key": "mlci/small/tokens/run/_gate/1.json"}
    details: dict[str, Json] = {
        "resource": "putObject.waitForTaskToken",
        "parameters": json.dumps({**place, "Body": body}),
    }
    return [replace(first, details={"taskScheduledEventDetails": details}), *others]


@dataclass
class Gate:
    """A build that is asked whether the gate holds, and its judge."""

    judge: Callable[[], GateAnswer]
    tasks: InMemoryTasks = field(default_factory=InMemoryTasks)
    lines: list[str] = field(default_factory=list)
    token: str = "t1"
    stop: StopSignal = field(default_factory=StopSignal)
    ends_s: float = 5.0

    @contextmanager
    def following(self) -> Iterator[Callable[[Event], None]]:
        stored = json.dumps({"token": self.token, "run": "run", "judges": "gate"}).encode()
        tasks = BuildTasks(
            {GATE_URI: stored}.get, self.tasks, self.lines.append, judge=self.judge, judge_ends_s=self.ends_s
        )
        with tasks.following(lambda event: None, self.stop) as handle:
            yield handle

    def ask(self, *history: Event) -> list[tuple[str, ...]]:
        with self.following() as handle:
            for event in history:
                handle(event)
            Side.wait(lambda: bool(self.tasks.answers), 1.0)
        return self.tasks.answers


@pytest.mark.parametrize("answer", [GateAnswer(True), GateAnswer(False, "evaluate.auc 0.8 ≥ 0.9 is missed by 0.1")])
def test_the_state_machine_gets_the_verdict_on_the_gate(answer: GateAnswer) -> None:
    [(kind, token, output)] = Gate(lambda: answer).ask(*asked())
    assert (kind, token, json.loads(output)) == ("succeeded", "t1", {"held": answer.held, "text": answer.text})


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (CloudError("GetObject: AWS does not respond"), "GetObject: AWS does not respond"),
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
        (KeyError("auc"), "KeyError: 'auc'"),
    ],
)
def test_a_gate_that_cannot_be_judged_is_answered_with_the_reason(error: Exception, reason: str) -> None:
    def judge() -> GateAnswer:
        raise error

    assert Gate(judge).ask(*asked()) == [("failed", "t1", "mlci.NotJudged", reason)]


def test_a_question_that_was_answered_before_is_not_answered_again() -> None:
    """A build that attaches to its run sees all events: those of questions that its first process answered, too."""
    gate = Gate(lambda: GateAnswer(Side.wait(lambda: False, 0.1)), InMemoryTasks(waiting=set()))
    assert gate.ask(*asked("t1", "TaskSucceeded")) == []
    assert gate.lines == []


def test_a_question_that_waits_when_the_build_attaches_is_answered() -> None:
    assert [answer[:2] for answer in Gate(lambda: GateAnswer(True)).ask(*asked(), *asked())] == [("succeeded", "t1")]


def test_the_question_of_a_later_attempt_is_left_to_its_own_event() -> None:
    assert Gate(lambda: GateAnswer(True), token="t2").ask(*asked("t1")) == []


def test_a_verdict_that_comes_after_a_stop_is_not_sent() -> None:
    gate = Gate(lambda: GateAnswer(Side.wait(gate.stop.is_set)))
    with gate.following() as handle:
        for event in asked():
            handle(event)
        gate.stop.set("mlci.Stopped", "stopped")
    assert gate.tasks.answers == []


def test_a_judge_that_waits_for_aws_does_not_hold_up_a_stop() -> None:
    is_over = threading.Event()
    gate = Gate(lambda: GateAnswer(is_over.wait(120)), ends_s=0.1)
    with gate.following() as handle:
        for event in asked():
            handle(event)
        gate.stop.set("mlci.Stopped", "stopped")
        began = time.monotonic()
    assert time.monotonic() - began < 60
    is_over.set()


def test_a_verdict_that_comes_too_late_is_told() -> None:
    gate = Gate(lambda: GateAnswer(True), InMemoryTasks(waiting=set()))
    with gate.following() as handle:
        for event in asked():
            handle(event)
        assert Side.wait(lambda: bool(gate.lines))
    assert gate.lines == ["the gate was judged, and the state machine does not wait for the verdict any more"]
