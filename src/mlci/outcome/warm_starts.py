"""The steps of a run that started on machines which an earlier job had left, and those whose machines were not kept."""

from __future__ import annotations

from collections.abc import Callable

from mlci.backends.progress import Progress
from mlci.backends.protocol import Cloud
from mlci.errors import CloudError
from mlci.flow.names import written_name
from mlci.plan import Plan
from mlci.plan.warm_pools import WarmPool, warm_pools
from mlci.step_types.warm_pools import keep_alive_s, quota_name


def warm_starts(planned: Plan, progress: Progress, cloud: Cloud, log: Callable[[str], None]) -> dict[str, str]:
    """Returns the job whose machines each step started on. Says in the log which machines were not kept, and the cure.

    A run without warm pools asks nothing. It is no failure of the run if the cloud does not tell.
    """
    pools = warm_pools(planned)
    steps = {written: pool for pool in pools for written in (*pool.keep_alive_s, *pool.others)}
    jobs = {
        step.job: name
        for name, step in progress.steps.items()
        if written_name(name) in steps and step.job and step.status in ("succeeded", "failed")
    }
    if not jobs:
        return {}
    try:
        uses = cloud.warm_pools(planned.flow.name, jobs.keys())
    except CloudError as error:
        log(f"the warm pools of this run are not known: {error}")
        return {}
    unkept = [name for job, name in jobs.items() if job in uses and uses[job].is_kept is False]
    for line in _unkept_lines(planned, unkept, steps):
        log(line)
    return {name: left_by for job, name in jobs.items() if job in uses and (left_by := uses[job].left_by)}


def _unkept_lines(planned: Plan, unkept: list[str], steps: dict[str, WarmPool]) -> list[str]:
    """Returns a line for each type of machines that were to be kept, and were not."""
    instances: dict[str, list[str]] = {}
    for name in unkept:
        if keep_alive_s(planned.steps[name].request):
            instances.setdefault(steps[written_name(name)].instance, []).append(name)
    return [
        f"{', '.join(names)}: the machines were not kept for the next job. Raise the quota "
        f'"{quota_name(instance)}" in Service Quotas, Amazon SageMaker: it is 0 at first'
        for instance, names in instances.items()
    ]
