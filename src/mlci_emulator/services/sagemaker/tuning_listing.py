"""ListTrainingJobsForHyperParameterTuningJob: the trials of a tuning job, filtered, in order and on pages. Pure.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListTrainingJobsForHyperParameterTuningJob.html
(the default order is by name, ascending)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlci_emulator.protocol.pagination import InvalidTokenError, decode_token, encode_token
from mlci_emulator.services.sagemaker.errors import invalid
from mlci_emulator.services.sagemaker.listing import DEFAULT_PAGE
from mlci_emulator.services.sagemaker.records import Record
from mlci_emulator.services.sagemaker.tuning_status import summary

_FIELDS = {"Name": "TrainingJobName", "CreationTime": "CreationTime", "Status": "TrainingJobStatus"}


def page(tuning: Record, trials: Sequence[Record], request: Mapping[str, Any]) -> dict[str, Any]:
    """Return one page of the trials.

    Raises: ApiError, for a token that is none.
    """
    found = [summary(tuning.body, trial) for trial in trials]
    status, field = request.get("StatusEquals"), request.get("SortBy") or "Name"
    found = [each for each in found if status in (None, each["TrainingJobStatus"])]
    if field == "FinalObjectiveMetricValue":  # it leaves out what has no value
        metric = "FinalHyperParameterTuningJobObjectiveMetric"
        found = sorted((each for each in found if metric in each), key=lambda each: float(each[metric]["Value"]))
    else:
        found = sorted(found, key=lambda each: (each[_FIELDS[field]], each["TrainingJobName"]))
    if request.get("SortOrder") == "Descending":
        found.reverse()
    start, size = _start(request.get("NextToken")), request.get("MaxResults") or DEFAULT_PAGE
    response: dict[str, Any] = {"TrainingJobSummaries": found[start : start + size]}
    if len(found) > start + size:
        response["NextToken"] = encode_token([start + size])
    return response


def _start(token: str | None) -> int:
    if not token:
        return 0
    try:
        (start,) = decode_token(token)
        return int(start)
    except (InvalidTokenError, TypeError, ValueError) as error:
        raise invalid("Invalid NextToken") from error
