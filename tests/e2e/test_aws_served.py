"""The aws cloud against `mlci serve` in another process: real jobs, and the AWS CLI, a client that we did not write."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlci.backends.aws.api_calls import Api
from mlci.backends.aws.object_checksums import SINGLE_MAX_BYTES
from mlci.backends.aws.s3_objects import Objects
from mlci.backends.aws.s3_uploads import S3Uploads
from mlci.backends.stop_signal import StopSignal
from mlci.costs import load_prices
from mlci.errors import InputError
from mlci.flow import load
from mlci.plan.models import S3Uri, Upload
from mlci.provision.access_requirements import access_requirements
from mlci.provision.iam_policies import policies
from mlci.provision.policy_statements import AccountScope
from mlci.provision.stack_names import ROLES
from support.aws_account import Account, account
from support.iam_calls import calls
from support.iam_decisions import decided
from support.iam_derived import calls_of_the_jobs, calls_of_the_workflow
from support.project import Project, clean_environment
from support.staged_files import staged_data
from support.waiting import wait_for

BUCKET = "models"
SLOW = (
    "import os, time\n"
    "print('asleep', flush=True)\n"
    "time.sleep(SECONDS)\n"
    "open(os.environ['SM_MODEL_DIR'] + '/m', 'w').close()\n"
)
MEASURE = (
    "import json, os\n"
    "os.makedirs('/opt/ml/processing/output/out', exist_ok=True)\n"
    "json.dump({'auc': 0.95}, open('/opt/ml/processing/output/out/metrics.json', 'w'))\n"
)
FLOW = """
flow: NAME
defaults: {image: "mine.example/image:7", timeout: 10m}
steps:
  train: {uses: training, run: train.py}
  measure:
    uses: processing
    run: measure.py
    after: train
    outputs: [out]
    metrics: out/metrics.json
gate:
  - {metric: measure.auc, min: 0.9}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with account(tmp_path_factory.mktemp("served"), BUCKET) as made:
        yield made


def small(project: Project, name: str, seconds: float = 0.1, flow: str = FLOW) -> Project:
    project.write("flow.yaml", flow.replace("NAME", name))
    project.write("train.py", SLOW.replace("SECONDS", str(seconds)))
    project.write("measure.py", MEASURE)
    return project


def machine(account: Account, flow: str) -> str:
    return f"arn:aws:states:{account.region}:000000000000:stateMachine:mlci-{flow}"


def running(account: Account, flow: str) -> list[str]:
    """The executions and jobs of a flow that run, by the API's own word."""
    states, sagemaker = account.client("stepfunctions"), account.client("sagemaker")
    found = states.list_executions(stateMachineArn=machine(account, flow), statusFilter="RUNNING")["executions"]
    contains: Any = {"NameContains": f"mlci-{flow}-"}
    jobs = sagemaker.list_training_jobs(**contains)["TrainingJobSummaries"]
    more = sagemaker.list_processing_jobs(**contains)["ProcessingJobSummaries"]
    names = [job["TrainingJobName"] for job in jobs if job["TrainingJobStatus"] in ("InProgress", "Stopping")]
    names += [job["ProcessingJobName"] for job in more if job["ProcessingJobStatus"] in ("InProgress", "Stopping")]
    return names + [execution["name"] for execution in found]


def test_objects_of_every_size_arrive_whole_and_are_sent_once(tmp_path: Path, served: Account) -> None:
    objects = Objects(Api(served.client("s3")), "0" * 12)
    objects.check_bucket(BUCKET, served.region)
    uploads = []
    for size in (0, 1, SINGLE_MAX_BYTES, SINGLE_MAX_BYTES + 1, 3 * SINGLE_MAX_BYTES):
        (tmp_path / f"ü {size}").write_bytes(os.urandom(1) * size)
        file = staged_data(tmp_path / f"ü {size}", f"ü {size}")
        unit = S3Uri(f"s3://{BUCKET}/mlci/objects/data/{file.sha256}/")
        uploads.append(Upload(S3Uri(f"{unit}ü {size}"), unit, (file,)))
    assert S3Uploads(objects).upload(uploads, StopSignal()) == len(uploads)
    assert S3Uploads(objects).upload(uploads, StopSignal()) == 0
    for upload in uploads:
        assert hashlib.sha256(objects.read(upload.uri) or b"").hexdigest() == upload.files[0].sha256
    assert objects.read(f"s3://{BUCKET}/no/such") is None
    with pytest.raises(InputError, match="does not exist"):
        objects.check_bucket("no-such-bucket", served.region)
    with pytest.raises(InputError, match="it must belong to their account, 111111111111"):
        Objects(objects.api, "1" * 12).check_bucket(BUCKET, served.region)


