"""Requests of tuning jobs: what can run here, and what is rejected."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from mlci_emulator.jobs import requests
from mlci_emulator.jobs.tuning_request import Categories, Interval, tuning
from support.sagemaker import tuning_request


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return a request with another value at a path; None removes it."""
    request: dict[str, Any] = copy.deepcopy(tuning_request("Random"))
    *parents, last = path.split("/")
    part: Any = request
    for name in parents:
        part = part.setdefault(name, {})
    if value is None:
        part.pop(last)
    else:
        part[last] = value
    return request


WARM_START = {"WarmStartType": "TransferLearning", "ParentHyperParameterTuningJobs": [{}]}
CONFIG = "HyperParameterTuningJobConfig"


def test_a_request_becomes_a_tuning_job_and_the_requests_of_its_trials() -> None:
    found = tuning(tuning_request("Random", Tags=[{"Key": "a", "Value": "b"}]))
    assert found.ranges == (Interval("depth", 2, 8, True, "Auto"), Categories("booster", ('"a"', '"b"')))
    assert (found.metric, found.is_maximized, found.max_trials, found.max_parallel) == ("score", True, 4, 2)
    trial = found.training_request("tune-001-0", {"depth": "3", "booster": '"a"'})
    assert trial["TrainingJobName"] == "tune-001-0"
    assert trial["HyperParameters"]["_tuning_objective_metric"] == "score"
    assert trial["HyperParameters"]["depth"] == "3"
    assert trial["HyperParameters"]["sagemaker_program"] == '"train.py"'
    assert trial["Tags"] == [{"Key": "a", "Value": "b"}]
    assert "StaticHyperParameters" not in trial


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (f"{CONFIG}/Strategy", "Hyperband", "Choose bayesian, random or grid"),
        (
            "WarmStartConfig",
            {"WarmStartType": "TransferLearning", "ParentHyperParameterTuningJobs": [{}]},
            "warm start",
        ),
        ("Autotune", {"Mode": "Enabled"}, "ranges that SageMaker chooses"),
        (f"{CONFIG}/TuningJobCompletionCriteria", {"TargetObjectiveMetricValue": 1.0}, "completion criteria"),
        (f"{CONFIG}/ResourceLimits/MaxNumberOfTrainingJobs", None, "would never end"),
        ("TrainingJobDefinition/OutputDataConfig/CompressionType", "NONE", "CompressionType GZIP only"),
    ],
)
def test_what_this_machine_can_not_do_is_refused(path: str, value: Any, message: str) -> None:
    with pytest.raises(requests.UnsupportedRequest, match=message):
        tuning(changed(path, value))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (f"{CONFIG}/HyperParameterTuningJobObjective/MetricName", "other", "A metric is required"),
        ("TrainingJobDefinition/StaticHyperParameters/depth", "3", r"\[depth\] has several values"),
        (f"{CONFIG}/Strategy", "Grid", "categorical hyperparameter ranges only"),
        (f"{CONFIG}/ParameterRanges", {}, "At least one hyperparameter range"),
        ("TrainingJobDefinition", None, "A training job definition is required"),
        ("HyperParameterTuningJobName", "x" * 33, "length less than or equal to 32"),
    ],
)
def test_what_sagemaker_rejects_is_rejected(path: str, value: Any, message: str) -> None:
    with pytest.raises(requests.InvalidRequest, match=message):
        tuning(changed(path, value))


@pytest.mark.parametrize(
    ("low", "high", "scale", "is_right"),
    [
        ("2", "2", "Auto", False),
        ("a", "8", "Auto", False),
        ("0.0", "0.5", "Logarithmic", False),
        ("0.1", "0.5", "Logarithmic", True),
        ("0.5", "1", "ReverseLogarithmic", False),
        ("0.5", "0.9", "ReverseLogarithmic", True),
    ],
)
def test_the_ends_of_an_interval(low: str, high: str, scale: str, is_right: bool) -> None:
    item = {"Name": "eta", "MinValue": low, "MaxValue": high, "ScalingType": scale}
    request = changed(f"{CONFIG}/ParameterRanges", {"ContinuousParameterRanges": [item]})
    if is_right:
        assert tuning(request).ranges == (Interval("eta", float(low), float(high), False, scale),)
    else:
        with pytest.raises(requests.InvalidRequest, match=r"\[eta\]"):
            tuning(request)


def test_a_bayesian_search_needs_its_package() -> None:
    with pytest.raises(requests.UnsupportedRequest, match="pip install optuna"):
        tuning(tuning_request("Bayesian"), is_installed=lambda package: package != "optuna")
    assert tuning(tuning_request("Bayesian"), is_installed=lambda package: True).strategy == "Bayesian"
    assert tuning(tuning_request("Random"), is_installed=lambda package: False).strategy == "Random"
