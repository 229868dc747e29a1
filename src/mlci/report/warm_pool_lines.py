"""The warm pools of a plan in words and as JSON, for `mlci plan`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mlci.flow.durations import format_duration
from mlci.flow.models import Json
from mlci.plan.warm_pools import WarmPool
from mlci.step_types.warm_pools import quota_name


def warm_pool_lines(pools: Iterable[WarmPool]) -> Iterator[str]:
    """Yields the lines about each pool: who keeps it and who can start on it, what it costs, and the quota for it."""
    for pool in pools:
        machines = f"{pool.instance_count} × {pool.instance}"
        for step, seconds in pool.keep_alive_s.items():
            kept = format_duration(seconds)
            yield f"  {step} keeps {machines} for {kept} after its job: a matching job then starts at once"
        for step, keepers in pool.later.items():
            yield f"  {step} can start on the machines of {' or '.join(keepers)} in this run"
        matching = [*pool.keep_alive_s, *pool.others]
        yield f"  in a later run with the same role, {' or '.join(matching)} can, while the machines wait"
        longest = format_duration(max(pool.keep_alive_s.values()))
        yield f"  the time that they wait is billed: up to {longest} of {pool.most} × {pool.instance} after a run"
        yield f'  needs the quota "{quota_name(pool.instance)}" in Service Quotas, at least {pool.most}. AWS begins'
        yield "  with 0: then nothing is kept, and jobs start as ever"


def warm_pools_json(pools: Iterable[WarmPool]) -> list[Json]:
    """Returns the same for other programs."""
    return [
        {
            "instance": pool.instance,
            "instance_count": pool.instance_count,
            "most_instances": pool.most,
            "keep_alive_s": dict(pool.keep_alive_s),
            "others": list(pool.others),
            "in_this_run": {step: list(keepers) for step, keepers in pool.later.items()},
            "quota": quota_name(pool.instance),
        }
        for pool in pools
    ]
