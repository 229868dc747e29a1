"""The states that keep the metrics that SageMaker found in a training job's log, where the starter collects none.

SageMaker searches the log by the regular expressions of MetricDefinitions; a built-in algorithm has its own. The job's
description has the last value of each, as a list of names and values: the state machine makes a map of it.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html (FinalMetricDataList);
https://docs.aws.amazon.com/sagemaker/latest/dg/define-train-metrics.html
"""

from __future__ import annotations

from mlci.s3_uris import split_s3_uri
from mlci.step_types.base import (
    S3_RETRIES,
    S3_TRANSIENT_ERRORS,
    Json,
    PassState,
    RetryRule,
    State,
    StepPaths,
    TaskState,
    attempt_counters,
)

#: The field of a step's part of the execution input that says where its metrics go.
METRIC_DATA = "metric_data"
_CALL_S = 60
#: In aws-sdk tasks, errors have the names of version 2 of the SDK for Java.
_TRANSIENT_ERRORS = ("SageMaker.SdkClientException",)
_RETRIES = (
    RetryRule(
        "service",
        ("SageMaker.SageMakerException",),
        ("*Rate exceeded*", "*Status Code: 429*", "*Status Code: 5*"),
        wait_s=30,
        attempts=10,
    ),
)
#: A text in the place of metrics says why there are none.
_NONE = '"missing: SageMaker found none in the log of the job"'
#: The metrics by their names.
_BY_NAME = f"$count(found) = 0 ? {_NONE!r} : $merge(found.{{MetricName: Value}})"


def metric_data_input(metrics_folder: str) -> dict[str, Json]:
    """Return the part of the execution input that `keep_metrics` reads; {} if there are no metrics."""
    if not metrics_folder:
        return {}
    bucket, folder = split_s3_uri(metrics_folder)
    target: dict[str, Json] = {
        "bucket": bucket,
        "key": f"{folder}metrics.json",
        "describe": attempt_counters(_RETRIES),
        "attempt": attempt_counters(S3_RETRIES),
    }
    return {METRIC_DATA: target}


def keep_metrics(paths: StepPaths) -> tuple[State, ...]:
    """Return the states that follow a training job whose name lies at `job` of the step's result; none without metrics.

    A job without metrics has no FinalMetricDataList, for which only a path with `..` finds an empty list.
    """
    if METRIC_DATA not in paths.input_fields:
        return ()
    target = f"{paths.input}.{METRIC_DATA}"
    return (
        TaskState(
            title="read its metrics",
            resource="arn:aws:states:::aws-sdk:sagemaker:describeTrainingJob",
            parameters={"TrainingJobName.$": f"{paths.result}.job"},
            transient_errors=_TRANSIENT_ERRORS,
            retries=_RETRIES,
            attempt_path=f"{target}.describe",
            failure_title="metrics not read",
            keeps={"found": "$..FinalMetricDataList[*]"},
            keeps_below=".metrics",
            timeout_s=_CALL_S,
        ),
        PassState(title="name its metrics", value=_BY_NAME, keeps_below=".metrics"),
        TaskState(
            title="keep its metrics",
            resource="arn:aws:states:::aws-sdk:s3:putObject",
            parameters={
                "Bucket.$": f"{target}.bucket",
                "Key.$": f"{target}.key",
                "Body.$": f"{paths.result}.metrics",
                "ContentType": "application/json",
            },
            transient_errors=S3_TRANSIENT_ERRORS,
            retries=S3_RETRIES,
            attempt_path=f"{target}.attempt",
            failure_title="metrics not kept",
            keeps={"etag": "$.ETag"},
            keeps_below=".metrics",
            timeout_s=_CALL_S,
        ),
    )
