"""`uses: transform`: from flow.yaml to the state machine, to its rights and to a run."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from mlci.backends.aws.request_validation import check
from mlci.backends.events import Event
from mlci.backends.local_checks import check_jobs
from mlci.backends.progress import Progress, initial_progress
from mlci.errors import InputError
from mlci.flow import dependencies, load
from mlci.flow.models import Flow
from mlci.provision.access_requirements import access_requirements
from mlci.provision.iam_policies import policies
from mlci.provision.policy_statements import AccountScope
from mlci.provision.stack_names import ROLES
from mlci.step_types import closing_titles
from mlci.step_types.keys import Json
from support.aws_account import account
from support.compiled_flows import compiled, planned
from support.iam_calls import Call, arn
from support.iam_decisions import decided
from support.iam_derived import calls_of_the_workflow
from support.project import Project

FLOW = """flow: batch
params: {filter: "$[1:]"}
steps:
  train: {uses: training, image: "mine.example/image:7", run: train.py, inference: serve.py}
  score:
    uses: transform
    model: ${{ steps.train.outputs.model }}
    image: mine.example/image:7
    input: s3://acme/rows/
    input_filter: ${{ params.filter }}
    join: input
    timeout: 10m
  read:
    uses: processing
    image: mine.example/image:7
    run: read.py
    inputs: {scores: "${{ steps.score.outputs.output }}"}
"""
RUN = "20261123-101530-3f9c2a"
NAME = f"mlci-batch--score-{RUN}"
SERVE = """
def model_fn(folder):
    return float(open(folder + "/weights.txt").read())


def input_fn(data, content_type):
    return [float(line.split(",")[0]) for line in data.splitlines()]


def predict_fn(rows, model):
    return [row * model for row in rows]


def output_fn(values, accept):
    return "".join(f"{value}\\n" for value in values)
