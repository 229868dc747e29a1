"""Steps without `run`: an image of one's own, or a built-in algorithm, and what they refuse by name."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from mlci.backends.local_checks import check_jobs, jobs_for_aws_alone
from mlci.errors import InputError
from mlci.flow import load
from mlci.stage.cache import Cache
from mlci.step_types.base import ResolvedStep
from mlci.step_types.training import algorithm_specification
from mlci_emulator.protocol import sagemaker_validation
from support.compiled_flows import XGBOOST_IMAGE, planned

OWN = """flow: own
secrets: {token: "ssm:/team/token"}
steps:
  train:
    uses: training
    image: mine.example/image:7
    inputs: {train: "s3://bucket/train/"}
    hyperparameters: {trees: 100, fast: true, loss: "log loss"}
    entrypoint: [python3, /app/train.py]
    args: [--deep, 3]
    metric_definitions: [{name: loss, regex: 'loss=(.*)'}]
  score:
    uses: processing
    image: mine.example/image:7
    inputs: {model: "${{ steps.train.outputs.model }}"}
    outputs: [evaluation]
    metrics: evaluation/metrics.json
"""
ALGORITHM = """flow: algorithm
steps:
  train:
    uses: training
    algorithm: xgboost:1.7-1
    inputs:
      train: {from: "s3://bucket/train/", content_type: text/csv}
      validation: {from: "s3://bucket/validation/", content_type: text/csv}
    hyperparameters: {num_round: 20, eta: 0.3, objective: "binary:logistic", eval_metric: auc}
