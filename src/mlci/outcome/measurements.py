"""The measurements of a run that rules of its gate are on: the time and the model's size of steps, and the cost."""

from __future__ import annotations

from datetime import datetime

from mlci.backends.progress import Progress
from mlci.backends.protocol import Cloud
from mlci.costs import load_prices, run_cost, step_costs
from mlci.flow.models import COST, MODEL_OUTPUT, SECONDS, Rule
from mlci.gate import Measurement, Measurements
from mlci.plan import Plan


def measure(planned: Plan, progress: Progress, cloud: Cloud, now: datetime) -> Measurements:
    """Returns what the gate's rules on the run are judged by.

    Raises: CloudError, if the size of a model can't be read.
    """
    rules = (bound.rule for bound in planned.gate if bound.rule.is_budget)
    parts = (part for rule in rules for part in _parts(rule))
    return {part.path: _measurement(part, planned, progress, cloud, now) for part in parts}


def _parts(rule: Rule) -> tuple[Rule, ...]:
    """Returns a rule on one number of all cells as rules on each."""
    return tuple(rule.of_step(cell) for cell in rule.cells) if rule.aggregate else (rule,)


def _measurement(rule: Rule, planned: Plan, progress: Progress, cloud: Cloud, now: datetime) -> Measurement:
    if rule.path == (COST,):
        return _cost(rule, planned, progress)
    if rule.judged_step not in planned.steps:
        return Measurement(None, f'the run has no step "{rule.judged_step}"')
    step, state = planned.steps[rule.judged_step], progress.steps[rule.judged_step]
    if state.started is None and step.reused_from is None:
        return Measurement(0.0, "it did not run")
    if rule.path[-1] == SECONDS:
        if step.reused_from is None:
            return Measurement(round(state.seconds(now), 3))
        if step.reused_seconds is None:
            return Measurement(None, f"run {step.reused_from}, whose result is reused, kept no time of it")
        return Measurement(step.reused_seconds, f"in run {step.reused_from}, whose result is reused")
    if state.status not in ("succeeded", "reused"):
        return Measurement(None, f'step "{step.name}" has left no model')
    return Measurement(sum(size for size, _ in cloud.versions(step.outputs[MODEL_OUTPUT]).values()))


def _cost(rule: Rule, planned: Plan, progress: Progress) -> Measurement:
    prices = load_prices()
    steps = {name: progress.steps[name] for name in rule.cells if name in planned.steps}
    cost = run_cost(step_costs(planned, steps, prices, planned.target.region), steps)
    if cost.usd is None:
        return Measurement(None, cost.reason)
    return Measurement(cost.usd, f"estimated by the on-demand prices of {prices.region} of {prices.date}")
