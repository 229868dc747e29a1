"""Logs of jobs on AWS, copied while the jobs run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlci.backends.aws.cloudwatch_logs import Logs
from mlci.backends.aws.job_logs import JobLogs
from mlci.backends.aws.sagemaker_jobs import Job, job_of
from support.fake_aws import PretendAws, PretendJob, Script, response, throttled, waiting_clock

TRAIN = Job("training", "mlci-small--train-20261123-101530-3f9c2a-0-0")


@pytest.fixture
def messages() -> list[str]:
    return []


@pytest.fixture
def logs(pretended: PretendAws, tmp_path: Path, messages: list[str]) -> JobLogs:
    """All jobs of a run log to one file."""
    return JobLogs(
        Logs(pretended.session().api("logs")), lambda job: tmp_path / "logs/train.log", messages.append, waiting_clock()
    )


def start(pretended: PretendAws, job: Job, *lines: str) -> PretendJob:
    made = PretendJob("TrainingJob", job.name, Script(log=lines))
    pretended.sagemaker.jobs[job.name] = made
    return made


def test_a_log_grows_with_the_job_and_each_line_is_read_once(
    logs: JobLogs, pretended: PretendAws, tmp_path: Path
) -> None:
    file = tmp_path / "logs/train.log"
    job = start(pretended, TRAIN)
    logs.follow([TRAIN])
    assert not file.exists()
    for lines in (("one",), ("one", "two"), ("one", "two"), ("one", "two", "three")):
        job.script = replace(job.script, log=lines)
        logs.follow([TRAIN])
        assert file.read_text() == "".join(f"{line}\n" for line in lines)
    logs.copy(TRAIN)
    assert file.read_text() == "one\ntwo\nthree\n"


def test_lines_of_several_instances_begin_with_their_host(logs: JobLogs, pretended: PretendAws, tmp_path: Path) -> None:
    start(pretended, TRAIN, "one", "two")
    parameters = {"TrainingJobName": TRAIN.name, "ResourceConfig": {"InstanceCount": 2}}
    job = job_of("createTrainingJob.sync", parameters)
    assert job == TRAIN
    logs.copy(job)
    assert (tmp_path / "logs/train.log").read_text() == "[algo-1] one\n[algo-1] two\n"


def test_a_second_attempt_follows_the_first_and_an_older_file_is_replaced(
    logs: JobLogs, pretended: PretendAws, tmp_path: Path
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/train.log").write_text("of a build that was cut off\n")
    again = Job("training", TRAIN.name.replace("-0-0", "-1-0"))
    start(pretended, TRAIN, "first")
    start(pretended, again, "second")
    logs.copy(TRAIN)
    logs.copy(again)
    assert (tmp_path / "logs/train.log").read_text() == "first\nsecond\n"


def test_the_last_lines_of_a_failed_job_may_be_late(logs: JobLogs, pretended: PretendAws, tmp_path: Path) -> None:
    job = start(pretended, TRAIN, "reading")
    logs.follow([TRAIN])

    def arrive(seconds: float) -> None:
        job.script = replace(job.script, log=("reading", "ValueError"))

    logs.clock = replace(logs.clock, sleep=arrive)
    logs.copy_failed(TRAIN)
    assert (tmp_path / "logs/train.log").read_text() == "reading\nValueError\n"


@pytest.mark.slow
def test_a_refusal_is_told_once_and_throttling_passes(
    logs: JobLogs, pretended: PretendAws, messages: list[str], tmp_path: Path
) -> None:
    start(pretended, TRAIN, "one")
    pretended.fault = lambda name: throttled(name) if name.startswith("cloudwatch") else None
    logs.follow([TRAIN])
    assert messages == []
    pretended.fault = lambda name: None
    logs.follow([TRAIN])
    assert (tmp_path / "logs/train.log").read_text() == "one\n"
    refusal = {"__type": "AccessDeniedException", "message": "no logs for you"}
    pretended.fault = lambda name: response(400, refusal) if name.startswith("cloudwatch") else None
    logs.follow([TRAIN])
    logs.copy_failed(TRAIN)
    assert len(messages) == 1
    assert "can't be read: DescribeLogStreams: AccessDeniedException: no logs for you" in messages[0]


def test_each_of_many_jobs_gets_its_turn(logs: JobLogs, pretended: PretendAws, tmp_path: Path) -> None:
    jobs = [Job("training", f"{TRAIN.name[:-4]}-{number}-0") for number in range(50)]
    for number, job in enumerate(jobs):
        start(pretended, job, f"line {number}")
    for _ in range(3):
        pretended.calls.clear()
        logs.follow(jobs)
        assert pretended.calls.count("cloudwatch-logs.DescribeLogStreams") == 20
    assert len((tmp_path / "logs/train.log").read_text().splitlines()) == 50
