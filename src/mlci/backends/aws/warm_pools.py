"""SageMaker: the warm pools of training jobs, as their descriptions and the list of jobs tell.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_WarmPoolStatus.html
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from mlci.backends.aws.sagemaker_jobs import Job, Jobs
from mlci.backends.protocol import WarmPoolUse

#: So many of the newest jobs whose machines others took are looked through: one page, in one call.
_PAGE = 100


def warm_pool_uses(jobs: Jobs, prefix: str, names: Collection[str]) -> dict[str, WarmPoolUse]:
    """Return the use of warm pools by each of these jobs. The names of all jobs of the flow begin with `prefix`.

    A job's description does not say whose machines it has: that of the other job does.
    """
    if not names:
        return {}
    listed = jobs.api.call(
        "list_training_jobs",
        NameContains=prefix,
        WarmPoolStatusEquals="Reused",
        SortBy="CreationTime",
        SortOrder="Descending",
        MaxResults=_PAGE,
    )
    summaries = listed["TrainingJobSummaries"]
    left_by = {_status(summary).get("ReusedByJob"): summary["TrainingJobName"] for summary in summaries}
    return {name: WarmPoolUse(left_by.get(name), _is_kept(jobs.describe(Job("training", name)))) for name in names}


def _is_kept(described: Mapping[str, Any] | None) -> bool | None:
    status = _status(described or {}).get("Status")
    return None if status is None else status in ("Available", "Reused")


def _status(described: Mapping[str, Any]) -> Mapping[str, Any]:
    status: Mapping[str, Any] = described.get("WarmPoolStatus") or {}
    return status
