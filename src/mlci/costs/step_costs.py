"""The estimated cost of steps: the seconds that AWS bills for a job, times its instances, times their price. Pure.

Counted are processing, training and transform jobs. The seconds are those of SageMaker itself, so time in a queue is
free, and a job on spot instances costs what they cost. Not counted are the build's own minutes, in which a step with
`runs-on: build` runs, Lambda functions, storage, requests, endpoints, and machines that are kept warm. A cost that
can't be known is no number, but a reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mlci.backends.progress import StepState
from mlci.costs.prices import Prices
from mlci.flow.models import Json
from mlci.plan.models import Plan, PlannedStep
from mlci.step_types import STEP_TYPES
from mlci.step_types.base import InstanceCost, UnknownCost
from mlci_dataclasses import dataclass

_HOUR_S = 3_600


@dataclass(frozen=True)
class StepCost:
    """The cost of a step in this run; None where it is not known, for a `reason`."""

    usd: float | None
    reason: str = ""


def step_costs(plan: Plan, steps: Mapping[str, StepState], prices: Prices, region: str) -> dict[str, StepCost]:
    """Returns what each step of a run cost. A step that did not run, or is reused, cost nothing."""
    return {name: _step_cost(plan, name, state, prices, region) for name, state in steps.items()}


def run_cost(costs: Mapping[str, StepCost], steps: Iterable[str]) -> StepCost:
    """Returns the cost of some steps together; it is known if each of theirs is.

    >>> run_cost({"a": StepCost(0.25), "b": StepCost(0.5)}, ["a", "b"]).usd
    0.75
    """
    total = 0.0
    for name in steps:
        cost = costs[name]
        if cost.usd is None:
            return cost
        total += cost.usd
    return StepCost(total)


def _step_cost(plan: Plan, name: str, state: StepState, prices: Prices, region: str) -> StepCost:
    step, cost = plan.steps[name], STEP_TYPES[plan.flow.steps[name].uses].cost
    if state.started is None or step.reused_from is not None or state.runs_on == "build":
        return StepCost(0.0)
    if cost is None:
        return StepCost(0.0)
    if plan.target.runs_jobs_here:
        return StepCost(None, "what a run costs is known only on AWS, and this one ran on this machine")
    if isinstance(cost, UnknownCost):
        return StepCost(None, f'the cost of "{name}" is not known: {cost.reason}')
    if region != prices.region:
        return StepCost(
            None, f"the table of {prices.date} has the prices of {prices.region} only, and the run was in {region}"
        )
    if state.billed_s is None:
        return StepCost(None, f'the cost of "{name}" is not known: its job told no seconds that are billed')
    hourly = 0.0
    for instance, count in _instances(step, cost):
        if instance not in prices.hourly_usd:
            return StepCost(None, f"no price for {instance} in the table of {prices.date}")
        hourly += prices.hourly_usd[instance] * count
    return StepCost(hourly * state.billed_s / _HOUR_S)


def _instances(step: PlannedStep, cost: InstanceCost) -> Iterator[tuple[str, int]]:
    """Yields the types of a job's instances and their numbers: one of each, or those of its groups."""
    config: Json = dict(step.request)
    for key in cost.config:
        config = config.get(key) if isinstance(config, dict) else None
    if not isinstance(config, dict):
        config = {}
    groups = config.get("InstanceGroups")
    for group in groups if isinstance(groups, list) and groups else [config]:
        fields = group if isinstance(group, dict) else {}
        count = fields.get("InstanceCount")
        yield str(fields.get("InstanceType") or "an instance"), count if isinstance(count, int) else 1