@pytest.mark.slow
def test_the_example_comes_to_the_same_as_on_the_local_cloud(example: Project, served: Account) -> None:
    local = example.mlci("run")
    assert local.returncode == 0, local.stdout + local.stderr
    here = example.result()
    remote = example.mlci("run", **served.environment)
    assert remote.returncode == 0, remote.stdout + remote.stderr
    there = example.result()
    assert (here.pop("cloud"), there.pop("cloud")) == ("local", "aws")
    for result in (here, there):
        for changing in ("run_id", "started", "seconds", "execution", "phases"):
            assert result.pop(changing)
        for step in result["steps"].values():
            assert step.pop("seconds") >= 0
            assert step.pop("job").endswith("-0-0")
            assert [phase["name"] for phase in step.pop("phases")][-1] in ("running", "uploading")
            assert ("cost_usd" in step) == (result is there)
            step.pop("cost_usd", None)
            assert all("/mlci/breast-cancer/runs/" in uri for uri in step.pop("outputs").values())
    assert here == there
    assert "rows" in example.mlci("logs", "preprocess").stdout
    again = example.mlci("run", "--fresh", **served.environment)
    assert again.returncode == 0, again.stdout + again.stderr
    versions = served.client("stepfunctions").list_state_machine_versions(
        stateMachineArn=machine(served, "breast-cancer")
    )
    assert len(versions["stateMachineVersions"]) == 1


WIDE = """
flow: wide
defaults: {image: "111111111111.dkr.ecr.us-east-1.amazonaws.com/image:7", timeout: 10m}
steps:
  train:
    uses: training
    run: meet.py
    instance_count: 2
    spot: true
    max_wait: 20m
    checkpoints: true
    network_isolation: true
    metric_definitions: [{name: hosts, regex: "hosts=([0-9]+)"}]
gate: [{metric: train.hosts, min: 2}]
"""
#: The first host waits for the second, by its name.
MEET = """
import json, os, socket, time
me, hosts = os.environ["SM_CURRENT_HOST"], json.loads(os.environ["SM_HOSTS"])
if me == hosts[0]:
    print("met by", socket.create_server((me, 29500)).accept()[0].recv(9).decode(), flush=True)
while me != hosts[0]:
    try:
        socket.create_connection((hosts[0], 29500)).sendall(me.encode())
        break
    except OSError:
        time.sleep(0.05)
print("hosts=%d" % len(hosts))
for folder in (os.environ["SM_MODEL_DIR"], "/opt/ml/checkpoints"):
    open(folder + "/" + me, "w").close()
"""


