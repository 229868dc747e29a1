"""The seconds of a SageMaker job that AWS bills for each of its instances, as the job's description tells them.

A training job tells them itself; for one on spot instances they are as many as would cost the same on demand. For the
other jobs, they are those between start and end. A tuning job tells only how long it took.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html, BillableTimeInSeconds;
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTransformJob.html, TransformEndTime
"""

from __future__ import annotations

import json

#: The names of the fields of jobs that tell their start and end begin with one of these.
_VERBS = ("Processing", "Transform", "Training")


def billed_seconds(description: str) -> float | None:
    """Return the seconds of the job with this description; None for what is no description of a job that has ended.

    >>> billed_seconds('{"ProcessingStartTime": 60000, "ProcessingEndTime": 65500}')
    5.5
    >>> billed_seconds('{"TrainingStartTime": 0, "TrainingEndTime": 90000, "BillableTimeInSeconds": 30}')
    30.0
    """
    try:
        document = json.loads(description)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    billable = _number(document.get("BillableTimeInSeconds"))
    if billable is not None:
        return billable
    for verb in _VERBS:
        started, ended = _number(document.get(f"{verb}StartTime")), _number(document.get(f"{verb}EndTime"))
        if started is not None and ended is not None and ended >= started:
            return (ended - started) / 1000  # in the output of a task, times are milliseconds
    return None


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < 1e15 else None  # type: ignore[operator,arg-type]
