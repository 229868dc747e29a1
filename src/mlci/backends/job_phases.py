"""The phases of a SageMaker job, as its description tells them when it has ended: when it waited, started and ran.

In the output of a task, times are milliseconds since 1970. A training job tells each of its phases, the other jobs when
they were created, started and ended.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_SecondaryStatusTransition.html;
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeProcessingJob.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Literal, TypeAlias

from mlci.flow.models import Json

PhaseName = Literal["starting", "downloading", "running", "uploading"]
#: A phase: its name, and when it began and ended.
JobPhase: TypeAlias = "tuple[PhaseName, datetime, datetime]"

#: The statuses of training jobs by the phase that they are of. Those that are not here are ends, which take no time.
_PHASE_OF: Mapping[str, PhaseName] = {
    "Starting": "starting",
    "Pending": "starting",
    "LaunchingMLInstances": "starting",
    "PreparingTrainingStack": "starting",
    "Downloading": "downloading",
    "DownloadingTrainingImage": "downloading",
    "Training": "running",
    "Restarting": "starting",
    "Interrupted": "starting",
    "Uploading": "uploading",
}
#: The names of the fields of other jobs begin with one of these.
_VERBS = ("Processing", "Transform")


def job_phases(description: str) -> tuple[JobPhase, ...]:
    """Return the phases of the job with this description, in order; none for what is no description of a job.

    >>> job_phases('{"CreationTime": 0, "ProcessingStartTime": 60000, "ProcessingEndTime": 65000}')[1][0]
    'running'
    """
    try:
        document = json.loads(description)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(document, dict):
        return ()
    transitions = document.get("SecondaryStatusTransitions")
    return tuple(_of_training(transitions) if isinstance(transitions, list) else _of_times(document))


def _of_training(transitions: list[Json]) -> Iterator[JobPhase]:
    """Yield the phases of a training job; statuses of one phase in a row are one."""
    last: JobPhase | None = None
    for each in transitions:
        if not isinstance(each, dict):
            continue
        name = _PHASE_OF.get(str(each.get("Status")))
        started, ended = _time(each.get("StartTime")), _time(each.get("EndTime"))
        if name is None or started is None or ended is None:
            continue
        if last and last[0] == name:
            last = (name, last[1], ended)
            continue
        if last:
            yield last
        last = (name, started, ended)
    if last:
        yield last


def _of_times(document: Mapping[str, Json]) -> Iterator[JobPhase]:
    created = _time(document.get("CreationTime"))
    for verb in _VERBS:
        started, ended = _time(document.get(f"{verb}StartTime")), _time(document.get(f"{verb}EndTime"))
        if created and started and ended:
            yield "starting", created, started
            yield "running", started, ended


def _time(value: Json) -> datetime | None:
    """Return a time that is given in milliseconds since 1970."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return datetime.fromtimestamp(value / 1000, timezone.utc)
    except (OverflowError, ValueError, OSError):
        return None
