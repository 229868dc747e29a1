"""`uses: glue`: from flow.yaml to the state machine, to its rights and to a run."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from mlci.backends.glue_jobs import check_glue, glue_problems
from mlci.backends.progress import reason_of
from mlci.errors import InputError
from mlci.flow import load
from mlci.provision.access_requirements import access_requirements
from mlci.provision.iam_policies import policies
from mlci.provision.iam_roles import iam_roles
from mlci.provision.policy_statements import AccountScope
from mlci.provision.stack_names import ROLES
from mlci.stage.starter import mlci_start_glue
from mlci.step_types.glue import CODE_ARGUMENT
from support.aws_account import account
from support.compiled_flows import compiled, planned
from support.iam_calls import Call, arn
from support.iam_decisions import decided
from support.iam_derived import calls_of_the_workflow
from support.project import Project

FLOW = """flow: data
params: {limit: 3}
steps:
  prepare:
    uses: glue
    run: src/prepare.py
    inputs: {raw: "s3://theirs/raw.txt"}
    outputs: [clean]
    args: [--raw, "${{ inputs.raw }}", --clean, "${{ outputs.clean }}", --limit, "${{ params.limit }}"]
    metrics: clean/summary.json
    modules: [pandas==2.0.3]
    timeout: 90s
  read:
    uses: processing
    image: mine.example/image:7
    run: read.py
    inputs: {data: "${{ steps.prepare.outputs.clean }}"}
