"""The command itself on AWS: what it prints, its exit codes, and what signals and kills leave."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from support.aws_builds import FLOW
from support.fake_aws import BUCKET, REGION, PretendAws, Script, response
from support.fake_endpoint import endpoint
from support.git_repositories import commit, repository
from support.project import Project
from support.waiting import wait_for


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendAws]:
    with mock_aws():
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        made = PretendAws()
        made.sagemaker.scripts["measure"] = Script(metrics={"auc": 0.95})
        yield made


@pytest.fixture
def account(aws: PretendAws) -> Iterator[dict[str, str]]:
    """The environment of commands on that AWS."""
    with endpoint(aws) as environment:
        yield environment


@pytest.fixture
def small(project: Project) -> Project:
    project.write("flow.yaml", FLOW)
    for name in ("train.py", "measure.py", "data.csv"):
        project.write(name, f"# {name}")
    return project


def changes(aws: PretendAws) -> list[str]:
    """The calls that changed something."""
    verbs = (
        "sfn.Create",
        "sfn.Update",
        "sfn.Publish",
        "sfn.Tag",
        "sfn.Delete",
        "sfn.Start",
        "sfn.Stop",
        "PUT",
        "DELETE",
    )
    return [call for call in aws.calls if call.startswith(verbs) or ".Stop" in call]


@pytest.mark.slow
def test_a_run_passes_and_later_ones_change_nothing_or_start_nothing(
    small: Project, aws: PretendAws, account: dict[str, str]
) -> None:
    done = small.mlci("run", **account)
    assert done.returncode == 0, done.stdout + done.stderr
    result = small.result()
    assert (result["cloud"], result["status"], result["metrics"]) == ("aws", "passed", {"measure": {"auc": 0.95}})
    assert f"execution: {result['execution']}" in done.stdout
    assert small.mlci("logs", "train").stdout == "a line\n"
    aws.calls.clear()
    assert small.mlci("run", MLCI_FRESH="1", **account).returncode == 0
    made = [call for call in changes(aws) if "/records/" not in call]
    assert made == ["sfn.PublishStateMachineVersion", "sfn.StartExecution"]
    assert len(next(iter(aws.states.machines.values())).versions) == 1
    fresh = small.result()["run_id"]
    aws.calls.clear()
    again = small.mlci("run", **account)
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"nothing was run: all results are those of run {fresh}" in again.stdout
    assert changes(aws) == []
    assert small.result()["metrics"] == {"measure": {"auc": 0.95}}


@pytest.mark.slow
def test_the_run_of_a_build_is_compared_on_another_machine(
    small: Project, aws: PretendAws, account: dict[str, str]
) -> None:
    repository(small.root, **{".gitignore": ".mlci/\n"})
    build = {"CODEBUILD_BUILD_ID": "mlci-small-pull-request:8f2c", "CODEBUILD_SOURCE_VERSION": "pr/7"}
    done = small.mlci("run", **account, **build)
    assert done.returncode == 0, done.stdout + done.stderr
    run = small.result()["run_id"]
    aws.sagemaker.scripts["measure"] = Script(metrics={"auc": 0.96})
    small.write("measure.py", "# another")
    commit(small.root)
    assert small.mlci("run", **account).returncode == 0
    shutil.rmtree(small.root / ".mlci" / "runs" / run)
    for name in ("8f2c", run):
        compared = small.mlci("diff", name, **account)
        assert compared.returncode == 0, compared.stderr
        assert compared.stdout.startswith(f"run {run} (passed), commit ")
        assert "  measure.auc  0.95 → 0.96  +0.01" in compared.stdout.splitlines()
        assert "  measure: code: measure.py changed" in compared.stdout
    missing = small.mlci("diff", "nosuchrun", **account)
    assert (missing.returncode, missing.stdout) == (2, "")
    assert 'there is no run and no branch "nosuchrun"' in missing.stderr


@pytest.mark.slow
def test_the_result_has_the_shape_of_a_local_one(small: Project, aws: PretendAws, account: dict[str, str]) -> None:
    small.write("train.py", "import os\nopen(os.environ['SM_MODEL_DIR'] + '/model', 'w').close()\n")
    small.write(
        "measure.py",
        "import os\nos.makedirs('/opt/ml/processing/output/out', exist_ok=True)\n"
        "open('/opt/ml/processing/output/out/metrics.json', 'w').write('{\"auc\": 0.95}')\n",
    )
    assert small.mlci("run").returncode == 0
    local = small.result()
    assert small.mlci("run", **account).returncode == 0
    remote = small.result()
    for changed in ("run_id", "started", "seconds", "execution", "cloud"):
        assert type(local.pop(changed)) is type(remote.pop(changed))
    for result in (local, remote):
        result["phases"] = [phase["name"] for phase in result["phases"]]
        for step in result["steps"].values():
            assert type(step.pop("seconds")) is float
            step.pop("phases", None)  # the pretended AWS tells no times of its jobs
            assert step.pop("job").endswith("-0-0")
            assert all("/mlci/small/runs/" in uri for uri in step.pop("outputs").values())
    assert local == remote


@pytest.mark.slow
def test_sigterm_in_the_middle_of_a_training_job_leaves_nothing(
    small: Project, aws: PretendAws, account: dict[str, str]
) -> None:
    aws.sagemaker.scripts["train"] = Script(seconds=300, outlives_stop=True)
    running = small.start("run", **account)
    wait_for(lambda: aws.sagemaker.jobs)
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=120)  # and not the job's 300 s
    assert running.returncode == 4, out + err
    assert aws.running == []
    [job] = aws.sagemaker.jobs
    assert f"stopped training job {job}" in small.result()["reason"]
    assert "stopped by SIGTERM" in out


@pytest.mark.slow
def test_a_timeout_stops_the_run(small: Project, aws: PretendAws, account: dict[str, str]) -> None:
    aws.sagemaker.scripts["train"] = Script(seconds=300)
    assert small.mlci("run", "--timeout", "2s", **account).returncode == 4
    assert "timed out" in small.result()["reason"]
    assert aws.running == []


@pytest.mark.slow
def test_a_killed_build_that_is_started_again_goes_on_with_its_run(
    small: Project, aws: PretendAws, account: dict[str, str]
) -> None:
    aws.sagemaker.scripts["train"] = Script(seconds=6)
    build = {**account, "CODEBUILD_BUILD_ID": "models:1", "CODEBUILD_RESOLVED_SOURCE_VERSION": "1" * 40}
    running = small.start("run", **build)
    wait_for(lambda: aws.sagemaker.jobs)
    running.kill()
    running.communicate()
    assert len(aws.running) == 2  # the execution and its job do not depend on the build's process
    done = small.mlci("run", **build)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "attached to run" in done.stdout
    assert small.runs == [small.result()["run_id"]]
    assert set(aws.sagemaker.started.values()) == {1}
    assert {name.rsplit("-", 5)[0] for name in aws.sagemaker.started} == {"mlci-small--train", "mlci-small--measure"}


@pytest.mark.slow
def test_a_failed_step_is_exit_code_3_with_its_reason_and_log(
    small: Project, aws: PretendAws, account: dict[str, str]
) -> None:
    aws.sagemaker.scripts["train"] = Script(fails="AlgorithmError: no such column: age", log=("first", "last words"))
    done = small.mlci("run", **account)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "AlgorithmError: no such column: age" in done.stdout
    assert "  | last words" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_plan_tells_what_a_run_would_do_and_changes_nothing(
    small: Project, aws: PretendAws, account: dict[str, str]
) -> None:
    told = small.mlci("plan", **account)
    assert told.returncode == 0, told.stderr
    assert "5 of 5 objects to upload" in told.stdout
    assert "mlci-small\n  to be created" in told.stdout
    assert changes(aws) == []
    assert small.mlci("run", **account).returncode == 0
    assert "0 of 5 objects to upload" in small.mlci("plan", "--fresh", **account).stdout
    small.write("flow.yaml", FLOW.replace("gate:", "  extra: {uses: processing, run: measure.py}\ngate:"))
    aws.calls.clear()
    told = small.mlci("plan", **account)
    assert "to be updated: definition" in told.stdout
    assert "  + extra (Task sagemaker:createProcessingJob.sync)" in told.stdout
    assert changes(aws) == []


@pytest.mark.slow
def test_stop_ends_a_run_that_someone_else_started(small: Project, aws: PretendAws, account: dict[str, str]) -> None:
    aws.sagemaker.scripts["train"] = Script(seconds=300, outlives_stop=True)
    running = small.start("run", **account)
    wait_for(lambda: aws.sagemaker.jobs)
    [run_id] = small.runs
    done = small.mlci("stop", run_id[-6:], **account)
    assert done.returncode == 0, done.stderr
    assert "stopped training job mlci-small--train-" in done.stdout
    running.communicate(timeout=30)
    assert running.returncode == 4
    unknown = small.mlci("stop", "20200101-000000-aaaaaa", **account)
    assert unknown.returncode == 3
    assert "there is no run" in unknown.stderr


def test_config_tells_each_value_s_origin(small: Project, aws: PretendAws, account: dict[str, str]) -> None:
    boto3.client("ssm").put_parameter(Name="/mlci/small/job_role", Value="arn:of:ssm", Type="String")
    del account["MLCI_JOB_ROLE"]
    build = {"CODEBUILD_BUILD_ID": "models:1", "CODEBUILD_WEBHOOK_TRIGGER": "pr/7"}
    told = small.mlci("config", "--bucket", "of-the-option", **account, **build)
    lines = {line.split()[0]: line for line in told.stdout.splitlines()}
    assert "of-the-option" in lines["bucket"]
    assert "--bucket" in lines["bucket"]
    assert "SSM /mlci/small/job_role" in lines["job_role"]
    assert "MLCI_WORKFLOW_ROLE" in lines["workflow_role"]
    assert "AWS_DEFAULT_REGION" in lines["region"]
    assert "pull request 7" in lines["build"]
    assert "sts:GetCallerIdentity" in lines["caller"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "aws configure"),
        ({"AWS_DEFAULT_REGION": "Ireland"}, '"Ireland" is no AWS region'),
        ({"AWS_DEFAULT_REGION": "us-east-1"}, f'"{BUCKET}" is in {REGION}, and the run in us-east-1'),
        ({"AWS_DEFAULT_REGION": ""}, "a region"),
        ({"MLCI_BUCKET": ""}, "a bucket, which nothing sets"),
        ({"MLCI_BUCKET": "no-such-bucket"}, '"no-such-bucket" does not exist'),
        ({"MLCI_WORKFLOW_ROLE": "", "MLCI_JOB_ROLE": ""}, "a workflow role and a job role"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "can't be reached"),
        ({"AWS_PROFILE": "nobody"}, "nobody"),
    ],
)
def test_wrong_settings_are_one_paragraph_and_nothing_is_begun(
    small: Project, aws: PretendAws, account: dict[str, str], settings: dict[str, str], words: str
) -> None:
    environment = {name: value for name, value in {**account, **settings}.items() if value}
    done = small.mlci("run", **environment)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert changes(aws) == []
    assert small.runs == []


def test_another_tool_s_state_machine_is_left_alone(small: Project, aws: PretendAws, account: dict[str, str]) -> None:
    assert small.mlci("run", **account).returncode == 0
    next(iter(aws.states.machines.values())).tags = {"made-by": "terraform"}
    aws.calls.clear()
    done = small.mlci("run", "--fresh", **account)
    assert done.returncode == 2
    assert '"mlci-small" exists already, and mlci did not create it' in done.stderr
    assert changes(aws) == []


def test_a_role_that_may_not_be_passed_is_told(small: Project, aws: PretendAws, account: dict[str, str]) -> None:
    message = f"User: ada is not authorized to perform: iam:PassRole on resource: {account['MLCI_WORKFLOW_ROLE']}"
    refusal = response(400, {"__type": "AccessDeniedException", "message": message})
    aws.fault = lambda name: refusal if name == "sfn.CreateStateMachine" else None
    done = small.mlci("run", "--fresh", **account)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert small.runs == []


def test_inside_of_codebuild_aws_is_the_default(small: Project, aws: PretendAws, account: dict[str, str]) -> None:
    del account["MLCI_CLOUD"]
    assert small.mlci("run", CODEBUILD_BUILD_ID="models:1", **account).returncode == 0
    assert small.result()["cloud"] == "aws"
    assert json.loads(small.latest("input.json"))["build"] == "models:1"


def test_pipeline_py_takes_the_same_options(small: Project, aws: PretendAws, account: dict[str, str]) -> None:
    import subprocess
    import sys

    from support.project import ROOT, clean_environment

    done = subprocess.run(
        [sys.executable, str(ROOT / "pipeline.py"), "--cloud", "aws", "--bucket", BUCKET, "--attach", "never"],
        cwd=small.root,
        env=clean_environment({name: value for name, value in account.items() if name != "MLCI_BUCKET"}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert Path(small.root / ".mlci/latest/result.json").exists()


@pytest.mark.slow
def test_the_baseline_is_shown_set_and_reset_on_aws(small: Project, account: dict[str, str], aws: PretendAws) -> None:
    def ran(*arguments: str) -> str:
        done = small.mlci(*arguments, "--cloud", "aws", **account)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    small.write(".gitignore", ".mlci/\n")
    repository(small.root)
    assert "main has no baseline yet" in ran("baseline", "show")
    ran("run")
    first = str(small.result()["run_id"])
    aws.sagemaker.scripts["measure"] = Script(metrics={"auc": 0.96})
    commit(small.root)
    ran("run")
    second = str(small.result()["run_id"])
    assert [entry["run_id"] for entry in json.loads(ran("baseline", "history", "--json"))] == [second, first]
    ran("baseline", "set", first)
    shown = json.loads(ran("baseline", "show", "--json"))
    assert (shown["run_id"], shown["origin"], shown["metrics"]) == (first, "set", {"measure": {"auc": 0.95}})
    ran("baseline", "reset")
    assert "was reset" in ran("baseline", "show")
    ran("baseline", "set", second[-6:])
    assert f"is run {second}" in ran("baseline", "show")
