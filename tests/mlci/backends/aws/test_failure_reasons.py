"""Failures on AWS: the job's own reason, its log, and where the console shows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from mlci.backends.aws import console_urls
from mlci.backends.aws.cloudwatch_logs import Logs
from mlci.backends.aws.failure_reasons import EventExplainer
from mlci.backends.aws.job_logs import JobLogs
from mlci.backends.aws.sagemaker_jobs import JOBS, Job, Jobs
from mlci.backends.aws.stop_run import RunStopper
from mlci.backends.events import Event
from mlci.backends.progress import reason_of
from mlci.plan.names import run_in_names
from mlci.step_types.base import JobType
from support.fake_aws import PretendAws, PretendJob, Script, response, waiting_clock

TRAIN = Job("training", "mlci-small--train-20261123-101530-3f9c2a-0-0")
Story = Callable[[str], Event]


@pytest.fixture
def messages() -> list[str]:
    return []


@pytest.fixture
def heard() -> list[Event]:
    return []


@pytest.fixture
def explained(
    pretended: PretendAws, tmp_path: Path, messages: list[str], heard: list[Event]
) -> Callable[[str], EventExplainer]:
    """Explanations that have heard of a training job that failed, with this cause."""

    def make(cause: str) -> EventExplainer:
        session = pretended.session()
        made = EventExplainer(
            Jobs(session.api("sagemaker")),
            JobLogs(Logs(session.api("logs")), lambda job: tmp_path / f"{job}.log", messages.append, waiting_clock()),
            messages.append,
            lambda job: console_urls.job_link(job, "aws", "eu-west-1"),
            heard.append,
        )
        script = Script(log=("one", "two"))
        reason = "AlgorithmError: no such column: age"
        pretended.sagemaker.jobs[TRAIN.name] = PretendJob("TrainingJob", TRAIN.name, script, "Failed", reason)
        scheduled = {"resource": "createTrainingJob.sync", "parameters": json.dumps({"TrainingJobName": TRAIN.name})}
        made.handle(
            _event(2, "TaskScheduled", {"taskScheduledEventDetails": {**scheduled, "resourceType": "sagemaker"}})
        )
        made.handle(_event(3, "TaskSubmitted", {"taskSubmittedEventDetails": {}}))
        made.handle(_event(4, "TaskFailed", {"taskFailedEventDetails": {"error": "States.TaskFailed", "cause": cause}}))
        return made

    return make


def _event(number: int, kind: str, details: dict[str, object]) -> Event:
    return Event(number, number - 1, datetime.now(timezone.utc), kind, details)  # type: ignore[arg-type]


def cause_of(event: Event) -> str:
    details = event.details["taskFailedEventDetails"]
    assert isinstance(details, dict)
    return str(details["cause"])


@pytest.mark.parametrize("cause", ["", '{"TrainingJobName": "cut off in the mid'])
def test_a_cause_that_says_nothing_gets_the_reason_of_the_job(
    explained: Callable[[str], EventExplainer], heard: list[Event], cause: str
) -> None:
    explained(cause)
    assert reason_of(cause_of(heard[-1])) == "AlgorithmError: no such column: age"


def test_a_cause_with_a_reason_stays(
    explained: Callable[[str], EventExplainer], heard: list[Event], pretended: PretendAws
) -> None:
    cause = json.dumps({"FailureReason": "of the event"})
    explained(cause)
    assert cause_of(heard[-1]) == cause
    assert "sagemaker.DescribeTrainingJob" not in pretended.calls


def test_a_right_that_the_workflow_role_lacks_is_told_with_what_helps(
    explained: Callable[[str], EventExplainer], messages: list[str]
) -> None:
    role = "arn:aws:sts::123456789012:assumed-role/mlci-small-WorkflowRole-1/x"
    explained(f"User: {role} is not authorized to perform: sagemaker:CreateTrainingJob on resource: …")
    assert "`mlci bootstrap`" in messages[0]


@pytest.mark.parametrize(("use", "helps"), [("training warm pool usage", True), ("training job usage", False)])
def test_a_full_quota_of_warm_pools_is_told_with_its_name(
    explained: Callable[[str], EventExplainer], messages: list[str], use: str, helps: bool
) -> None:
    explained(f"The account-level service limit 'ml.m5.large for {use}' is 0 Instances, with current utilization of 0")
    told = 'Raise the quota "ml.m5.large for training warm pool usage" in Service Quotas'
    assert any(message.startswith(told) for message in messages) is helps


def test_the_log_is_there_before_anyone_is_shown_the_failure(
    explained: Callable[[str], EventExplainer], messages: list[str], tmp_path: Path
) -> None:
    explained("")
    assert (tmp_path / f"{TRAIN.name}.log").read_text() == "one\ntwo\n"
    assert messages == [
        f"training job: https://eu-west-1.console.aws.amazon.com/sagemaker/home?region=eu-west-1#/jobs/{TRAIN.name}"
    ]


def test_a_log_that_may_not_be_read_is_told_and_fails_nothing(
    explained: Callable[[str], EventExplainer], messages: list[str], heard: list[Event], pretended: PretendAws
) -> None:
    refusal = {"__type": "AccessDeniedException", "message": "no logs for you"}
    pretended.fault = lambda name: response(400, refusal) if name.startswith("cloudwatch") else None
    explained("")
    assert "can't be read: DescribeLogStreams: AccessDeniedException: no logs for you" in messages[0]
    assert heard[-1].type == "TaskFailed"


def test_a_log_group_that_is_not_there_yet_is_an_empty_log(
    explained: Callable[[str], EventExplainer], messages: list[str], pretended: PretendAws, tmp_path: Path
) -> None:
    missing = {"__type": "ResourceNotFoundException", "message": "The specified log group does not exist."}
    pretended.fault = lambda name: response(400, missing) if name.startswith("cloudwatch") else None
    explained("")
    assert list(tmp_path.glob("*.log")) == []
    assert len(messages) == 1


def test_links_lead_to_the_console_of_the_partition() -> None:
    arn = "arn:aws-cn:states:cn-north-1:123456789012:execution:mlci-x:r1"
    assert console_urls.execution_link(arn).startswith(
        "https://cn-north-1.console.amazonaws.cn/states/home?region=cn-north-1#"
    )
    assert console_urls.log_link(Job("processing", "j1"), "aws", "eu-west-1") == (
        "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/"
        "$252Faws$252Fsagemaker$252FProcessingJobs$3FlogStreamNameFilter$3Dj1$2F"
    )


@pytest.mark.parametrize("kind", JOBS.values(), ids=lambda kind: str(kind.noun))
def test_running_jobs_of_every_kind_are_found_by_the_run_and_stopped(pretended: PretendAws, kind: JobType) -> None:
    run = "20261123-101530-3f9c2a"
    job = PretendJob(kind.noun, f"mlci-small--x-{run_in_names(kind, run)}-0-0", Script())
    other_run = run_in_names(kind, "20261123-101530-aaaaaa")
    other = PretendJob(kind.noun, f"mlci-small--x-{other_run}-0-0", Script())
    for made in (job, other):
        pretended.sagemaker.jobs[made.name] = made
    job.stop.set = lambda: setattr(job, "status", "Stopped")  # type: ignore[method-assign]
    ended = RunStopper(Jobs(pretended.session().api("sagemaker")), waiting_clock()).stop_jobs(run, ())
    assert [stopped.name for stopped in ended.stopped] == [job.name]
    assert ended.still_running == ()
    assert other.status == "InProgress"


def test_kinds_that_may_not_be_listed_do_not_hide_the_others(pretended: PretendAws) -> None:
    run = "20261123-101530-3f9c2a"
    job = PretendJob("ProcessingJob", f"mlci-small--x-{run}-0-0", Script())
    pretended.sagemaker.jobs[job.name] = job
    job.stop.set = lambda: setattr(job, "status", "Stopped")  # type: ignore[method-assign]
    refusal = {"__type": "AccessDeniedException", "message": "no"}
    pretended.fault = lambda name: response(400, refusal) if "ListTraining" in name else None
    ended = RunStopper(Jobs(pretended.session().api("sagemaker")), waiting_clock()).stop_jobs(run, ())
    assert [stopped.name for stopped in ended.stopped] == [job.name]


def test_a_job_that_does_not_stop_is_told(pretended: PretendAws) -> None:
    job = PretendJob("TrainingJob", TRAIN.name, Script())
    pretended.sagemaker.jobs[job.name] = job
    ended = RunStopper(Jobs(pretended.session().api("sagemaker")), waiting_clock()).stop_jobs(
        "20261123-101530-3f9c2a", [TRAIN]
    )
    assert ended.still_running == (TRAIN,)
    assert str(ended) == f"stopping, but still running: {TRAIN}"