gate: [{metric: prepare.lines, min: 2}]
"""
RUN = "s3://bucket/mlci/data/runs/20261123-101530-3f9c2a"
JOB = "mlci-data--prepare-20261123-101530-3f9c2a-0-0"


def test_the_job_is_made_run_and_deleted() -> None:
    definition, execution_input = compiled(FLOW)
    step = execution_input["steps"]["prepare"]
    assert step["job"] == JOB
    assert step["arguments"] == {"--raw": "s3://theirs/raw.txt", "--clean": f"{RUN}/prepare/clean/", "--limit": "3"}
    request = step["request"]
    code = request["DefaultArguments"]["--mlci_code"]
    assert request["Command"] == {
        "Name": "pythonshell",
        "ScriptLocation": f"{code}mlci_start_glue.py",
        "PythonVersion": "3.9",
    }
    assert request["DefaultArguments"]["--additional-python-modules"] == "pandas==2.0.3"
    assert (request["MaxCapacity"], request["GlueVersion"], request["Timeout"]) == (0.0625, "3.0", 2)
    assert request["Tags"]["mlci:step"] == "prepare"
    states = definition["States"]
    assert states["prepare"]["Resource"] == "arn:aws:states:::aws-sdk:glue:createJob"
    run = states["prepare: run the job"]
    assert run["Resource"] == "arn:aws:states:::glue:startJobRun.sync"
    assert run["Parameters"] == {"JobName.$": "$.steps.prepare.job", "Arguments.$": "$.steps.prepare.arguments"}
    assert states["prepare: delete the job"]["Resource"] == "arn:aws:states:::aws-sdk:glue:deleteJob"
    assert execution_input["cleaner"]["names"] == {"job": [JOB]}
    assert step["metrics"]["key"] == "mlci/data/runs/20261123-101530-3f9c2a/prepare/clean/summary.json"


def test_a_spark_job_has_workers() -> None:
    text = FLOW.replace("    timeout: 90s\n", "    type: spark\n    workers: 4\n    glue_version: '5.0'\n")
    request = compiled(text)[1]["steps"]["prepare"]["request"]
    assert request["Command"]["Name"] == "glueetl"
    assert (request["WorkerType"], request["NumberOfWorkers"], request["GlueVersion"]) == ("G.1X", 4, "5.0")
    assert "MaxCapacity" not in request


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    run: src/prepare.py\n", "", 'step "prepare" lacks "run"'),
        ("src/prepare.py", "src/prepare.sh", '"src/prepare.sh" is no Python file'),
        ("--limit, ", "", "one has no value"),
        ("--limit, ", "limit, ", '"limit" is no name of an argument'),
        ("--limit, ", "--raw, ", '"--raw" is given twice'),
        ("--limit, ", "--JOB_NAME, ", "an argument of Glue's own"),
        ("outputs: [clean]", "outputs: {clean: out.txt}", "a Glue script reads and writes S3"),
        ("metrics: clean/summary.json", "metrics: summary.json", "are one JSON file in an output"),
        ("modules: [pandas==2.0.3]", "modules: ['a,b']", "is no module that Glue installs"),
        ("timeout: 90s", "timeout: 8d", "for at most 7d"),
        ("    timeout: 90s", "    type: ray", '"ray" is no type of a Glue job. Write pythonshell or spark'),
        ("    timeout: 90s", "    capacity: 2", "no capacity of a Python shell job"),
        ("    timeout: 90s", "    workers: 2", '"workers" is for Spark jobs'),
        ("    timeout: 90s", "    type: spark\n    capacity: 1", '"capacity" is for Python shell jobs'),
        ("    timeout: 90s", "    glue_version: four", "is no version of Glue"),
        ("    timeout: 90s", "    python: '3.10'", '"3.10" is no version of Python that Glue has. Write "3.9"'),
        ("    timeout: 90s", "    instance: ml.m5.large", 'Give a Python shell job its "capacity"'),
    ],
)
def test_what_is_wrong_is_refused(old: str, new: str, expected: str) -> None:
    with pytest.raises(InputError) as raised:
        planned(FLOW.replace(old, new))
    assert expected in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("src/prepare.py", "-m package.prepare"),
        ("    metrics: clean/summary.json\n", "    capacity: 1\n    metrics: clean/summary.json\n"),
        ("    timeout: 90s", "    timeout: 7d"),
        ("    timeout: 90s", "    python: '3.9'"),
        ("    timeout: 90s", "    request: {Connections: {Connections: [warehouse]}}"),
    ],
)
def test_what_is_right_is_accepted(old: str, new: str) -> None:
    import botocore.session

    from mlci.backends.aws.request_validation import check

    found = planned(FLOW.replace(old, new))
    check_glue(found, has_server=True)
    check(found, botocore.session.get_session().get_service_model("sagemaker"))


def test_what_cannot_run_here_is_refused_before_the_run() -> None:
    check_glue(planned(FLOW), has_server=True)
    with pytest.raises(InputError, match=r"pip install 'mlci\[serve\]'"):
        check_glue(planned(FLOW), has_server=False)
    spark = FLOW.replace("    timeout: 90s", "    type: spark")
    with pytest.raises(InputError, match=r"flow.yaml:12:11: .*the local cloud has no Spark\. Run on AWS"):
        check_glue(planned(spark), has_server=True)
    assert [problem.line for problem in glue_problems(planned(spark), has_server=True)] == [12]
    assert glue_problems(planned(FLOW), has_server=True) == []
    files = "    request: {DefaultArguments: {--extra-py-files: s3://b/a.whl}}"
    with pytest.raises(InputError, match="does not do --extra-py-files"):
        check_glue(planned(FLOW.replace("    timeout: 90s", files)), has_server=True)


def test_the_reason_is_glues_message() -> None:
    cause = {"JobName": JOB, "JobRunState": "FAILED", "ErrorMessage": "no such column"}
    assert reason_of(json.dumps(cause)) == "no such column"
    assert reason_of(json.dumps({**cause, "ErrorMessage": None})) == "the run of the Glue job ended as FAILED"


def test_the_starter_and_the_step_call_the_code_alike() -> None:
    assert mlci_start_glue.CODE == CODE_ARGUMENT


def test_just_the_flows_jobs_are_run_and_only_where_a_step_is_a_glue_job() -> None:
    flow = load(FLOW.encode(), "flow.yaml")
    scope = AccountScope("aws", "us-east-1", "000000000000", "bucket", "c", dict.fromkeys(ROLES, "arn:role"))
    documents = policies(access_requirements(flow, {}), scope)
    for role, begins in (("workflow", "mlci-data--"), ("protected_workflow", "mlcip-data--")):
        document = documents[role]  # type: ignore[index]
        for action in ("BatchStopJobRun", "CreateJob", "DeleteJob", "GetJobRun", "StartJobRun", "TagResource"):
            assert decided(document, Call(f"glue:{action}", arn("glue", f"job/{begins}prepare-1"))), (role, action)
            assert not decided(document, Call(f"glue:{action}", arn("glue", "job/other"))), (role, action)
        for service in ("glue", "sagemaker"):
            passed = Call("iam:PassRole", "arn:role", (("iam:PassedToService", f"{service}.amazonaws.com"),))
            assert decided(document, passed), (role, service)
    logs = Call("logs:PutLogEvents", arn("logs", "log-group:/aws-glue/python-jobs/output:log-stream:jr_1"))
    assert decided(documents["job"], logs)
    prefix = "arn:aws:s3:::bucket/mlci/data"
    owned = (("aws:ResourceAccount", "000000000000"),)
    assert decided(documents["job"], Call("s3:ListBucket", "arn:aws:s3:::bucket", owned))
    for action, key in (("GetObject", "code/1/mlci_start_glue.py"), ("PutObject", "runs/1/prepare/clean/a")):
        assert decided(documents["job"], Call(f"s3:{action}", f"{prefix}/{key}", owned)), action
    assert decided(documents["job"], Call("s3:GetObject", "arn:aws:s3:::theirs/raw.txt"))
    trusts = {name: json.dumps(role) for name, role in iam_roles(access_requirements(flow, {})).items()}
    assert '["glue.amazonaws.com", "sagemaker.amazonaws.com"]' in trusts["JobRole"]
    other = load(b"flow: a\nsteps: {settle: {uses: wait, seconds: 1}}\n", "flow.yaml")
    assert "glue" not in json.dumps(iam_roles(access_requirements(other, {})))


def test_a_script_may_read_the_outputs_whose_uris_it_gets() -> None:
    alone = FLOW[: FLOW.index("  read:")]
    more = '  more: {uses: glue, run: more.py, args: [--data, "${{ steps.prepare.outputs.clean }}"]}\n'
    assert access_requirements(load(f"{alone}{more}".encode(), "flow.yaml"), {}).reads_outputs
    assert not access_requirements(load(alone.encode(), "flow.yaml"), {}).reads_outputs


SCRIPT = """
import json
import sys

