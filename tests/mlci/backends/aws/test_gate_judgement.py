"""A gate that mlci judges on AWS, with trouble on the way of the question, of what is judged, and of the answer."""

from __future__ import annotations

import threading

import pytest
from botocore.awsrequest import AWSResponse

from mlci.report.result import Status
from support.aws_builds import FLOW, Builder
from support.fake_aws import FAULTS, PretendAws, Script
from support.waiting import wait_for

JUDGED = (
    FLOW.replace("out/metrics.json", "out/metrics.json\n    cases: out/cases.csv")
    .replace("measure.auc", "measure.accuracy")
    .replace("gate:\n", "  deploy: {uses: processing, run: measure.py, after: gate}\ngate:\n")
)


@pytest.fixture(autouse=True)
def judged(builder: Builder, pretended: PretendAws) -> None:
    builder.write(JUDGED)
    measured(pretended, 95)


def measured(pretended: PretendAws, right: int) -> None:
    """A model that classifies so many of 100 cases as they are."""
    rows = "".join(f"{number},1,{int(number < right)}\n" for number in range(100))
    cases = f"id,label,predicted\n{rows}".encode()
    pretended.sagemaker.scripts["measure"] = Script({"accuracy": right / 100}, {"cases.csv": cases})


def deployed(pretended: PretendAws) -> bool:
    return any("--deploy-" in job for job in pretended.sagemaker.started)


@pytest.mark.parametrize(("right", "status"), [(95, Status.PASSED), (80, Status.GATE_MISSED)])
def test_the_answer_decides_about_what_is_behind_the_gate(
    builder: Builder, pretended: PretendAws, right: int, status: Status
) -> None:
    measured(pretended, right)
    assert builder.run().status is status
    assert deployed(pretended) is (status is Status.PASSED)
    assert pretended.calls.count("sfn.SendTaskSuccess") == 2


@pytest.mark.parametrize("fault", FAULTS)
def test_an_answer_that_does_not_arrive_at_first_is_sent_again(
    builder: Builder, pretended: PretendAws, fault: str
) -> None:
    left = [fault]

    def put(name: str) -> AWSResponse | None:
        return FAULTS[left.pop()](name) if name == "sfn.SendTaskSuccess" and left else None

    pretended.fault = put
    assert builder.run().status is Status.PASSED
    assert (deployed(pretended), left) == (True, [])


def test_an_answer_whose_receipt_got_lost_counts(builder: Builder, pretended: PretendAws) -> None:
    lost: list[str] = []

    def is_lost(name: str) -> bool:
        if name != "sfn.SendTaskSuccess" or lost:
            return False
        lost.append(name)
        return True

    pretended.lost = is_lost
    assert builder.run().status is Status.PASSED
    assert deployed(pretended)
    assert "does not wait for the verdict any more" not in builder.log.text


def test_what_mlci_cannot_read_fails_the_run_with_the_reason(builder: Builder, pretended: PretendAws) -> None:
    """From the question on, the bucket answers no read of mlci's. The state machine's own way is another."""
    builder.speed, builder.patience_s = 10_000, 5
    reads = 0

    def put(name: str) -> AWSResponse | None:
        nonlocal reads
        if name != "s3.GetObject" or not pretended.states.waiting:
            return None
        reads += 1
        return FAULTS["broken"](name) if reads > 1 else None  # the first is that of the token

    pretended.fault = put
    result = builder.run()
    assert (result.status, result.exit_code) == (Status.FAILED, 3)
    assert not deployed(pretended)
    [execution] = pretended.states.executions.values()
    failed = execution.events[-1].details["executionFailedEventDetails"]
    assert isinstance(failed, dict)
    assert failed["error"] == "mlci.NotJudged"
    assert str(failed["cause"]).startswith("the gate could not be judged: GetObject")
    assert pretended.calls.count("sfn.SendTaskFailure") == 1


def test_a_build_that_attaches_answers_what_waits_and_nothing_twice(builder: Builder, pretended: PretendAws) -> None:
    """The first build hangs when it is asked, until another of the same id has come and answered."""
    asked, is_over = threading.Event(), threading.Event()

    def put(name: str) -> AWSResponse | None:
        if threading.current_thread().name == "task gate" and not asked.is_set():
            asked.set()
            assert is_over.wait(20)
        return None

    pretended.fault = put
    first = threading.Thread(target=lambda: builder.exit_code("models:1"))
    first.start()
    wait_for(asked.is_set)
    second = Builder(builder.root, pretended)
    assert second.run("models:1").status is Status.PASSED
    is_over.set()
    first.join(60)
    assert "attached to run" in second.log.text
    assert deployed(pretended)
    assert "does not wait for the verdict any more" not in builder.log.text + second.log.text


def test_a_stop_while_the_gate_waits_ends_the_run(builder: Builder, pretended: PretendAws) -> None:
    asked = threading.Event()

    def put(name: str) -> AWSResponse | None:
        if threading.current_thread().name == "task gate":
            asked.set()
            wait_for(lambda: "sfn.StopExecution" in pretended.calls)
        return None

    pretended.fault = put
    codes: list[int] = []
    build = threading.Thread(target=lambda: codes.append(builder.exit_code()))
    build.start()
    wait_for(asked.is_set)
    builder.interrupts.put("stopped by SIGTERM")
    build.join(60)
    assert codes == [4]
    assert not deployed(pretended)
    assert pretended.running == []
