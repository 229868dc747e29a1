"""Trouble on the way to AWS, put before or behind every call in turn: the verdict is right, or the reason clear."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from botocore.awsrequest import AWSResponse

from support.aws_builds import Builder
from support.fake_aws import FAULTS, PretendAws, Script, response

#: Every operation that a run calls. A test holds the list, so that a new one is not forgotten.
OPERATIONS = (
    "s3.HeadBucket",
    "s3.GetObject",
    "s3.HeadObject",
    "s3.ListObjectsV2",
    "s3.PutObject",
    "sfn.DescribeStateMachine",
    "sfn.ListTagsForResource",
    "sfn.CreateStateMachine",
    "sfn.UpdateStateMachine",
    "sfn.ListStateMachineVersions",
    "sfn.PublishStateMachineVersion",
    "sfn.TagResource",
    "sfn.ListExecutions",
    "sfn.DescribeExecution",
    "sfn.StartExecution",
    "sfn.GetExecutionHistory",
    "cloudwatch-logs.DescribeLogStreams",
    "cloudwatch-logs.GetLogEvents",
)
#: What a run that is stopped, or has failed, calls beside them.
ENDING = (
    "sfn.StopExecution",
    "sagemaker.DescribeTrainingJob",
    "sagemaker.StopTrainingJob",
    "sagemaker.ListTrainingJobs",
    "sagemaker.ListProcessingJobs",
)


def each_fault(name: str) -> Callable[[str], AWSResponse | None]:
    """Every fault in turn at the first calls of an operation."""
    left = list(FAULTS.values())

    def put(called: str) -> AWSResponse | None:
        return left.pop()(called) if called == name and left else None

    return put


def first(name: str) -> Callable[[str], bool]:
    """Whether a call is the first one of an operation."""
    seen: set[str] = set()

    def is_first(called: str) -> bool:
        if called != name or called in seen:
            return False
        seen.add(called)
        return True

    return is_first


def two_builds(builder: Builder, pretended: PretendAws) -> list[int]:
    """A first build, then one that changes the state machine, of another repository's version, and of the same id as
    one that runs: between them they make every call."""
    codes = [builder.exit_code("models:1")]
    builder.reuses = False
    for machine in pretended.states.machines.values():
        machine.tags["mlci:version"] = "0.0.1"
        machine.revisions[-1].role += "-of-old"
    pretended.sagemaker.scripts["train"] = Script(seconds=0.1)
    other = threading.Thread(target=lambda: codes.append(builder.exit_code("models:2")))
    other.start()
    end = time.monotonic() + 60
    while len(pretended.sagemaker.jobs) < 3 and time.monotonic() < end:
        time.sleep(0.002)
    codes.append(builder.exit_code("models:2"))
    other.join(60)
    return codes


def test_the_operations_are_all_that_a_run_calls(builder: Builder, pretended: PretendAws) -> None:
    assert two_builds(builder, pretended) == [0, 0, 0], builder.log.text
    assert set(pretended.calls) - {"sts.GetCallerIdentity"} == set(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_trouble_that_passes_changes_no_verdict(builder: Builder, pretended: PretendAws, operation: str) -> None:
    pretended.fault = each_fault(operation)
    assert two_builds(builder, pretended) == [0, 0, 0], builder.log.text
    assert pretended.running == []
    assert set(pretended.sagemaker.started.values()) == {1}


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name.startswith("sfn.")])
def test_an_answer_that_gets_lost_changes_no_verdict(builder: Builder, pretended: PretendAws, operation: str) -> None:
    """The request has had its effect, and nobody heard: asked again, it must not have it twice."""
    pretended.lost = first(operation)
    assert two_builds(builder, pretended) == [0, 0, 0], builder.log.text
    assert set(pretended.sagemaker.started.values()) == {1}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_trouble_that_stays_ends_in_a_reason_and_nothing_is_left(
    builder: Builder, pretended: PretendAws, operation: str
) -> None:
    builder.speed, builder.patience_s = 10_000, 60  # an hour without an answer is given up
    pretended.sagemaker.scripts["train"] = Script(seconds=0.5)
    pretended.fault = lambda name: FAULTS["dropped"](name) if name == operation else None
    code = builder.exit_code("models:1")
    if code == 0:  # logs, and what this run did not need
        assert operation.startswith("cloudwatch-logs") or operation not in pretended.calls
    else:
        assert code == 3, builder.log.text
        end = time.monotonic() + 5  # where not even its end could be heard of, that takes a moment
        while pretended.running and time.monotonic() < end:
            time.sleep(0.002)
        assert pretended.running == []
    assert "Traceback" not in builder.log.text


@pytest.mark.parametrize("operation", ENDING)
def test_trouble_while_stopping_leaves_nothing_running(builder: Builder, pretended: PretendAws, operation: str) -> None:
    pretended.sagemaker.scripts["train"] = Script(seconds=60, outlives_stop=True)
    pretended.fault = each_fault(operation)
    codes: list[int] = []
    build = threading.Thread(target=lambda: codes.append(builder.exit_code()))
    build.start()
    end = time.monotonic() + 60
    while not pretended.sagemaker.jobs and time.monotonic() < end:
        time.sleep(0.002)
    builder.interrupts.put("stopped by SIGTERM")
    build.join(60)
    assert operation in pretended.calls
    assert codes == [4], builder.log.text
    assert pretended.running == []


def test_a_refusal_is_not_waited_for(builder: Builder, pretended: PretendAws) -> None:
    refusal = {"__type": "AccessDeniedException", "message": "not authorized to perform: states:StartExecution"}
    pretended.fault = lambda name: response(400, refusal) if name == "sfn.StartExecution" else None
    assert builder.exit_code() == 3
    assert pretended.calls.count("sfn.StartExecution") == 1
    assert pretended.running == []
