"""The warm pools of a plan: the machines that training jobs leave for the next ones, and the steps that can have them.

Which earlier pool a job gets, only SageMaker knows: a plan tells what could match.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlci.flow.dependencies import dependencies
from mlci.flow.names import written_name
from mlci.plan.models import Plan
from mlci.step_types import STEP_TYPES
from mlci.step_types.warm_pools import keep_alive_s, pool_criteria
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class WarmPool:
    """The machines of one kind that steps leave for each other, and for the steps of later runs.

    `keep_alive_s` has the seconds of each step that leaves them. `others` leave none, and can start on them.
    `later` maps a step to those of this run that have left theirs when it starts. `most` is the number of machines that
    wait at once at most, where later steps take those of earlier ones. Steps are named as the flow writes them.
    """

    instance: str
    instance_count: int
    most: int
    keep_alive_s: Mapping[str, int]
    others: tuple[str, ...]
    later: Mapping[str, tuple[str, ...]]


def warm_pools(planned: Plan) -> tuple[WarmPool, ...]:
    """Return the pools that a run leaves, in the order of their first steps; none without a `keep_alive`."""
    alike: dict[str, list[str]] = {}
    for name, step in planned.steps.items():
        if STEP_TYPES[planned.flow.steps[name].uses].key("keep_alive"):
            alike.setdefault(repr(pool_criteria(step.request)), []).append(name)
    kept = [names for names in alike.values() if any(keep_alive_s(planned.steps[name].request) for name in names)]
    before = _ancestors(planned) if kept else {}
    return tuple(_pool(planned, names, before) for names in kept)


def _pool(planned: Plan, names: list[str], before: Mapping[str, frozenset[str]]) -> WarmPool:
    seconds = {name: keep_alive_s(planned.steps[name].request) for name in names}
    keepers = [name for name in names if seconds[name]]
    cluster = planned.steps[keepers[0]].request.get("ResourceConfig")
    cluster = cluster if isinstance(cluster, dict) else {}
    count = cluster.get("InstanceCount")
    count = count if isinstance(count, int) else 1
    later: dict[str, dict[str, None]] = {}
    for name in names:
        for keeper in keepers:
            if keeper in before[name]:
                later.setdefault(written_name(name), {})[written_name(keeper)] = None
    written = {written_name(name): seconds[name] for name in keepers}
    return WarmPool(
        instance=str(cluster.get("InstanceType", "")),
        instance_count=count,
        most=count * _most_waiting(names, keepers, before),
        keep_alive_s=written,
        others=tuple(dict.fromkeys(written_name(name) for name in names if written_name(name) not in written)),
        later={name: tuple(keepers) for name, keepers in later.items()},
    )


def _most_waiting(names: list[str], keepers: list[str], before: Mapping[str, frozenset[str]]) -> int:
    """Return how many jobs' machines wait at once at most, where each job takes those of one that has ended, if it can.

    Jobs that wait for equally many others in a row count as running at the same time.
    """
    depths: dict[str, int] = {}
    for name in sorted(before, key=lambda name: len(before[name])):
        depths[name] = 1 + max((depths[each] for each in before[name]), default=0)
    waiting: set[str] = set()
    most = 0
    for depth in sorted({depths[name] for name in names}):
        started = [name for name in names if depths[name] == depth]
        for name in started:
            if taken := sorted(waiting & before[name]):
                waiting.remove(taken[0])
        waiting.update(name for name in started if name in keepers)
        most = max(most, len(waiting))
    return most


def _ancestors(planned: Plan) -> dict[str, frozenset[str]]:
    """Return all steps that have ended when a step starts."""
    direct = dependencies(planned.flow)
    found: dict[str, frozenset[str]] = {}
    waiting = list(direct)
    while waiting:
        name = waiting[-1]
        missing = [each for each in direct[name] if each not in found]
        if missing:
            waiting += missing
            continue
        waiting.pop()
        found[name] = direct[name].union(*(found[each] for each in direct[name]))
    return found
