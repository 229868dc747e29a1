"""The built-in XGBoost in a run: on the local cloud, and where mlci's AWS is a served one, with the flow's rights."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy
import pytest
import xgboost

from mlci.flow import load
from mlci.provision.access_requirements import access_requirements
from mlci.provision.iam_policies import policies
from mlci.provision.policy_statements import AccountScope
from mlci.provision.stack_names import ROLES
from support.aws_account import account
from support.compiled_flows import XGBOOST_IMAGE
from support.iam_calls import Call
from support.iam_decisions import decided
from support.iam_derived import calls_of_the_jobs, calls_of_the_workflow
from support.project import Project

FLOW = """flow: trees
steps:
  train:
    uses: training
    algorithm: xgboost:1.7-1
    inputs:
      train: {from: data/train.csv, content_type: text/csv}
      validation: {from: data/validation.csv, content_type: text/csv}
    hyperparameters: {num_round: 8, max_depth: 3, objective: "binary:logistic", eval_metric: "logloss,auc"}
  behind:
    uses: processing
    image: sklearn:1.2-1
    run: behind.py
    inputs: {model: "${{ steps.train.outputs.model }}"}
    if: [{metric: train.train:auc, min: 0.5}]
gate: [{metric: train.validation:auc, min: 0.7}]
"""
RNG = numpy.random.default_rng(3)
FEATURES = RNG.normal(size=(200, 4))
LABELS = (FEATURES[:, 0] - FEATURES[:, 1] ** 2 > -0.5).astype(int)


def project(folder: Path) -> Project:
    project = Project(folder)
    project.write("flow.yaml", FLOW)
    rows = [
        "".join(f"{label},{','.join(map(repr, row))}\n") for label, row in zip(LABELS, FEATURES.tolist(), strict=True)
    ]
    project.write("data/train.csv", "".join(rows[:150]))
    project.write("data/validation.csv", "".join(rows[150:]))
    project.write("behind.py", 'import os\nprint(os.listdir("/opt/ml/processing/input/model"))\n')
    return project


def expected() -> tuple[xgboost.Booster, float]:
    """The model of a script with the same parameters, and its logloss on the rows that are held out."""
    train, held_out = (
        xgboost.DMatrix(FEATURES[part], label=LABELS[part]) for part in (slice(None, 150), slice(150, None))
    )
    params = {"max_depth": 3, "objective": "binary:logistic", "eval_metric": "logloss"}
    booster = xgboost.train(params, train, 8)
    return booster, float(booster.eval(held_out).rpartition(":")[2])


def check_model(archive: bytes) -> None:
    """The model that the run kept predicts what that of a script does."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        assert packed.getnames() == ["xgboost-model"]
        file = packed.extractfile("xgboost-model")
        assert file is not None
        model = xgboost.Booster(model_file=bytearray(file.read()))
    data = xgboost.DMatrix(FEATURES)
    assert numpy.array_equal(model.predict(data), expected()[0].predict(data))


def check_run(project: Project) -> None:
    result = project.result()
    assert result["status"] == "passed"
    assert [step["status"] for step in result["steps"].values()] == ["succeeded", "succeeded"]
    metrics = result["metrics"]["train"]
    assert list(metrics) == ["train:auc", "train:logloss", "validation:auc", "validation:logloss"]
    assert metrics["validation:logloss"] == pytest.approx(expected()[1], abs=1e-5)


@pytest.mark.e2e
@pytest.mark.slow
def test_the_local_cloud_trains_by_the_algorithm(tmp_path: Path) -> None:
    trees = project(tmp_path)
    plan = trees.mlci("plan")
    assert "training of xgboost:1.7-1 on ml.m5.xlarge" in plan.stdout, plan.stdout + plan.stderr
    done = trees.mlci("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("train succeeded") == 1
    check_run(trees)
    [model] = (tmp_path / ".mlci" / "store").rglob("train/model/model.tar.gz")
    check_model(model.read_bytes())
    assert "[7]#011train-logloss:" in trees.latest("logs/train.log")

    trees.write("data/train.csv", "label,a,b,c,d\n1,2,3,4,5\n")
    failed = trees.mlci("run")
    assert failed.returncode == 3
    assert "AlgorithmError: the first column of train.csv has no number in row 1" in failed.stdout + failed.stderr
    trees.write("flow.yaml", FLOW.replace("xgboost:1.7-1", "xgboost:9.9-9"))
    unknown = trees.mlci("run")
    assert unknown.returncode == 2
    assert 'flow.yaml:5:16: SageMaker has no image "xgboost:9.9-9"' in unknown.stderr


@pytest.mark.e2e
@pytest.mark.slow
def test_the_rights_of_the_flow_suffice_on_aws(tmp_path: Path) -> None:
    trees = project(tmp_path / "project")
    with account(tmp_path / "served", "models") as served:
        done = trees.mlci("run", **served.environment)
        assert done.returncode == 0, done.stdout + done.stderr
        check_run(trees)
        run = trees.result()["run_id"]
        called = {
            "workflow": list(calls_of_the_workflow(served, trees.result()["execution"])),
            "job": list(calls_of_the_jobs(served, run)),
        }
        key = f"mlci/trees/runs/{run}/train"
        s3 = served.client("s3")
        check_model(s3.get_object(Bucket="models", Key=f"{key}/model/model.tar.gz")["Body"].read())
        metrics = json.loads(s3.get_object(Bucket="models", Key=f"{key}/_metrics/metrics.json")["Body"].read())
    assert metrics == trees.result()["metrics"]["train"]
    actions = {call.action for call in called["workflow"]}
    assert {"sagemaker:DescribeTrainingJob", "s3:PutObject"} <= actions
    flow = load(FLOW.encode(), "flow.yaml")
    scope = AccountScope("aws", "us-east-1", "000000000000", "models", "c", dict.fromkeys(ROLES, "arn:role"))
    images = {"train": XGBOOST_IMAGE, "behind": XGBOOST_IMAGE.replace("xgboost:1.7-1", "scikit-learn:1.2-1")}
    document = policies(access_requirements(flow, images), scope)
    assert denied(document["workflow"], called["workflow"]) == {"iam:PassRole"}  # the account's role, not the stack's
    assert denied(document["job"], called["job"]) == set()


def denied(document: object, called: list[Call]) -> set[str]:
    return {call.action for call in called if not decided(document, call)}  # type: ignore[arg-type]