gate: [{metric: train.validation:auc, min: 0.9}]
"""


def request(text: str, step: str) -> Any:
    return planned(text).steps[step].request


def problems(text: str) -> list[str]:
    try:
        load(text.encode(), "flow.yaml")
    except InputError as error:
        return [str(problem).removeprefix("flow.yaml:") for problem in error.problems]
    return []


def test_an_image_of_ones_own_starts_by_itself() -> None:
    sent = request(OWN, "train")
    assert sent["AlgorithmSpecification"] == {
        "TrainingImage": "mine.example/image:7",
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["python3", "/app/train.py"],
        "ContainerArguments": ["--deep", "3"],
        "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}],
    }
    assert sent["HyperParameters"] == {"trees": "100", "fast": "true", "loss": "log loss"}
    assert "CheckpointConfig" not in sent


def test_an_image_without_a_command_has_its_own() -> None:
    plain = OWN.replace("    entrypoint: [python3, /app/train.py]\n    args: [--deep, 3]\n", "")
    assert set(request(plain, "train")["AlgorithmSpecification"]) == {
        "TrainingImage",
        "TrainingInputMode",
        "MetricDefinitions",
    }


def test_no_code_is_sent_to_an_image_of_ones_own() -> None:
    whole = planned(OWN)
    assert [upload.uri for upload in whole.uploads] == []
    sent: Any = whole.steps["score"].request
    assert sent["AppSpecification"] == {"ImageUri": "mine.example/image:7"}
    assert [entry["InputName"] for entry in sent["ProcessingInputs"]] == ["model"]
    assert (
        whole.steps["score"].metrics == "s3://bucket/mlci/own/runs/20261123-101530-3f9c2a/score/evaluation/metrics.json"
    )


def test_an_algorithm_runs_on_its_image_without_a_script() -> None:
    sent = request(ALGORITHM, "train")
    assert sent["AlgorithmSpecification"] == {"TrainingImage": XGBOOST_IMAGE, "TrainingInputMode": "File"}
    assert sent["HyperParameters"] == {
        "num_round": "20",
        "eta": "0.3",
        "objective": "binary:logistic",
        "eval_metric": "auc",
    }
    assert [(entry["ChannelName"], entry["ContentType"]) for entry in sent["InputDataConfig"]] == [
        ("train", "text/csv"),
        ("validation", "text/csv"),
    ]


def test_a_script_on_the_image_of_xgboost_sends_no_metric_definitions() -> None:
    """SageMaker has its own for that image, and rejects a request with others."""
    definitions = (("loss", "loss=(.*)"),)
    step = ResolvedStep("train", "job", "role", {}, code_uri="s3://bucket/code/", metric_definitions=definitions)
    sent = [algorithm_specification(replace(step, image=image)) for image in (XGBOOST_IMAGE, "mine.example/image:7")]
    assert ["MetricDefinitions" in each for each in sent] == [False, True]


@pytest.mark.parametrize(
    ("text", "old", "new", "problem"),
    [
        (
            OWN,
            "    entrypoint:",
            "    run: a.py\n    entrypoint:",
            '10:5: step "train": "run" and "entrypoint" exclude',
        ),
        (OWN, "    entrypoint:", "    source: src\n    entrypoint:", '9:5: step "train": "source" is for the script'),
        (OWN, "    entrypoint:", "    include: [a]\n    entrypoint:", '9:5: step "train": "include" is for the script'),
        (
            OWN,
            "    entrypoint:",
            '    env: {A: "${{ secrets.token }}"}\n    entrypoint:',
            '9:11: step "train": "A" holds a secret, which mlci\'s starter reads',
        ),
        (OWN, '{train: "s3://bucket/train/"}', '{train: {from: "s3://bucket/train/", path: a}}', "7:50: step"),
        (OWN, "    entrypoint:", "    metrics: a.json\n    entrypoint:", '9:5: step "train": files with metrics are'),
        (OWN, "metrics: evaluation/metrics.json", "metrics: evaluation/*.json", "17:5: without run, the image starts"),
        (
            OWN,
            "    outputs: [evaluation]\n    metrics: evaluation/metrics.json",
            "    outputs: [evaluation]\n    metric_definitions: [{name: a, regex: b}]",
            '17:5: step "score": SageMaker searches the output of training jobs',
        ),
        (
            OWN,
            "image: mine.example/image:7\n    inputs: {train:",
            "image: pytorch:2.1\n    inputs: {train:",
            '4:3: step "train" lacks "run". Add run: <path of the script>',
        ),
        (
            OWN,
            "image: mine.example/image:7\n    inputs: {train:",
            "image: xgboost:1.7-1\n    inputs: {train:",
            (
                '4:3: step "train" lacks "run". Add run: <path of the script>; or, for the algorithm of that image, '
                "algorithm: xgboost:1.7-1 in place of image"
            ),
        ),
        (OWN, "{model:", "{model: {from: s3://bucket/x, content_type: text/csv}, a:", "15:43: a channel of a training"),
        (
            ALGORITHM,
            "    algorithm:",
            "    run: a.py\n    algorithm:",
            '5:5: step "train": "algorithm" and "run" exclude',
        ),
        (ALGORITHM, "    algorithm:", "    image: a:1\n    algorithm:", '5:5: step "train": "algorithm" and "image"'),
        (
            ALGORITHM,
            "    algorithm:",
            "    metric_definitions: [{name: a, regex: b}]\n    algorithm:",
            '5:5: step "train": a built-in algorithm has metrics of its own, and SageMaker takes no others',
        ),
        (
            ALGORITHM,
            "xgboost:1.7-1",
            "xgbost:1.7-1",
            '5:16: SageMaker has no built-in algorithm "xgbost". Did you mean',
        ),
        (ALGORITHM, "xgboost:1.7-1", "kmeans", '5:16: "kmeans" has no version. Write kmeans:1'),
        (ALGORITHM, "num_round: 20, ", "", '9:5: step "train": xgboost needs the hyperparameter "num_round"'),
        (
            ALGORITHM,
            "eta: 0.3",
            "etta: 0.3",
            '9:38: step "train": xgboost has no hyperparameter "etta". Did you mean "eta"?',
        ),
        (ALGORITHM, "eta: 0.3", "eta: 3", '9:38: step "train": "eta" is "3", and must be from 0 to 1'),
        (ALGORITHM, "validation: {", "test: {", '8:7: step "train": xgboost has no channel "test"'),
        (ALGORITHM, "train: {", "training: {", '7:7: step "train": xgboost has no channel "training"'),
        (
            ALGORITHM,
            '/train/", content_type: text/csv',
            '/train/", content_type: text/cvs',
            '7:43: step "train": xgboost does not read "text/cvs". Did you mean "text/csv"?',
        ),
    ],
)
def test_what_a_step_without_a_script_cannot_have_is_refused(text: str, old: str, new: str, problem: str) -> None:
    assert problems(text) == []
    assert text.count(old) == 1
    found = problems(text.replace(old, new))
    assert any(each.startswith(problem) for each in found), found


def test_a_default_image_is_none_of_an_algorithm() -> None:
    assert problems(ALGORITHM.replace("steps:", 'defaults: {image: "pytorch:2.1"}\nsteps:')) == []


def test_other_algorithms_take_what_they_document() -> None:
    text = ALGORITHM.replace("xgboost:1.7-1", "linear-learner:1").replace("num_round: 20", "predictor_type: regressor")
    assert problems(text) == []


def test_hyperparameters_with_references_are_not_checked() -> None:
    text = ALGORITHM.replace("eval_metric: auc", 'eval_metric: "${{ steps.a.outputs.b }}"').replace(
        "gate:", "  a: {uses: processing, image: x/y, outputs: [b]}\ngate:"
    )
    assert problems(text) == []


def test_the_summary_names_the_algorithm() -> None:
    assert planned(ALGORITHM).steps["train"].summary.startswith("training of xgboost:1.7-1 on ml.m5.xlarge")


def test_requests_are_those_that_the_api_knows() -> None:
    for text, step, action, field in (
        (OWN, "train", "CreateTrainingJob", "TrainingJobName"),
        (OWN, "score", "CreateProcessingJob", "ProcessingJobName"),
        (ALGORITHM, "train", "CreateTrainingJob", "TrainingJobName"),
    ):
        sent = json.loads(json.dumps({**request(text, step), field: "job"}))
        assert list(sagemaker_validation.problems(action, sent)) == []


def test_a_local_run_is_refused_where_an_image_starts_by_itself() -> None:
    """`mlci validate` tells it, and `--isolation container` runs it."""
    own = planned(OWN)
    with pytest.raises(InputError) as raised:
        check_jobs(own)
    assert [(problem.line, problem.column) for problem in raised.value.problems] == [(9, 17), (13, 5)]
    assert list(jobs_for_aws_alone(own, Cache(None))) == list(raised.value.problems)
    check_jobs(own, runs_in_image=lambda image: image == "mine.example/image:7")
    check_jobs(planned(ALGORITHM))
    assert jobs_for_aws_alone(planned(ALGORITHM), Cache(None)) == []


def test_what_sagemaker_rejects_is_no_note() -> None:
    with pytest.raises(InputError, match="override the metric definitions"):
        jobs_for_aws_alone(
            planned(
                ALGORITHM.replace("gate:", "    request: {AlgorithmSpecification: DEFINITIONS}\ngate:").replace(
                    "DEFINITIONS", "{MetricDefinitions: [{Name: a, Regex: b}]}"
                )
            ),
            Cache(None),
        )