"""


def request(text: str) -> dict[str, Any]:
    return dict(planned(text).steps["score"].request)


def test_the_job_runs_a_model_of_its_own() -> None:
    definition, execution_input = compiled(FLOW)
    step = execution_input["steps"]["score"]
    assert step["request"] == {
        "ModelName": NAME,
        "BatchStrategy": "MultiRecord",
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://acme/rows/"}},
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        "TransformOutput": {
            "S3OutputPath": f"s3://bucket/mlci/batch/runs/{RUN}/score/output",
            "Accept": "text/csv",
            "AssembleWith": "Line",
        },
        "TransformResources": {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge"},
        "DataProcessing": {"InputFilter": "$[1:]", "JoinSource": "Input"},
        "Tags": step["request"]["Tags"],
    }
    assert step["model"]["name"] == NAME
    assert step["model_PrimaryContainer"]["ModelDataUrl"].endswith("/train/model/model.tar.gz")
    assert step["timeout_s"] == 600 + 1800
    assert execution_input["cleaner"]["names"] == {"model": [NAME]}
    states = definition["States"]
    line = ["score", "score: transform", "score: delete the model", "read: reused?"]
    assert [states[name]["Next"] for name in line[:-1]] == line[1:]
    assert [states[name]["Resource"].rpartition(":")[2] for name in line[:-1]] == [
        "createModel",
        "createTransformJob.sync",
        "deleteModel",
    ]
    assert states["score"]["Parameters"]["PrimaryContainer.$"] == "$.steps.score.model_PrimaryContainer"
    assert states["score: transform"]["TimeoutSecondsPath"] == "$.steps.score.timeout_s"


def test_the_model_is_deleted_where_the_job_fails_for_good_and_not_before_it_is_tried_again() -> None:
    states = compiled(FLOW)[0]["States"]
    retried = states["score: transform"]["Catch"][0]["Next"]
    assert states[retried]["Type"] == "Choice"
    undo = states[states[retried]["Default"]]
    assert undo["Resource"].endswith(":deleteModel")
    assert states[undo["Next"]]["Type"] == "Fail"
    assert undo["Catch"][0]["Next"] == undo["Next"]
    again = [states[choice["Next"]] for choice in states[retried]["Choices"]]
    assert {states[state["Next"]]["Next"] for state in again} == {"score: transform"}


def test_a_model_that_is_gone_is_deleted() -> None:
    states = compiled(FLOW)[0]["States"]
    choice = states[states["score: delete the model"]["Catch"][0]["Next"]]["Choices"][0]
    assert "*Could not find model*" in json.dumps(choice)
    assert choice["Next"] == "read: reused?"


@pytest.mark.parametrize(
    ("keys", "path", "value"),
    [
        ("content_type: application/json", "TransformInput.SplitType", "None"),
        ("content_type: application/json", "TransformOutput.Accept", "application/json"),
        ("content_type: application/jsonlines", "TransformOutput.AssembleWith", "Line"),
        ("content_type: text/csv; header=absent", "TransformInput.SplitType", "Line"),
        ("{split: recordio}", "TransformInput.SplitType", "RecordIO"),
        ("{split: tfrecord}", "TransformOutput.AssembleWith", "None"),
        ("{assemble: none}", "TransformOutput.AssembleWith", "None"),
        ("{accept: application/json}", "TransformOutput.Accept", "application/json"),
        ("{strategy: single}", "BatchStrategy", "SingleRecord"),
        ("{max_payload_mb: 20}", "MaxPayloadInMB", 20),
        ("{max_concurrent: 4}", "MaxConcurrentTransforms", 4),
        ("{join: none}", "DataProcessing.InputFilter", "$[1:]"),
        ("output_filter: $[0,-1]", "DataProcessing.OutputFilter", "$[0,-1]"),
        ("{instance_count: 3}", "TransformResources.InstanceCount", 3),
        ("request: {ModelClientConfig: {InvocationsMaxRetries: 1}}", "ModelClientConfig.InvocationsMaxRetries", 1),
    ],
)
def test_each_key_has_its_field(keys: str, path: str, value: object) -> None:
    text = FLOW.replace("    timeout: 10m\n", f"    {keys.strip('{}') if keys.startswith('{') else keys}\n")
    if "join" in keys:
        text = text.replace("    join: input\n", "")
    found: Any = request(text)
    for part in path.split("."):
        found = found[part]
    assert found == value


def test_a_request_for_the_model_is_merged_over_its_own() -> None:
    isolated = FLOW.replace("    timeout:", "    model_request: {EnableNetworkIsolation: true}\n    timeout:")
    definition, execution_input = compiled(isolated)
    assert execution_input["steps"]["score"]["model_EnableNetworkIsolation"] is True
    parameters = definition["States"]["score"]["Parameters"]
    assert parameters["EnableNetworkIsolation.$"] == "$.steps.score.model_EnableNetworkIsolation"


NETWORK = "vpc: {subnets: [subnet-1], security_groups: [sg-1]}"


@pytest.mark.parametrize(
    "text", [FLOW.replace("    timeout:", f"    {NETWORK}\n    timeout:"), f"defaults: {{{NETWORK}}}\n{FLOW}"]
)
def test_the_network_is_the_models(text: str) -> None:
    step = compiled(text)[1]["steps"]["score"]
    assert step["model_VpcConfig"] == {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
    assert "VpcConfig" not in step["request"]
    requirements = access_requirements(planned(text).flow, {})
    assert (requirements.subnets, requirements.security_groups) == (("subnet-1",), ("sg-1",))
    own = text.replace("    timeout:", "    model_request: {VpcConfig: {Subnets: [subnet-2]}}\n    timeout:")
    assert compiled(own)[1]["steps"]["score"]["model_VpcConfig"]["Subnets"] == ["subnet-2"]


def test_what_is_written_is_encrypted_by_a_key() -> None:
    text = FLOW.replace("    timeout:", "    kms_key: alias/a\n    volume_kms_key: 1234abcd\n    timeout:")
    assert request(text)["TransformOutput"]["KmsKeyId"] == "alias/a"
    assert request(text)["TransformResources"]["VolumeKmsKeyId"] == "1234abcd"
    assert access_requirements(planned(text).flow, {}).output_keys == ("alias/a",)


def test_every_field_is_one_of_sagemaker_and_of_step_functions() -> None:
    import botocore.session

    sagemaker = botocore.session.get_session().get_service_model("sagemaker")
    check(planned(FLOW), sagemaker)
    for key, value in (("model_request", "{Modelname: a}"), ("request", "{TransformInput: {Split: a}}")):
        with pytest.raises(InputError, match=r"Unknown parameter in"):
            check(planned(FLOW.replace("    timeout:", f"    {key}: {value}\n    timeout:")), sagemaker)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    input: s3://acme/rows/\n", "", 'step "score" lacks "input". Add input: <a file or folder of data>'),
        ("    model: ${{ steps.train.outputs.model }}\n", "", 'step "score" lacks "model"'),
        ("timeout: 10m", "split: lines", '12:12: "lines" is no "split". Write none, line, recordio or tfrecord'),
        ("timeout: 10m", "strategy: MultiRecord", 'is no "strategy". Write multi or single'),
        ("timeout: 10m", "output_filter: '[0]'", '"[0]" is no JSONPath. Write $ for all of a record'),
        ("timeout: 10m", "max_payload_mb: 101", "less than or equal to 100"),
        ("timeout: 10m", "timeout: 6d", "a transform job runs for at most 5d"),
        ("timeout: 10m", "volume_gb: 10", "A transform job's disk has the size that its instance type gives it"),
        ("timeout: 10m", "request: {ModelName: mine}", "the step creates a model of its own"),
        ("timeout: 10m", "model_request: {ModelName: mine}", "mlci names models by their run"),
        ("score.outputs.output }}", "score.outputs.scores }}", 'Its only output is "output"'),
    ],
)
def test_what_is_wrong_is_refused(old: str, new: str, expected: str) -> None:
    with pytest.raises(InputError) as raised:
        planned(FLOW.replace(old, new))
    assert expected in str(raised.value).replace("at most 100", "less than or equal to 100")


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ("split: recordio", "has SplitType RecordIO; the local cloud does SplitType None and Line"),
        ("content_type: text/libsvm", "DataProcessing needs a ContentType and an Accept"),
        ("{max_payload_mb: 60, max_concurrent: 2}", "MaxConcurrentTransforms * MaxPayloadInMB can't be more than 100"),
        ("output_filter: $.a[0:2]", 'The OutputFilter "$.a[0:2]" is not one that the local cloud knows'.lower()),
    ],
)
def test_what_cannot_run_here_is_refused_before_it_starts(new: str, expected: str) -> None:
    lines = new.strip("{}").replace(", max", "\n    max") if new.startswith("{") else new
    with pytest.raises(InputError) as raised:
        check_jobs(planned(FLOW.replace("timeout: 10m", lines)))
    assert expected.lower() in str(raised.value).lower()


def test_what_can_run_here_is_accepted() -> None:
    plan = planned(FLOW)
    check_jobs(plan)
    assert dependencies(plan.flow)["score"] == {"train"}
    assert access_requirements(plan.flow, {}).outside == ("s3://acme/rows/",)


def test_a_step_succeeds_with_its_last_state_and_fails_for_good() -> None:
    assert closing_titles("transform") == {"delete the model"}
    start = initial_progress(["score"], {"score": closing_titles("transform")})
    created = done(start, 1, "score", "TaskSucceeded")
    assert created.steps["score"].status == "running"
    transformed = done(created, 3, "score: transform", "TaskSucceeded")
    assert transformed.steps["score"].status == "running"
    assert done(transformed, 5, "score: delete the model", "TaskSucceeded").steps["score"].status == "succeeded"
    gone = done(transformed, 5, "score: delete the model", "TaskFailed", 'Could not find model "arn:a".')
    assert gone.steps["score"].status == "succeeded"
    failed = done(created, 3, "score: transform", "TaskFailed", '{"FailureReason": "AlgorithmError: no"}')
    undone = done(failed, 5, "score: delete the model of the failed job", "TaskSucceeded")
    assert (undone.steps["score"].status, undone.steps["score"].reason) == ("failed", "AlgorithmError: no")
    no_data = "Could not find model data at s3://b/train/model.tar.gz. (Service: AmazonSageMaker; Status Code: 400)"
    uncreated = done(start, 1, "score", "TaskFailed", no_data)
    assert (uncreated.steps["score"].status, uncreated.steps["score"].reason) == ("failed", no_data)


def done(progress: Progress, number: int, state: str, kind: str, cause: str = "") -> Progress:
    """The progress behind a state that was entered, and behind an event of its task."""
    at = datetime(2026, 1, 1, tzinfo=timezone.utc)
    entered = Event(number, number - 1, at, "TaskStateEntered", {"stateEnteredEventDetails": {"name": state}})
    ended = Event(number + 1, number, at, kind, {"taskFailedEventDetails": {"error": "a", "cause": cause}})
    return progress.after(entered).after(ended)


def project(folder: Path) -> Project:
    project = Project(folder)
    project.write("flow.yaml", FLOW.replace("s3://acme/rows/", "rows"))
    project.write("train.py", 'open("/opt/ml/model/weights.txt", "w").write("2")\n')
    project.write("serve.py", SERVE)
    project.write("rows/a.csv", "a,1\nb,3\n")
    project.write("rows/b.csv", "c,5\n")
    project.write(
        "read.py",
        "import glob\nfor file in sorted(glob.glob('/opt/ml/processing/input/scores/*')):\n"
        "    print(file[-9:], open(file).read())\n",
    )
    return project


@pytest.mark.e2e
@pytest.mark.slow
def test_the_local_cloud_transforms_by_the_models_script(tmp_path: Path) -> None:
    batch = project(tmp_path)
    run = batch.mlci("run")
    assert run.returncode == 0, run.stdout + run.stderr
    log = " ".join(batch.latest("logs/read.log").split())
    assert log == "a.csv.out a,1,2.0 b,3,6.0 b.csv.out c,5,10.0"
    assert batch.result()["steps"]["score"]["job"] == f"mlci-batch--score-{batch.result()['run_id']}-0-0"
    batch.write("rows/b.csv", "c,five\n")
    failed = batch.mlci("run")
    assert failed.returncode == 3, failed.stdout + failed.stderr
    assert "b.csv: ValueError: could not convert string to float: 'five'" in failed.stdout
    assert batch.result()["steps"]["score"]["status"] == "failed"
    batch.write("flow.yaml", FLOW.replace(", inference: serve.py", "").replace("s3://acme/rows/", "rows"))
    without = batch.mlci("run")
    assert without.returncode == 3
    assert 'there is no "inference.py" in the folder code' in without.stdout


ALGORITHM = """flow: plain
steps:
  train:
    uses: training
    algorithm: xgboost:1.7-1
    inputs: {train: {from: train.csv, content_type: text/csv}}
    hyperparameters: {num_round: 9, objective: "reg:squarederror", min_child_weight: 0, lambda: 0, eta: 1}
  score: {uses: transform, model: "${{ steps.train.outputs.model }}", image: "xgboost:1.7-1", input: rows.csv}
