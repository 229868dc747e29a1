"""The built-in algorithms: which trains here, what of it is refused by name, and the metrics that SageMaker finds."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from mlci_emulator.jobs import requests
from mlci_emulator.jobs.algorithms import metric_definitions
from mlci_emulator.jobs.requests import InvalidRequest, UnsupportedRequest
from support.local_jobs import training_request

REGISTRY = "683313688378.dkr.ecr.us-east-1.amazonaws.com"


def algorithm_request(repository: str = "sagemaker-xgboost:1.7-1") -> dict[str, Any]:
    """Return the request of a job that trains by the algorithm of its image."""
    request: dict[str, Any] = dict(training_request())
    request["HyperParameters"] = {"num_round": "5"}
    request["AlgorithmSpecification"] = {"TrainingImage": f"{REGISTRY}/{repository}", "TrainingInputMode": "File"}
    request["InputDataConfig"] = [
        {
            "ChannelName": "train",
            "ContentType": "text/csv",
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/train/"}},
        }
    ]
    return request


def test_the_algorithm_of_xgboost_trains_here() -> None:
    job = requests.training(algorithm_request())
    assert (job.program, job.code_uri) == ("", "")
    assert job.hyperparameters == {"num_round": "5"}
    assert job.channels[0].config["ContentType"] == "text/csv"


@pytest.mark.parametrize("repository", ["linear-learner:1", "kmeans:1", "xgboost:1"])
def test_other_algorithms_are_refused_by_name(repository: str) -> None:
    with pytest.raises(
        UnsupportedRequest, match=f"the built-in algorithm {repository[:-2]}, which trains on AWS alone"
    ):
        requests.training(algorithm_request(repository))


def test_an_image_of_ones_own_needs_a_container_runtime() -> None:
    with pytest.raises(UnsupportedRequest, match="mine:7 starts by itself, and that needs a container runtime"):
        requests.training(algorithm_request("mine:7"))


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        (lambda r: r["HyperParameters"].update(_kfold="5"), "_kfold of the built-in XGBoost is not done"),
        (lambda r: r["HyperParameters"].update(tree_method="gpu_hist"), "tree_method of the built-in XGBoost"),
        (
            lambda r: r["InputDataConfig"][0].update(ContentType="application/x-parquet"),
            "text/csv and text/libsvm alone",
        ),
        (lambda r: r["ResourceConfig"].update(InstanceCount=2), "across 2 instances, and the local one on one"),
        (lambda r: r["AlgorithmSpecification"].update(ContainerArguments=["x"]), "starts by itself"),
    ],
)
def test_what_only_the_image_does_is_refused_by_name(change: Callable[[dict[str, Any]], object], advice: str) -> None:
    request = algorithm_request()
    change(request)
    with pytest.raises(UnsupportedRequest, match=advice):
        requests.training(request)


@pytest.mark.parametrize("value", ["hist", "exact"])
def test_other_ways_to_grow_trees_are_done(value: str) -> None:
    request = algorithm_request()
    request["HyperParameters"].update(tree_method=value, use_dask_gpu_training="false")
    assert requests.training(request).hyperparameters["tree_method"] == value


@pytest.mark.parametrize("has_script", [True, False])
def test_nobody_overrides_the_metrics_of_an_algorithm(has_script: bool) -> None:
    """Those of the image, whatever it runs: SageMaker rejects the request of a script, too."""
    request = algorithm_request()
    if has_script:
        request["HyperParameters"] = training_request()["HyperParameters"]
    requests.training(request)
    request["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "a", "Regex": "a=(.*)"}]
    with pytest.raises(
        InvalidRequest, match="You can't override the metric definitions for Amazon SageMaker algorithms"
    ):
        requests.training(request)


def test_the_metrics_of_a_round_are_found_in_the_log() -> None:
    line = "[12]#011train-auc:0.97501#011train-error:0.06#011validation-auc:0.92360#011validation-error:1e-05"
    found = {
        each["Name"]: match[1]
        for each in metric_definitions(f"{REGISTRY}/sagemaker-xgboost:1.7-1")
        if (match := re.search(each["Regex"], line))
    }
    assert found == {
        "train:auc": "0.97501",
        "train:error": "0.06",
        "validation:auc": "0.92360",
        "validation:error": "1e-05",
    }