import boto3
from awsglue.utils import getResolvedOptions
from words import shout

options = getResolvedOptions(sys.argv, ["raw", "clean", "limit"])
s3 = boto3.client("s3")


def place(uri):
    bucket, _, key = uri[len("s3://"):].partition("/")
    return {"Bucket": bucket, "Key": key}


lines = s3.get_object(**place(options["raw"]))["Body"].read().decode().splitlines()[: int(options["limit"])]
if "bad" in lines:
    raise ValueError("no such line")
s3.put_object(**place(options["clean"] + "data.txt"), Body=shout(lines).encode())
s3.put_object(**place(options["clean"] + "summary.json"), Body=json.dumps({"lines": len(lines)}).encode())
print("wrote", len(lines))
"""


def project(folder: Path, raw: str = "a\nb\nc\nd\n") -> Project:
    project = Project(folder)
    project.write("flow.yaml", FLOW.replace('"s3://theirs/raw.txt"', "raw.txt"))
    project.write("raw.txt", raw)
    project.write("src/prepare.py", SCRIPT)
    project.write("src/words.py", "def shout(lines):\n    return ''.join(line.upper() for line in lines)\n")
    project.write("read.py", 'print(open("/opt/ml/processing/input/data/data.txt").read())\n')
    return project


def check_run(project: Project) -> None:
    result = project.result()
    assert result["status"] == "passed"
    assert result["rules"][0]["value"] == 3
    assert "ABC" in project.latest("logs/read.log")


@pytest.mark.e2e
@pytest.mark.slow
def test_the_local_cloud_runs_the_script(tmp_path: Path) -> None:
    data = project(tmp_path)
    done = data.mlci("run")
    assert done.returncode == 0, done.stdout + done.stderr
    check_run(data)
    assert "wrote 3" in data.latest("logs/prepare.log")
    assert done.stdout.count("prepare succeeded") == 1
    data.write("raw.txt", "bad\n")
    failed = data.mlci("run")
    assert failed.returncode == 3, failed.stdout + failed.stderr
    assert "ValueError: no such line" in failed.stdout + failed.stderr
    data.write("flow.yaml", (tmp_path / "flow.yaml").read_text().replace("timeout: 90s", "type: spark"))
    refused = data.mlci("run")
    assert refused.returncode == 2
    assert "the local cloud has no Spark" in refused.stderr


@pytest.mark.e2e
@pytest.mark.slow
def test_the_aws_cloud_runs_the_script_and_keeps_no_job(tmp_path: Path) -> None:
    data = project(tmp_path / "project")
    with account(tmp_path / "served", "models") as served:
        done = data.mlci("run", **served.environment)
        assert done.returncode == 0, done.stdout + done.stderr
        check_run(data)
        glue: Any = served.client("glue")
        assert glue.list_jobs()["JobNames"] == []
        called = list(calls_of_the_workflow(served, data.result()["execution"]))
        scope = AccountScope("aws", "us-east-1", "000000000000", "models", "c", dict.fromkeys(ROLES, "arn:role"))
        document = policies(access_requirements(load(FLOW.encode(), "flow.yaml"), {}), scope)["workflow"]
        # The account's role is not the stack's.
        assert {call.action for call in called if not decided(document, call)} == {"iam:PassRole"}
        granted = {action for each in document["Statement"] for action in each["Action"]}  # type: ignore[attr-defined]
        assert {action for action in granted if action.startswith("glue:")} <= {call.action for call in called}
        data.write("raw.txt", "bad\n")
        failed = data.mlci("run", **served.environment)
        assert failed.returncode == 3, failed.stdout + failed.stderr
        assert "ValueError: no such line" in failed.stdout + failed.stderr
        end = time.monotonic() + 30
        while glue.list_jobs()["JobNames"]:
            assert time.monotonic() < end, "the job of a run that failed is still there"
            time.sleep(0.2)