@pytest.mark.slow
def test_a_step_starts_on_the_machines_of_another_and_the_report_says_so(project: Project, served: Account) -> None:
    train = "{uses: training, run: train.py, keep_alive: 5m, image: '1.dkr.ecr.us-east-1.amazonaws.com/image:7'}"
    second = train.replace("keep_alive", "after: [first], keep_alive")
    gate = "gate: [{metric: run.cost_usd, max: 5}]\n"
    project.write("flow.yaml", f"flow: warm\nsteps:\n  first: {train}\n  second: {second}\n{gate}")
    project.write("train.py", "import os\nopen(os.environ['SM_MODEL_DIR'] + '/m', 'w').close()\n")
    done = project.mlci("run", **served.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    result = project.result()
    assert result["warm_starts"] == {"second": result["steps"]["first"]["job"]}
    described = served.client("sagemaker").describe_training_job(TrainingJobName=result["steps"]["second"]["job"])
    assert described["WarmPoolStatus"]["Status"] == "Available"
    assert result["steps"]["first"]["job"] in project.mlci("show").stdout
    [cost] = result["rules"]
    billed = described["BillableTimeInSeconds"] * load_prices().hourly_usd["ml.m5.xlarge"] / 3600
    assert result["steps"]["second"]["cost_usd"] == pytest.approx(billed, abs=1e-6)
    assert cost["value"] == pytest.approx(sum(step["cost_usd"] for step in result["steps"].values()), abs=1e-5)
    assert "(estimated by the on-demand prices of us-east-1 of " in cost["text"]


@pytest.mark.slow
def test_two_instances_meet_and_each_has_a_log_stream(project: Project, served: Account) -> None:
    """They also leave checkpoints beside their metrics, and the flow's policies allow all that it takes."""
    project.write("flow.yaml", WIDE)
    project.write("meet.py", MEET)
    done = project.mlci("run", **served.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(project.mlci("logs", "train").stdout.splitlines()) == [
        "[algo-1] hosts=2",
        "[algo-1] met by algo-2",
        "[algo-2] hosts=2",
    ]
    logs, job = served.client("logs"), project.result()["steps"]["train"]["job"]
    found = logs.describe_log_streams(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{job}/")
    assert [stream["logStreamName"].rpartition("-")[0] for stream in found["logStreams"]] == [
        f"{job}/algo-1",
        f"{job}/algo-2",
    ]
    run_id = project.result()["run_id"]
    prefix = f"mlci/wide/runs/{run_id}/train/_checkpoints/"
    objects = served.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]
    names = [entry["Key"].removeprefix(prefix) for entry in objects]
    assert names == ["algo-1", "algo-2", "mlci-metrics/metrics.json"]
    described = served.client("sagemaker").describe_training_job(TrainingJobName=job)
    assert described["EnableManagedSpotTraining"] is described["EnableNetworkIsolation"] is True
    assert described["StoppingCondition"]["MaxWaitTimeInSeconds"] == 1200
    requirements = access_requirements(load(WIDE.encode(), "flow.yaml"), {"train": described_image(described)})
    scope = AccountScope("aws", served.region, "0" * 12, BUCKET, "c", dict.fromkeys(ROLES, "arn:role"))
    allowed = policies(requirements, scope)
    workflow = calls_of_the_workflow(served, project.result()["execution"])
    saved = calls("s3", "PutObject", {"Bucket": BUCKET, "Key": f"{prefix}algo-2"})
    jobs = [*calls_of_the_jobs(served, run_id), *saved]
    assert {call.action for call in workflow if not decided(allowed["workflow"], call)} == {"iam:PassRole"}
    assert [call for call in jobs if not decided(allowed["job"], call)] == []
    without = replace(requirements, reads_outputs=False)
    refused = [call for call in jobs if not decided(policies(without, scope)["job"], call)]
    assert {call.action for call in refused} == {"s3:GetObject"}  # a job that starts again reads its checkpoints


def described_image(described: dict[str, Any]) -> str:
    return str(described["AlgorithmSpecification"]["TrainingImage"])


@pytest.mark.skipif(shutil.which("aws") is None, reason="the AWS CLI is not installed")
@pytest.mark.slow
def test_the_aws_cli_lists_what_a_run_left(project: Project, served: Account) -> None:
    small(project, "listed")
    assert project.mlci("run", **served.environment).returncode == 0
    run_id = project.result()["run_id"]

    def aws(*arguments: str) -> Any:
        done = subprocess.run(
            ["aws", *arguments, "--output", "json"],
            env=clean_environment(served.environment),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    arn = machine(served, "listed")
    machines = aws("stepfunctions", "list-state-machines")["stateMachines"]
    assert arn in [found["stateMachineArn"] for found in machines]
    versions = aws("stepfunctions", "list-state-machine-versions", "--state-machine-arn", arn)
    assert [found["stateMachineVersionArn"] for found in versions["stateMachineVersions"]] == [f"{arn}:1"]
    [execution] = aws("stepfunctions", "list-executions", "--state-machine-arn", arn)["executions"]
    assert (execution["name"], execution["status"]) == (run_id, "SUCCEEDED")
    tags = aws("stepfunctions", "list-tags-for-resource", "--resource-arn", arn)["tags"]
    assert {"key": "mlci:flow", "value": "listed"} in tags
    [training] = aws("sagemaker", "list-training-jobs", "--name-contains", run_id)["TrainingJobSummaries"]
    [processing] = aws("sagemaker", "list-processing-jobs", "--name-contains", run_id)["ProcessingJobSummaries"]
    assert (training["TrainingJobStatus"], processing["ProcessingJobStatus"]) == ("Completed", "Completed")
    group = "/aws/sagemaker/TrainingJobs"
    prefix = f"{training['TrainingJobName']}/"
    streams = aws("logs", "describe-log-streams", "--log-group-name", group, "--log-stream-name-prefix", prefix)
    stream = streams["logStreams"][0]["logStreamName"]
    events = aws("logs", "get-log-events", "--log-group-name", group, "--log-stream-name", stream)["events"]
    assert "asleep" in [event["message"].strip() for event in events]
    objects = aws("s3api", "list-objects-v2", "--bucket", BUCKET, "--prefix", f"mlci/listed/runs/{run_id}/")["Contents"]
    assert f"mlci/listed/runs/{run_id}/measure/out/metrics.json" in [entry["Key"] for entry in objects]


@pytest.mark.slow
def test_sigterm_in_the_middle_of_a_training_job(project: Project, served: Account) -> None:
    small(project, "stopped", 300)
    build = project.start("run", **served.environment)
    sagemaker = served.client("sagemaker")
    wait_for(lambda: sagemaker.list_training_jobs(NameContains="mlci-stopped-")["TrainingJobSummaries"])
    time.sleep(1)
    build.send_signal(signal.SIGTERM)
    out, err = build.communicate(timeout=60)
    assert build.returncode == 4, out + err
    assert running(served, "stopped") == []
    assert project.result()["steps"]["train"]["status"] == "stopped"


@pytest.mark.slow
def test_a_killed_build_goes_on_with_its_run(project: Project, served: Account) -> None:
    small(project, "killed", 8)
    build = {**served.environment, "CODEBUILD_BUILD_ID": "models:1"}
    first = project.start("run", **build)
    sagemaker = served.client("sagemaker")
    wait_for(lambda: sagemaker.list_training_jobs(NameContains="mlci-killed-")["TrainingJobSummaries"])
    first.kill()
    first.communicate()
    done = project.mlci("run", **build)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "attached to run" in done.stdout
    assert len(project.runs) == 1
    assert len(sagemaker.list_training_jobs(NameContains="mlci-killed-")["TrainingJobSummaries"]) == 1
    assert len(sagemaker.list_processing_jobs(NameContains="mlci-killed-")["ProcessingJobSummaries"]) == 1


@pytest.mark.slow
def test_ten_runs_of_three_definitions_at_once(tmp_path: Path, served: Account) -> None:
    flows = [
        FLOW,
        FLOW.replace("gate:", "  extra: {uses: processing, run: measure.py}\ngate:"),
        FLOW.replace("gate:", "  behind: {uses: processing, run: measure.py, after: gate}\ngate:"),
    ]
    projects = []
    for number in range(10):
        root = tmp_path / f"build-{number}"
        root.mkdir()
        # The last build of each definition measures too little: its own verdict, whatever the others do.
        flow = flows[number % 3].replace("min: 0.9", "min: 0.99") if number >= 7 else flows[number % 3]
        projects.append(small(Project(root), "crowded", flow=flow))
    codes, told = dict[int, int](), dict[int, str]()

    def build(number: int) -> None:
        done = projects[number].mlci("run", CODEBUILD_BUILD_ID=f"models:{number}", **served.environment)
        codes[number] = done.returncode
        told[number] = done.stdout + done.stderr

    threads = [threading.Thread(target=build, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(180)
    assert codes == {number: 1 if number >= 7 else 0 for number in range(10)}, told[max(codes, key=codes.__getitem__)]
    for number, project in enumerate(projects):
        more = [[], ["extra"], ["behind"]][number % 3]
        assert set(project.result()["steps"]) == {"train", "measure", *more}
    assert running(served, "crowded") == []


@pytest.mark.slow
def test_logs_are_followed_while_a_job_runs_on_aws(project: Project, served: Account) -> None:
    small(project, "followed")
    talk = 'import os, time; print("hello\\r10 %\\r20 %", flush=True)'
    wait = f"while not os.path.exists({str(project.root / 'go')!r}): time.sleep(0.1)"
    project.write("train.py", f"{talk}\n{wait}\nprint('bye')\n{SLOW.replace('SECONDS', '0')}")
    run = project.start("run", "--follow", **served.environment)
    log = f"{project.root}/.mlci/runs/*/logs/train.log"
    wait_for(lambda: any("20 %" in Path(file).read_text() for file in glob.glob(log)), 60)
    second = project.start("logs", "-f", "train")
    assert run.poll() is None
    project.write("go", "")
    out, err = run.communicate(timeout=120)
    assert run.returncode == 0, out + err
    followed = second.communicate(timeout=60)[0].splitlines()
    assert (followed[0], "bye" in followed, followed.count("bye")) == ("20 %", True, 1)
    assert out.index("train | 20 %\n") < out.index("train | bye\n") < out.index("train succeeded")
