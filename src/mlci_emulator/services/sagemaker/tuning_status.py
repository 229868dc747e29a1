"""The description of a tuning job and of its trials, which are training jobs. Pure: all of it is made of records.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeHyperParameterTuningJob.html,
API_HyperParameterTrainingJobSummary.html, API_TrainingJobStatusCounters.html, API_ObjectiveStatusCounters.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mlci_emulator.services.sagemaker.records import Record

_ENDED = ("Completed", "Failed", "Stopped")
#: Failures that pass by themselves, by the beginning of their reasons.
_RETRYABLE = ("InternalServerError", "CapacityError")


def describe(tuning: Record, trials: Sequence[Record], now: datetime) -> dict[str, Any]:
    """Return the response of DescribeHyperParameterTuningJob."""
    summaries = [summary(tuning.body, trial) for trial in trials]
    best = best_of(tuning.body, summaries)
    ended = tuning.body.get("HyperParameterTuningEndTime") or now
    seconds = max(0, round((ended - tuning.created).total_seconds()))
    return {
        **tuning.body,
        **counters(summaries),
        **({"BestTrainingJob": best} if best else {}),
        "ConsumedResources": {"RuntimeInSeconds": seconds},
    }


def listed(tuning: Record, trials: Sequence[Record]) -> dict[str, Any]:
    """Return what a summary in ListHyperParameterTuningJobs is made of."""
    config = tuning.body["HyperParameterTuningJobConfig"]
    summaries = [summary(tuning.body, trial) for trial in trials]
    return {
        **tuning.body,
        **counters(summaries),
        "Strategy": config["Strategy"],
        "ResourceLimits": config["ResourceLimits"],
    }


def counters(summaries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the counts of trials by their status, and by that of their objective."""
    statuses = [each["TrainingJobStatus"] for each in summaries]
    reasons = [each.get("FailureReason", "") for each in summaries if each["TrainingJobStatus"] == "Failed"]
    retryable = sum(reason.startswith(_RETRYABLE) for reason in reasons)
    objectives = [each["ObjectiveStatus"] for each in summaries]
    return {
        "TrainingJobStatusCounters": {
            "Completed": statuses.count("Completed"),
            "InProgress": sum(status not in _ENDED for status in statuses),
            "RetryableError": retryable,
            "NonRetryableError": len(reasons) - retryable,
            "Stopped": statuses.count("Stopped"),
        },
        "ObjectiveStatusCounters": {status: objectives.count(status) for status in ("Succeeded", "Pending", "Failed")},
    }


def summary(tuning: Mapping[str, Any], trial: Record) -> dict[str, Any]:
    """Return the HyperParameterTrainingJobSummary of a trial."""
    body = trial.body
    found: dict[str, Any] = {
        "TrainingJobName": trial.name,
        "TrainingJobArn": trial.arn,
        "CreationTime": trial.created,
        "TrainingJobStatus": trial.status,
        "TunedHyperParameters": tuned_values(tuning, body),
    }
    for field in ("TrainingStartTime", "TrainingEndTime", "FailureReason"):
        if field in body:
            found[field] = body[field]
    value = objective_value(tuning, body)
    if trial.status not in _ENDED:
        return {**found, "ObjectiveStatus": "Pending"}
    if value is None or trial.status == "Failed":
        return {**found, "ObjectiveStatus": "Failed"}
    objective = tuning["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
    metric = {"Type": objective["Type"], "MetricName": objective["MetricName"], "Value": value}
    return {**found, "FinalHyperParameterTuningJobObjectiveMetric": metric, "ObjectiveStatus": "Succeeded"}


def tuned_values(tuning: Mapping[str, Any], trial: Mapping[str, Any]) -> dict[str, str]:
    """Return the hyperparameters of a trial for which the tuning job has ranges."""
    ranges = tuning["HyperParameterTuningJobConfig"]["ParameterRanges"]
    names = [item["Name"] for items in ranges.values() for item in items]
    return {name: trial["HyperParameters"][name] for name in names}


def objective_value(tuning: Mapping[str, Any], trial: Mapping[str, Any]) -> float | None:
    """Return the last value of the objective that a trial has printed; None if there is none."""
    metric = tuning["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]["MetricName"]
    values = [each["Value"] for each in trial.get("FinalMetricDataList", []) if each["MetricName"] == metric]
    return values[-1] if values else None


def best_of(tuning: Mapping[str, Any], summaries: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the summary of the trial that completed with the best value, the first of several; None if none has."""
    scored = [
        each
        for each in summaries
        if each["TrainingJobStatus"] == "Completed" and each["ObjectiveStatus"] == "Succeeded"
    ]
    if not scored:
        return None
    objective = tuning["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
    sign = 1 if objective["Type"] == "Maximize" else -1
    return dict(max(scored, key=lambda each: sign * each["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]))
