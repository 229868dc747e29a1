"""The metrics of a run's steps, read from the store when the run has ended."""

from __future__ import annotations

from collections.abc import Mapping

from mlci.backends.progress import Progress
from mlci.backends.protocol import Cloud
from mlci.gate import METRICS_MAX_BYTES, Metrics, missing_file, parse_metrics
from mlci.plan import Plan

#: An output may hold any number of files; these many are looked at for the name of one that is missing.
_MAX_LISTED = 1_000


def read_metrics(planned: Plan, progress: Progress, cloud: Cloud) -> dict[str, Metrics]:
    """Returns the metrics of each step that has some and succeeded, or why there are none."""
    return {
        name: _metrics(planned, name, cloud)
        for name, step in planned.steps.items()
        if step.metrics and progress.steps[name].status in ("succeeded", "reused")
    }


def unread_metrics(metrics: Mapping[str, Metrics], told: set[str]) -> list[str]:
    """Returns a line for each step whose metrics can't be read; those of the steps in `told` are in the verdict."""
    return [
        f'the metrics of "{name}" are {found.problem}'
        for name, found in metrics.items()
        if found.problem and name not in told
    ]


def _metrics(planned: Plan, name: str, cloud: Cloud) -> Metrics:
    step, flow_step = planned.steps[name], planned.flow.steps[name]
    assert step.metrics is not None
    data = cloud.read(step.metrics, METRICS_MAX_BYTES + 1)
    if data is not None:
        return parse_metrics(data, flow_step.collects_metrics)
    if flow_step.collects_metrics:
        return Metrics(None, "missing: the job left none")
    path = flow_step.metrics[0].pattern
    output = path.partition("/")[0]
    uri = step.outputs[output]
    files = [f"{output}/{found.removeprefix(uri)}" for found in cloud.list(uri, _MAX_LISTED)]
    return Metrics(None, missing_file(path, files))