"""


def test_the_model_of_an_algorithm_is_served_by_its_image() -> None:
    text = ALGORITHM.replace("train.csv", "s3://acme/train.csv").replace("rows.csv", "s3://acme/rows.csv")
    step = compiled(text)[1]["steps"]["score"]
    assert step["model_PrimaryContainer"]["Environment"] == {}
    scripted = compiled(text.replace("score: {", "score: {program: serve.py, "))[1]["steps"]["score"]
    assert scripted["model_PrimaryContainer"]["Environment"]["SAGEMAKER_PROGRAM"] == "serve.py"


def test_a_model_of_another_algorithm_is_refused_here() -> None:
    image = "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1"
    plan = planned(FLOW)
    container: Json = {"Image": image, "ModelDataUrl": "s3://a/b/model.tar.gz", "Environment": {}}
    values = {**plan.steps["score"].execution_input, "model_PrimaryContainer": container}
    step = replace(plan.steps["score"], execution_input=values)
    with pytest.raises(InputError, match="a model of the built-in algorithm kmeans, which runs on AWS alone"):
        check_jobs(replace(plan, steps={"score": step}))


@pytest.mark.e2e
@pytest.mark.slow
def test_the_local_cloud_serves_the_model_of_an_algorithm(tmp_path: Path) -> None:
    plain = Project(tmp_path)
    plain.write("flow.yaml", ALGORITHM)
    plain.write("train.csv", "1,0\n5,9\n")
    plain.write("rows.csv", "9\n0\n9\n")
    run = plain.mlci("run")
    assert run.returncode == 0, run.stdout + run.stderr
    (scores,) = (tmp_path / ".mlci" / "store").rglob("rows.csv.out")
    assert [float(line) for line in scores.read_text().splitlines()] == [5, 1, 5]


@pytest.mark.e2e
@pytest.mark.slow
def test_the_aws_cloud_creates_transforms_and_deletes(tmp_path: Path) -> None:
    batch = project(tmp_path / "project")
    with account(tmp_path / "served", "models") as served:
        run = batch.mlci("run", **served.environment)
        assert run.returncode == 0, run.stdout + run.stderr
        assert served.client("sagemaker").list_models()["Models"] == []
        batch.write("rows/b.csv", "c,five\n")
        assert batch.mlci("run", **served.environment).returncode == 3
        assert served.client("sagemaker").list_models()["Models"] == []
        called = list(calls_of_the_workflow(served, batch.result()["execution"]))
    flow = load((batch.root / "flow.yaml").read_bytes(), "flow.yaml")
    name = f"model/mlci-batch--score-{batch.result()['run_id']}"
    assert {Call(f"sagemaker:{action}", arn("sagemaker", name)) for action in ("CreateModel", "DeleteModel")} <= set(
        called
    )
    assert denied(flow, called) == {"iam:PassRole"}  # the account's role is not the stack's
    trained = load(FLOW[: FLOW.index("  score:")].encode(), "flow.yaml")
    assert denied(trained, called) >= {"sagemaker:CreateModel", "sagemaker:CreateTransformJob", "sagemaker:DeleteModel"}


def denied(flow: Flow, called: list[Call]) -> set[str]:
    """The actions among calls that the flow's policy of the state machine does not allow."""
    scope = AccountScope("aws", "us-east-1", "000000000000", "models", "c", dict.fromkeys(ROLES, "arn:role"))
    document = policies(access_requirements(flow, {}), scope)["workflow"]
    return {call.action for call in called if not decided(document, call)}


def test_each_side_transforms_by_its_own_models() -> None:
    """A transform job reads and writes with the role of its model."""
    scope = AccountScope("aws", "us-east-1", "000000000000", "models", "c", dict.fromkeys(ROLES, "arn:role"))
    written = policies(access_requirements(load(FLOW.encode(), "flow.yaml"), {}), scope)

    def may(role: Any, job: str, model: str) -> bool:
        model_arn = ("sagemaker:ModelArn", arn("sagemaker", f"model/{model}"))
        named = arn("sagemaker", f"transform-job/{job}")
        return decided(written[role], Call("sagemaker:CreateTransformJob", named, (model_arn,)))

    own, protected = (f"{prefix}-batch--score-20261123-101530-3f9c2a" for prefix in ("mlci", "mlcip"))
    assert may("workflow", own, own)
    assert may("protected_workflow", protected, protected)
    assert not may("workflow", own, protected)
    assert not may("workflow", own, "anything")
    assert not may("protected_workflow", protected, own)
