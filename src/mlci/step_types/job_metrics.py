"""The states that keep the metrics that SageMaker found in a training job's log, where the starter collects none.

SageMaker searches the log by the regular expressions of MetricDefinitions; a built-in algorithm has its own. The job's
description has the last value of each, as a list of names and values: the state machine makes a map of it.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html (FinalMetricDataList);
https://docs.aws.amazon.com/sagemaker/latest/dg/define-train-metrics.html
"""

from __future__ import annotations

from mlci.step_types.kept_results import ETAG, keep_result, result_place
from mlci.step_types.keys import Json
from mlci.step_types.states import PassState, RetryRule, State, StepPaths, TaskState, attempt_counters

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
    place = result_place(metrics_folder, "metrics.json")
    return {METRIC_DATA: {**place, "describe": attempt_counters(_RETRIES)}}


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
        keep_result(paths, "metrics", METRIC_DATA, f"{paths.result}.metrics", ETAG, ".metrics"),
    )
